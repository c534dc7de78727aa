"""One message told about from two sides at once: by the answer to its request and by webhooks."""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from app.checkpoints import before_commit
from app.db import facts
from app.db.engine import UnitOfWork
from app.db.facts import NewFact
from app.db.tables import FactRow, StatusItemRow
from app.domain.enums import MessageState, ReceiptFinding
from app.domain.lifecycle import FactStatus
from tests.races.barriers import ended, holding, postgresql_only, sqlstates, waits
from tests.sending.world import UNKNOWN, Wedding, accepted, status, wamid
from tests.services.world import one, rows

pytestmark = pytest.mark.anyio

T = 1795500000

Acts = dict[str, Callable[[], Coroutine[Any, Any, None]]]
"""What happens at once, by unit of work."""


@postgresql_only
@pytest.mark.parametrize("first", ["outcomes", "webhook"])
async def test_the_sweep_settles_what_two_units_missed_together_on_postgresql(wedding: Wedding, first: str) -> None:
    """Neither sees the other's uncommitted rows: the status finds no message, the answer finds no status."""
    await wedding.send()
    (claim,) = await wedding.claim(1)
    acts: Acts = {
        "outcomes": lambda: wedding.finish([claim], accepted),
        "webhook": lambda: wedding.post(status(wamid(claim), "sent", T)),
    }
    async with holding(before_commit(first)) as gate:
        held = await gate.hold(acts.pop(first)())
        ((_, other),) = acts.items()
        await ended(gate.start(other()))
        gate.release()
        await ended(held)
    assert (await wedding.message(claim.message_id)).state is MessageState.ACCEPTED
    assert [item.finding for item in await rows(wedding.db, StatusItemRow)] == [ReceiptFinding.UNMATCHED]
    await wedding.dispatch.sweep()
    assert (await wedding.message(claim.message_id)).state is MessageState.SENT
    assert [(item.finding, item.message_id) for item in await rows(wedding.db, StatusItemRow)] == [
        (None, claim.message_id)
    ]
    await wedding.check()


@pytest.mark.parametrize("first", ["outcomes", "webhook"])
async def test_a_status_with_our_attempt_id_needs_no_sweep(wedding: Wedding, first: str) -> None:
    """Both lock the message, so the second sees all that the first has written."""
    await wedding.send()
    (claim,) = await wedding.claim(1)
    sent = status(wamid(claim), "sent", T, biz_opaque_callback_data=claim.attempt_id)
    acts: Acts = {"outcomes": lambda: wedding.finish([claim], accepted), "webhook": lambda: wedding.post(sent)}
    async with holding(before_commit(first)) as gate:
        held = await gate.hold(acts.pop(first)())
        ((_, other),) = acts.items()
        late = gate.start(other())
        await waits(wedding.db, late)
        gate.release()
        await ended(held)
        await ended(late)
    row = await wedding.message(claim.message_id)
    assert (row.state, row.provider_message_id, row.second_message_id) == (MessageState.SENT, wamid(claim), None)
    assert row.accepted_at is not None
    await wedding.check()


async def test_a_webhook_that_binds_an_id_takes_in_what_was_said_about_it_before(wedding: Wedding) -> None:
    await wedding.send()
    (claim,) = await wedding.claim(1)
    await wedding.post(status(wamid(claim), "sent", T))
    await wedding.post(status(wamid(claim), "failed", T + 1, errors=[{"code": 131026, "title": "Undeliverable"}]))
    assert {fact.message_id for fact in await rows(wedding.db, FactRow)} == {None}
    await wedding.finish([claim], UNKNOWN)
    await wedding.post(status(wamid(claim), "delivered", T + 2, biz_opaque_callback_data=claim.attempt_id))
    row = await wedding.message(claim.message_id)
    assert (row.state, row.failure_code) == (MessageState.DELIVERED, 131026)
    assert row.sent_at is not None
    assert {fact.message_id for fact in await rows(wedding.db, FactRow)} == {claim.message_id}
    assert {item.finding for item in await rows(wedding.db, StatusItemRow)} == {None}
    await wedding.check()


async def test_one_status_in_two_bodies_at_once_is_one_fact(wedding: Wedding) -> None:
    await wedding.send()
    (claim,) = await wedding.claim(1)
    await wedding.finish([claim], accepted)
    sent = status(wamid(claim), "sent", T)
    async with holding(before_commit("webhook")) as gate:
        first = await gate.hold(wedding.post(sent))
        second = gate.start(wedding.post(sent))
        await waits(wedding.db, second)
        gate.release()
        await ended(first)
        await ended(second)
    fact = await one(wedding.db, FactRow, FactRow.message_id == claim.message_id, FactRow.status == "sent")
    assert fact.at.timestamp() == T
    assert sorted(item.repeated for item in await rows(wedding.db, StatusItemRow)) == [False, True]
    await wedding.check()


@postgresql_only
async def test_the_same_facts_in_opposite_orders_never_deadlock(wedding: Wedding) -> None:
    """About nobody's message, so no lock on one comes before; enough of them for the two statements to overlap."""
    at = datetime.fromtimestamp(T, UTC)
    told = [
        NewFact(wedding.number_id, f"wamid.foreign{n}", FactStatus.SENT, at, 0, None, None, None, None, at)
        for n in range(2_000)
    ]
    begun, kept = asyncio.Barrier(2), list[int]()

    async def keep(uow: UnitOfWork, given: Sequence[NewFact]) -> None:
        await uow.now()
        await begun.wait()
        kept.append(len(await facts.insert(uow, given)))

    with sqlstates(wedding.db) as states:
        both = (wedding.db.write(functools.partial(keep, given=given)) for given in (told, told[::-1]))
        await ended(asyncio.gather(*both))
    assert states == []
    assert sorted(kept) == [0, len(told)]
