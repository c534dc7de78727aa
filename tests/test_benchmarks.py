"""What benchmarks measure on is a world as the product makes it, and their bars say what was found."""

import pytest

from app.db.tables import RunCountersRow
from app.services.verification import Verification
from app.whatsapp.kept import read_again
from benchmarks.sheet import Sample, Sheet
from benchmarks.statuses import bodies
from benchmarks.world import OWNER, world_at


@pytest.mark.anyio
async def test_copied_runs_take_the_load_generators_statuses_and_pass_verify(database_url: str) -> None:
    async with world_at(database_url) as world:
        serial, run_id = await world.run_of(7)
        await world.services.webhooks.ingest(list(bodies(serial, 7, 3)))
        async with world.db.snapshot() as uow:
            counters = await uow.session.get_one(RunCountersRow, run_id)
        assert (counters.read, counters.cancelled, counters.queued) == (7, 1, 0)
        report = await Verification(world.db, read_again).verify()
        # The audit, which nobody can change, says that the run was made for one guest.
        assert [check.name for check in report.failed] == ["candidates"], report.failed
        assert [each.id for each in report.failed[0].examples] == [run_id]


@pytest.mark.anyio
async def test_copied_guests_each_get_a_message(database_url: str) -> None:
    async with world_at(database_url, guests=9) as world:
        precheck = await world.services.prechecks.precheck(OWNER, await world.request())
        assert (precheck.eligible_count, precheck.rejected_count) == (9, 0)


def test_a_bar_is_met_by_the_median_of_ratios_within_a_round() -> None:
    sheet = Sheet("rates")
    for floor, product in ((100, 90), (200, 100), (50, 44)):  # the machine drifts; 0.9, 0.5 and 0.88 of the floor
        sheet.add("floor", Sample({"req/s": floor}))
        sheet.add("product", Sample({"req/s": product}))
    ratio = sheet.ratio("req/s", "product", "floor")
    sheet.bar("rate", ratio, at_least=0.8, moonshot=0.9)
    sheet.bar("rate", ratio, at_most=0.8)
    sheet.bar("rate", ratio, at_most=0.9, moonshot=0.5)
    assert [(bar.met, bar.moonshot_met) for bar in sheet.bars] == [(True, False), (False, None), (True, False)]
