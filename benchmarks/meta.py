"""A minimal Meta: takes each message after a while, and may post its statuses. ``python -m benchmarks.meta --port PORT``.

Not the product's simulator, which judges every request and would take the same cores. ``GET /seen?skip=N`` tells what
it saw.
"""

import argparse
import asyncio
import json
import random
import re
import time
from collections import Counter, deque
from typing import Any, Final

import uvloop

from benchmarks.statuses import STEPS, body, signed

_ATTEMPT: Final = re.compile(rb'"biz_opaque_callback_data": ?"(msg_[0-9a-f]{32})\.(\d+)"')
_SKIPPED: Final = re.compile(rb"skip=([0-9]+)")
_TO: Final = re.compile(rb'"to": ?"\+?(\d+)"')
_FOLLOWS: Final = (0.05, 0.2, 0.5)
"""Seconds from taking a message to its three statuses."""
_POSTERS: Final = 32
_AGAIN_SECONDS: Final = 0.5


class Seen:
    """What became of messages and of POSTs."""

    def __init__(self) -> None:
        self.taken: Counter[bytes] = Counter()
        self.at: list[float] = []
        self.made = 0
        self.posts = 0
        self.refused = 0
        self.waiting = 0
        """Of statuses: made, and in no POST that was answered with 200."""
        self.latencies: list[float] = []

    def take(self, message: bytes) -> None:
        self.at.append(time.perf_counter())
        self.taken[message] += 1

    def told(self, skipped: int) -> dict[str, Any]:
        """``rate`` is in messages a second, without those ``skipped`` at the start if there are enough."""
        ordered, later = sorted(self.latencies) or [0.0], self.at[skipped if len(self.at) > 2 * skipped else 0 :]
        return {
            "taken": len(self.taken), "twice": self.taken.total() - len(self.taken),
            "rate": (len(later) - 1) / (later[-1] - later[0]) if len(later) > 1 else 0.0,
            "statuses": self.made, "posts": self.posts, "refused": self.refused, "waiting": self.waiting,
            "p50": 1000 * ordered[len(ordered) // 2], "p99": 1000 * ordered[int(0.99 * (len(ordered) - 1))],
        }  # fmt: skip


class Statuses:
    """Gathers statuses and posts them, ``each`` to a body on average; what is not answered with 200 is posted again."""

    def __init__(self, seen: Seen, port: int, each: int) -> None:
        self._seen, self._port, self._each = seen, port, each
        self._waiting: list[str] = []
        self._size = each
        self._random = random.Random(1)
        self._posts: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()

    def follow(self, wamid: str, attempt: str, to: str) -> None:
        loop = asyncio.get_running_loop()
        for step, after in enumerate(_FOLLOWS):
            loop.call_later(after, self._add, wamid, attempt, to, step)

    def _add(self, wamid: str, attempt: str, to: str, step: int) -> None:
        self._seen.made += 1
        self._seen.waiting += 1
        self._waiting.append(
            f'{{"id":"{wamid}","status":"{STEPS[step]}","timestamp":"{int(time.time())}","recipient_id":"{to}",'
            f'"biz_opaque_callback_data":"{attempt}","pricing":{{"billable":true,"pricing_model":"PMP","category":"utility"}}}}'
        )
        if len(self._waiting) >= self._size:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._posts.put_nowait((len(self._waiting), signed(body(self._waiting))))
            self._waiting = []
            self._size = self._random.randint(1, 2 * self._each - 1)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(_POSTERS):
                group.create_task(self._post())
            while True:  # what no further status fills up
                await asyncio.sleep(0.25)
                self._flush()

    async def _post(self) -> None:
        reader, writer = None, None
        while True:
            size, request = await self._posts.get()
            started = time.perf_counter()
            try:
                if reader is None or writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
                fine = head.startswith(b"HTTP/1.1 200")
            except (OSError, asyncio.IncompleteReadError):
                reader, writer, fine = None, None, False
            if fine:
                self._seen.posts += 1
                self._seen.waiting -= size
                self._seen.latencies.append(time.perf_counter() - started)
            else:
                self._seen.refused += 1
                asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._posts.put_nowait, (size, request))


class Connection(asyncio.Protocol):
    """One of the product's: answers each request ``delay`` seconds after it came."""

    def __init__(self, seen: Seen, statuses: Statuses | None, delay: float) -> None:
        self._seen, self._statuses, self._delay = seen, statuses, delay
        self._buffer = b""
        self._transport: Any = None
        self._answers: deque[bytes] = deque()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        found = self._buffer[:head].lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        end = head + 4 + int(found or 0)
        if len(self._buffer) < end:
            return
        request, self._buffer = self._buffer[:end], self._buffer[end:]
        if request.startswith(b"GET"):
            skipped = _SKIPPED.search(request)
            self._answer(json.dumps(self._seen.told(int(skipped[1]) if skipped else 0)))
            return
        asyncio.get_running_loop().call_later(self._delay, self._take, request)

    def _take(self, request: bytes) -> None:
        attempt, to = _ATTEMPT.search(request), _TO.search(request)
        message = attempt[1] if attempt else request[-64:]
        number = to[1].decode() if to else ""
        self._seen.take(message)
        wamid = f"wamid.HBgMOTE5ODAwMDAwMDAwFQIAERgS{hash(message) & 0xFFFFFFFFFFFFFFFF:016X}"
        if self._statuses is not None and attempt is not None:
            self._statuses.follow(wamid, f"{attempt[1].decode()}.{attempt[2].decode()}", number)
        self._answer(
            f'{{"messaging_product":"whatsapp","contacts":[{{"input":"{number}","wa_id":"{number}"}}],'
            f'"messages":[{{"id":"{wamid}","message_status":"accepted"}}]}}'
        )

    def _answer(self, text: str) -> None:
        if not self._transport.is_closing():
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
            self._transport.write((head + text).encode())


async def serve(port: int, delay: float, post_to: int | None, each: int) -> None:
    seen = Seen()
    statuses = None if post_to is None else Statuses(seen, post_to, each)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(seen, statuses, delay), "127.0.0.1", port, backlog=1024)
    async with server:
        await (statuses.run() if statuses else server.serve_forever())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.meta", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.02, help="seconds until a message is taken [0.02]")
    parser.add_argument("--post-to", type=int, metavar="PORT", help="post statuses to the service there")
    parser.add_argument("--each", type=int, default=10, help="statuses to a POST on average [10]")
    wanted = parser.parse_args()
    uvloop.run(serve(wanted.port, wanted.delay, wanted.post_to, wanted.each))


if __name__ == "__main__":
    main()
