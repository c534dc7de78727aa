"""Claims that were given away: what their workers bring late changes nothing but the attempt."""

import pytest

from app.checkpoints import before_commit
from app.db.engine import UnitOfWork
from app.db.tables import AttemptRow, FactRow, MessageRow, RunCountersRow
from app.domain import ids
from app.domain.enums import MessageState
from app.services.claims import Claim, Lease
from app.services.dispatch import Dispatch
from app.whatsapp.port import Behaviour, Outcome
from tests.races.barriers import ended, holding, waits
from tests.sending.world import NOT_SENT, UNKNOWN, Wedding, accepted, refused, status, wamid
from tests.services.world import contents, one

pytestmark = pytest.mark.anyio

T = 1795500000

NO_FACTS = [
    pytest.param(refused(131016, Behaviour.LATER, retry_after=1.0), id="later"),
    pytest.param(NOT_SENT, id="not-sent"),
    pytest.param(UNKNOWN, id="unknown"),
]
"""Outcomes that only our own transitions come from, so a fence must stop them."""


async def claim_again(wedding: Wedding, claim: Claim) -> None:
    """As if somebody else had claimed the message: no path of the service leads there (UNCONFIRMED is never sent again),
    but the fence is by claim and not by state, so that none ever can.
    """

    async def unit(uow: UnitOfWork) -> None:
        row = await uow.session.get_one(MessageRow, claim.message_id)
        row.claim_id, row.attempt_count = ids.new_id(ids.CLAIM), 2

    await wedding.db.write(unit)


@pytest.mark.parametrize("late", NO_FACTS)
async def test_a_stale_claim_cannot_touch_the_claim_of_another(wedding: Wedding, late: Outcome) -> None:
    await wedding.send()
    (claim,) = await wedding.claim(1)
    await claim_again(wedding, claim)
    await assert_only_the_attempt_changes(wedding, claim, late)
    assert (await wedding.message(claim.message_id)).state is MessageState.SENDING


@pytest.mark.parametrize("late", NO_FACTS)
@pytest.mark.parametrize("fact", ["sent", "delivered"])
async def test_a_stale_claim_cannot_touch_a_message_that_has_gone_on(
    wedding: Wedding, fact: str, late: Outcome
) -> None:
    await wedding.send()
    (claim,) = await wedding.claim(1)
    await wedding.expire_leases()
    await wedding.post(status(wamid(claim), fact, T, biz_opaque_callback_data=claim.attempt_id))
    await assert_only_the_attempt_changes(wedding, claim, late)
    attempt = await one(wedding.db, AttemptRow, AttemptRow.message_id == claim.message_id)
    assert attempt.fenced


async def assert_only_the_attempt_changes(wedding: Wedding, claim: Claim, late: Outcome) -> None:
    before = await contents(wedding.db, MessageRow, RunCountersRow, FactRow)
    await wedding.finish([claim], late)
    assert await contents(wedding.db, MessageRow, RunCountersRow, FactRow) == before
    attempt = await one(wedding.db, AttemptRow, AttemptRow.message_id == claim.message_id)
    assert attempt.outcome is not None, "the answer is kept as evidence"
    await wedding.check()


async def claim_for_no_time(wedding: Wedding) -> list[Claim]:
    """A claim whose lease is over at once."""
    return await Dispatch(wedding.db, rate=1000, lease=Lease(0.0, 0.0)).claim(wedding.number_id, 1, 0)


async def test_a_lease_that_ends_while_its_outcome_is_written_is_not_lost(wedding: Wedding) -> None:
    await wedding.send()
    (claim,) = await claim_for_no_time(wedding)
    async with holding(before_commit("outcomes")) as gate:
        recording = await gate.hold(wedding.finish([claim], accepted))
        sweeping = gate.start(wedding.dispatch.sweep())
        if wedding.db.sqlite:
            await waits(wedding.db, sweeping)
        else:
            await ended(sweeping)
        gate.release()
        await ended(recording)
        await ended(sweeping)
    attempt = await one(wedding.db, AttemptRow, AttemptRow.message_id == claim.message_id)
    assert (attempt.lease_expired_at, attempt.fenced) == (None, False)
    assert (await wedding.message(claim.message_id)).state is MessageState.ACCEPTED
    await wedding.check()


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        pytest.param(accepted, MessageState.ACCEPTED, id="accepted"),
        pytest.param(NOT_SENT, MessageState.UNCONFIRMED, id="not-sent"),
    ],
)
async def test_an_outcome_waits_for_the_sweep_that_ends_its_lease(
    wedding: Wedding, outcome: Outcome, state: MessageState
) -> None:
    await wedding.send()
    (claim,) = await claim_for_no_time(wedding)
    async with holding(before_commit("leases")) as gate:
        sweeping = await gate.hold(wedding.dispatch.sweep())
        recording = gate.start(wedding.finish([claim], outcome))
        await waits(wedding.db, recording)
        gate.release()
        await ended(sweeping)
        await ended(recording)
    assert (await wedding.message(claim.message_id)).state is state
    attempt = await one(wedding.db, AttemptRow, AttemptRow.message_id == claim.message_id)
    assert attempt.fenced
    await wedding.check()


async def test_two_sweeps_at_once_end_a_lease_once(wedding: Wedding) -> None:
    run_id = await wedding.send()
    await claim_for_no_time(wedding)
    async with holding(before_commit("leases")) as gate:
        first = await gate.hold(wedding.dispatch.sweep())
        second = gate.start(wedding.dispatch.sweep())
        gate.release()
        await ended(first)
        await ended(second)
    counters = await wedding.counters(run_id)
    assert (counters.sending, counters.unconfirmed) == (0, 1)
    await wedding.check()
