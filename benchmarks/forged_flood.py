"""What a flood of forged webhooks does to genuine ones, and to the database: ``python -m benchmarks.forged_flood``.

A server as ``invites serve`` starts it, on the loopback. Genuine webhooks are posted at a steady pace, first alone, then
while another process posts the forged ones over several connections as fast as they are refused. Every genuine one must be
answered with 200 and every forged one with 401, and each table must have grown by what the genuine ones alone write.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import sqlalchemy as sa

from app.cli.demo.processes import free_port, running
from app.db.engine import Database, UnitOfWork
from app.db.tables import Base
from benchmarks.wedding import APP_SECRET, NUMBER, environment
from tests.databases import CHOSEN, Databases

PATH = "/webhooks/whatsapp"
LIMIT = 300.0
"""Seconds for one database, from the start of its server; then it is given up."""


@dataclass
class Posted:
    """What became of some requests: how often which status, and how long each took (seconds)."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    def add(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        self.latencies.append(seconds)

    def milliseconds(self, share: float) -> float:
        """Within which time this share of them was answered."""
        return 1000 * sorted(self.latencies)[int(share * (len(self.latencies) - 1))]

    def line(self, what: str) -> str:
        median, high, most = map(self.milliseconds, (0.5, 0.99, 1))
        answers = ", ".join(f"{number:,} × {status}" for status, number in sorted(self.statuses.items()))
        return f"  {what:<24} median {median:7.1f} ms   p99 {high:7.1f} ms   max {most:7.1f} ms   {answers}"


def body_of(number: int) -> bytes:
    """A status of a message that nobody knows here, each of another one; about as long as Meta's."""
    status = {
        "id": f"wamid.benchmark{number:040d}", "status": "delivered", "timestamp": "1795500000", "recipient_id": "16505550101",
        "conversation": {"id": "c" * 32, "origin": {"type": "marketing"}},
        "pricing": {"billable": True, "pricing_model": "PMP", "category": "marketing"},
    }  # fmt: skip
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": NUMBER}, "statuses": [status]}
    entry = {"id": "200000000000001", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def signature(body: bytes, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def genuine(url: str, numbers: Iterator[int], pace: float, over: Callable[[], bool]) -> Posted:
    """``pace`` posts a second, whether or not the ones before are answered, until it is over."""
    posted = Posted()

    async def post(http: httpx.AsyncClient) -> None:
        body = body_of(next(numbers))
        started = time.perf_counter()
        answer = await http.post(url, content=body, headers={"X-Hub-Signature-256": signature(body, APP_SECRET)})
        posted.add(answer.status_code, time.perf_counter() - started)

    async with httpx.AsyncClient(trust_env=False, timeout=60) as http, asyncio.TaskGroup() as posts:
        begun = time.perf_counter()
        for place in count():
            if over():
                break
            posts.create_task(post(http))
            await asyncio.sleep(max(0.0, begun + (place + 1) / pace - time.perf_counter()))
    return posted


def flood(port: int, total: int, connections: int) -> Posted:
    """In a process of its own, so that what is measured of the genuine ones is not this program's own load."""
    return asyncio.run(_flood(port, total, connections))


async def _flood(port: int, total: int, connections: int) -> Posted:
    posted, numbers = Posted(), iter(range(total))
    await asyncio.gather(*(_forge(port, numbers, posted) for _ in range(connections)))
    return posted


async def _forge(port: int, numbers: Iterator[int], posted: Posted) -> None:
    """One connection that posts bodies signed with a guessed secret, one after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in numbers:
        body = body_of(-number)
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"X-Hub-Signature-256: {signature(body, 'guessed')}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        started = time.perf_counter()
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        posted.add(int(answer.split(b" ", 2)[1]), time.perf_counter() - started)
    writer.close()


async def rows(db: Database) -> Counter[str]:
    """How many every table has."""

    async def unit(uow: UnitOfWork) -> Counter[str]:
        found: Counter[str] = Counter()
        for table in Base.metadata.sorted_tables:
            found[table.name] = await uow.session.scalar(sa.select(sa.func.count()).select_from(table)) or 0
        return found

    return await db.read(unit)


async def measure(url: str, folder: Path, wanted: argparse.Namespace) -> bool:
    """True when the flood did what it should: nothing."""
    port = free_port(8700)
    env = environment(url)
    address, numbers, db = f"http://127.0.0.1:{port}", count(), Database(url)
    try:
        serve = running(
            ["serve", "--port", str(port), "--no-dispatch"], env, folder / "serve.log", f"{address}/health/ready"
        )
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as forgers:
            await asyncio.wrap_future(forgers.submit(int))  # its imports are not part of the flood
            async with asyncio.timeout(LIMIT), serve:
                await genuine(address + PATH, numbers, wanted.pace, _after(1.0))  # fills caches and opens connections
                before = await rows(db)
                alone = await genuine(address + PATH, numbers, wanted.pace, _after(wanted.seconds))
                between = await rows(db)
                started = time.perf_counter()
                flooding = asyncio.wrap_future(forgers.submit(flood, port, wanted.forged, wanted.connections))
                during = await genuine(address + PATH, numbers, wanted.pace, flooding.done)
                forged = await flooding
                seconds = time.perf_counter() - started
                after = await rows(db)
    finally:
        await db.close()
    print(alone.line("genuine, alone"))
    print(during.line("genuine, in the flood"))
    print(forged.line("forged"))
    print(f"  {wanted.forged / seconds:,.0f} forged a second over {wanted.connections} connections")
    return _judge(alone, during, forged, between - before, after - between)


def _after(seconds: float) -> Callable[[], bool]:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() >= end


def _judge(alone: Posted, during: Posted, forged: Posted, quiet: Counter[str], flooded: Counter[str]) -> bool:
    each = {table: number / len(alone.latencies) for table, number in quiet.items()}
    of_genuine = {table: round(number * len(during.latencies)) for table, number in each.items()}
    written = ", ".join(f"{table} {number:g}" for table, number in each.items())
    surplus = {table: flooded[table] - of_genuine.get(table, 0) for table in flooded | Counter(of_genuine)}
    print(f"  rows of one genuine webhook: {written}; of all forged ones: {sum(map(abs, surplus.values()))}")
    answered = set(alone.statuses) == set(during.statuses) == {200} and set(forged.statuses) == {401}
    return answered and bool(quiet) and not any(surplus.values())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forged_flood", description=__doc__)
    parser.add_argument("--forged", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--pace", type=float, default=20.0, help="genuine webhooks a second [20]")
    parser.add_argument("--seconds", type=float, default=10.0, help="of genuine ones alone [10]")
    wanted = parser.parse_args()
    databases, fine = Databases(), True
    with tempfile.TemporaryDirectory(prefix="invites-bench-") as folder:
        for kind in CHOSEN:
            print(f"{kind}: {wanted.forged:,} forged webhooks, {wanted.pace:g} genuine ones a second", flush=True)
            fine &= asyncio.run(measure(databases.make(kind), Path(folder), wanted))
    if not fine:
        print("the flood had an effect: see the answers and the rows above", file=sys.stderr)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
