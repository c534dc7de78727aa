"""Webhooks and GraphQL at a steady pace, alone and while one person prechecks and another imports the largest lists."""

import asyncio
from pathlib import Path

from benchmarks import child
from benchmarks.asking import once
from benchmarks.asks import IMPORT, ME, PRECHECK, csv_of, everybody
from benchmarks.sheet import Sample, Sheet, Spread
from benchmarks.stage import Server, Stage
from benchmarks.world import World, world_at

PACE = 20.0
ALONE, BESIDE = "alone", "beside both"
WEBHOOK, GRAPHQL = "webhook p99 ms", "graphql p99 ms"


async def measure(stage: Stage) -> Sheet:
    """(m)"""
    recipients, rows = stage.size(100_000, 10_000), stage.size(50_000, 5_000)
    sheet = Sheet(f"{PACE:.0f} webhooks and {PACE / 2:.0f} queries a second beside a precheck of {recipients:,} and an "
                  f"import of {rows:,}, PostgreSQL")  # fmt: skip
    url = await stage.postgres()
    async with world_at(url) as world:
        large = await world.another(recipients)
        server = await stage.serve(url, "--no-dispatch", QUERY_TIMEOUT="120")
        for _ in range(stage.rounds):
            for name in (ALONE, BESIDE):
                serial, _ = await world.run_of(10_000)
                stop = stage.folder / f"stop-{serial}"
                watching = asyncio.create_task(
                    child.run(
                        "benchmarks.asking:steady", port=server.port, serial=serial, messages=10_000, pace=PACE, query=ME,
                        until=str(stop),
                    )
                )  # fmt: skip
                while not Path(f"{stop}.begun").exists() and not watching.done():
                    await asyncio.sleep(0.05)
                await asyncio.sleep(stage.size(5, 2) if name == ALONE else 1)
                took = await _both(server, large, world, rows) if name == BESIDE else {}
                stop.touch()
                found = await watching
                values = {
                    f"{kind} {quantile} ms": found[kind][quantile]
                    for kind in ("webhook", "graphql") for quantile in ("p50", "p99", "max")
                }  # fmt: skip
                sheet.add(name, Sample(values | took))
    sheet.bar("webhook p99, ms", Spread.of(sheet.values(BESIDE, WEBHOOK)), at_most=250, moonshot=100)
    sheet.bar("graphql p99, ms (for information)", Spread.of(sheet.values(BESIDE, GRAPHQL)))
    return sheet


async def _both(server: Server, large: World, world: World, rows: int) -> dict[str, float]:
    fresh = await world.another()
    (found, precheck), (_, imported) = await asyncio.gather(
        once(server, PRECHECK, input=await everybody(large)),
        once(server, IMPORT, workspace=fresh.workspace_id, csv=csv_of(rows)),
    )
    assert found["precheckSend"]["token"], found
    return {"precheck s": precheck.values["s"], "import s": imported.values["s"]}
