"""Faults of sending that were found once by looking hard. Each came out of a particular mix of things; none may return."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.tables import AttemptRow, NumberRow, SendRunRow
from app.domain.audience import Audience
from app.domain.enums import AuditAction, BlockerCode, EventStatus, MessageState, RejectionReason, SendRunStatus
from app.domain.requests import FromRun, SendRequest
from app.services.base import Actor, utc_now
from app.services.events import Events
from app.services.guests import Guests
from app.services.sends import SendBlocked, SendResult, SendSuccess
from app.services.templates import Templates
from app.services.workspaces import Workspaces
from app.whatsapp.port import Accepted, Behaviour, Evidence, NotSent, NumberProfile, Outcome, ProviderTemplate
from tests.races.barriers import postgresql_only, sqlstates
from tests.sending.test_worker import FakeMeta, working
from tests.sending.world import (
    NOTHING,
    TEMPLATE,
    UNKNOWN,
    Wedding,
    accepted,
    guest_name,
    make_wedding,
    people,
    refused,
    wamid,
)
from tests.services.world import WEDDING_DAY, guest, rows
from tests.whatsapp_simulator.support import until

pytestmark = pytest.mark.anyio


async def test_a_workspace_without_a_number_meets_no_blocks_of_others(wedding: Wedding) -> None:
    """SQL's "= NULL" turned into "IS NULL", which every workspace's own entries meet."""
    world = wedding.world
    await wedding.blocks.add(world.admin, workspace_id=world.workspace_id, phone="+919876500000", reason="asked")
    owner = Actor("owner@elsewhere.example.org", "Owner elsewhere")
    elsewhere = await Workspaces(wedding.db, None).create_workspace(
        owner, name="Elsewhere", default_region="IN", timezone="Asia/Kolkata"
    )
    event = await Events(wedding.db).create_event(
        owner, workspace_id=elsewhere.id, title="Sangeet", starts_at=WEDDING_DAY, venue=None
    )
    listed = [guest("Same Phone", "+919876500000")]
    await Guests(wedding.db).import_guests(owner, workspace_id=elsewhere.id, csv=None, rows=listed, file_name=None)
    found = await wedding.prechecks.precheck(owner, SendRequest(event.id, TEMPLATE, "en", (), Audience()))
    assert [candidate.phone for candidate in found.candidates] == ["+919876500000"]
    assert RejectionReason.DO_NOT_MESSAGE not in found.rejections


@pytest.mark.parametrize("paused_by_hand", [False, True])
async def test_resume_frees_a_paused_number_however_the_run_stands(wedding: Wedding, paused_by_hand: bool) -> None:
    """Otherwise a run that "runs" on a paused number waits for ever: there is nothing left to resume."""
    run_id = await wedding.send()
    admin = wedding.world.admin
    if paused_by_hand:
        await wedding.runs.pause(admin, id=run_id)
    await set_number(wedding, paused=True, paused_reason="The account was restricted.")
    await wedding.runs.resume(admin, id=run_id)
    assert (await wedding.run(run_id)).status is SendRunStatus.RUNNING
    assert not (await wedding.number()).paused
    assert len(await wedding.claim()) == 3
    (entry,) = await wedding.world.audit(AuditAction.RUN_RESUME)
    assert "number" in entry.text, "who lifts the number's pause is on record"


async def set_number(wedding: Wedding, **values: object) -> None:
    async def unit(uow: UnitOfWork) -> None:
        await uow.session.execute(sa.update(NumberRow).where(NumberRow.id == wedding.number_id).values(**values))

    await wedding.db.write(unit)


@pytest.mark.parametrize("together", [False, True])
async def test_one_id_of_metas_for_two_messages_is_bound_once_and_counted_twice(
    wedding: Wedding, together: bool
) -> None:
    run_id = await wedding.send()
    first, second, _ = await wedding.claim()
    same = Accepted(wamid(first), held=False, evidence=NOTHING)
    with sqlstates(wedding.db) as errors:
        for batch in [[first, second]] if together else [[first], [second]]:
            await wedding.finish(batch, same)
    assert errors == [], "seen before it is written; halving the batch is for what nobody foresaw"
    found = [await wedding.message(claim.message_id) for claim in (first, second)]
    assert {row.state for row in found} == {MessageState.ACCEPTED}
    assert sorted(row.provider_message_id or "" for row in found) == ["", wamid(first)]
    counters = await wedding.counters(run_id)
    assert (counters.accepted, counters.reached_accepted) == (2, 2)
    await wedding.check()


@pytest.mark.parametrize("outcome", [refused(131026, Behaviour.FINAL), UNKNOWN], ids=["refused", "unknown"])
async def test_outcomes_recorded_twice_count_once_for_the_breakers(db: Database, outcome: Outcome) -> None:
    """A lost answer to COMMIT makes the recorder write a batch again."""
    big = await make_wedding(db, people(30))
    run_id = await big.send()
    finished = big.finished(await big.claim(6), outcome)
    await big.dispatch.record(big.number_id, finished)
    await big.dispatch.record(big.number_id, finished)
    run, number = await big.run(run_id), await big.number()
    assert run.status is SendRunStatus.RUNNING, "six in a row are not twelve"
    assert run.refusal_streak + number.unknown_streak == 6
    await big.check()


@postgresql_only
async def test_an_outcome_that_cannot_be_written_holds_up_no_other_on_postgresql(wedding: Wedding) -> None:
    """Its neighbours are written, its own message is settled by its lease. SQLite keeps a code of any size."""
    run_id = await wedding.send()
    first, poisoned, third = await wedding.claim()
    good = wedding.finished([first, third], accepted)
    await wedding.dispatch.record(
        wedding.number_id, [good[0], *wedding.finished([poisoned], refused(2**40, Behaviour.FINAL)), good[1]]
    )
    await wedding.expire_leases()
    assert sorted((await wedding.states(run_id)).values()) == ["ACCEPTED", "ACCEPTED", "UNCONFIRMED"]
    assert (await wedding.message(poisoned.message_id)).state is MessageState.UNCONFIRMED
    await wedding.check()


async def test_what_a_retry_left_unconfirmed_can_be_retried_again(wedding: Wedding) -> None:
    """The first run's messages, still UNCONFIRMED, are part of what the operator chose to repeat."""
    run_id = await wedding.send()
    await wedding.finish(await wedding.claim(), UNKNOWN)
    for _ in range(2):
        run_id = await wedding.send(wedding.request(from_run=FromRun(run_id, (MessageState.UNCONFIRMED,))))
        claims = await wedding.claim()
        assert len(claims) == 3
        await wedding.finish(claims, UNKNOWN)
    cautious = await wedding.prechecks.precheck(wedding.world.coordinator, wedding.request())
    assert cautious.eligible_count == 0, "an audience repeats nothing that may have arrived"


async def test_a_message_that_cannot_be_built_stops_its_run_and_nothing_else(wedding: Wedding) -> None:
    meta = FakeMeta()
    run_id = await wedding.send()

    async def spoil(uow: UnitOfWork) -> None:
        await uow.session.execute(sa.update(SendRunRow).where(SendRunRow.id == run_id).values(recipe={"bindings": []}))

    await wedding.db.write(spoil)
    async with working(wedding, meta):
        await until(lambda: wedding.run(run_id), lambda run: run.status is SendRunStatus.STOPPED)
        await until(lambda: wedding.counters(run_id), lambda counters: counters.queued == 3)
    assert meta.asked == []
    assert {attempt.outcome for attempt in await rows(wedding.db, AttemptRow)} == {"REFUSED"}
    assert not (await wedding.number()).paused
    await wedding.check()


async def test_a_request_that_we_chose_not_to_make_slows_no_number(wedding: Wedding) -> None:
    """A restart is no sign of a broken network."""
    await wedding.send()
    await wedding.finish(await wedding.claim(1), NotSent(Evidence(error="ShuttingDown"), by_choice=True))
    assert (await wedding.number()).backoff_until is None
    assert len(await wedding.claim()) == 3


class Meta:
    """An account without templates whose number works."""

    async def list_templates(self, waba_id: str) -> list[ProviderTemplate]:
        return []

    async def number_profile(self, phone_number_id: str) -> NumberProfile:
        return NumberProfile("15550100001", "Asha & Rohan", None, None, "CONNECTED")


async def test_a_sync_that_frees_the_number_says_so_and_forgets_its_waits(wedding: Wedding) -> None:
    waiting = {"backoff_seconds": 60.0, "backoff_until": utc_now() + timedelta(seconds=60), "unknown_streak": 9}
    await set_number(wedding, paused=True, paused_reason="No answers.", **waiting)
    await Templates(wedding.db, Meta()).sync(wedding.world.owner, workspace_id=wedding.world.workspace_id)
    number = await wedding.number()
    assert (number.paused, number.backoff_until, number.backoff_seconds, number.unknown_streak) == (False, None, 0.0, 0)
    (entry,) = await wedding.world.audit(AuditAction.TEMPLATE_SYNC)
    assert "lifted the pause" in entry.text
    await Templates(wedding.db, Meta()).sync(wedding.world.owner, workspace_id=wedding.world.workspace_id)
    *_, entry = await wedding.world.audit(AuditAction.TEMPLATE_SYNC)
    assert "pause" not in entry.text


async def send_test(wedding: Wedding, event_id: str, key: str = "key") -> SendResult:
    return await wedding.sends.send_test(
        wedding.world.admin,
        event_id=event_id,
        template_name=TEMPLATE,
        template_language="en",
        parameters=(guest_name(),),
        phone="+919876500000",
        idempotency_key=key,
    )


async def test_one_test_key_for_two_events_at_once_is_one_message(wedding: Wedding) -> None:
    """The key is the workspace's, the lock the event's: the loser finds the winner's run instead of an error."""
    events = Events(wedding.db)
    haldi = await wedding.world.event("Haldi")
    await events.update_event(wedding.world.owner, id=haldi.id, status=EventStatus.PUBLISHED)
    results = await asyncio.gather(send_test(wedding, wedding.event.id), send_test(wedding, haldi.id))
    assert sorted(result.replayed for result in results if isinstance(result, SendSuccess)) == [False, True]
    assert len(await wedding.messages()) == 1


async def test_a_test_message_spares_who_is_cooling_down(wedding: Wedding) -> None:
    await wedding.send()
    await wedding.finish(await wedding.claim(1), refused(131049, Behaviour.FINAL))
    result = await send_test(wedding, wedding.event.id)
    assert isinstance(result, SendBlocked)
    assert [blocker.code for blocker in result.blockers] == [BlockerCode.NOBODY_ELIGIBLE]


@postgresql_only
async def test_transactions_are_read_committed_whatever_the_servers_default_on_postgresql(
    db: Database, database_url: str
) -> None:
    """Under REPEATABLE READ a claim that has waited for a block would not see it."""
    name = db.url.database

    async def set_default(level: str) -> None:
        async with db.writer.connect() as connection:
            plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await plain.execute(sa.text(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = '{level}'"))

    await set_default("repeatable read")
    fresh = Database(database_url)
    try:
        level = await fresh.write(lambda uow: uow.session.scalar(sa.text("SHOW transaction_isolation")))
    finally:
        await fresh.close()
        await set_default("read committed")
    assert level == "read committed"
