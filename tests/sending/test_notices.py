"""What webhooks say besides statuses: guests who stop, templates that are paused, accounts in trouble."""

import json

import pytest

from app.db.tables import DoNotMessageRow, NumberRow, SendRunRow, TemplateRow
from app.domain.enums import DoNotMessageSource, MessageState, SendRunStatus, TemplateStatus
from app.domain.stop_words import DEFAULT_STOP_WORDS, stop_word_key
from app.services.webhooks import Webhooks
from tests.sending.world import Wedding, accepted, envelope, preference, status, wamid
from tests.services.world import one, rows

pytestmark = pytest.mark.anyio

T = 1795500000


async def test_a_guests_stop_blocks_in_every_workspace_of_the_number(wedding: Wedding) -> None:
    run_id = await wedding.send()
    await wedding.post_preferences(preference("stop", T))
    (entry,) = await rows(wedding.db, DoNotMessageRow)
    assert (entry.phone, entry.workspace_id, entry.number_id, entry.source) == (
        "+919876500001", None, wedding.number_id, DoNotMessageSource.META_STOP,
    )  # fmt: skip
    assert (await wedding.states(run_id))["Guest 00001"] is MessageState.REJECTED
    await wedding.check()


@pytest.mark.parametrize(("resumed_at", "active"), [(T + 5, False), (T - 5, True)])
async def test_resume_lifts_only_what_was_asked_before_it(wedding: Wedding, resumed_at: int, active: bool) -> None:
    await wedding.post_preferences(preference("stop", T))
    await wedding.post_preferences(preference("resume", resumed_at))
    (entry,) = await rows(wedding.db, DoNotMessageRow)
    assert entry.active is active


async def test_resume_does_not_lift_a_members_entry(wedding: Wedding) -> None:
    await wedding.blocks.add(
        wedding.world.admin, workspace_id=wedding.world.workspace_id, phone="+919876500001", reason="asked"
    )
    await wedding.post_preferences(preference("resume", T))
    (entry,) = await rows(wedding.db, DoNotMessageRow)
    assert entry.active


@pytest.mark.parametrize(
    ("text", "blocks"), [("STOP", True), (" stop. ", True), ("बंद करो", True), ("don't stop the music", False)]
)
async def test_a_stop_word_alone_blocks(wedding: Wedding, text: str, blocks: bool) -> None:
    hooks = Webhooks(wedding.db, stop_words=frozenset(map(stop_word_key, DEFAULT_STOP_WORDS)))
    inbound = {"from": "919876500001", "id": "wamid.in", "timestamp": str(T), "type": "text", "text": {"body": text}}
    await hooks.ingest([envelope(await wedding.phone_number_id(), messages=[inbound])])
    found = await rows(wedding.db, DoNotMessageRow)
    assert [entry.source for entry in found] == ([DoNotMessageSource.INBOUND_STOP_WORD] if blocks else [])


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
