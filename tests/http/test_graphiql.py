"""GraphiQL's page as it is served: its files, its policy, its tokens. What it does in a browser: ``tests/browser``."""

import re
from pathlib import Path
from typing import Any

import pytest
from graphql import OperationDefinitionNode, build_schema, parse, validate

from app.config import Secret
from app.db.engine import Database
from app.graphiql_files import PageFile, page_files
from app.http.graphiql import graphiql_page
from app.http.pages import STATIC
from app.http.security import NOTHING
from app.schema import schema_sdl
from app.schema.cost import cost_problem
from app.schema.limits import document_problem
from tests.schema.service import serving

pytestmark = pytest.mark.anyio

PAGE = {"Accept": "text/html"}
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
OPERATIONS = sorted((STATIC / "explore").rglob("*.graphql"))
SCHEMA = build_schema(schema_sdl())
ELSEWHERE = Path("no such folder")


def sources(policy: str) -> dict[str, list[str]]:
    return {name: given for name, *given in (part.split() for part in policy.split("; "))}


def loaded(html: str) -> tuple[list[str], list[str]]:
    """Scripts and style sheets of a page."""
    return re.findall(r'<script src="([^"]+)"', html), re.findall(r'<link rel="stylesheet" href="([^"]+)"', html)


def test_a_page_without_files_loads_them_from_elsewhere_and_from_nowhere_else() -> None:
    page = graphiql_page((), ELSEWHERE)
    policy, urls = sources(page.policy), {each.url for each in page_files()}
    scripts, styles = loaded(page.html)
    assert {each for each in (*scripts, *styles) if each.startswith("https:")} == urls
    assert {each for each in policy["script-src"] if each != "'self'"} == urls & set(scripts)
    assert {each for each in policy["style-src"] if each[0] != "'"} == urls & set(styles)
    assert page.html.count("integrity=") == len(urls) == 7, "what comes from elsewhere is checked by its digest"


async def test_the_page_and_all_that_it_loads_are_served(db: Database) -> None:
    async with serving(db, dispatch=False, graphiql=True) as service:
        page = await service.http.get("/graphql", headers=PAGE)
        own = [each for found in loaded(page.text) for each in found if each.startswith("/")]
        answers = {each: await service.http.get(each) for each in own}
        answers["operations"] = await service.http.get("/graphql/static/explore/operations/Run.graphql")
    kinds = {".js": "text/javascript", ".css": "text/css", "": "text/plain"}
    for name, answer in answers.items():
        assert answer.status_code == 200, name
        assert answer.headers["Content-Type"] == f"{kinds[Path(name).suffix]}; charset=utf-8"
        versioned = "/static/graphiql/" in name
        assert ("immutable" in answer.headers["Cache-Control"]) is versioned, "or else nobody sees what is new"
        assert answer.headers["Content-Security-Policy"] == NOTHING, "only the page has more"
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith(NOTHING)
    assert "unsafe" not in policy
    assert sources(policy)["connect-src"] == ["'self'"], "to /graphql and its websocket"
    assert not re.search(r"<script(?![^>]* src=)|<style|<[^>]+\s(on\w+|style)=", page.text), "nothing inline"


async def test_no_other_file_is_served(db: Database) -> None:
    names = ("explore/page.html", "explore/", "../config.py", "%2e%2e/config.py", "/etc/passwd", "graphiql/x.js", "x")
    async with serving(db, dispatch=False, graphiql=True) as service:
        for name in names:
            assert (await service.http.get(f"/graphql/static/{name}")).status_code == 404, name
    async with serving(db, dispatch=False) as service:
        assert (await service.http.get("/graphql/static/explore/page.js")).status_code == 404, "off with the page"


async def test_a_page_carries_tokens_in_a_demo_only(db: Database) -> None:
    async with serving(db, dispatch=False, graphiql=True) as service:
        assert 'name="tokens" content=""' in (await service.http.get("/graphql", headers=PAGE)).text
    demo: dict[str, Any] = {"graphiql_tokens": Secret(f"{TOKEN},{TOKEN}"), "meta_graph_url": "http://127.0.0.1:9000"}
    async with serving(db, dispatch=False, graphiql=True, **demo) as service:
        assert f'content="{TOKEN} {TOKEN}"' in (await service.http.get("/graphql", headers=PAGE)).text


@pytest.mark.parametrize("path", OPERATIONS, ids=lambda path: path.stem)
def test_operations_fit_the_schema_and_its_limits(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    document = parse(text)
    assert validate(SCHEMA, document) == []
    assert document_problem(text) is None
    named = [
        each.name.value for each in document.definitions if isinstance(each, OperationDefinitionNode) and each.name
    ]
    assert [cost_problem(SCHEMA, document, name, {}) for name in named] == [None] * len(named)
    assert text.startswith("# "), "in plain words first"
    if path.parent.name == "operations":
        assert named == [path.stem]


def test_every_tab_is_an_operation() -> None:
    found = re.search(r"const TABS = \[(.*?)\]", (STATIC / "explore" / "page.js").read_text(encoding="utf-8"))
    assert found
    assert sorted(re.findall(r'"(\w+)"', found[1])) == [
        each.stem for each in OPERATIONS if each.parent.name == "operations"
    ]


def test_a_file_that_was_changed_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in page_files():
        (tmp_path / each.name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each.name).write_bytes(b"as it must be")
    monkeypatch.setattr(PageFile, "fits", lambda _, content: content == b"as it must be")
    assert "https:" not in graphiql_page((), tmp_path).html
    (tmp_path / page_files()[-1].name).write_bytes(b"changed")
    assert graphiql_page((), tmp_path) == graphiql_page((), ELSEWHERE)
