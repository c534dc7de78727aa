"""Several workers on one queue: together they keep the number's pace, and nobody gets a message twice."""

import asyncio
import contextlib
import time

from app.domain.enums import MessageState
from benchmarks import child
from benchmarks.sends import meta_for, until_taken
from benchmarks.sheet import Sample, Sheet, Spread
from benchmarks.stage import Stage
from benchmarks.usage import cpu_of, cpu_of_all
from benchmarks.world import World, world_at

PACE = 500
WORKERS = (1, 2, 4)
RATE, TWICE, CLAIMS = "msg/s", "twice", "claimed/s without HTTP"


async def measure(stage: Stage) -> Sheet:
    """(l)"""
    sheet = Sheet(f"workers on one queue at SEND_RATE {PACE}, PostgreSQL")
    url = await stage.postgres()
    async with world_at(url) as world:
        for _ in range(stage.rounds):
            for workers in WORKERS:
                sheet.add(_name(workers), await _sent(stage, world, url, workers))
        for _ in range(stage.rounds):  # later: what is claimed and not sent would trouble the workers
            for workers in WORKERS:
                sheet.add(f"{_name(workers)}, claims alone", await _claimed(stage, world, url, workers))
    for workers in WORKERS:
        of_pace = [rate / PACE for rate in sheet.values(_name(workers), RATE)]
        sheet.bar(f"{_name(workers)}: rate / {PACE}", Spread.of(of_pace), at_least=0.95)
        sheet.bar(f"{_name(workers)}: rate / {PACE}, not beyond", Spread.of(of_pace), at_most=1.05)
    twice = [number for workers in WORKERS for number in sheet.values(_name(workers), TWICE)]
    sheet.bar("messages that came twice", Spread.of(twice), at_most=0)
    return sheet


def _name(workers: int) -> str:
    return f"{workers} worker{'s' if workers > 1 else ''}"


async def _sent(stage: Stage, world: World, url: str, workers: int) -> Sample:
    """Without the first second's messages: the number's bucket is full at the start and lets them out at once."""
    count = PACE * stage.size(8, 4)
    await world.run_of(count, MessageState.QUEUED)
    async with contextlib.AsyncExitStack() as own:
        scene = stage.within(own)
        meta = await meta_for(scene)
        env = {"META_GRAPH_URL": meta.url, "SEND_RATE": str(PACE), "SEND_CONCURRENCY": "100"}
        pids = [
            await scene.background(f"worker-{place}", ["app", "worker"], url=url, **env) for place in range(workers)
        ]
        watched = {"workers": pids, "postgres": [await stage.postgres_pid()], "Meta": [meta.pid]}
        before, started = _cpu(watched), time.perf_counter()
        seen = await until_taken(meta, count, 60, skip=PACE)
        seconds = time.perf_counter() - started
        cpu = {name: spent - before[name] for name, spent in _cpu(watched).items()}
    assert seen["taken"] == count, f"{seen['taken']} of {count} were sent"
    return Sample({RATE: seen["rate"], TWICE: float(seen["twice"])}, seconds, cpu)


def _cpu(watched: dict[str, list[int]]) -> dict[str, float]:
    return {name: sum(map(cpu_of, pids)) for name, pids in watched.items()} | cpu_of_all({})


async def _claimed(stage: Stage, world: World, url: str, workers: int) -> Sample:
    """Claims of 100, one after the other in each of several processes, until nothing is queued."""
    count = stage.size(20_000, 5_000)
    await world.run_of(count, MessageState.QUEUED)
    found = await asyncio.gather(*(child.run("benchmarks.claims:drain", url=url) for _ in range(workers)))
    assert sum(each["claimed"] for each in found) == count, found
    seconds = max(each["ended"] for each in found) - min(each["began"] for each in found)
    return Sample({CLAIMS: count / seconds}, seconds)
