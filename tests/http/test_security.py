"""Headers for browsers, on every answer. What the one page may do besides is in ``test_graphiql``."""

import pytest

from app.db.engine import Database
from app.http.security import HEADERS, NOTHING, TRANSPORT
from tests.schema.service import serving

pytestmark = [pytest.mark.anyio, pytest.mark.either_database]

PAGE = {"Accept": "text/html"}


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
        assert HEADERS["Content-Security-Policy"] == NOTHING


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
