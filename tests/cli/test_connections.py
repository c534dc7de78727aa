"""What a server takes before there is a request, on a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from app.cli.connections import BODY_SECONDS, HEADERS_SECONDS, MAX_HEADERS, GuardedConnection
from app.cli.server import KEEP_ALIVE_SECONDS, MAX_CONNECTIONS, config_of
from app.schema.limits import MAX_BODY

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
"""The headers have no end yet."""


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Says how long the body was."""
    assert scope["type"] == "http"
    size, message = 0, {"more_body": True}
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Impatient(GuardedConnection):
    headers_seconds = body_seconds = 1.0


@asynccontextmanager
async def serving(connection: type[GuardedConnection] = GuardedConnection) -> AsyncIterator[int]:
    """The port of a server as ``invites serve`` configures it."""
    config = config_of(app)
    assert config.http is GuardedConnection
    config.http, config.lifespan = connection, "off"
    config.timeout_keep_alive = 600
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.create_task(server.serve([listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield listening.getsockname()[1]
        server.should_exit = True
        await task


async def talk(port: int, *parts: bytes, end: bool = True) -> bytes:
    """All that the server says until it closes; a part that it takes no more is left out."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.02)
        if end:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return b"reset"
    finally:
        writer.close()


def head(size: int) -> bytes:
    """A request whose address and header have this many bytes together, as the server counts them."""
    return b"GET /" + b"a" * (size - len("/hostx")) + b" HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_the_size_of_the_headers() -> None:
    async with serving() as port:
        assert (await talk(port, head(MAX_HEADERS + 1))).startswith(b"HTTP/1.1 431")
        closing = b"Host: x\r\nConnection: close\r\n\r\n"
        many = b"".join(b"X%d: y\r\n" % number for number in range(MAX_HEADERS // 4))
        assert (await talk(port, b"GET / HTTP/1.1\r\n" + many + closing)).startswith(b"HTTP/1.1 431")
        # One header that never ends: nothing but the bytes tells of it.
        endless = [b"GET / HTTP/1.1\r\nX: ", *[b"a" * 8000] * 20]
        assert (await talk(port, *endless, end=False))[:12] in {b"HTTP/1.1 431", b"reset"}
        # A body is none of them, and a connection's next request is counted anew.
        post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"b" * 100_000
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for sent, said in ((post, b"100000"), (head(MAX_HEADERS), b"0"), (post, b"100000"), (GET, b"0")):
            writer.write(sent)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(len(said)) == said
        writer.close()
        assert (await talk(port, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400")


ENDLESS = {
    "nothing": [],
    "half a line": [b"GET / HT"],
    "no end of headers": [b"GET / HTTP/1.1\r\nHost: x\r\n"],
    "half a body": [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"],
    "an empty line after": [GET, b"\r\n"],
    "half a line after": [GET, b"GET / HT"],
    "half a handshake": [HANDSHAKE],
    "a handshake with a body": [HANDSHAKE + b"Content-Length: 10\r\n\r\n"],
    "a handshake with half a body": [HANDSHAKE + b"Content-Length: 10\r\n\r\n", b"abc"],
    "a handshake with a body of no length": [HANDSHAKE + b"Transfer-Encoding: chunked\r\n\r\n"],
}


async def test_what_never_ends_is_ended() -> None:
    """The clients would wait for ever, and so would the server. GET is answered before, as quick as it came."""
    async with serving(Impatient) as port:
        answers = await asyncio.gather(*(talk(port, *sent, end=False) for sent in ENDLESS.values()))
    answered = {name: answer.count(b"HTTP/1.1 200") for name, answer in zip(ENDLESS, answers, strict=True)}
    assert answered == {name: sent.count(GET) for name, sent in ENDLESS.items()}


async def test_a_handshake_has_no_body() -> None:
    async with serving() as port:
        for length in (b"Content-Length: 10", b"content-length: 0", b"Transfer-Encoding: chunked"):
            answer = await talk(port, HANDSHAKE + length + b"\r\n\r\n", end=False)
            assert answer.startswith(b"HTTP/1.1 400"), length


async def test_a_request_that_comes_in_time_has_all_the_time_it_takes() -> None:
    async with serving(Impatient) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for pause in (Impatient.headers_seconds + 0.2, 0.0):
            writer.write(GET)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            await reader.readexactly(1)
            await asyncio.sleep(pause)  # between requests the keep-alive counts
        writer.close()


async def test_the_configuration() -> None:
    config = config_of(app)
    assert (config.limit_concurrency, config.timeout_keep_alive) == (MAX_CONNECTIONS, KEEP_ALIVE_SECONDS)
    assert config.ws_max_size == MAX_BODY
    assert (GuardedConnection.headers_seconds, GuardedConnection.body_seconds) == (HEADERS_SECONDS, BODY_SECONDS)
