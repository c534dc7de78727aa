"""Headers for browsers: on every answer, and a policy that lets the one page do what it does and nothing else."""

import base64
import hashlib
import re

import pytest

from app.db.engine import Database
from app.http.security import HEADERS, NOTHING, TRANSPORT, policy_of
from tests.schema.service import serving

pytestmark = pytest.mark.anyio

PAGE = {"Accept": "text/html"}


def directives(policy: str) -> dict[str, list[str]]:
    return {name: sources for name, *sources in (part.split() for part in policy.split("; "))}


async def test_every_answer_has_them(db: Database) -> None:
    async with serving(db, dispatch=False, allowed_origins=("https://console.example",)) as service:
        http, signed_in = service.http, service.headers()
        ask = {"Origin": "https://console.example", "Access-Control-Request-Method": "POST"}
        answers = {
            "data": (200, await http.post("/graphql", json={"query": "{ me { subject } }"}, headers=signed_in)),
            "no request": (400, await http.post("/graphql", content=b"{", headers=signed_in)),
            "no page": (404, await http.get("/graphql", headers=PAGE)),
            "no such path": (404, await http.get("/nothing")),
            "no such method": (405, await http.delete("/health/live")),
            "too large": (413, await http.post("/webhooks/whatsapp", content=b"x" * (3 * 1024 * 1024 + 1))),
            "not signed": (401, await http.post("/webhooks/whatsapp", content=b"{}")),
            "challenge": (403, await http.get("/webhooks/whatsapp")),
            "alive": (200, await http.get("/health/live")),
            "preflight": (204, await http.options("/graphql", headers=ask)),
        }
        for name, (status, answer) in answers.items():
            assert answer.status_code == status, name
            for header, value in HEADERS.items():
                assert answer.headers.get_list(header) == [value], (name, header)
            assert answer.headers["Content-Security-Policy"] == NOTHING, name


async def test_what_fails_in_us_has_them(db: Database) -> None:
    async with serving(db, dispatch=False) as service:
        service.app.state["running"].services = None  # every request now ends in an exception
        answer = await service.http.get("/health/ready")
        assert answer.status_code == 500
        assert answer.headers["Content-Security-Policy"] == NOTHING


async def test_https_only_is_said_over_https_only(db: Database) -> None:
    async with serving(db, dispatch=False) as service:
        assert "Strict-Transport-Security" not in (await service.http.get("/health/live")).headers
        answer = await service.http.get("https://service/health/live")
        assert answer.headers["Strict-Transport-Security"] == TRANSPORT


async def test_the_policy_of_the_page_fits_the_page(db: Database) -> None:
    """What a browser would do: look up each script and style of the page as it is served in the policy that it came with."""
    async with serving(db, dispatch=False, graphiql=True) as service:
        answer = await service.http.get("/graphql", headers=PAGE)
        data = await service.http.get("/health/live")
    assert data.headers["Content-Security-Policy"] == NOTHING, "only the page has more"
    html, policy = answer.text, directives(answer.headers["Content-Security-Policy"])

    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL)
    sheets = re.findall(r"<link([^>]*)/>", html, re.DOTALL)
    external = [re.findall(r'src="([^"]+)"', attributes) for attributes, _ in scripts]
    wanted_scripts = [source for found in external for source in found]
    wanted_scripts += [digest(text) for attributes, text in scripts if "src=" not in attributes]
    wanted_styles = [re.findall(r'href="([^"]+)"', each)[0] for each in sheets if 'rel="stylesheet"' in each]
    wanted_styles += [digest(text) for text in re.findall(r"<style>(.*?)</style>", html, re.DOTALL)]
    assert (len(wanted_scripts), len(wanted_styles)) == (6, 3)
    assert set(policy["script-src"]) == set(wanted_scripts)
    assert set(policy["style-src"]) == set(wanted_styles)
    assert html.count("integrity=") == 7, "what comes from elsewhere is checked by its digest"

    assert policy["connect-src"] == ["'self'"], "to /graphql and its websocket"
    assert (policy["font-src"], policy["img-src"]) == (["data:"], ["data:"])
    for name in ("default-src", "base-uri", "form-action", "frame-ancestors"):
        assert policy[name] == ["'none'"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<[^>]+\son\w+=", html), "no handler in an attribute: the policy forbids it"


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_a_policy() -> None:
    page = """<style>a {}</style><link rel="icon" href="x.svg"><link rel="stylesheet" href="https://a.example/b.css">
        <script src="https://a.example/b.js"></script><script>if (a < b && c) {}</script><script>2</script>"""
    policy = directives(policy_of(page))
    assert policy["script-src"] == ["https://a.example/b.js", digest("if (a < b && c) {}"), digest("2")]
    assert policy["style-src"] == [digest("a {}"), "https://a.example/b.css"]
    # Nothing at all is what no source means (CSP Level 3, "Does url match source list").
    assert directives(policy_of("<p>nothing</p>"))["script-src"] == []
