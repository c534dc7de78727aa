"""Prechecks and sends: what is pinned, what is refused, what is the same run."""

import asyncio
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.tables import TemplateRow
from app.domain.audience import Audience
from app.domain.enums import (
    AuditAction,
    BlockerCode,
    EventStatus,
    MessageState,
    RejectionReason,
    StaleReason,
)
from app.domain.errors import BadInputError, ForbiddenError, NotFoundError
from app.domain.requests import FromRun
from app.services.events import Events
from app.services.guests import Guests
from app.services.sends import PrecheckStale, SendBlocked, SendSuccess
from app.whatsapp.port import Behaviour
from tests.sending.world import TEMPLATE, UNKNOWN, Wedding, accepted, guest_name, make_wedding, people, refused
from tests.services.world import guest, make_world
from tests.statements import statements

pytestmark = pytest.mark.anyio


def pass_time(monkeypatch: pytest.MonkeyPatch, time: timedelta) -> None:
    """Let the database's clock, by which a send judges expiry, be ahead."""
    now = UnitOfWork.now

    async def later(uow: UnitOfWork) -> datetime:
        return await now(uow) + time

    monkeypatch.setattr(UnitOfWork, "now", later)


async def test_every_candidate_becomes_one_message_rejected_ones_too(wedding: Wedding) -> None:
    await wedding.world.import_rows(guest("No Phone"), guest("Bad Phone", "12345", row=2))
    run_id = await wedding.send()
    assert await wedding.states(run_id) == {
        "Bad Phone": MessageState.REJECTED,
        "Guest 00000": MessageState.QUEUED,
        "Guest 00001": MessageState.QUEUED,
        "Guest 00002": MessageState.QUEUED,
        "No Phone": MessageState.REJECTED,
    }
    reasons = {message.recipient_name: message.rejection_reason for message in await wedding.messages(run_id)}
    assert reasons["Bad Phone"] is RejectionReason.MALFORMED_PHONE
    assert reasons["No Phone"] is RejectionReason.MISSING_PHONE
    assert {message.text for message in await wedding.messages(run_id) if message.phone} == {
        f"Dear Guest {index:05}, you are invited." for index in range(3)
    }
    await wedding.check()


async def test_the_same_token_returns_the_same_run_also_after_its_expiry(
    wedding: Wedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await wedding.token()
    first = await wedding.sends.send_invites(wedding.world.admin, token=token)
    pass_time(monkeypatch, timedelta(days=3))
    second = await wedding.sends.send_invites(wedding.world.admin, token=token)
    assert isinstance(first, SendSuccess)
    assert isinstance(second, SendSuccess)
    assert (first.replayed, second.replayed) == (False, True)
    assert second.run.id == first.run.id
    assert len(await wedding.messages()) == 3


async def test_two_prechecks_before_either_send_make_the_second_send_stale(wedding: Wedding) -> None:
    tokens = [await wedding.token(), await wedding.token(wedding.request(Audience(search="Guest 00001")))]
    results = await asyncio.gather(*(wedding.sends.send_invites(wedding.world.admin, token=token) for token in tokens))
    assert {type(result) for result in results} == {SendSuccess, PrecheckStale}
    stale = next(result for result in results if isinstance(result, PrecheckStale))
    assert stale.reason is StaleReason.CANDIDATES_CHANGED
    phones = [message.phone for message in await wedding.messages()]
    assert len(phones) == len(set(phones)), "nobody is planned twice"


async def test_asking_for_a_second_invite_is_stale_too_once_somebody_else_has_sent(wedding: Wedding) -> None:
    again = wedding.request(include_already_invited=True)
    first, second = await wedding.token(again), await wedding.token(again)
    assert isinstance(await wedding.sends.send_invites(wedding.world.admin, token=first), SendSuccess)
    result = await wedding.sends.send_invites(wedding.world.admin, token=second)
    assert isinstance(result, PrecheckStale)
    assert result.precheck.eligible_count == 3, "it can still be sent, but only once it has been looked at again"


async def test_an_expired_token_is_stale_and_nothing_is_sent(wedding: Wedding, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await wedding.token()
    pass_time(monkeypatch, timedelta(minutes=16))
    result = await wedding.sends.send_invites(wedding.world.admin, token=token)
    assert isinstance(result, PrecheckStale)
    assert result.reason is StaleReason.EXPIRED
    assert (result.previous_eligible_count, result.previous_rejected_count) == (3, 0)
    assert result.precheck.token not in {None, token}
    assert await wedding.messages() == []


@pytest.mark.parametrize("change", ["event", "template", "guest", "block"])
async def test_a_changed_world_makes_the_token_stale(wedding: Wedding, change: str) -> None:
    token = await wedding.token()
    world = wedding.world
    if change == "event":
        await Events(wedding.db).update_event(world.owner, id=wedding.event.id, venue="The Lawns")
    elif change == "template":
        components = [{"type": "BODY", "text": "Dearest {{guest_name}}, do come."}]
        await wedding.db.write(lambda uow: _set_template(uow, wedding.template_id, components=components))
    elif change == "guest":
        person = await world.person("Guest 00001")
        await Guests(wedding.db).update_person(world.owner, id=person.id, name="Renamed Guest")
    else:
        await wedding.blocks.add(
            world.coordinator, workspace_id=world.workspace_id, phone="+919876500001", reason="asked"
        )
    result = await wedding.sends.send_invites(world.admin, token=token)
    assert isinstance(result, PrecheckStale)
    assert result.reason is {
        "event": StaleReason.EVENT_CHANGED,
        "template": StaleReason.TEMPLATE_CHANGED,
    }.get(change, StaleReason.CANDIDATES_CHANGED)
    assert await wedding.messages() == []
    refusals = await world.audit(AuditAction.INVITE_SEND_REFUSED)
    assert [entry.after for entry in refusals] == [{"refused": result.reason}]


async def _set_template(uow: UnitOfWork, template_id: str, **changes: object) -> None:
    await uow.session.execute(sa.update(TemplateRow).where(TemplateRow.id == template_id).values(**changes))


async def test_a_coordinator_may_not_send_and_it_is_audited(wedding: Wedding) -> None:
    token = await wedding.token()
    with pytest.raises(ForbiddenError, match="You may not do this here"):
        await wedding.sends.send_invites(wedding.world.coordinator, token=token)
    assert await wedding.messages() == []
    entry = (await wedding.world.audit(AuditAction.INVITE_SEND_REFUSED))[0]
    assert wedding.world.coordinator.subject in entry.actor_text
    opened = await wedding.prechecks.open(wedding.world.admin, token)
    assert opened is not None
    assert opened.token == token, "the Parent Admin sends what the coordinator prepared"
    assert isinstance(await wedding.sends.send_invites(wedding.world.admin, token=token), SendSuccess)


async def test_the_send_is_audited_with_its_actor_in_the_same_transaction(wedding: Wedding) -> None:
    run_id = await wedding.send()
    (entry,) = await wedding.world.audit(AuditAction.INVITE_SEND)
    assert entry.run_id == run_id
    assert wedding.world.admin.subject in entry.actor_text
    assert entry.after is not None
    assert entry.after["eligible"] == 3
    assert "+91" not in entry.text


@pytest.mark.parametrize("token", ["", "v1..", "v1.abc.def", "x" * 500_000, "v1.é.x"])
async def test_a_token_that_is_not_ours_is_not_found(wedding: Wedding, token: str) -> None:
    with pytest.raises(NotFoundError):
        await wedding.sends.send_invites(wedding.world.admin, token=token)
    assert await wedding.prechecks.open(wedding.world.admin, token) is None


async def test_a_forged_or_foreign_token_is_not_found(wedding: Wedding) -> None:
    token = await wedding.token()
    other = await make_world(wedding.db, number_id=wedding.number_id, name="Others")
    for actor, text in ((other.owner, token), (wedding.world.admin, token[:-1] + ("A" if token[-1] != "A" else "B"))):
        with pytest.raises(NotFoundError):
            await wedding.sends.send_invites(actor, token=text)
        assert await wedding.prechecks.open(actor, text) is None
    assert await wedding.messages() == []


async def test_an_archived_event_blocks_a_send_that_was_prechecked(wedding: Wedding) -> None:
    token = await wedding.token()
    await Events(wedding.db).update_event(wedding.world.owner, id=wedding.event.id, status=EventStatus.ARCHIVED)
    result = await wedding.sends.send_invites(wedding.world.admin, token=token)
    assert isinstance(result, SendBlocked)
    assert [blocker.code for blocker in result.blockers] == [BlockerCode.EVENT_NOT_PUBLISHED]
    assert await wedding.messages() == []


async def test_a_retry_takes_the_unfinished_and_no_one_else(wedding: Wedding) -> None:
    run_id = await wedding.send()
    first, second, third = await wedding.claim()
    await wedding.finish([first], accepted)
    await wedding.finish([second], UNKNOWN)
    await wedding.finish([third], refused(131026, Behaviour.FINAL))
    cautious = await wedding.prechecks.precheck(
        wedding.world.coordinator, wedding.request(from_run=FromRun(run_id, (MessageState.FAILED,)))
    )
    assert [candidate.phone for candidate in cautious.candidates] == [third.to]
    states = (MessageState.FAILED, MessageState.UNCONFIRMED)
    run_id = await wedding.send(wedding.request(from_run=FromRun(run_id, states)))
    messages = await wedding.messages(run_id)
    assert [message.phone for message in messages] == [second.to, third.to]
    assert [message.prior_message_id for message in messages] == [second.message_id, third.message_id]


async def test_a_test_message_goes_through_the_same_checks_and_counts_nowhere(wedding: Wedding) -> None:
    async def test(phone: str, key: str = "k1") -> object:
        return await wedding.sends.send_test(
            wedding.world.admin,
            event_id=wedding.event.id,
            template_name=TEMPLATE,
            template_language="en",
            parameters=(guest_name(),),
            phone=phone,
            idempotency_key=key,
        )

    first, second = await test("98765 43210"), await test("98765 43210")
    assert isinstance(first, SendSuccess)
    assert isinstance(second, SendSuccess)
    assert (second.replayed, second.run.id) == (True, first.run.id)
    assert [message.text for message in await wedding.messages()] == [
        f"Dear {wedding.world.admin.display_name}, you are invited."
    ]
    found = await wedding.prechecks.precheck(wedding.world.coordinator, wedding.request())
    assert found.eligible_count == 3
    await wedding.blocks.add(
        wedding.world.admin, workspace_id=wedding.world.workspace_id, phone="+919876543211", reason="asked"
    )
    blocked = await test("+919876543211", "k2")
    assert isinstance(blocked, SendBlocked)
    with pytest.raises(BadInputError, match="valid phone"):
        await test("12", "k3")
    with pytest.raises(ForbiddenError):
        await wedding.sends.send_test(
            wedding.world.coordinator, event_id=wedding.event.id, template_name=TEMPLATE, template_language="en",
            parameters=(guest_name(),), phone="98765 43210", idempotency_key="k4",
        )  # fmt: skip


async def test_statements_do_not_grow_with_recipients(db: Database) -> None:
    counts = []
    for count in (10, 10_000):
        wedding = await make_wedding(db, people(count))
        with statements(db) as seen:
            token = await wedding.token()
            before_send = len(seen)
            await wedding.sends.send_invites(wedding.world.admin, token=token)
        counts.append((before_send, len(seen) - before_send))
        assert len(await wedding.messages()) >= count
    (small_precheck, small_send), (large_precheck, large_send) = counts
    assert small_precheck > 0
    assert large_precheck == small_precheck
    assert large_send == small_send + 3, "only messages (4,000 a statement) and sources (8,000) take more of them"
