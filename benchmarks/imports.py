"""Import of ten times as many rows of CSV, through the API."""

from benchmarks.asking import once
from benchmarks.asks import IMPORT, csv_of
from benchmarks.sheet import Sheet, Spread
from benchmarks.stage import Stage
from benchmarks.world import world_at


async def measure(stage: Stage) -> Sheet:
    """(k)"""
    small, large = stage.size(5_000, 1_000), stage.size(50_000, 10_000)
    sheet = Sheet(f"import of {large:,} CSV rows against {small:,}, PostgreSQL")
    url = await stage.postgres()
    async with world_at(url) as world:
        server = await stage.serve(url, "--no-dispatch", QUERY_TIMEOUT="120")
        await once(server, IMPORT, workspace=(await world.another()).workspace_id, csv=csv_of(small))
        for _ in range(stage.rounds):
            for size in (small, large):
                found, sample = await once(
                    server, IMPORT, workspace=(await world.another()).workspace_id, csv=csv_of(size)
                )
                assert sum(each["count"] for each in found["importGuests"]["outcomes"]) >= size, found
                sheet.add(f"import of {size:,}", sample)
    sheet.bar(
        f"{large:,} / {small:,}",
        sheet.ratio("s", f"import of {large:,}", f"import of {small:,}"),
        at_most=11,
        moonshot=10,
    )
    sheet.bar("memory, MB (for information)", Spread.of(sheet.values(f"import of {large:,}", "MB")))
    return sheet
