"""How much memory a download takes, of a small run and of one ten times as large: ``python -m benchmarks.export_memory``.

The rows are real ones, multiplied. The wanted limit: ten times the rows cost at most a fifth more memory.
"""

import argparse
import asyncio
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.config import Settings
from app.db.engine import Database, UnitOfWork
from app.db.migrate import upgrade
from app.db.tables import MessageRow, MessageSourceRow
from app.domain import ids
from app.main import build_services
from app.metrics import Metrics
from app.services.bundle import Services
from app.services.sends import SendSuccess
from benchmarks.precheck_send import OWNER, Meter, OneTemplate, set_up

SEED = 1_000
"""Messages that are really planned."""
LIMIT = 1.2


async def multiply(db: Database, run_id: str, have: int, want: int) -> None:
    """Copies of the run's first messages behind its last, with their households."""

    async def unit(uow: UnitOfWork) -> None:
        tables: tuple[Any, Any] = (MessageRow.__table__, MessageSourceRow.__table__)
        messages, sources = tables
        first = sa.select(messages).where(messages.c.run_id == run_id, messages.c.position < SEED)
        rows = [dict(row) for row in (await uow.session.execute(first)).mappings()]
        parents = {row["id"] for row in rows}
        links = [dict(row) for row in (await uow.session.execute(sa.select(sources))).mappings()]
        links = [link for link in links if link["message_id"] in parents]
        for base in range(have, want, SEED):
            new = {row["id"]: ids.new_id(ids.MESSAGE) for row in rows}
            copies = [row | {"id": new[row["id"]], "position": base + row["position"]} for row in rows]
            await uow.session.execute(sa.insert(messages), copies)
            await uow.session.execute(
                sa.insert(sources), [link | {"message_id": new[link["message_id"]]} for link in links]
            )

    await db.write(unit)


async def measure(services: Services, run_id: str, rows: int) -> int:
    """The peak of what Python holds beyond what it held before, in bytes."""
    tracemalloc.start()
    before, started, size, lines = tracemalloc.get_traced_memory()[0], time.perf_counter(), 0, 0
    async for part in await services.exports.run(OWNER, run_id):
        size += len(part)
        lines += part.count("\r\n")
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert lines == rows + 1, (lines, rows)
    seconds = time.perf_counter() - started
    print(
        f"{rows:>9,} rows  {size / 1e6:6.1f} MB of text  peak {peak / 1e6:5.2f} MB  {seconds:5.1f} s, traced",
        flush=True,
    )
    return peak


async def run(folder: Path, rows: int) -> bool:
    """True when the memory stays where it is."""
    settings = Settings.from_env(
        {
            "AUTH_SECRET": "only for the benchmark - long enough for it",
            "DATABASE_URL": f"sqlite:///{folder / 'bench.db'}",
            "META_PHONE_NUMBER_ID": "1",
            "META_WABA_ID": "2",
            "META_ACCESS_TOKEN": "none",
        }
    )
    await upgrade(settings.database_url)
    db = Database(settings.database_url)
    try:
        services = await build_services(settings, db, OneTemplate(), Metrics())
        request = await set_up(services, SEED, Meter(db))
        token = (await services.prechecks.precheck(OWNER, request)).token
        assert token is not None
        result = await services.sends.send_invites(OWNER, token=token)
        assert isinstance(result, SendSuccess), result
        await measure(services, result.run.id, SEED)  # so that what is made once is not counted below
        peaks, have = [], SEED
        for want in (rows, 10 * rows):
            await multiply(db, result.run.id, have, want)
            have = want
            peaks.append(await measure(services, result.run.id, want))
    finally:
        await db.close()
    return peaks[1] <= LIMIT * peaks[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000, help="of the smaller run, in whole thousands")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="invites-bench-") as folder:
        constant = asyncio.run(run(Path(folder), wanted.rows))
    if not constant:
        print(f"the larger run takes more than {LIMIT} times the memory", file=sys.stderr)
    return 0 if constant else 1


if __name__ == "__main__":
    sys.exit(main())
