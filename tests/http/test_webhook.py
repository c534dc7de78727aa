"""Meta's door: size, then signature, then durable, then 200; and nothing of what was sent comes back."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from litestar import Litestar
from sqlalchemy.exc import IntegrityError, OperationalError

from app.db.engine import Database, UnitOfWork
from app.db.tables import ReceiptRow
from app.domain.errors import UnavailableError
from app.http.webhook import MAX_BYTES, webhook_routes
from tests.schema.service import APP_SECRET, body_of, client, serving, signed, status

pytestmark = pytest.mark.anyio

URL = "/webhooks/whatsapp"
PAYLOADS = sorted((Path(__file__).parents[1] / "payloads").glob("*.json"))


class Kept:
    """Takes bodies in, or fails as told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.bodies: list[bytes] = []
        self.error = error

    async def __call__(self, bodies: Sequence[bytes]) -> None:
        if self.error:
            raise self.error
        self.bodies += bodies


@asynccontextmanager
async def door(kept: Kept, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    chosen: dict[str, Any] = {"app_secrets": [APP_SECRET], "verify_token": "verify me"} | changes
    app = Litestar(webhook_routes(lambda: kept, **chosen), openapi_config=None, logging_config=None)
    async with client(app) as http:
        yield http


async def test_a_signed_body_is_kept_as_it_came() -> None:
    body = b' {"object" :\n"whatsapp_business_account"} '
    kept = Kept()
    async with door(kept) as http:
        response = await http.post(URL, content=body, headers=signed(body))
    assert (response.status_code, response.text) == (200, "ok")
    assert kept.bodies == [body]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"\xff\x00", b"[" * 10_000, b"null"])
async def test_signed_nonsense_is_kept_too(db: Database, body: bytes) -> None:
    async with serving(db, dispatch=False) as service:
        assert (await service.http.post(URL, content=body, headers=signed(body))).status_code == 200
    assert await receipts(db) == [body]


async def test_every_payload_of_meta(db: Database) -> None:
    bodies = [path.read_bytes() for path in PAYLOADS]
    assert len(bodies) > 10
    async with serving(db, dispatch=False) as service:
        for body in bodies:
            assert (await service.http.post(URL, content=body, headers=signed(body))).status_code == 200
    assert await receipts(db) == bodies


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256="},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature": "sha1=" + "0" * 40},
        signed(b"another body"),
        signed(b"{}", "another secret"),
        signed(b"{}", ""),
        {"X-Hub-Signature-256": signed(b"{}")["X-Hub-Signature-256"].removeprefix("sha256=")},
        {"X-Hub-Signature-256": signed(b"{}")["X-Hub-Signature-256"].upper()},
    ],
)
async def test_what_is_not_signed_is_refused(headers: dict[str, str]) -> None:
    kept = Kept()
    async with door(kept) as http:
        response = await http.post(URL, content=b"{}", headers=headers)
    assert (response.status_code, response.text) == (401, "not signed")
    assert kept.bodies == []


async def test_both_secrets_hold_while_one_is_changed() -> None:
    kept = Kept()
    async with door(kept, app_secrets=["new", "old"]) as http:
        for secret in ("old", "new"):
            assert (await http.post(URL, content=b"{}", headers=signed(b"{}", secret))).status_code == 200
    assert len(kept.bodies) == 2


async def test_size() -> None:
    kept = Kept()
    async with door(kept) as http:
        largest = b"x" * MAX_BYTES
        assert (await http.post(URL, content=largest, headers=signed(largest))).status_code == 200
        response = await http.post(URL, content=largest + b"x", headers=signed(largest + b"x"))
        assert (response.status_code, response.text) == (413, "too large")

        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            while sent < 10 * MAX_BYTES:
                sent += 2**16
                yield b"x" * 2**16

        # Without a length in front, what comes in is counted.
        assert (await http.post(URL, content=endless())).status_code == 413
    assert len(kept.bodies) == 1


async def test_a_body_that_does_not_come() -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(30)

    async with door(Kept(), read_seconds=0.05) as http:
        response = await asyncio.wait_for(http.post(URL, content=slow()), 5)
    assert (response.status_code, response.text) == (408, "too slow")


@pytest.mark.parametrize(
    "error",
    [
        OSError("refused"),
        TimeoutError(),
        OperationalError("INSERT", {}, Exception("database is locked")),
        UnavailableError("The queue is full."),
    ],
)
async def test_what_cannot_be_kept_is_asked_for_again(error: Exception) -> None:
    async with door(Kept(error)) as http:
        response = await http.post(URL, content=b"{}", headers=signed(b"{}"))
    assert (response.status_code, response.text) == (503, "busy")
    assert int(response.headers["Retry-After"]) > 0


async def test_a_fault_of_ours_is_no_200() -> None:
    async with door(Kept(IntegrityError("INSERT", {}, Exception("secret")))) as http:
        response = await http.post(URL, content=b"{}", headers=signed(b"{}"))
    assert response.status_code == 500
    assert "secret" not in response.text


async def test_without_an_app_secret_nothing_is_taken() -> None:
    kept = Kept()
    async with door(kept, app_secrets=[]) as http:
        for headers in (signed(b"{}"), signed(b"{}", ""), {}):
            response = await http.post(URL, content=b"{}", headers=headers)
            assert (response.status_code, response.text) == (503, "not set up")
    assert kept.bodies == []


async def test_verification() -> None:
    good = {"hub.mode": "subscribe", "hub.verify_token": "verify me", "hub.challenge": "1158201444"}
    async with door(Kept()) as http:
        response = await http.get(URL, params=good)
        assert (response.status_code, response.text) == (200, "1158201444")
        assert response.headers["Content-Type"].startswith("text/plain")
        for changes in ({"hub.verify_token": "x"}, {"hub.verify_token": ""}, {"hub.mode": "x"}, {"hub.challenge": ""}):
            response = await http.get(URL, params=good | changes)
            assert (response.status_code, response.text) == (403, "forbidden")
        script = await http.get(URL, params=good | {"hub.challenge": "<script>alert(1)</script>"})
        assert "script" not in script.text or script.headers["Content-Type"].startswith("text/plain")
    async with door(Kept(), verify_token=None) as http:
        for token in ("", "None"):
            assert (await http.get(URL, params=good | {"hub.verify_token": token})).status_code == 403


async def test_durable_before_200(db: Database) -> None:
    """The answer comes after the commit: another connection sees the receipt by then."""
    body = body_of(status("wamid.x", "sent", 1_900_000_000))
    async with serving(db, dispatch=False) as service:
        for count in range(1, 4):
            assert (await service.http.post(URL, content=body, headers=signed(body))).status_code == 200
            other = Database(db.url.render_as_string(hide_password=False))
            assert len(await receipts(other)) == count
            await other.close()


async def receipts(db: Database) -> list[bytes | None]:
    async def unit(uow: UnitOfWork) -> list[bytes | None]:
        return list(await uow.session.scalars(sa.select(ReceiptRow.body).order_by(ReceiptRow.id)))

    return await db.read(unit)
