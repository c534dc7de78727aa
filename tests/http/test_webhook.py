"""Meta's door: size, then signature, then durable, then 200; and nothing of what was sent comes back."""

import asyncio
import hmac
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from litestar import Litestar
from sqlalchemy.exc import IntegrityError, OperationalError

from app.cli.server import config_of, listen
from app.db.engine import Database, UnitOfWork
from app.db.tables import ReceiptRow
from app.domain.errors import UnavailableError
from app.http.webhook import MAX_BYTES, Answer, webhook_route
from tests.schema.service import APP_SECRET, body_of, client, serving, signed, status
from tests.whatsapp.signatures import SECRET, SIGNATURES

pytestmark = pytest.mark.anyio

URL = "/webhooks/whatsapp"
PAYLOADS = sorted((Path(__file__).parents[1] / "payloads").glob("*.json"))


class Kept:
    """Takes bodies in, or fails as told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.bodies: list[bytes] = []
        self.error = error

    async def __call__(self, body: bytes) -> None:
        if self.error:
            raise self.error
        self.bodies.append(body)


class Answers(Counter[Answer]):
    """How often each was given."""

    @contextmanager
    def measured(self) -> Iterator[Callable[[str], None]]:
        yield lambda name: self.update([Answer[name.upper()]])


def app_of(kept: Kept, answers: Answers | None = None, **changes: Any) -> Litestar:
    chosen: dict[str, Any] = {"app_secrets": [APP_SECRET], "verify_token": "verify me"} | changes
    measured = (Answers() if answers is None else answers).measured  # an empty counter is false
    route = webhook_route(lambda: kept, measured=measured, **chosen)
    return Litestar([route], openapi_config=None, logging_config=None)


@asynccontextmanager
async def door(kept: Kept, answers: Answers | None = None, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with client(app_of(kept, answers, **changes)) as http:
        yield http


@asynccontextmanager
async def real_door(kept: Kept, answers: Answers, **changes: Any) -> AsyncIterator[int]:
    """The same behind the server that serves it, on a port of the loopback: what a client that misbehaves sees."""
    with listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(config_of(app_of(kept, answers, **changes)))
        # As ``serve`` without its signal handlers, which belong to the test run.
        task = asyncio.create_task(server._serve([listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await asyncio.wait_for(task, 10)


class Work:
    """Counts what reaches the database: connections taken and statements."""

    def __init__(self, db: Database) -> None:
        self.count = 0
        for engine in {db.writer.sync_engine, db.reader.sync_engine}:
            sa.event.listen(engine, "before_cursor_execute", self._add)
            sa.event.listen(engine.pool, "checkout", self._add)

    def _add(self, *_: Any) -> None:
        self.count += 1


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


async def test_what_comes_together_shares_a_commit_and_all_of_it_is_kept(db: Database) -> None:
    bodies = [b'{"n": %d}' % number for number in range(20)]
    commits = 0

    def count(*_: Any) -> None:
        nonlocal commits
        commits += 1

    async with serving(db, dispatch=False) as service:
        sa.event.listen(db.writer.sync_engine, "commit", count)
        try:
            posts = (service.http.post(URL, content=body, headers=signed(body)) for body in bodies)
            answers = await asyncio.gather(*posts)
        finally:
            sa.event.remove(db.writer.sync_engine, "commit", count)
    assert {answer.status_code for answer in answers} == {200}
    kept = await receipts(db)
    assert (len(kept), set(kept)) == (len(bodies), set(bodies))
    assert commits < len(bodies)


async def test_every_payload_of_meta(db: Database) -> None:
    bodies = [path.read_bytes() for path in PAYLOADS]
    assert len(bodies) > 10
    async with serving(db, dispatch=False) as service:
        for body in bodies:
            assert (await service.http.post(URL, content=body, headers=signed(body))).status_code == 200
    assert await receipts(db) == bodies


async def test_reference_signatures() -> None:
    """Each fits its own body and none of the others."""
    kept, answers = Kept(), Answers()
    async with door(kept, answers, app_secrets=[SECRET]) as http:
        for body, _ in SIGNATURES:
            for other, signature in SIGNATURES:
                response = await http.post(URL, content=body, headers={"X-Hub-Signature-256": f"sha256={signature}"})
                assert response.status_code == (200 if body is other else 401)
    assert kept.bodies == [body for body, _ in SIGNATURES]
    assert answers == {Answer.KEPT: 4, Answer.NOT_SIGNED: 12}


RIGHT = signed(b"{}")["X-Hub-Signature-256"]
WRONG = "sha256=" + "0" * 64
FORGED: list[list[tuple[str, str]]] = [
    [],
    [("X-Hub-Signature-256", "")],
    [("X-Hub-Signature-256", "sha256=")],
    [("X-Hub-Signature-256", WRONG)],
    [("X-Hub-Signature-256", RIGHT[:-1])],
    [("X-Hub-Signature-256", RIGHT + "0")],
    [("X-Hub-Signature-256", RIGHT.removeprefix("sha256="))],
    [("X-Hub-Signature-256", RIGHT.upper())],
    [("X-Hub-Signature-256", "sha256=" + RIGHT.removeprefix("sha256=").upper())],
    [("X-Hub-Signature-256", f"{RIGHT}, {RIGHT}")],
    # Two of them, even if both are right: another reader of the request may look at the other one.
    [("X-Hub-Signature-256", RIGHT), ("X-Hub-Signature-256", WRONG)],
    [("X-Hub-Signature-256", WRONG), ("X-Hub-Signature-256", RIGHT)],
    [("X-Hub-Signature-256", RIGHT), ("x-hub-signature-256", RIGHT)],
    [("X-Hub-Signature", "sha1=" + "0" * 40)],
    [("X-Hub-Signature", RIGHT)],
    list(signed(b"another body").items()),
    list(signed(b"{}", "another secret").items()),
    list(signed(b"{}", "").items()),
]


@pytest.mark.parametrize("headers", FORGED)
async def test_what_is_not_signed_is_refused(headers: list[tuple[str, str]]) -> None:
    kept, answers = Kept(), Answers()
    async with door(kept, answers) as http:
        response = await http.post(URL, content=b"{}", headers=headers)
    assert (response.status_code, response.text) == (401, "not signed")
    assert kept.bodies == []
    assert answers == {Answer.NOT_SIGNED: 1}


async def test_a_forged_body_costs_nothing_of_the_database(db: Database) -> None:
    body = PAYLOADS[0].read_bytes()
    async with serving(db, dispatch=False) as service:
        work = Work(db)
        for headers in FORGED:
            assert (await service.http.post(URL, content=body, headers=headers)).status_code == 401
        assert work.count == 0
        # The meter is no dummy.
        assert (await service.http.post(URL, content=body, headers=signed(body))).status_code == 200
        assert work.count > 0
    assert await receipts(db) == [body]


async def test_forged_bodies_leave_no_lines_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A line for each would be a way to fill the disk."""
    with caplog.at_level(logging.INFO, logger="app"):
        async with door(Kept()) as http:
            await http.post(URL, content=b"{}", headers=FORGED[3])
    assert caplog.records == []


async def test_every_secret_is_compared_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """However soon a text differs, and whichever secret fits: by the one comparison whose time does not tell."""
    compared: list[tuple[Any, Any]] = []
    honest = hmac.compare_digest

    def watched(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return honest(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    async with door(Kept(), app_secrets=["new", "old"]) as http:
        for secret in ("new", "old", "neither"):
            await http.post(URL, content=b"{}", headers=signed(b"{}", secret))
            right = [signed(b"{}", each)["X-Hub-Signature-256"].removeprefix("sha256=") for each in ("new", "old")]
            assert [one for one, _ in compared] == right
            compared.clear()
        for token in ("verify me", "verify mE", "Verify me", "v", "", "verify me" * 100):
            params = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1"}
            assert (await http.get(URL, params=params)).status_code == (200 if token == "verify me" else 403)
            assert compared == [(token.encode(), b"verify me")]
            compared.clear()


async def test_both_secrets_hold_while_one_is_changed() -> None:
    kept = Kept()
    async with door(kept, app_secrets=["new", "old"]) as http:
        for secret in ("old", "new"):
            assert (await http.post(URL, content=b"{}", headers=signed(b"{}", secret))).status_code == 200
    assert len(kept.bodies) == 2


async def test_size() -> None:
    kept, answers = Kept(), Answers()
    async with door(kept, answers) as http:
        largest = b"x" * MAX_BYTES
        assert (await http.post(URL, content=largest, headers=signed(largest))).status_code == 200
        response = await http.post(URL, content=largest + b"x", headers=signed(largest + b"x"))
        assert (response.status_code, response.text) == (413, "too large")
    assert kept.bodies == [largest]
    assert answers == {Answer.KEPT: 1, Answer.TOO_LARGE: 1}


async def test_a_body_without_a_length_is_counted_while_it_comes() -> None:
    sent = 0
    chunk = b"x" * 2**16

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += len(chunk)
            yield chunk

    kept, answers = Kept(), Answers()
    async with door(kept, answers) as http:
        response = await asyncio.wait_for(http.post(URL, content=endless()), 10)
    assert (response.status_code, response.text) == (413, "too large")
    # One chunk told that it is too much, and no other was asked for.
    assert sent == MAX_BYTES + len(chunk)
    assert kept.bodies == []
    assert answers == {Answer.TOO_LARGE: 1}


async def test_the_rest_of_a_body_that_is_too_large_is_not_waited_for() -> None:
    answers = Answers()
    async with real_door(Kept(), answers) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /webhooks/whatsapp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"%x\r\n%b\r\n" % (MAX_BYTES + 1, b"x" * (MAX_BYTES + 1)))
        # It could go on; the server hangs up by itself. (It also would on an idle connection, but that takes seconds.)
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in answer
        assert answer.endswith(b"too large")
        writer.close()
    assert answers == {Answer.TOO_LARGE: 1}


async def test_a_body_that_does_not_come() -> None:
    kept, answers = Kept(), Answers()
    async with real_door(kept, answers, read_seconds=0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST {URL} HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: {RIGHT}\r\nContent-Length: 2\r\n\r\n{{"
        writer.write(head.encode())
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in answer
        assert answer.endswith(b"too slow")
        writer.close()
    assert answers == {Answer.TOO_SLOW: 1}
    assert kept.bodies == []


async def test_a_body_that_comes_byte_by_byte() -> None:
    """The time is for the whole body: each byte in time does not make it longer."""

    async def slow() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    answers = Answers()
    async with door(Kept(), answers, read_seconds=0.2) as http:
        response = await asyncio.wait_for(http.post(URL, content=slow()), 10)
    assert (response.status_code, response.text) == (408, "too slow")
    assert answers == {Answer.TOO_SLOW: 1}


async def test_a_client_that_hangs_up_is_no_fault_of_ours() -> None:
    """Litestar raises what would be a 500, and a traceback in the log for everybody who likes to fill it."""
    answers = Answers()
    async with real_door(Kept(), answers) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /webhooks/whatsapp HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{")
        await writer.drain()
        writer.close()
        async with asyncio.timeout(10):
            while not answers:
                await asyncio.sleep(0.01)
    assert answers == {Answer.INCOMPLETE: 1}


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
    answers = Answers()
    async with door(Kept(error), answers) as http:
        response = await http.post(URL, content=b"{}", headers=signed(b"{}"))
    assert (response.status_code, response.text) == (503, "busy")
    assert answers == {Answer.BUSY: 1}
    assert int(response.headers["Retry-After"]) > 0


async def test_a_fault_of_ours_is_no_200() -> None:
    async with door(Kept(IntegrityError("INSERT", {}, Exception("secret")))) as http:
        response = await http.post(URL, content=b"{}", headers=signed(b"{}"))
    assert response.status_code == 500
    assert "secret" not in response.text


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])
async def test_other_methods_are_refused(method: str) -> None:
    kept, answers = Kept(), Answers()
    async with door(kept, answers) as http:
        response = await http.request(method, URL, content=b"{}", headers=signed(b"{}"))
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, POST")
    assert (kept.bodies, answers) == ([], {})


async def test_a_websocket_is_refused_as_no_fault_of_ours() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "websocket", "path": URL, "raw_path": URL.encode(), "headers": [], "query_string": b"", "scheme": "ws",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "root_path": "", "subprotocols": [],
    }  # fmt: skip
    await app_of(Kept())(scope, receive, send)
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1000)]


async def test_without_an_app_secret_nothing_is_taken() -> None:
    kept, answers = Kept(), Answers()
    async with door(kept, answers, app_secrets=[]) as http:
        for headers in (signed(b"{}"), signed(b"{}", ""), {}):
            response = await http.post(URL, content=b"{}", headers=headers)
            assert (response.status_code, response.text) == (503, "not set up")
    assert kept.bodies == []
    assert answers == {Answer.NOT_SET_UP: 3}


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
