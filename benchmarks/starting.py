"""From the start of the process to the first answer of ``/health/ready``, and what it has when nothing happens."""

import asyncio
import contextlib

from benchmarks.sheet import Sample, Sheet, Spread
from benchmarks.stage import Stage
from benchmarks.usage import memory_of
from benchmarks.world import world_at

READY, IDLE = "ready s", "idle MB"


async def measure(stage: Stage) -> Sheet:
    """(n), on databases that are migrated."""
    sheet = Sheet("start to ready, idle memory")
    urls = {"PostgreSQL": await stage.postgres(), "SQLite": stage.sqlite()}
    for url in urls.values():
        async with world_at(url):
            pass
        async with contextlib.AsyncExitStack() as own:
            await stage.within(own).serve(url)  # compiles the modules, as an installation does
    for _ in range(stage.rounds):
        for name, url in urls.items():
            async with contextlib.AsyncExitStack() as own:
                server = await stage.within(own).serve(url)
                await asyncio.sleep(2)
                sheet.add(name, Sample({READY: server.started, IDLE: memory_of(server.pid, "VmRSS")}))
    for name in urls:
        sheet.bar(f"{name}: ready, s", Spread.of(sheet.values(name, READY)), at_most=2, moonshot=1)
        sheet.bar(f"{name}: idle, MB", Spread.of(sheet.values(name, IDLE)), at_most=150)
    return sheet
