"""Precheck and send of ten times as many recipients, through the API, with the most memory that the server had."""

from benchmarks.asking import once
from benchmarks.asks import PRECHECK, SEND, everybody
from benchmarks.sheet import Sample, Sheet, Spread
from benchmarks.stage import Server, Stage
from benchmarks.world import World, world_at


async def measure(stage: Stage) -> Sheet:
    """(g)"""
    small, large = stage.size(10_000, 1_000), stage.size(100_000, 10_000)
    sheet = Sheet(f"precheck and sendInvites, {large:,} recipients against {small:,}, PostgreSQL")
    url = await stage.postgres()
    async with world_at(url, small) as world:
        worlds = {small: world, large: await world.another(large)}
        server = await stage.serve(url, "--no-dispatch", QUERY_TIMEOUT="120")
        await _both(server, world, small)  # opens connections and fills caches
        for _ in range(stage.rounds):
            for size, each in worlds.items():
                precheck, send = await _both(server, each, size)
                sheet.add(f"precheck of {size:,}", precheck)
                sheet.add(f"sendInvites of {size:,}", send)
                await each.settle()
    for what in ("precheck", "sendInvites"):
        more, fewer = f"{what} of {large:,}", f"{what} of {small:,}"
        sheet.bar(f"{what}: {large:,} / {small:,}", sheet.ratio("s", more, fewer), at_most=11, moonshot=10)
        sheet.bar(f"{what}: memory, MB", Spread.of(sheet.values(more, "MB")), at_most=400, moonshot=250)
    return sheet


async def _both(server: Server, world: World, size: int) -> tuple[Sample, Sample]:
    found, precheck = await once(server, PRECHECK, input=await everybody(world))
    assert found["precheckSend"]["eligibleCount"] == size, found["precheckSend"]
    sent, send = await once(server, SEND, token=found["precheckSend"]["token"])
    assert sent["sendInvites"]["__typename"] == "SendInvitesSuccess", sent
    return precheck, send
