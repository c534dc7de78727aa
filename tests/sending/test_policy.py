"""Policy from end to end: consent, lists that block, what Meta thinks of the number, templates that change meanwhile."""

import json
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import MessageRow, NumberRow, SendRunRow, TemplateRow
from app.domain.audience import Audience
from app.domain.consent import Consent
from app.domain.enums import (
    BlockerCode,
    EventStatus,
    MessageState,
    RejectionReason,
    Role,
    SendRunStatus,
    Side,
    StaleReason,
    TemplateCategory,
    TemplateStatus,
    WarningCode,
)
from app.domain.errors import ConflictError
from app.services.events import Events
from app.services.guests import Guests
from app.services.prechecks import Precheck
from app.services.sends import PrecheckStale, SendBlocked, SendSuccess
from app.services.workspaces import Workspaces
from app.whatsapp.port import Behaviour
from tests.sending.world import UNKNOWN, Wedding, accepted, make_wedding, people, refused, status, wamid
from tests.services.world import guest, one
from tests.statements import statements

pytestmark = pytest.mark.anyio

T = 1795500000
WABA = "215589313241560"


async def precheck(wedding: Wedding) -> Precheck:
    return await wedding.prechecks.precheck(wedding.world.coordinator, wedding.request())


def reasons(found: Precheck) -> dict[str, RejectionReason | None]:
    return {each.recipient_name: each.reason for each in found.candidates}


async def post(wedding: Wedding, field: str, **value: Any) -> None:
    entry = {"id": WABA, "time": T, "changes": [{"field": field, "value": value}]}
    body = {"object": "whatsapp_business_account", "entry": [entry]}
    await wedding.webhooks.ingest([json.dumps(body).encode()])


async def set_number(wedding: Wedding, **values: Any) -> None:
    async def unit(uow: UnitOfWork) -> None:
        await uow.session.execute(sa.update(NumberRow).where(NumberRow.id == wedding.number_id).values(**values))

    await wedding.db.write(unit)


async def test_without_consent_nobody_is_messaged_where_it_is_required(wedding: Wedding) -> None:
    world, guests = wedding.world, Guests(wedding.db)
    await Workspaces(wedding.db, None).set_send_policy(
        world.owner, workspace_id=world.workspace_id, roles_that_send=list(Role)[:2], require_consent=True
    )
    assert set(reasons(await precheck(wedding)).values()) == {RejectionReason.CONSENT_MISSING}

    person = await world.person("Guest 00000")
    await guests.update_person(world.coordinator, id=person.id, consent=Consent("said so on the phone"))
    await guests.update_guest_unit(
        world.coordinator, id=(await world.unit("Guest 00001")).id, consent=Consent("form at the engagement")
    )
    found = await precheck(wedding)
    assert reasons(found) == {
        "Guest 00000": None, "Guest 00001": None, "Guest 00002": RejectionReason.CONSENT_MISSING,
    }  # fmt: skip
    assert found.token is not None

    await guests.update_person(world.coordinator, id=person.id, consent=None)
    stale = await wedding.sends.send_invites(world.admin, token=found.token)
    assert isinstance(stale, PrecheckStale)
    assert (stale.reason, stale.precheck.eligible_count) == (StaleReason.CANDIDATES_CHANGED, 1)
    assert stale.precheck.token is not None
    sent = await wedding.sends.send_invites(world.admin, token=stale.precheck.token)
    assert isinstance(sent, SendSuccess)
    assert await wedding.states(sent.run.id) == {
        "Guest 00000": MessageState.REJECTED, "Guest 00001": MessageState.QUEUED, "Guest 00002": MessageState.REJECTED,
    }  # fmt: skip
    await wedding.check()


async def test_a_list_that_blocks_takes_out_of_the_queue_what_is_waiting(wedding: Wedding) -> None:
    other = await make_wedding(wedding.db, people(3), number_id=wedding.number_id)
    run_id, other_run = await wedding.send(), await other.send()
    csv = "name,phone,dnd\nGuest 00001,+919876500001,asked\nGuest 00002,+919876500002,no\n"
    await wedding.world.import_csv(csv)
    assert await wedding.states(run_id) == {
        "Guest 00000": MessageState.QUEUED, "Guest 00001": MessageState.REJECTED, "Guest 00002": MessageState.QUEUED,
    }  # fmt: skip
    assert set((await other.states(other_run)).values()) == {MessageState.QUEUED}, "another family's guests are its own"
    assert len(await wedding.claim()) == 5
    await wedding.check()


async def test_the_messaging_limit_is_told_with_its_figures(wedding: Wedding) -> None:
    await set_number(wedding, messaging_limit="TIER_250")
    assert (await precheck(wedding)).warnings == []
    await wedding.world.import_rows(
        *(guest(name, phone, row=row) for row, (name, phone) in enumerate(people(300, 100), 1))
    )
    (warning,) = (await precheck(wedding)).warnings
    assert warning.code is WarningCode.MESSAGING_LIMIT
    assert warning.message.startswith(
        "303 of these would be new conversations today, beside the 0 that this workspace has; the limit is 250 within"
    )


async def test_who_was_written_to_today_is_no_new_conversation(wedding: Wedding) -> None:
    await set_number(wedding, messaging_limit="TIER_4")
    await wedding.send()
    await wedding.deliver_all()
    again = replace(wedding.request(), include_already_invited=True)
    assert (await wedding.prechecks.precheck(wedding.world.coordinator, again)).warnings == []
    await wedding.world.import_rows(guest("Guest 00009", "+919876500009"), guest("Guest 00008", "+919876500008", row=2))
    (warning,) = (await wedding.prechecks.precheck(wedding.world.coordinator, again)).warnings
    assert warning.message.startswith("2 of these would be new conversations today, beside the 3 that this workspace")

    async def yesterday(uow: UnitOfWork) -> None:
        long_ago = wedding.event.created_at.replace(year=2020)
        await uow.session.execute(sa.update(MessageRow).values(accepted_at=long_ago, sent_at=None))

    await wedding.db.write(yesterday)
    (warning,) = (await wedding.prechecks.precheck(wedding.world.coordinator, again)).warnings
    assert warning.message.startswith("5 of these would be new conversations today, beside the 0")


async def test_what_is_queued_in_a_running_run_counts_as_a_conversation(wedding: Wedding) -> None:
    await set_number(wedding, messaging_limit="TIER_4")
    run_id = await wedding.send()
    await wedding.world.import_rows(guest("Guest 00009", "+919876500009"), guest("Guest 00008", "+919876500008", row=2))
    (warning,) = (await precheck(wedding)).warnings
    assert "2 of these would be new conversations today, beside the 3" in warning.message
    await wedding.runs.cancel(wedding.world.admin, id=run_id)
    (warning,) = (await precheck(wedding)).warnings
    assert "5 of these would be new conversations today, beside the 0" in warning.message


async def test_other_families_of_the_number_are_not_counted(wedding: Wedding) -> None:
    await set_number(wedding, messaging_limit="TIER_4")
    other = await make_wedding(wedding.db, people(3, 500), number_id=wedding.number_id)
    await other.send()
    await other.deliver_all()
    assert (await precheck(wedding)).warnings == []


async def test_webhooks_tell_limit_and_quality(wedding: Wedding) -> None:
    await set_number(wedding, display_phone="+1 555-010-0001", quality_rating="GREEN")
    await post(wedding, "business_capability_update", max_daily_conversations_per_business=2000)
    await post(wedding, "phone_number_quality_update", event="FLAGGED", display_phone_number="15550100001")
    number = await one(wedding.db, NumberRow, NumberRow.id == wedding.number_id)
    assert (number.messaging_limit, number.quality_rating, number.paused) == ("TIER_2K", "RED", False)
    (warning,) = (await precheck(wedding)).warnings
    assert warning.code is WarningCode.QUALITY_LOW
    await post(wedding, "phone_number_quality_update", event="UNFLAGGED", display_phone_number="15550100099")
    number = await one(wedding.db, NumberRow, NumberRow.id == wedding.number_id)
    assert number.quality_rating == "RED", "another number of the account"


async def test_a_template_whose_category_changed_since_is_looked_at_again(wedding: Wedding) -> None:
    await wedding.world.import_rows(guest("US Guest", "+1 650 555 0143"))
    token = await wedding.token()
    change = {"message_template_name": "wedding_invite", "message_template_language": "en", "message_template_id": 1}
    await post(wedding, "template_category_update", correct_category="MARKETING", **change)
    (announced,) = (await precheck(wedding)).warnings
    assert announced.message.startswith(
        "WhatsApp is about to change this template's category from UTILITY to MARKETING"
    )
    await post(wedding, "template_category_update", previous_category="UTILITY", new_category="MARKETING", **change)
    stale = await wedding.sends.send_invites(wedding.world.admin, token=token)
    assert isinstance(stale, PrecheckStale)
    assert stale.reason is StaleReason.TEMPLATE_CHANGED
    assert stale.precheck.rejections == {RejectionReason.COUNTRY_NOT_REACHABLE: 1}
    assert stale.precheck.warnings == []
    assert (await one(wedding.db, TemplateRow)).category is TemplateCategory.MARKETING


async def test_a_template_paused_since_is_refused(wedding: Wedding) -> None:
    token = await wedding.token()
    template = {"message_template_name": "wedding_invite", "message_template_language": "en", "message_template_id": 1}
    await post(wedding, "message_template_status_update", event="PAUSED", **template)
    refused = await wedding.sends.send_invites(wedding.world.admin, token=token)
    assert isinstance(refused, SendBlocked)
    assert [each.code for each in refused.blockers] == [BlockerCode.TEMPLATE_NOT_APPROVED]
    await post(wedding, "message_template_status_update", event="UNPAUSED", **template)
    assert (await one(wedding.db, TemplateRow)).status is TemplateStatus.APPROVED
    assert isinstance(await wedding.sends.send_invites(wedding.world.admin, token=token), SendSuccess)


async def test_a_template_paused_while_its_run_is_sending_stops_it_with_a_way_back(wedding: Wedding) -> None:
    run_id = await wedding.send()
    template = {"message_template_name": "wedding_invite", "message_template_language": "en", "message_template_id": 1}
    await post(wedding, "message_template_status_update", event="PAUSED", **template)
    run = await one(wedding.db, SendRunRow, SendRunRow.id == run_id)
    assert (run.status, bool(run.status_reason), bool(run.next_step)) == (SendRunStatus.STOPPED, True, True)
    assert await wedding.claim() == []
    await post(wedding, "message_template_status_update", event="UNPAUSED", **template)
    assert await wedding.claim() == [], "what was stopped goes on only when somebody says so"
    await wedding.runs.resume(wedding.world.admin, id=run_id)
    assert len(await wedding.claim()) == 3


@pytest.mark.parametrize("status", [EventStatus.DRAFT, EventStatus.ARCHIVED])
@pytest.mark.parametrize("act", ["running", "paused", "stopped"])
async def test_an_event_stays_published_while_a_run_of_it_is_not_finished(
    wedding: Wedding, status: EventStatus, act: str
) -> None:
    events, owner = Events(wedding.db), wedding.world.owner
    run_id = await wedding.send()
    if act == "paused":
        await wedding.runs.pause(wedding.world.admin, id=run_id)
    elif act == "stopped":
        template = {"message_template_name": "wedding_invite", "message_template_language": "en"}
        await post(wedding, "message_template_status_update", event="PAUSED", **template)
    with pytest.raises(ConflictError, match="A send run of this event is not finished") as refused:
        await events.update_event(owner, id=wedding.event.id, status=status)
    assert refused.value.field == "status"
    renamed = await events.update_event(owner, id=wedding.event.id, title="Sangeet night", status=EventStatus.PUBLISHED)
    assert renamed.title == "Sangeet night", "all else may change"
    await wedding.runs.cancel(wedding.world.admin, id=run_id)
    assert (await events.update_event(owner, id=wedding.event.id, status=status)).status is status


async def test_a_finished_run_keeps_no_event_published(wedding: Wedding) -> None:
    await wedding.send()
    claims = await wedding.claim()
    with pytest.raises(ConflictError):
        await Events(wedding.db).update_event(wedding.world.owner, id=wedding.event.id, status=EventStatus.ARCHIVED)
    await wedding.finish(claims, accepted)
    archived = await Events(wedding.db).update_event(
        wedding.world.owner, id=wedding.event.id, status=EventStatus.ARCHIVED
    )
    assert archived.status is EventStatus.ARCHIVED


async def test_a_block_says_what_was_on_its_way(wedding: Wedding) -> None:
    """One message a state, all to one phone; what is queued is turned away, what has arrived is no longer on its way."""
    world, phone = wedding.world, "+919876500001"
    only = Audience(include=((await world.unit("Guest 00001")).id,), side=Side.BRIDE)
    ends: dict[str, Any] = {"ACCEPTED": accepted, "UNCONFIRMED": UNKNOWN, "FAILED": refused(131026, Behaviour.FINAL)}
    runs: dict[str, str] = {}
    test = await wedding.sends.send_test(
        world.admin, event_id=wedding.event.id, template_name="wedding_invite", template_language="en",
        parameters=wedding.request().parameters, phone=phone, idempotency_key="mine",
    )  # fmt: skip
    assert isinstance(test, SendSuccess)
    await wedding.deliver_all()
    for state in ("ACCEPTED", "UNCONFIRMED", "FAILED", "DELIVERED", "SENT", "SENDING", "QUEUED"):
        request = replace(wedding.request(only), include_already_invited=True)
        runs[state] = await wedding.send(request)
        if state == "QUEUED":
            continue
        claims = await wedding.claim()
        if state != "SENDING":
            await wedding.finish(claims, ends.get(state, accepted))
        if state in {"DELIVERED", "SENT"}:
            await wedding.post(status(wamid(claims[0]), state.lower(), T))
    blocked = await wedding.blocks.block(
        world.coordinator, workspace_id=world.workspace_id, phone=phone, reason="asked"
    )
    told = [(message.run_id, message.state) for message in blocked.on_their_way]
    newest_first = [(runs[name], MessageState(name)) for name in ("SENDING", "SENT", "UNCONFIRMED", "ACCEPTED")]
    assert told == [*newest_first, (test.run.id, MessageState.ACCEPTED)]
    assert [message.state for message in await wedding.messages(runs["QUEUED"])] == [MessageState.REJECTED]
    again = await wedding.blocks.block(world.owner, workspace_id=world.workspace_id, phone=phone, reason="again")
    assert [message.id for message in again.on_their_way] == [message.id for message in blocked.on_their_way]
    await wedding.check()


async def test_a_precheck_reads_in_as_many_statements_for_three_as_for_three_hundred(wedding: Wedding) -> None:
    await set_number(wedding, messaging_limit="TIER_250")
    few = await _statements(wedding)
    await wedding.world.import_rows(
        *(guest(name, phone, row=row) for row, (name, phone) in enumerate(people(300, 100), 1))
    )
    assert await _statements(wedding) == few


async def _statements(wedding: Wedding) -> int:
    with statements(wedding.db) as seen:
        await precheck(wedding)
    assert seen
    return len(seen)
