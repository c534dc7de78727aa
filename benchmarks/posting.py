"""The load generator: signed requests made beforehand, over connections that stay open, with as little work as can be."""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

from benchmarks.statuses import bodies, signed
from benchmarks.usage import cpu_of_all


class _Connection(asyncio.Protocol):
    """One request after the other; tells the load when it has no more."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._buffer = b""
        self._sent = 0.0
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        request = self._load.next()
        if request is None:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lower = self._buffer[:head].lower()
        start = lower.find(b"content-length: ") + 16
        end = lower.find(b"\r\n", start)
        length = int(lower[start : end if end >= 0 else head])
        if len(self._buffer) < head + 4 + length:
            return
        self._load.answered(int(self._buffer[9:12]), self._sent)
        self._buffer = b""
        self._next()

    def connection_lost(self, _error: Exception | None) -> None:
        self._load.closed(waiting=self._sent > 0 and bool(self._buffer))


class _Load:
    """Counts answers between the end of the warm-up and the end of the time."""

    def __init__(self, requests: Iterator[bytes], connections: int, warm: float, seconds: float) -> None:
        self._requests = requests
        self._open = connections
        self._warm, self._seconds = warm, seconds
        self.begins = time.perf_counter() + warm
        self.ends = self.begins + seconds
        self.last = self.begins
        self.statuses: Counter[int] = Counter()
        self.latencies: list[float] = []
        self.early: Counter[int] = Counter()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def next(self) -> bytes | None:
        return next(self._requests, None) if time.perf_counter() < self.ends else None

    def answered(self, status: int, sent: float) -> None:
        now = time.perf_counter()
        if now < self.begins:
            self.early[status] += 1
            return
        self.statuses[status] += 1
        self.latencies.append(now - sent)
        self.last = now

    def closed(self, *, waiting: bool) -> None:
        self._open -= 1
        if waiting:
            self.statuses[0] += 1
        if not self._open and not self.done.done():
            self.done.set_result(None)


async def post(
    *, port: int, serial: int, messages: int, each: int, connections: int, seconds: float, warm: float,
    watched: dict[str, int], again: bool,
) -> dict[str, Any]:  # fmt: skip
    """Post the statuses of a run until they or the time are over. ``again`` begins anew with them, for who stores nothing."""
    made = [signed(raw) for raw in islice(bodies(serial, messages, each), 60_000 if again else None)]
    gc.freeze()
    gc.disable()
    load = _Load(cycle(made) if again else iter(made), connections, warm, seconds)
    loop = asyncio.get_running_loop()
    before: dict[str, float] = {}
    own = 0.0

    def begin() -> None:
        nonlocal before, own
        before, own = cpu_of_all(watched), time.process_time()

    loop.call_at(loop.time() + warm, begin)
    await asyncio.gather(
        *(loop.create_connection(lambda: _Connection(load), "127.0.0.1", port) for _ in range(connections))
    )
    await load.done
    after = cpu_of_all(watched)
    ordered, wall = sorted(load.latencies) or [0.0], load.last - load.begins
    return {
        "answers": {str(status): number for status, number in sorted((load.statuses + load.early).items())},
        "counted": load.statuses[200],
        "seconds": wall,
        "p50": 1000 * ordered[len(ordered) // 2],
        "p99": 1000 * ordered[int(0.99 * (len(ordered) - 1))],
        "cpu": {name: spent - before.get(name, spent) for name, spent in after.items()}
        | {"load": time.process_time() - own},
    }
