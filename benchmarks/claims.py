"""How long a claim of 100 takes, whatever is stored: in a short queue, a long one, behind a paused run, past an old snapshot."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import sqlalchemy as sa

from app.db.engine import Database
from app.db.tables import NumberRow
from app.domain.enums import MessageState
from app.services.dispatch import Dispatch
from app.worker import lease_for
from benchmarks import child
from benchmarks.sheet import Sample, Sheet
from benchmarks.stage import Stage
from benchmarks.usage import cpu_of_all
from benchmarks.world import OWNER, world_at

EACH, TIMES, FEW = 100, 8, 1_000
P50 = "p50 ms"
SHORT, OLD = f"{FEW:,} queued", "the long queue, old snapshot open"


async def measure(stage: Stage) -> Sheet:
    """(j)"""
    many, paused = stage.size(1_000_000, 100_000), stage.size(500_000, 50_000)
    long, ahead = f"{many:,} queued", f"{FEW:,} queued, {paused:,} paused ahead"
    sheet = Sheet("claim of 100, PostgreSQL")
    urls = [await stage.postgres() for _ in range(3)]
    async with AsyncExitStack() as stack:
        short_queue, long_queue, behind = [await stack.enter_async_context(world_at(url)) for url in urls]
        await long_queue.run_of(many, MessageState.QUEUED)
        _, held = await behind.run_of(paused, MessageState.QUEUED)
        await behind.services.runs.pause(OWNER, id=held)
        for _ in range(stage.rounds):
            for name, url, world in ((SHORT, urls[0], short_queue), (long, urls[1], None), (ahead, urls[2], behind)):
                if world is not None:
                    await world.run_of(FEW, MessageState.QUEUED)
                sheet.add(name, await _claimed(stage, url))
            # Behind a snapshot that stays open, what was claimed cannot be vacuumed from the index of the due.
            async with _old_snapshot(long_queue.db):
                await _claimed(stage, urls[1], times=4 * TIMES)
                sheet.add(OLD, await _claimed(stage, urls[1]))
            await long_queue.settle()
    for name in (long, ahead, OLD):
        against = long if name == OLD else SHORT
        sheet.bar(f"{name} / {against}", sheet.ratio(P50, name, against), at_most=1.5, moonshot=1.1)
    return sheet


async def _claimed(stage: Stage, url: str, times: int = TIMES) -> Sample:
    watched = {"postgres": await stage.postgres_pid()}
    found = await child.run("benchmarks.claims:claim", url=url, times=times, watched=watched)
    return Sample({P50: found["p50"], "max ms": found["max"]}, found["seconds"], found["cpu"])


@asynccontextmanager
async def _old_snapshot(db: Database) -> AsyncIterator[None]:
    """A reader that has begun and does not end."""
    async with db.snapshot() as uow:
        await uow.session.execute(sa.select(NumberRow.id))
        yield


@asynccontextmanager
async def _dispatch(url: str) -> AsyncIterator[tuple[Dispatch, str]]:
    """As a worker has it, with its number."""
    db = Database(url)
    async with db.snapshot() as uow:
        number_id = (await uow.session.execute(sa.select(NumberRow.id))).scalar_one()
    yield Dispatch(db, rate=1e6, lease=lease_for(30)), number_id
    await db.close()


async def claim(*, url: str, times: int, watched: dict[str, int]) -> dict[str, Any]:
    """``times`` claims after each other, as the dispatcher makes them; nothing is sent. Two before them do not count."""
    latencies = []
    async with _dispatch(url) as (dispatch, number_id):
        for turn in range(times + 2):
            if turn == 2:
                before, own, begun = cpu_of_all(watched), time.process_time(), time.perf_counter()
            started = time.perf_counter()
            claims = await dispatch.claim(number_id, EACH, turn)
            latencies.append(time.perf_counter() - started)
            assert len(claims) == EACH, len(claims)
        seconds = time.perf_counter() - begun
        cpu = {name: spent - before[name] for name, spent in cpu_of_all(watched).items()}
    ordered = sorted(latencies[2:])
    return {
        "p50": 1000 * ordered[len(ordered) // 2], "max": 1000 * ordered[-1], "seconds": seconds,
        "cpu": cpu | {"process": time.process_time() - own},
    }  # fmt: skip


async def drain(*, url: str) -> dict[str, float]:
    """Claims until nothing is due; begin and end by the clock of all processes."""
    claimed = 0
    async with _dispatch(url) as (dispatch, number_id):
        began = time.time()
        while found := await dispatch.claim(number_id, EACH, 0):
            claimed += len(found)
        ended = time.time()
    return {"claimed": claimed, "began": began, "ended": ended}
