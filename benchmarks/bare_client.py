"""What a request to Meta costs by itself: ``python -m benchmarks.bare_client``.

Our client, through its port, against a server that answers every request after a fixed time, in another process. Nothing
is stored. Once over aiohttp's connections and once over httpx's own, in turns, each with the same number of requests.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import cast

import httpx
import uvloop

from app.whatsapp.client import MetaClient
from app.whatsapp.port import Accepted, TemplateMessage

ANSWER = (
    b'{"messaging_product":"whatsapp","contacts":[{"input":"+16505550101","wa_id":"16505550101"}],'
    b'"messages":[{"id":"wamid.%032d","message_status":"accepted"}]}'
)


class Meta(asyncio.Protocol):
    """Just enough HTTP to answer our client: one request after the other on each connection."""

    answered = 0

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            self._buffer = b""
            asyncio.get_running_loop().call_later(self._delay, self._answer)

    def _answer(self) -> None:
        Meta.answered += 1
        body = ANSWER % Meta.answered
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )


def play_meta(delay: float, told: Connection) -> None:
    """Serves until it is ended; tells its port first."""

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: Meta(delay), "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


@dataclass(frozen=True)
class Measured:
    rate: float
    """Messages a second."""
    cpu: float
    """Milliseconds of this process' CPU for one message."""


async def measure(client: MetaClient, messages: int, concurrency: int) -> Measured:
    """Raises AssertionError when a request was not answered as it should."""
    left = iter(range(messages))

    async def call() -> None:
        for number in left:
            outcome = await client.send(message(number))
            assert isinstance(outcome, Accepted), outcome

    async with client:
        await asyncio.gather(*(client.send(message(-1)) for _ in range(concurrency)))
        started, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(call() for _ in range(concurrency)))
        seconds, used = time.perf_counter() - started, time.process_time() - cpu
    return Measured(messages / seconds, 1000 * used / messages)


def message(number: int) -> TemplateMessage:
    return TemplateMessage(
        phone_number_id="100000000000001",
        to="+16505550101",
        template_name="event_invite_v1",
        language="en_US",
        components=[{"type": "body", "parameters": [{"type": "text", "parameter_name": "guest_name", "text": "Zoë"}]}],
        attempt_id=f"msg_{number % 10**9:032d}.1",
    )


def client(port: int, concurrency: int, transport: httpx.AsyncBaseTransport | None) -> MetaClient:
    return MetaClient(
        base_url=f"http://127.0.0.1:{port}",
        version="v26.0",
        access_token="none",
        timeout=30,
        concurrency=concurrency,
        transport=transport,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bare_client", description=__doc__)
    parser.add_argument("--messages", type=int, default=8000, help="of each measurement [8000]")
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--delay", type=float, default=0.02, help="seconds until Meta answers [0.02]")
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    told, telling = multiprocessing.Pipe()
    meta = multiprocessing.get_context("spawn").Process(target=play_meta, args=(wanted.delay, telling), daemon=True)
    meta.start()
    port: int = told.recv()
    limits = httpx.Limits(max_connections=wanted.concurrency, max_keepalive_connections=20)
    kinds: dict[str, Callable[[], httpx.AsyncBaseTransport | None]] = {
        "aiohttp's connections": lambda: None,
        "httpx's own": lambda: httpx.AsyncHTTPTransport(limits=limits),
    }
    found: dict[str, list[Measured]] = {kind: [] for kind in kinds}
    for _ in range(wanted.rounds):
        for kind, transport in kinds.items():
            made = client(port, wanted.concurrency, transport())
            found[kind].append(uvloop.run(measure(made, wanted.messages, wanted.concurrency)))
    meta.terminate()
    print(f"{wanted.concurrency} at a time, answered after {1000 * wanted.delay:g} ms; medians of {wanted.rounds}")
    for kind, each in found.items():
        rates, cpu = [one.rate for one in each], statistics.median(one.cpu for one in each)
        spread = f"{min(rates):,.0f}-{max(rates):,.0f}"
        print(f"  {kind:<22} {statistics.median(rates):7,.0f} messages/s ({spread})   {cpu:.2f} ms CPU each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
