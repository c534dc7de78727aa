"""Claims and outcomes: fences, leases, retries, breakers, stops, blocks."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.number_blocks import NumberBlock, insert_number_blocks
from app.db.tables import AttemptRow, DoNotMessageRow, MessageRow
from app.domain.enums import DoNotMessageSource, MessageState, RejectionReason, SendRunStatus
from app.domain.requests import FromRun
from app.services import outcomes
from app.services.base import utc_now
from app.services.breakers import Finished
from app.services.dispatch import Dispatch
from app.whatsapp.port import Accepted, Behaviour, Outcome
from tests.sending.world import (
    LEASE,
    NOT_SENT,
    NOTHING,
    UNKNOWN,
    Wedding,
    accepted,
    make_wedding,
    people,
    refused,
    status,
    wamid,
)
from tests.services.world import guest, one, rows

pytestmark = pytest.mark.anyio

LATER = refused(131016, Behaviour.LATER, retry_after=1.0)
FINAL = refused(131026, Behaviour.FINAL)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (accepted, MessageState.ACCEPTED),
        (FINAL, MessageState.FAILED),
        (LATER, MessageState.QUEUED),
        (NOT_SENT, MessageState.QUEUED),
        (UNKNOWN, MessageState.UNCONFIRMED),
        (refused(132001, Behaviour.STOP_RUN), MessageState.QUEUED),
        (refused(190, Behaviour.STOP_NUMBER), MessageState.QUEUED),
        (refused(130429, Behaviour.LATER, slows=True), MessageState.QUEUED),
    ],
)
async def test_each_outcome_has_its_state(wedding: Wedding, outcome: Outcome, state: MessageState) -> None:
    await wedding.send()
    claims = await wedding.claim()
    await wedding.finish(claims[:1], outcome)
    assert (await wedding.message(claims[0].message_id)).state is state
    await wedding.check()


async def test_what_is_accepted_ends_the_waits_of_a_network_that_was_gone(wedding: Wedding) -> None:
    """Else the next failure would wait twice as long as the last one of hours ago."""
    await wedding.send()
    first, second, *_ = await wedding.claim()
    await wedding.finish([first], NOT_SENT)
    assert (await wedding.number()).backoff_seconds > 0
    await wedding.finish([second], accepted)
    assert (await wedding.number()).backoff_seconds == 0


async def test_a_held_message_is_accepted_and_shown_as_held(wedding: Wedding) -> None:
    await wedding.send()
    claim = (await wedding.claim())[0]
    await wedding.finish([claim], Accepted(wamid(claim), held=True, evidence=NOTHING))
    assert (await wedding.message(claim.message_id)).held
    await wedding.post(status(wamid(claim), "sent", 1795500000))
    assert not (await wedding.message(claim.message_id)).held


async def test_passing_refusals_wait_longer_each_time_and_end(wedding: Wedding) -> None:
    await wedding.send()
    waits = []
    for _ in range(outcomes.MAX_RETRIES + 1):
        claim = (await wedding.claim(1))[0]
        await wedding.finish([claim], LATER)
        row = await wedding.message(claim.message_id)
        waits.append((row.not_before - row.state_since).total_seconds())
        await due_now(wedding, claim.message_id)
    assert waits[:5] == [1.0, 4.0, 16.0, 64.0, 256.0]
    assert row.state is MessageState.FAILED
    assert (row.failure_code, row.attempt_count) == (131016, outcomes.MAX_RETRIES + 1)
    await wedding.check()


async def due_now(wedding: Wedding, message_id: str) -> None:
    """First in the queue, for a worker that has not begun behind it."""

    async def unit(uow: UnitOfWork) -> None:
        await uow.session.execute(
            sa.update(MessageRow)
            .where(MessageRow.id == message_id)
            .values(not_before=utc_now() - timedelta(hours=2), position=-1)
        )

    await wedding.db.write(unit)
    wedding.dispatch = Dispatch(wedding.db, rate=100_000, lease=LEASE)


async def test_too_fast_slows_the_number_and_does_not_count_as_a_retry(wedding: Wedding) -> None:
    await wedding.send()
    claims = await wedding.claim(1)
    await wedding.finish(claims, refused(130429, Behaviour.LATER, slows=True, retry_after=30))
    assert (await wedding.message(claims[0].message_id)).retry_count == 0
    row = await wedding.number()
    assert row.rate_share == 0.5
    assert await wedding.dispatch.take_tokens(wedding.number_id, 10) == 0, "it backs off"


async def test_a_template_refusal_stops_the_run_and_resume_goes_on(wedding: Wedding) -> None:
    run_id = await wedding.send()
    claims = await wedding.claim()
    await wedding.finish(claims, refused(132001, Behaviour.STOP_RUN))
    stopped = await wedding.run(run_id)
    assert stopped.status is SendRunStatus.STOPPED
    assert stopped.status_reason
    assert stopped.next_step
    assert await wedding.claim() == []
    assert {row.retry_count for row in await wedding.messages(run_id)} == {0}
    await wedding.runs.resume(wedding.world.admin, id=run_id)
    await wedding.deliver_all()
    assert set((await wedding.states(run_id)).values()) == {MessageState.ACCEPTED}
    await wedding.check()


async def test_an_expired_token_pauses_the_number_and_stops_its_runs(wedding: Wedding) -> None:
    run_id = await wedding.send()
    await wedding.finish(await wedding.claim(1), refused(190, Behaviour.STOP_NUMBER))
    assert (await wedding.number()).paused
    assert (await wedding.run(run_id)).status is SendRunStatus.STOPPED
    assert await wedding.claim() == []
    assert await wedding.dispatch.take_tokens(wedding.number_id, 10) == 0
    found = await wedding.prechecks.precheck(wedding.world.coordinator, wedding.request(include_already_invited=True))
    assert [blocker.code for blocker in found.blockers] == ["NUMBER_PAUSED"]
    await wedding.runs.resume(wedding.world.admin, id=run_id)
    assert not (await wedding.number()).paused
    await wedding.deliver_all()
    await wedding.check()


@pytest.mark.parametrize(("outcome", "paused"), [(FINAL, False), (UNKNOWN, True)])
async def test_ten_equal_refusals_stop_the_run_and_ten_unknown_outcomes_the_number(
    wedding: Wedding, outcome: Outcome, paused: bool
) -> None:
    big = await make_wedding(wedding.db, people(30))
    run_id = await big.send()
    await big.finish(await big.claim(9), outcome)
    assert (await big.run(run_id)).status is SendRunStatus.RUNNING
    await big.finish(await big.claim(1), accepted)
    await big.finish(await big.claim(9), outcome)
    assert (await big.run(run_id)).status is SendRunStatus.RUNNING, "an accepted one starts the count anew"
    await big.finish(await big.claim(1), outcome)
    assert (await big.run(run_id)).status is SendRunStatus.STOPPED
    assert (await big.number()).paused is paused
    await big.check()


async def test_a_lease_that_runs_out_leaves_the_message_unconfirmed_for_good(wedding: Wedding) -> None:
    await wedding.send()
    claims = await wedding.claim(1)
    await wedding.expire_leases()
    assert (await wedding.message(claims[0].message_id)).state is MessageState.UNCONFIRMED
    attempt = await one(wedding.db, AttemptRow, AttemptRow.message_id == claims[0].message_id)
    assert attempt.lease_expired_at is not None
    assert claims[0].message_id not in {claim.message_id for claim in await wedding.claim()}
    await wedding.check()


@pytest.mark.parametrize(
    ("late", "state"),
    [
        (accepted, MessageState.ACCEPTED),
        (FINAL, MessageState.FAILED),
        (LATER, MessageState.UNCONFIRMED),
        (NOT_SENT, MessageState.UNCONFIRMED),
        (UNKNOWN, MessageState.UNCONFIRMED),
    ],
)
async def test_what_a_stalled_worker_brings_late(wedding: Wedding, late: Outcome, state: MessageState) -> None:
    await wedding.send()
    claims = await wedding.claim(1)
    await wedding.expire_leases()
    await wedding.finish(claims, late)
    assert (await wedding.message(claims[0].message_id)).state is state
    attempt = await one(wedding.db, AttemptRow, AttemptRow.message_id == claims[0].message_id)
    assert attempt.fenced
    assert attempt.outcome is not None
    await wedding.check()


async def test_recording_twice_changes_nothing(wedding: Wedding) -> None:
    run_id = await wedding.send()
    claims = await wedding.claim()
    finished = [Finished(claim, accepted(claim), utc_now()) for claim in claims]
    await wedding.dispatch.record(wedding.number_id, finished)
    before = [(row.state, row.accepted_at, row.provider_message_id) for row in await wedding.messages(run_id)]
    await wedding.dispatch.record(wedding.number_id, finished)
    assert [(row.state, row.accepted_at, row.provider_message_id) for row in await wedding.messages(run_id)] == before
    await wedding.check()


async def test_a_second_message_id_is_kept_for_the_alarm(wedding: Wedding) -> None:
    await wedding.send()
    claim = (await wedding.claim(1))[0]
    await wedding.finish([claim], accepted)
    await wedding.post(status("wamid.other", "sent", 1795500000, biz_opaque_callback_data=claim.attempt_id))
    row = await wedding.message(claim.message_id)
    assert (row.provider_message_id, row.second_message_id) == (wamid(claim), "wamid.other")


async def test_one_id_of_metas_for_two_messages_wedges_nothing(wedding: Wedding) -> None:
    await wedding.send()
    first, second, _ = await wedding.claim()
    await wedding.finish([first], accepted)
    await wedding.finish([second], Accepted(wamid(first), held=False, evidence=NOTHING))
    assert (await wedding.message(second.message_id)).state is MessageState.ACCEPTED
    await wedding.check()


async def test_a_block_while_queued_rejects_and_no_call_is_made(wedding: Wedding) -> None:
    run_id = await wedding.send()
    await wedding.blocks.add(
        wedding.world.coordinator, workspace_id=wedding.world.workspace_id, phone="+919876500001", reason="asked"
    )
    rejected = [row for row in await wedding.messages(run_id) if row.state is MessageState.REJECTED]
    assert [(row.phone, row.rejection_reason) for row in rejected] == [
        ("+919876500001", RejectionReason.DO_NOT_MESSAGE)
    ]
    assert "+919876500001" not in {claim.to for claim in await wedding.claim()}
    await wedding.check()


async def test_a_claim_turns_the_blocked_away_by_itself(wedding: Wedding) -> None:
    """The claim's own check, without the courtesy of the block that empties the queue."""
    run_id = await wedding.send()

    async def block(uow: UnitOfWork) -> None:
        stop = NumberBlock(
            wedding.number_id, "+919876500002", DoNotMessageSource.META_STOP, "stop", utc_now(), None, None
        )
        await insert_number_blocks(uow, [stop])

    await wedding.db.write(block)
    assert {claim.to for claim in await wedding.claim()} == {"+919876500000", "+919876500001"}
    assert (await wedding.states(run_id))["Guest 00002"] is MessageState.REJECTED
    await wedding.check()


async def test_a_retry_is_turned_away_when_its_earlier_message_comes_to_life(wedding: Wedding) -> None:
    run_id = await wedding.send()
    claims = await wedding.claim()
    await wedding.finish(claims, UNKNOWN)
    retry = await wedding.send(wedding.request(from_run=FromRun(run_id, (MessageState.UNCONFIRMED,))))
    await wedding.post(status("wamid.x", "delivered", 1795500000, biz_opaque_callback_data=claims[0].attempt_id))
    assert (await wedding.message(claims[0].message_id)).state is MessageState.DELIVERED
    assert {claim.to for claim in await wedding.claim()} == {claims[1].to, claims[2].to}
    turned_away = [row for row in await wedding.messages(retry) if row.state is MessageState.REJECTED]
    assert [row.rejection_reason for row in turned_away] == [RejectionReason.ALREADY_INVITED]
    await wedding.check()


async def test_code_131050_blocks_the_guest_for_the_number(wedding: Wedding) -> None:
    await wedding.send()
    claims = await wedding.claim(1)
    await wedding.finish(claims, refused(131050, Behaviour.FINAL))
    (entry,) = await rows(wedding.db, DoNotMessageRow)
    assert (entry.phone, entry.number_id, entry.source) == (
        claims[0].to, wedding.number_id, DoNotMessageSource.META_CODE_131050,
    )  # fmt: skip


async def test_the_bucket_gives_no_more_than_the_rate(wedding: Wedding) -> None:
    slow = Dispatch(wedding.db, rate=5, lease=LEASE)
    assert await slow.take_tokens(wedding.number_id, 100) == 5
    assert await slow.take_tokens(wedding.number_id, 100) <= 1


async def test_a_workspaces_own_block_leaves_the_neighbours_queue_alone(wedding: Wedding) -> None:
    neighbour = await make_wedding(wedding.db, number_id=wedding.number_id)
    await neighbour.world.import_rows(guest("Their Guest", "+919876500001"))
    ours, theirs = await wedding.send(), await neighbour.send()
    await wedding.blocks.add(
        wedding.world.admin, workspace_id=wedding.world.workspace_id, phone="+919876500001", reason="asked"
    )
    assert (await wedding.states(ours))["Guest 00001"] is MessageState.REJECTED
    assert await neighbour.states(theirs) == {"Their Guest": MessageState.QUEUED}
    await wedding.check()
