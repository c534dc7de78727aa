"""A claim against whatever blocks a guest: no claim commits after a block, from whichever side it comes."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import pytest

from app.checkpoints import CLAIM_LOCKED, CLAIM_PICKED, before_commit, committed
from app.domain.enums import EventStatus, MessageState, RejectionReason
from app.domain.requests import SendRequest
from app.services.claims import Claim
from app.services.events import Events
from app.services.sends import SendSuccess
from app.whatsapp.port import Behaviour
from tests.databases import CHOSEN
from tests.races.barriers import ended, holding, postgresql_only, waits
from tests.sending.world import Wedding, accepted, preference, refused, status, wamid

pytestmark = pytest.mark.anyio

T = 1795500000


@dataclass(frozen=True)
class Way:
    """How the guest of ``claim`` comes to be blocked, in which unit of work."""

    unit: str
    act: Callable[[Wedding, Claim], Coroutine[Any, Any, Any]]
    accepted: bool = False
    """Needs a message that Meta has accepted."""


async def by_a_member(wedding: Wedding, claim: Claim) -> None:
    await wedding.blocks.add(
        wedding.world.coordinator, workspace_id=wedding.world.workspace_id, phone=claim.to, reason="asked"
    )


async def by_a_stop(wedding: Wedding, claim: Claim) -> None:
    await wedding.post_preferences(preference("stop", T, claim.to.removeprefix("+")))


async def by_an_answer(wedding: Wedding, claim: Claim) -> None:
    await wedding.finish([claim], refused(131050, Behaviour.FINAL))


async def by_a_status(wedding: Wedding, claim: Claim) -> None:
    await wedding.post(status(wamid(claim), "failed", T, errors=[{"code": 131050, "title": "stopped"}]))


WAYS = [
    pytest.param(Way("block", by_a_member), id="member"),
    pytest.param(Way("webhook", by_a_stop), id="stop"),
    pytest.param(Way("outcomes", by_an_answer), id="answer"),
    pytest.param(Way("webhook", by_a_status, accepted=True), id="status"),
]


async def another_event(wedding: Wedding) -> SendRequest:
    """An invite to a second event for the same guests."""
    event = await wedding.world.event("Haldi")
    await Events(wedding.db).update_event(wedding.world.owner, id=event.id, status=EventStatus.PUBLISHED)
    return replace(wedding.request(), event_id=event.id)


async def send_first(wedding: Wedding, way: Way) -> Claim:
    """A first run with nothing left in its queue; returns the claim of the guest who is going to be blocked."""
    await wedding.send()
    claim, *_ = await wedding.claim()
    if way.accepted:
        await wedding.finish([claim], accepted)
    return claim


async def verdict(wedding: Wedding, run_id: str, phone: str) -> tuple[MessageState, RejectionReason | None]:
    (row,) = [message for message in await wedding.messages(run_id) if message.phone == phone]
    return row.state, row.rejection_reason


MOMENTS = [
    (kind, moment)
    for kind in CHOSEN
    for moment in (CLAIM_LOCKED, CLAIM_PICKED)
    # With SQLite the writer's lock comes with the first statement, and a claim has sent none when it has "locked the number".
    if kind == "postgres" or moment == CLAIM_PICKED
]


@pytest.mark.parametrize(("database_url", "moment"), MOMENTS, indirect=["database_url"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_block_waits_for_the_claim_under_way(wedding: Wedding, way: Way, moment: str) -> None:
    guest = await send_first(wedding, way)
    run_id = await wedding.send(await another_event(wedding))
    async with holding(moment) as gate:
        claiming = await gate.hold(wedding.claim())
        blocking = gate.start(way.act(wedding, guest))
        await waits(wedding.db, blocking)
        gate.release()
        claims = await ended(claiming)
        await ended(blocking)
    assert gate.passed.index(committed("claim")) < gate.passed.index(before_commit(way.unit))
    assert guest.to in {claim.to for claim in claims}
    assert await verdict(wedding, run_id, guest.to) == (MessageState.SENDING, None)
    await wedding.check()


@pytest.mark.parametrize("way", WAYS)
async def test_a_claim_waits_for_the_block_under_way_and_sees_it(wedding: Wedding, way: Way) -> None:
    guest = await send_first(wedding, way)
    run_id = await wedding.send(await another_event(wedding))
    async with holding(before_commit(way.unit)) as gate:
        blocking = await gate.hold(way.act(wedding, guest))
        claiming = gate.start(wedding.claim())
        await waits(wedding.db, claiming)
        gate.release()
        await ended(blocking)
        claims = await ended(claiming)
    assert len(claims) == 2
    assert guest.to not in {claim.to for claim in claims}
    assert await verdict(wedding, run_id, guest.to) == (MessageState.REJECTED, RejectionReason.DO_NOT_MESSAGE)
    await wedding.check()


@postgresql_only
@pytest.mark.parametrize("way", WAYS)
async def test_a_run_planned_while_the_block_is_under_way_does_not_reach_the_guest_on_postgresql(
    wedding: Wedding, way: Way
) -> None:
    """The block found nothing to turn away and the plan saw no block: only the claim is left to stop it."""
    guest = await send_first(wedding, way)
    token = await wedding.token(await another_event(wedding))
    async with holding(before_commit(way.unit)) as gate:
        blocking = await gate.hold(way.act(wedding, guest))
        sent = await ended(wedding.sends.send_invites(wedding.world.admin, token=token))
        assert isinstance(sent, SendSuccess)
        claiming = gate.start(wedding.claim())
        await waits(wedding.db, claiming)
        gate.release()
        await ended(blocking)
        claims = await ended(claiming)
    assert len(claims) == 2
    assert await verdict(wedding, sent.run.id, guest.to) == (MessageState.REJECTED, RejectionReason.DO_NOT_MESSAGE)
    await wedding.check()
