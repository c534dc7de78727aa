"""Several workers on one number: each message once, and the run's end seen whoever brings its last outcome."""

import asyncio

import pytest
import sqlalchemy as sa

from app.checkpoints import CLAIM_PICKED, before_commit
from app.db.engine import UnitOfWork
from app.db.tables import NumberRow
from app.domain.enums import MessageState, SendRunStatus
from app.services.claims import Claim
from app.services.numbers import ensure_number
from app.whatsapp.port import Behaviour, Outcome
from tests.races.barriers import ended, holding, postgresql_only, waits
from tests.sending.world import UNKNOWN, Wedding, accepted, make_wedding, people, refused

pytestmark = pytest.mark.anyio


async def test_four_workers_claim_every_message_once(wedding: Wedding) -> None:
    big = await make_wedding(wedding.db, people(300))
    neighbour = await make_wedding(wedding.db, people(100), number_id=big.number_id)
    runs = [await big.send(), await neighbour.send()]

    async def work(turn: int) -> list[Claim]:
        mine: list[Claim] = []
        while claims := await big.dispatch.claim(big.number_id, 17, turn):
            mine += claims
            turn += 1
        return mine

    parts = await ended(asyncio.gather(*(work(turn) for turn in range(4))))
    claimed = [claim.message_id for part in parts for claim in part]
    assert len(claimed) == len(set(claimed)) == 400
    rows = [row for run_id in runs for row in await big.messages(run_id)]
    assert {(row.state, row.attempt_count) for row in rows} == {(MessageState.SENDING, 1)}
    await big.check()


@postgresql_only
async def test_a_claim_takes_others_and_waits_for_nobody_on_postgresql(wedding: Wedding) -> None:
    await wedding.send()
    async with holding(CLAIM_PICKED) as gate:
        slow = await gate.hold(wedding.claim(2))
        quick = await ended(gate.start(wedding.dispatch.claim(wedding.number_id, 100, 1)))
        gate.release()
        held = await ended(slow)
    assert (len(held), len(quick)) == (2, 1)
    assert len({claim.message_id for claim in (*held, *quick)}) == 3
    await wedding.check()


@postgresql_only
async def test_what_a_broken_claim_lets_go_of_is_claimed_by_who_has_gone_on_behind_it(wedding: Wedding) -> None:
    big = await make_wedding(wedding.db, people(6))
    await big.send()
    async with holding(CLAIM_PICKED) as gate:
        broken = await gate.hold(big.claim(2))
        behind = await ended(gate.start(big.claim(2)))
        broken.cancel()
        gate.release()
        with pytest.raises(asyncio.CancelledError):
            await broken
    rest = [claim for _ in range(2) for claim in await big.claim(2)]
    places = [claim.place for claim in (*behind, *rest)]
    assert places[:4] == sorted(places[:4]), "it goes on from where it was"
    assert max(places[4:]) < min(places[:4]), "and then takes what is left before it"
    assert len(places) == 6
    await big.check()


LAST = [
    pytest.param(accepted, id="accepted"),
    pytest.param(UNKNOWN, id="unknown"),
    pytest.param(refused(131026, Behaviour.FINAL), id="refused"),
]


@pytest.mark.parametrize("outcome", LAST)
async def test_the_last_two_outcomes_at_once_complete_the_run(wedding: Wedding, outcome: Outcome) -> None:
    """Each alone sees the other's message still under way; the counters' row decides."""
    run_id = await wedding.send()
    first, second, third = await wedding.claim()
    await wedding.finish([first], accepted)
    assert (await wedding.counters(run_id)).completed_at is None
    async with holding(before_commit("outcomes")) as gate:
        ours = await gate.hold(wedding.finish([second], outcome))
        theirs = gate.start(wedding.finish([third], outcome))
        await waits(wedding.db, theirs)
        gate.release()
        await ended(ours)
        await ended(theirs)
    counters = await wedding.counters(run_id)
    assert (counters.queued, counters.sending) == (0, 0)
    assert counters.completed_at is not None
    await wedding.dispatch.sweep()
    assert (await wedding.run(run_id)).status is SendRunStatus.COMPLETED
    await wedding.check()


@postgresql_only
async def test_a_process_starts_while_another_changes_the_number(wedding: Wedding) -> None:
    """One that is frozen with its tokens half taken would otherwise keep everybody else from starting."""

    async def take(uow: UnitOfWork) -> None:
        await uow.session.execute(sa.update(NumberRow).values(tokens=0.0))

    it = await wedding.number()
    async with holding(before_commit("tokens")) as gate:
        taking = await gate.hold(wedding.db.write(take, "tokens"))
        start = ensure_number(
            wedding.db, phone_number_id=it.phone_number_id, waba_id=it.waba_id, simulated=it.simulated
        )
        assert await ended(gate.start(start)) == it.id
        gate.release()
        await ended(taking)
