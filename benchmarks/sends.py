"""Durable sends against the bare client: the same client, pace and fake Meta, with and without a database behind it."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import asyncpg
import httpx

from app.cli.server import spare_the_collector
from app.config import Settings
from app.db.engine import Database, UnitOfWork
from app.db.tables import RunCountersRow
from app.domain import ids
from app.domain.enums import MessageState
from app.main import build_meta, build_services, build_worker
from app.metrics import Metrics
from app.whatsapp.client import MetaClient
from app.whatsapp.port import Accepted, TemplateMessage
from benchmarks import child
from benchmarks.sheet import Sample, Sheet
from benchmarks.stage import PHONE_NUMBER_ID, Server, Stage, settings
from benchmarks.statuses import message_id
from benchmarks.usage import cpu_of_all
from benchmarks.world import world_at

CONCURRENCY, RATE = 100, "msg/s"
PRODUCT, FLOOR = "product", "floor: the bare client"
COMPONENTS: list[dict[str, Any]] = [
    {"type": "body", "parameters": [{"type": "text", "parameter_name": "guest_name", "text": "Guest 1"}]}
]
_IS_COMPLETE = "SELECT completed_at IS NOT NULL FROM run_counters WHERE run_id = $1"


async def measure(stage: Stage) -> Sheet:
    """(e)"""
    sheet = Sheet("durable sends, 20 ms, 100 at a time, one process, PostgreSQL")
    url = await stage.postgres()
    meta = await meta_for(stage)
    watched = {"postgres": await stage.postgres_pid(), "Meta": meta.pid}
    async with world_at(url) as world:
        for _ in range(stage.rounds):
            found = await child.run(
                "benchmarks.sends:bare", meta=meta.url, count=stage.size(6_000, 2_000), watched=watched
            )
            sheet.add(FLOOR, Sample({RATE: found["rate"]}, found["seconds"], found["cpu"]))
            count = stage.size(6_000, 2_000)
            _, run_id = await world.run_of(count, MessageState.QUEUED)
            found = await child.run("benchmarks.sends:durable", url=url, meta=meta.url, run_id=run_id, watched=watched)
            assert found["accepted"] == count, f"{found['accepted']} of {count} were accepted"
            sheet.add(PRODUCT, Sample({RATE: found["rate"]}, found["seconds"], found["cpu"]))
    sheet.bar("rate / floor", sheet.ratio(RATE, PRODUCT, FLOOR), at_least=0.6, moonshot=0.8)
    return sheet


async def meta_for(stage: Stage, *arguments: str) -> Server:
    """The fake Meta as a process."""
    port = stage.port()
    return await stage.start("meta", ["benchmarks.meta", "--port", str(port), *arguments], port, "/seen", url="")


async def until_taken(meta: Server, count: int, limit: float, skip: int = 0) -> dict[str, float]:
    """What the fake Meta has seen once it took ``count`` messages, or after ``limit`` seconds."""
    ends = time.perf_counter() + limit
    async with httpx.AsyncClient(trust_env=False) as http:
        while True:
            seen: dict[str, float] = (await http.get(f"{meta.url}/seen?skip={skip}")).json()
            if seen["taken"] >= count or time.perf_counter() > ends:
                return seen
            await asyncio.sleep(0.2)


def _settings(url: str, meta: str) -> Settings:
    chosen = settings(url) | {"META_GRAPH_URL": meta, "SEND_CONCURRENCY": str(CONCURRENCY)}
    # Past what the setting allows: what is measured is how fast it can, not how fast it may.
    return replace(Settings.from_env(chosen), send_rate=1e6)


async def bare(*, meta: str, count: int, watched: dict[str, int]) -> dict[str, Any]:
    """``count`` messages of the product's own client, and nothing else."""
    client = build_meta(_settings("sqlite:///unused.db", meta))
    assert client is not None
    spare_the_collector()
    async with client:
        await _send_all(client, iter(range(CONCURRENCY)))  # opens the connections
        before, own, started = cpu_of_all(watched), time.process_time(), time.perf_counter()
        await _send_all(client, iter(range(count)))
        seconds = time.perf_counter() - started
    cpu = {name: spent - before[name] for name, spent in cpu_of_all(watched).items()}
    return {"rate": count / seconds, "seconds": seconds, "cpu": cpu | {"process": time.process_time() - own}}


async def _send_all(client: MetaClient, places: Iterator[int]) -> None:
    async def some() -> None:
        for place in places:
            outcome = await client.send(
                TemplateMessage(
                    phone_number_id=PHONE_NUMBER_ID, to=f"+9198{place:08d}", template_name="invite", language="en",
                    components=COMPONENTS, attempt_id=f"{message_id(0, place)}.1",
                )
            )  # fmt: skip
            assert isinstance(outcome, Accepted), outcome

    async with asyncio.TaskGroup() as group:
        for _ in range(CONCURRENCY):
            group.create_task(some())


async def durable(*, url: str, meta: str, run_id: str, watched: dict[str, int]) -> dict[str, Any]:
    """The product's worker until nothing of the run is left to send. Timed from its start to the last outcome's commit."""
    chosen = _settings(url, meta)
    client = build_meta(chosen)
    assert client is not None
    spare_the_collector()  # as ``invites worker`` does
    db, stop, metrics = Database(url), asyncio.Event(), Metrics()
    # Looks on past SQLAlchemy, since its time would be counted as the product's.
    watching = await asyncpg.connect(url.replace("+asyncpg", ""))
    async with client:
        worker = build_worker(chosen, await build_services(chosen, db, client, metrics), client, metrics)
        before, own, started = cpu_of_all(watched), time.process_time(), time.perf_counter()
        working = asyncio.create_task(worker.run(stop))
        while not await watching.fetchval(_IS_COMPLETE, run_id.removeprefix(f"{ids.SEND_RUN}_")):
            await asyncio.sleep(0.05)
        seconds = time.perf_counter() - started
        cpu = {name: spent - before[name] for name, spent in cpu_of_all(watched).items()}
        cpu["process"] = time.process_time() - own
        stop.set()
        await working
    counters = await _counters(db, run_id)
    await watching.close()
    await db.close()
    return {"rate": counters.accepted / seconds, "accepted": counters.accepted, "seconds": seconds, "cpu": cpu}


async def _counters(db: Database, run_id: str) -> RunCountersRow:
    async def unit(uow: UnitOfWork) -> RunCountersRow:
        return await uow.session.get_one(RunCountersRow, run_id)

    return await db.read(unit)
