"""The console's page as it is served, and that its words cover the service's. What it does in a browser: ``tests/browser``."""

import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
    Visitor,
    build_schema,
    parse,
    validate,
    visit,
)

from app.config import Secret
from app.db.engine import Database
from app.domain.enums import MessageState, ParameterSource, Role, SendRunStatus, Side
from app.domain.errors import ErrorCode
from app.http.pages import PATH, STATIC
from app.http.security import NOTHING
from app.schema import schema_sdl
from app.schema.cost import cost_problem
from tests.schema.service import serving

pytestmark = pytest.mark.anyio

CONSOLE = STATIC / "console"
OPERATIONS = (CONSOLE / "operations.graphql").read_text(encoding="utf-8")
SCRIPTS = {
    path.name: path.read_text(encoding="utf-8")
    for folder in (CONSOLE, STATIC / "shared")
    for path in sorted(folder.glob("*.js"))
}
MEDIA = {ParameterSource.MEDIA_URL, ParameterSource.MEDIA_ID, ParameterSource.TEXT}
"""Not among the fields that fill a gap by its name: each has an input of its own, or none."""


async def test_the_page_and_its_files_are_served_where_it_is_on(db: Database) -> None:
    async with serving(db, dispatch=False, console=True) as service:
        page = await service.http.get("/console")
        loaded = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
        imported = {f"{PATH}/{folder}/{path.name}" for folder in ("console", "shared") for path in scripts(folder)}
        for each in (*loaded, *imported, f"{PATH}/console/operations.graphql"):
            assert (await service.http.get(each)).status_code == 200, each
        for each in ("/graphql", f"{PATH}/explore/page.js"):
            assert (await service.http.get(each, headers={"Accept": "text/html"})).status_code != 200, each
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith(NOTHING)
    assert "script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]* src=)|<style|<[^>]+\s(on\w+|style)=", page.text), "nothing inline"
    assert not [name for name, text in SCRIPTS.items() if re.search(r"innerHTML|insertAdjacent|\beval\b", text)]


def scripts(folder: str) -> Iterable[Path]:
    return (STATIC / folder).glob("*.js")


async def test_it_is_off_unless_asked_for(db: Database) -> None:
    async with serving(db, dispatch=False, graphiql=True) as service:
        assert (await service.http.get("/console")).status_code == 404
        assert (await service.http.get(f"{PATH}/console/page.js")).status_code == 404


async def test_it_carries_tokens_in_a_demo_only(db: Database) -> None:
    async with serving(db, dispatch=False, console=True) as service:
        assert 'name="tokens" content=""' in (await service.http.get("/console")).text
    demo: dict[str, Any] = {"graphiql_tokens": Secret("a.b.c,d.e.f"), "meta_graph_url": "http://127.0.0.1:9000"}
    async with serving(db, dispatch=False, console=True, **demo) as service:
        assert 'name="tokens" content="a.b.c d.e.f"' in (await service.http.get("/console")).text


def test_each_operation_fits_the_schema_and_is_asked() -> None:
    schema, document = build_schema(schema_sdl()), parse(OPERATIONS)
    assert validate(schema, document) == []
    named = [
        each.name.value for each in document.definitions if isinstance(each, OperationDefinitionNode) and each.name
    ]
    assert [cost_problem(schema, document, name, {}) for name in named] == [None] * len(named)
    text = "".join(SCRIPTS.values())
    assert {name for name in named if not re.search(rf'(ask|watch|act)\("{name}"', text)} == set()
    fragments = [each.name.value for each in document.definitions if isinstance(each, FragmentDefinitionNode)]
    assert [name for name in fragments if f"...{name}" not in OPERATIONS] == []


def test_it_asks_for_nothing_and_styles_nothing_that_it_does_not_show() -> None:
    visit(parse(OPERATIONS), asked := Fields())
    styled = re.findall(r"\.([a-z]+)[ ,:]", (CONSOLE / "page.css").read_text(encoding="utf-8"))
    used = set(re.findall(r"\w+", "".join(SCRIPTS.values())))
    assert {*asked.names, *styled} - used == {"revokeDoNotMessage"}, "whose answer says nothing new"


class Fields(Visitor):
    """Their names, wherever they are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_field(self, node: FieldNode, *_: object) -> None:
        self.names.add(node.name.value)


@pytest.mark.parametrize(
    ("script", "name", "words"),
    [
        ("words.js", "STATES", MessageState),
        ("words.js", "STATUSES", SendRunStatus),
        ("words.js", "ROLES", Role),
        ("words.js", "SIDES", Side),
        ("words.js", "ADVICE", [*ErrorCode, "NO_ANSWER"]),
        ("gaps.js", "SOURCES", [each for each in ParameterSource if each not in MEDIA]),
    ],
)
def test_it_has_words_for_all(script: str, name: str, words: Iterable[StrEnum]) -> None:
    found = re.search(rf"{name} = \{{(.*?)\}};", SCRIPTS[script], re.DOTALL)
    assert found
    assert re.findall(r"\b([A-Z_]+): \"", found[1]) == [str(each) for each in words]
