"""Real sockets: where an error of a request to Meta really comes from."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from app.whatsapp.port import (
    Accepted,
    NotSent,
    Outcome,
    TemplateMessage,
    Unknown,
)
from tests.whatsapp.meta_client import ACCEPTED, MESSAGE, TOKEN, client

pytestmark = pytest.mark.anyio


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length"))
    return head + await reader.readexactly(length)


def http_answer(body: bytes, extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), extra, body)


async def test_a_closed_port_means_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with client(f"http://127.0.0.1:{taken.getsockname()[1]}") as meta:
            found = await meta.send(MESSAGE)
    assert found == NotSent(found.evidence)
    assert found.evidence.error == "ConnectError"


async def test_failed_tls_means_not_sent_and_nothing_was() -> None:
    received = bytearray()

    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.read(4096))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with server(no_tls) as url, client(url.replace("http:", "https:")) as meta:
        found = await meta.send(MESSAGE)
    assert isinstance(found, NotSent)
    assert received
    assert b"POST" not in received
    assert TOKEN.encode() not in received


async def test_a_connection_cut_after_the_request_is_unknown() -> None:
    async def cut(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await read_request(reader)

    async with server(cut) as url, client(url) as meta:
        found = await meta.send(MESSAGE)
    assert isinstance(found, Unknown)
    assert found.evidence.error == "RemoteProtocolError"


async def test_a_connection_cut_within_the_answer_is_unknown() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(http_answer(json.dumps(ACCEPTED).encode())[:-5])
        await writer.drain()

    async with server(cut) as url, client(url) as meta:
        assert isinstance(await meta.send(MESSAGE), Unknown)


async def test_a_stale_connection_that_took_the_request_is_unknown_and_not_sent_again() -> None:
    requests: list[bytes] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(http_answer(json.dumps(ACCEPTED).encode()))
        await writer.drain()
        requests.append(await read_request(reader))

    async with server(once) as url, client(url) as meta:
        assert isinstance(await meta.send(MESSAGE), Accepted)
        assert isinstance(await meta.send(MESSAGE), Unknown)
    assert len(requests) == 2


async def test_an_answer_that_trickles_ends_with_the_timeout() -> None:
    whole = False

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(200):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)
        nonlocal whole
        whole = True

    async with server(trickle) as url, client(url, timeout=0.4) as meta:
        found = await meta.send(MESSAGE)
        assert not whole
    assert isinstance(found, Unknown)
    assert found.evidence.error == "TimeoutError"


async def test_an_answer_without_end_is_cut_short() -> None:
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while sent < 100_000_000:
            writer.write(b" " * 65_536)
            await writer.drain()
            sent += 65_536

    async with server(pour) as url, client(url) as meta:
        assert isinstance(await meta.send(MESSAGE), Unknown)
    assert sent < 50_000_000


async def test_a_full_pool_means_not_sent() -> None:
    release = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await release.wait()
        writer.write(http_answer(json.dumps(ACCEPTED).encode()))
        await writer.drain()

    async with server(hang) as url, client(url, timeout=3.0, concurrency=1) as meta:
        first = asyncio.create_task(meta.send(MESSAGE))
        await asyncio.sleep(0.1)
        second = await meta.send(MESSAGE)
        release.set()
        assert isinstance(await first, Accepted)
    assert isinstance(second, NotSent)
    assert second.evidence.error == "PoolTimeout"


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(http_answer(json.dumps(ACCEPTED).encode(), b"Connection: close\r\n"))
        await writer.drain()

    async with server(accept) as url, client(url) as meta:
        assert isinstance(await meta.send(MESSAGE), Accepted)


async def test_a_server_that_closes_after_each_answer_gets_each_message_once() -> None:
    """It does not say that it closes: some requests go onto a connection that is ending, and none of them twice."""
    answered: Counter[bytes] = Counter()

    async def one_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        answered[json.loads(request.partition(b"\r\n\r\n")[2])["biz_opaque_callback_data"]] += 1
        writer.write(http_answer(json.dumps(ACCEPTED).encode()))
        await writer.drain()

    async with server(one_each) as url, client(url) as meta:
        messages = [replace(MESSAGE, attempt_id=str(number)) for number in range(40)]

        async def some(mine: list[TemplateMessage]) -> list[Outcome]:
            return [await meta.send(each) for each in mine]

        found = [each for batch in await asyncio.gather(*(some(messages[at::4]) for at in range(4))) for each in batch]
    assert all(isinstance(each, Accepted | Unknown) for each in found)
    assert sum(isinstance(each, Accepted) for each in found) == len(answered) >= 20
    assert set(answered.values()) == {1}


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_message() -> None:
    spoken = asyncio.Event()

    async def chatty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(http_answer(json.dumps(ACCEPTED).encode()))
        await asyncio.sleep(0.05)
        writer.write(http_answer(json.dumps(ACCEPTED | {"messages": [{"id": "wamid.B="}]}).encode()))
        await writer.drain()
        spoken.set()
        await reader.read(1)

    async with server(chatty) as url, client(url, timeout=2) as meta:
        assert isinstance(await meta.send(MESSAGE), Accepted)
        await spoken.wait()
        await asyncio.sleep(0.02)
        second = await meta.send(MESSAGE)
    assert isinstance(second, Accepted)
    assert second.message_id == "wamid.A="


async def test_a_proxy_of_the_environment_is_asked_for_meta(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await read_request(reader)).split(b"\r\n")[0])
        writer.write(http_answer(json.dumps(ACCEPTED).encode(), b"Connection: close\r\n"))
        await writer.drain()

    for name in ("NO_PROXY", "no_proxy", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with server(proxy) as url:
        monkeypatch.setenv("http_proxy", url)
        async with client("http://graph.test") as meta:
            assert isinstance(await meta.send(MESSAGE), Accepted)
    assert asked == [b"POST http://graph.test/v26.0/100000000000001/messages HTTP/1.1"]
