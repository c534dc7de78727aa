"""What Python holds while a run's CSV is streamed, for ten times as many rows."""

import time
import tracemalloc

from benchmarks.sheet import Sample, Sheet
from benchmarks.stage import Stage
from benchmarks.world import OWNER, World, world_at


async def measure(stage: Stage) -> Sheet:
    small, large = stage.size(10_000, 2_000), stage.size(100_000, 20_000)
    sheet = Sheet(f"CSV of a run of {large:,} messages against {small:,}, PostgreSQL")
    async with world_at(await stage.postgres()) as world:
        runs = {size: (await world.run_of(size, evidence=False))[1] for size in (small, large)}
        await _streamed(world, runs[small], small)  # so that what is made once is not counted below
        for _ in range(stage.rounds):
            for size, run_id in runs.items():
                sheet.add(f"{size:,} rows", await _streamed(world, run_id, size))
    ratio = sheet.ratio("peak MB", f"{large:,} rows", f"{small:,} rows")
    sheet.bar(f"peak memory, {large:,} / {small:,}", ratio, at_most=1.2)
    sheet.notes.append("Traced, which takes several times as long as streaming without.")
    return sheet


async def _streamed(world: World, run_id: str, messages: int) -> Sample:
    tracemalloc.start()
    before, started, size, lines = tracemalloc.get_traced_memory()[0], time.perf_counter(), 0, 0
    async for part in await world.services.exports.run(OWNER, run_id):
        size += len(part)
        lines += part.count("\r\n")
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert lines == messages + 2, (lines, messages)  # the header, and the message that is cancelled
    return Sample({"peak MB": peak / 1e6, "text MB": size / 1e6, "s": time.perf_counter() - started})
