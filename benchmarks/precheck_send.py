"""How long a precheck, the planning of a send and an import take, and how that grows: ``make bench``.

Each size has a process of its own, so that its memory is known. Nothing is sent: planning ends with the rows that a
dispatcher would take. Ten times the recipients should take at most eleven times as long, in at most 400 MB.
"""

import argparse
import asyncio
import multiprocessing
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

import sqlalchemy as sa

from app.db.engine import Database
from app.domain.requests import SendRequest
from app.services.sends import SendSuccess
from benchmarks.databases import durable
from benchmarks.wedding import OWNER, list_as_csv, make_wedding, make_workspace, services_of
from tests.databases import CHOSEN, Databases

T = TypeVar("T")

RATIO = 11.0
MEMORY_MB = 400.0


class Meter:
    """Counts the statements that reach the database."""

    def __init__(self, db: Database) -> None:
        self.statements = 0
        for engine in {db.writer, db.reader}:
            sa.event.listen(engine.sync_engine, "before_cursor_execute", self._count)

    def _count(self, *_: Any) -> None:
        self.statements += 1

    async def measure(self, what: str, act: Callable[[], Awaitable[T]]) -> tuple[T, float]:
        self.statements, started = 0, time.perf_counter()
        result = await act()
        seconds = time.perf_counter() - started
        print(f"  {what:<32} {seconds:6.2f} s  {self.statements:5} statements", flush=True)
        return result, seconds


async def prepare(url: str, recipients: int) -> SendRequest:
    async with services_of(url) as (db, services):
        return await make_wedding(db, services, recipients)


async def send(url: str, request: SendRequest, recipients: int) -> dict[str, float]:
    async with services_of(url) as (db, services):
        meter = Meter(db)
        precheck, first = await meter.measure(
            f"precheck of {recipients:,}", lambda: services.prechecks.precheck(OWNER, request)
        )
        assert precheck.eligible_count == recipients, precheck.blockers
        token = precheck.token
        assert token is not None
        del precheck
        result, second = await meter.measure(
            f"sendInvites to {recipients:,}", lambda: services.sends.send_invites(OWNER, token=token)
        )
        assert isinstance(result, SendSuccess), result
    return {"precheck": first, "sendInvites": second, "memory": _peak()}


async def take_in(url: str, rows: int) -> dict[str, float]:
    csv = list_as_csv(1, rows)
    async with services_of(url) as (db, services):
        workspace_id = await make_workspace(services)
        _, seconds = await Meter(db).measure(
            f"import of {rows:,}",
            lambda: services.guests.import_guests(OWNER, workspace_id=workspace_id, csv=csv, rows=None, file_name=None),
        )
    return {"import": seconds, "memory": _peak()}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _apart(work: Callable[..., Any], *arguments: Any) -> Any:
    """In a process that ends with it."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_run, work, *arguments).result()


def _run(work: Callable[..., Any], *arguments: Any) -> Any:
    return asyncio.run(work(*arguments))


def compare(databases: Databases, kind: str, recipients: int) -> bool:
    """True when ten times as many take no more than ``RATIO`` as long, within ``MEMORY_MB``."""
    seconds: dict[str, list[float]] = {}
    memory = 0.0
    print(kind, flush=True)
    for each in (recipients // 10, recipients):
        url = databases.make(kind)
        request = _apart(prepare, url, each)
        for found in (_apart(send, url, request, each), _apart(take_in, url, each // 2)):
            memory = max(memory, found.pop("memory"))
            for what, taken in found.items():
                seconds.setdefault(what, []).append(taken)
    ratios = {what: large / small for what, (small, large) in seconds.items()}
    print("  ten times as many take " + ", ".join(f"{ratio:.1f} × ({what})" for what, ratio in ratios.items()))
    print(f"  memory of a process: {memory:.0f} MB at most", flush=True)
    return max(ratios.values()) <= RATIO and memory <= MEMORY_MB


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precheck_send", description=__doc__)
    parser.add_argument(
        "--recipients", type=int, default=100_000, help="beside a tenth of it; imports have half [100000]"
    )
    wanted = parser.parse_args()
    databases, fine = Databases(), True
    for kind in CHOSEN:
        if kind == "postgres":
            asyncio.run(durable(databases.postgres_admin_url()))
        fine &= compare(databases, kind, wanted.recipients)
    if not fine:
        print(f"more than {RATIO:g} × or {MEMORY_MB:g} MB", file=sys.stderr)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
