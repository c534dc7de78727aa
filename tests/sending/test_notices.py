"""What webhooks say besides statuses: guests who stop, templates that are paused, accounts in trouble."""

import json
import time
from typing import Any

import pytest

from app.db.tables import DoNotMessageRow, NumberRow, SendRunRow, StatusItemRow, TemplateRow
from app.domain.enums import DoNotMessageSource, MessageState, ReceiptFinding, SendRunStatus, TemplateStatus
from app.domain.stop_words import DEFAULT_STOP_WORDS, stop_word_key
from app.services.webhooks import Webhooks
from app.whatsapp.port import Behaviour
from tests.sending.world import Wedding, accepted, envelope, preference, refused, status, wamid
from tests.services.world import one, rows

pytestmark = pytest.mark.anyio

T = int(time.time()) - 3600


async def test_a_guests_stop_blocks_in_every_workspace_of_the_number(wedding: Wedding) -> None:
    run_id = await wedding.send()
    await wedding.post_preferences(preference("stop", T))
    (entry,) = await rows(wedding.db, DoNotMessageRow)
    assert (entry.phone, entry.workspace_id, entry.number_id, entry.source) == (
        "+919876500001", None, wedding.number_id, DoNotMessageSource.META_STOP,
    )  # fmt: skip
    assert (await wedding.states(run_id))["Guest 00001"] is MessageState.REJECTED
    await wedding.check()


@pytest.mark.parametrize(("later", "active"), [(5, False), (-5, True)])
async def test_resume_lifts_only_what_was_asked_before_it(wedding: Wedding, later: int, active: bool) -> None:
    await wedding.post_preferences(preference("stop", T))
    await wedding.post_preferences(preference("resume", T + later))
    (entry,) = await rows(wedding.db, DoNotMessageRow)
    assert entry.active is active


async def test_resume_does_not_lift_a_members_entry(wedding: Wedding) -> None:
    await wedding.blocks.add(
        wedding.world.admin, workspace_id=wedding.world.workspace_id, phone="+919876500001", reason="asked"
    )
    await wedding.post_preferences(preference("resume", T))
    (entry,) = await rows(wedding.db, DoNotMessageRow)
    assert entry.active


def hooks(wedding: Wedding) -> Webhooks:
    return Webhooks(wedding.db, stop_words=frozenset(map(stop_word_key, DEFAULT_STOP_WORDS)))


async def hear(wedding: Wedding, said: dict[str, Any], **beside: Any) -> None:
    """A message of a guest."""
    inbound = {"id": "wamid.in", "timestamp": str(T)} | said
    await hooks(wedding).ingest([envelope(wedding.phone_number_id, messages=[inbound], **beside)])


def tapped(kind: str, **part: Any) -> dict[str, Any]:
    return {"from": "919876500001", "type": kind, kind: part}


@pytest.mark.parametrize(
    ("said", "blocks"),
    [
        (tapped("text", body="STOP"), True),
        (tapped("text", body=" stop. "), True),
        (tapped("text", body="stop✅"), True),
        (tapped("text", body="\N{OCTAGONAL SIGN}\ufe0f Stop!!"), True),
        (tapped("text", body="बंद करो"), True),
        (tapped("text", body="don't stop the music"), False),
        (tapped("text", body="✅"), False),
        (tapped("button", text="Unsubscribe", payload="Unsubscribe"), True),
        (tapped("button", text="No thanks", payload="STOP"), True),
        (tapped("button", text="Not interested", payload="decline"), False),
        (tapped("interactive", type="button_reply", button_reply={"id": "1", "title": "Stop"}), True),
        (tapped("interactive", type="list_reply", list_reply={"id": "stop", "title": "Opt out"}), True),
        (tapped("interactive", type="button_reply", button_reply={"id": "stop", "title": "Tell me more"}), False),
        (tapped("image", id="1", caption="stop"), True),
        (tapped("video", id="1", caption="Bus stop"), False),
        (tapped("document", id="1", caption="unsubscribe"), True),
    ],
)
async def test_a_stop_word_alone_blocks_however_it_is_said(
    wedding: Wedding, said: dict[str, Any], blocks: bool
) -> None:
    await hear(wedding, said)
    found = await rows(wedding.db, DoNotMessageRow)
    assert [entry.source for entry in found] == ([DoNotMessageSource.INBOUND_STOP_WORD] if blocks else [])


async def test_the_evidence_of_a_stop_word_names_no_message_that_it_answers(wedding: Wedding) -> None:
    await hear(wedding, tapped("button", text="Unsubscribe") | {"context": {"id": "wamid.of-another-family"}})
    (entry,) = await rows(wedding.db, DoNotMessageRow)
    assert "Unsubscribe" in str(entry.evidence)
    assert "another-family" not in str(entry.evidence)


CONTACT = {"profile": {"name": "Asha"}, "wa_id": "919876500001", "user_id": "IN.1"}


@pytest.mark.parametrize(
    ("contacts", "phones"),
    [
        ([CONTACT], ["+919876500001"]),
        ([{"wa_id": "919876500001"}], ["+919876500001"]),
        ([CONTACT | {"user_id": "IN.2"}], []),
        ([CONTACT, CONTACT | {"wa_id": "919876500002"}], []),
        ([{"user_id": "IN.1"}], []),
        (None, []),
    ],
)
async def test_a_stop_without_a_phone_is_the_only_contacts_or_for_a_person_to_find_out(
    wedding: Wedding, contacts: Any, phones: list[str]
) -> None:
    said = {"from_user_id": "IN.1", "type": "text", "text": {"body": "Stop"}}
    await hear(wedding, said, contacts=contacts)
    assert [entry.phone for entry in await rows(wedding.db, DoNotMessageRow)] == phones
    findings = [each.explanation for each in await rows(wedding.db, StatusItemRow)]
    assert [each and "block it by hand" in each for each in findings] == ([] if phones else [True])


@pytest.mark.parametrize("value", ["STOP", "stop ", " Stop"])
async def test_a_preference_counts_in_any_case(wedding: Wedding, value: str) -> None:
    await wedding.post_preferences(preference(value, T))
    assert [entry.active for entry in await rows(wedding.db, DoNotMessageRow)] == [True]


async def test_an_unknown_preference_is_shown_and_a_sign_up_lifts_nothing(wedding: Wedding) -> None:
    await wedding.post_preferences(
        preference("stop", T), preference("opt_out", T, "919876500002"), preference("signup", T + 1)
    )
    assert [entry.active for entry in await rows(wedding.db, DoNotMessageRow)] == [True]
    (found,) = await rows(wedding.db, StatusItemRow)
    assert found.finding is ReceiptFinding.UNRECOGNISED
    assert "opt_out" in str(found.item)
    assert "does not know" in str(found.explanation)


@pytest.mark.parametrize("told_by", ["answer", "status"])
async def test_what_131050_is_about_is_kept_with_the_block(wedding: Wedding, told_by: str) -> None:
    await wedding.send()
    claim = (await wedding.claim(1))[0]
    if told_by == "answer":
        await wedding.finish([claim], refused(131050, Behaviour.FINAL))
    else:
        await wedding.finish([claim], accepted)
        await wedding.post(status(wamid(claim), "failed", T, errors=[{"code": 131050, "title": "stopped"}]))
    entries = await rows(wedding.db, DoNotMessageRow)
    assert {entry.message_id for entry in entries} == {claim.message_id}


async def test_a_failed_status_131050_blocks_the_phone_of_its_message(wedding: Wedding) -> None:
    await wedding.send()
    claim = (await wedding.claim(1))[0]
    await wedding.finish([claim], accepted)
    stopped = status(wamid(claim), "failed", T, errors=[{"code": 131050, "title": "stopped"}])
    del stopped["recipient_id"]
    await wedding.post(stopped)
    assert [entry.phone for entry in await rows(wedding.db, DoNotMessageRow)] == [claim.to]


async def test_a_paused_template_stops_its_runs(wedding: Wedding) -> None:
    run_id = await wedding.send()
    value = {
        "event": "PAUSED",
        "message_template_id": 1,
        "message_template_name": "wedding_invite",
        "message_template_language": "en",
    }
    change = {"field": "message_template_status_update", "value": value}
    body = {"object": "whatsapp_business_account", "entry": [{"id": "215589313241560", "time": T, "changes": [change]}]}
    await wedding.webhooks.ingest([json.dumps(body).encode()])
    assert (await one(wedding.db, TemplateRow)).status is TemplateStatus.PAUSED
    assert (await one(wedding.db, SendRunRow, SendRunRow.id == run_id)).status is SendRunStatus.STOPPED


async def test_an_account_restriction_pauses_the_number(wedding: Wedding) -> None:
    run_id = await wedding.send()
    restriction = {"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": T + 99}
    change = {"field": "account_update", "value": {"event": "ACCOUNT_RESTRICTION", "restriction_info": [restriction]}}
    body = {"object": "whatsapp_business_account", "entry": [{"id": "215589313241560", "time": T, "changes": [change]}]}
    await wedding.webhooks.ingest([json.dumps(body).encode()])
    assert (await one(wedding.db, NumberRow, NumberRow.id == wedding.number_id)).paused
    assert (await one(wedding.db, SendRunRow, SendRunRow.id == run_id)).status is SendRunStatus.STOPPED


async def test_a_refusal_under_a_second_id_blocks_whom_the_message_was_for(wedding: Wedding) -> None:
    await wedding.send()
    (claim,) = await wedding.claim(1)
    await wedding.finish([claim], accepted)
    await wedding.post(status("wamid.second", "sent", T, biz_opaque_callback_data=claim.attempt_id))
    refusal = status("wamid.second", "failed", T + 1, errors=[{"code": 131050, "title": "stopped"}])
    del refusal["recipient_id"]
    await wedding.post(refusal)
    assert (await wedding.message(claim.message_id)).failure_code == 131050
    assert (await one(wedding.db, DoNotMessageRow)).phone == claim.to
