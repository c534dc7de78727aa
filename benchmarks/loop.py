"""The whole loop at Meta's top rate: send, take the answer, take three statuses of each message, all on one machine."""

import asyncio
import time

import httpx
import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import FactRow, RunCountersRow
from app.domain.enums import MessageState
from benchmarks.sends import meta_for, until_taken
from benchmarks.sheet import Sample, Sheet, Spread
from benchmarks.stage import Server, Stage
from benchmarks.usage import cpu_of_all
from benchmarks.world import OWNER, world_at

PACE = 1_000
SETTLING = 25.0
"""Seconds that the last statuses may take."""


async def tens(stage: Stage) -> Sheet:
    """(f), 10 statuses to a POST on average."""
    return await _measure(stage, 10)


async def threes(stage: Stage) -> Sheet:
    """(f), 3 statuses to a POST on average."""
    return await _measure(stage, 3)


async def _measure(stage: Stage, each: int) -> Sheet:
    """Once: it lasts a minute, which is long enough for a median of its own."""
    count = PACE * stage.size(60, 10)
    sheet = Sheet(f"whole loop, {count:,} messages at {PACE:,} a second, {each} statuses to a POST, PostgreSQL")
    url = await stage.postgres()
    async with world_at(url) as world:
        _, run_id = await world.run_of(count, MessageState.QUEUED)
        port = stage.port()
        meta = await meta_for(stage, "--post-to", str(port), "--each", str(each))
        env = {"META_GRAPH_URL": meta.url, "SEND_RATE": str(PACE), "SEND_CONCURRENCY": "200"}
        server = await stage.serve(url, port=port, **env)
        watched = {"server": server.pid, "postgres": await stage.postgres_pid(), "Meta and poster": meta.pid}
        before, started = cpu_of_all(watched), time.perf_counter()
        seen = await until_taken(meta, count, 1.15 * count / PACE, skip=PACE)
        seconds = time.perf_counter() - started
        cpu = {name: spent - before[name] for name, spent in cpu_of_all(watched).items()}
        held = seen["rate"]
        if seen["taken"] < count:
            await world.services.runs.pause(OWNER, id=run_id)
        seen = await _settled(meta)
        lost = await world.db.read(lambda uow: _lost(uow, run_id, seen))
    values = {"msg/s": held, "statuses": seen["statuses"], "webhook p50 ms": seen["p50"], "webhook p99 ms": seen["p99"]}
    sheet.add("product", Sample(values | {"server MB": server.peak}, seconds, cpu))
    sheet.bar(f"rate / {PACE:,}", Spread.of([held / PACE]), at_least=0.95)
    sheet.bar("webhook p99, ms", Spread.of([seen["p99"]]), at_most=250)
    sheet.bar("messages or statuses lost", Spread.of([lost]), at_most=0)
    sheet.bar("messages that came twice", Spread.of([seen["twice"]]), at_most=0)
    sheet.notes.append(f"{seen['refused']:,} POSTs were not answered with 200, and posted again.")
    return sheet


async def _settled(meta: Server) -> dict[str, float]:
    """What Meta has seen once all its statuses are answered, or after a while."""
    ends, before = time.perf_counter() + SETTLING, -1.0
    async with httpx.AsyncClient(trust_env=False) as http:
        while True:
            await asyncio.sleep(1)
            seen: dict[str, float] = (await http.get(f"{meta.url}/seen")).json()
            if (seen["statuses"] == before and not seen["waiting"]) or time.perf_counter() > ends:
                return seen
            before = seen["statuses"]


async def _lost(uow: UnitOfWork, run_id: str, seen: dict[str, float]) -> float:
    """Messages that Meta took and statuses that it posted, less those that are known here."""
    counters = await uow.session.get_one(RunCountersRow, run_id)
    facts = sa.select(sa.func.count()).select_from(FactRow).where(FactRow.message_id.is_not(None))
    known: int = (await uow.session.execute(facts)).scalar_one()
    unread: float = abs(seen["taken"] - counters.reached_read)
    return unread + abs(seen["taken"] + seen["statuses"] - known)
