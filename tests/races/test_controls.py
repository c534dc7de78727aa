"""Pause, resume, cancel and stop against claims, against outcomes that requeue, and against each other."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import pytest

from app.checkpoints import CLAIM_PICKED, before_commit
from app.domain.enums import AuditAction, MessageState, SendRunStatus
from app.domain.errors import ConflictError
from app.services.claims import Claim
from app.whatsapp.port import Behaviour, Outcome
from tests.races.barriers import ended, holding, waits
from tests.sending.world import NOT_SENT, TEMPLATE, Wedding, change, refused, status, wamid, webhook_body

pytestmark = pytest.mark.anyio

LATER = refused(131016, Behaviour.LATER, retry_after=1.0)


Act = Callable[[Wedding, str, Claim], Coroutine[Any, Any, None]]
"""On a run, with a claim of it."""


@dataclass(frozen=True)
class Control:
    """What halts a run: in which unit of work, and how the run stands then."""

    unit: str
    act: Act
    status: SendRunStatus


async def pause(wedding: Wedding, run_id: str, _claim: Claim) -> None:
    await wedding.runs.pause(wedding.world.admin, id=run_id)


async def resume(wedding: Wedding, run_id: str, _claim: Claim) -> None:
    await wedding.runs.resume(wedding.world.admin, id=run_id)


async def cancel(wedding: Wedding, run_id: str, _claim: Claim) -> None:
    await wedding.runs.cancel(wedding.world.admin, id=run_id)


async def template_is_paused(wedding: Wedding, _run_id: str, _claim: Claim) -> None:
    update = {"event": "PAUSED", "message_template_name": TEMPLATE, "message_template_language": "en"}
    await post(wedding, "message_template_status_update", update)


async def account_is_restricted(wedding: Wedding, _run_id: str, _claim: Claim) -> None:
    restriction = {"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 1795500099}
    await post(wedding, "account_update", {"event": "ACCOUNT_RESTRICTION", "restriction_info": [restriction]})


async def token_is_refused(wedding: Wedding, _run_id: str, claim: Claim) -> None:
    await wedding.finish([claim], refused(190, Behaviour.STOP_NUMBER))


async def post(wedding: Wedding, kind: str, value: dict[str, Any]) -> None:
    body = webhook_body(change(wedding.phone_number_id, kind, **value))
    await wedding.webhooks.ingest([body])


CONTROLS = [
    pytest.param(Control("pause", pause, SendRunStatus.PAUSED), id="pause"),
    pytest.param(Control("cancel", cancel, SendRunStatus.CANCELLED), id="cancel"),
    pytest.param(Control("webhook", template_is_paused, SendRunStatus.STOPPED), id="template"),
    pytest.param(Control("webhook", account_is_restricted, SendRunStatus.STOPPED), id="account"),
    pytest.param(Control("outcomes", token_is_refused, SendRunStatus.STOPPED), id="token"),
]


@pytest.mark.parametrize("control", CONTROLS)
async def test_what_halts_a_run_waits_for_the_claim_under_way(wedding: Wedding, control: Control) -> None:
    run_id = await wedding.send()
    (before,) = await wedding.claim(1)
    async with holding(CLAIM_PICKED) as gate:
        claiming = await gate.hold(wedding.claim(1))
        halting = gate.start(control.act(wedding, run_id, before))
        await waits(wedding.db, halting)
        gate.release()
        (claim,) = await ended(claiming)
        await ended(halting)
    assert (await wedding.run(run_id)).status is control.status
    assert (await wedding.message(claim.message_id)).state is MessageState.SENDING, "what is claimed goes out"
    assert await wedding.claim() == []
    await wedding.check()


@pytest.mark.parametrize("control", CONTROLS)
async def test_a_claim_waits_for_what_halts_its_run_and_takes_nothing(wedding: Wedding, control: Control) -> None:
    run_id = await wedding.send()
    (before,) = await wedding.claim(1)
    async with holding(before_commit(control.unit)) as gate:
        halting = await gate.hold(control.act(wedding, run_id, before))
        claiming = gate.start(wedding.claim())
        await waits(wedding.db, claiming)
        gate.release()
        await ended(halting)
        assert await ended(claiming) == []
    assert (await wedding.run(run_id)).status is control.status
    await wedding.check()


@pytest.mark.parametrize("second", [resume, pause])
async def test_nothing_brings_back_a_run_that_is_being_cancelled(wedding: Wedding, second: Act) -> None:
    run_id = await wedding.send()
    (claim,) = await wedding.claim(1)
    if second is resume:
        await pause(wedding, run_id, claim)
    async with holding(before_commit("cancel")) as gate:
        cancelling = await gate.hold(cancel(wedding, run_id, claim))
        late = gate.start(second(wedding, run_id, claim))
        await waits(wedding.db, late)
        gate.release()
        await ended(cancelling)
        with pytest.raises(ConflictError):
            await ended(late)
    assert (await wedding.run(run_id)).status is SendRunStatus.CANCELLED
    await wedding.finish([claim], NOT_SENT)
    assert set((await wedding.states(run_id)).values()) == {MessageState.CANCELLED}
    await wedding.check()


@pytest.mark.parametrize(("first", "found"), [(pause, "PAUSED"), (resume, "RUNNING"), (cancel, "RUNNING")])
async def test_a_cancel_has_the_last_word_and_says_what_it_found(wedding: Wedding, first: Act, found: str) -> None:
    run_id = await wedding.send()
    (claim,) = await wedding.claim(1)
    if first is resume:
        await pause(wedding, run_id, claim)
    async with holding(before_commit(first.__name__)) as gate:
        going = await gate.hold(first(wedding, run_id, claim))
        cancelling = gate.start(cancel(wedding, run_id, claim))
        await waits(wedding.db, cancelling)
        gate.release()
        await ended(going)
        await ended(cancelling)
    assert (await wedding.run(run_id)).status is SendRunStatus.CANCELLED
    (entry,) = await wedding.world.audit(AuditAction.RUN_CANCEL)
    assert entry.before == {"status": found}, (
        "the entry tells what the cancel met, not what it had read before it waited"
    )
    assert await wedding.claim() == []
    await wedding.check()


async def block(wedding: Wedding, _run_id: str, claim: Claim) -> None:
    world = wedding.world
    await wedding.blocks.add(world.admin, workspace_id=world.workspace_id, phone=claim.to, reason="asked")


async def tell(wedding: Wedding, _run_id: str, claim: Claim) -> None:
    """A fact about a message that we believed never to have left."""
    await wedding.post(status(wamid(claim), "sent", 1795500000, biz_opaque_callback_data=claim.attempt_id))


@pytest.mark.parametrize(
    ("unit", "act", "state"),
    [("block", block, MessageState.REJECTED), ("webhook", tell, MessageState.SENT)],
    ids=["block", "fact"],
)
async def test_a_cancel_leaves_alone_what_leaves_the_queue_meanwhile(
    wedding: Wedding, unit: str, act: Act, state: MessageState
) -> None:
    run_id = await wedding.send()
    (claim,) = await wedding.claim(1)
    await wedding.finish([claim], NOT_SENT)
    async with holding(before_commit(unit)) as gate:
        leaving = await gate.hold(act(wedding, run_id, claim))
        cancelling = gate.start(cancel(wedding, run_id, claim))
        await waits(wedding.db, cancelling)
        gate.release()
        await ended(leaving)
        await ended(cancelling)
    assert (await wedding.message(claim.message_id)).state is state
    assert sorted((await wedding.states(run_id)).values()) == sorted(["CANCELLED", "CANCELLED", state])
    await wedding.check()


@pytest.mark.parametrize(("act", "state"), [(block, MessageState.CANCELLED), (tell, MessageState.SENT)])
async def test_blocks_and_facts_find_what_a_cancel_has_left(wedding: Wedding, act: Act, state: MessageState) -> None:
    run_id = await wedding.send()
    (claim,) = await wedding.claim(1)
    await wedding.finish([claim], NOT_SENT)
    async with holding(before_commit("cancel")) as gate:
        cancelling = await gate.hold(cancel(wedding, run_id, claim))
        late = gate.start(act(wedding, run_id, claim))
        await waits(wedding.db, late)
        gate.release()
        await ended(cancelling)
        await ended(late)
    assert (await wedding.message(claim.message_id)).state is state
    await wedding.check()


REQUEUES = [
    pytest.param(NOT_SENT, id="not-sent"),
    pytest.param(LATER, id="later"),
    pytest.param(refused(132001, Behaviour.STOP_RUN), id="stop-run"),
]


@pytest.mark.parametrize("outcome", REQUEUES)
async def test_a_cancel_takes_what_an_outcome_is_sending_back(wedding: Wedding, outcome: Outcome) -> None:
    run_id = await wedding.send()
    claims = await wedding.claim(1)
    async with holding(before_commit("outcomes")) as gate:
        recording = await gate.hold(wedding.finish(claims, outcome))
        cancelling = gate.start(cancel(wedding, run_id, claims[0]))
        await waits(wedding.db, cancelling)
        gate.release()
        await ended(recording)
        await ended(cancelling)
    await assert_cancelled(wedding, run_id)


@pytest.mark.parametrize("outcome", REQUEUES)
async def test_an_outcome_sends_nothing_back_into_a_run_that_is_being_cancelled(
    wedding: Wedding, outcome: Outcome
) -> None:
    run_id = await wedding.send()
    claims = await wedding.claim(1)
    async with holding(before_commit("cancel")) as gate:
        cancelling = await gate.hold(cancel(wedding, run_id, claims[0]))
        recording = gate.start(wedding.finish(claims, outcome))
        await waits(wedding.db, recording)
        gate.release()
        await ended(cancelling)
        await ended(recording)
    await assert_cancelled(wedding, run_id)


async def assert_cancelled(wedding: Wedding, run_id: str) -> None:
    assert (await wedding.run(run_id)).status is SendRunStatus.CANCELLED
    assert set((await wedding.states(run_id)).values()) == {MessageState.CANCELLED}
    assert (await wedding.counters(run_id)).completed_at is not None
    await wedding.check()
