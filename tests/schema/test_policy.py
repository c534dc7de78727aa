"""Consent, blocks and the number's worth as a client sees them."""

import json

import pytest
import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import MessageRow
from app.domain.enums import MessageState
from tests.schema.service import NUMBER, Service, signed, wedding

pytestmark = pytest.mark.anyio

ENTRY = "source reason numberWide evidence receiptId onTheirWay { state recipientName }"


async def test_consent_is_given_shown_and_taken_back(service: Service) -> None:
    made = await wedding(service)
    query = """query($w: ID!) { workspace(id: $w) { guestUnits { nodes {
        id consent { at evidence recordedAt recordedBy { displayName } }
        people { id consent { at evidence recordedBy { displayName } } } } } } }"""
    unit = (await service.data(query, {"w": made.workspace}))["workspace"]["guestUnits"]["nodes"][0]
    assert (unit["consent"], unit["people"][0]["consent"]) == (None, None)
    person = """mutation($i: UpdatePersonInput!) { updatePerson(input: $i) {
        consent { at evidence recordedBy { displayName } } } }"""
    consent = {"evidence": "on the phone", "at": "2026-03-01T12:00:00+05:30"}
    told = await service.data(person, {"i": {"id": unit["people"][0]["id"], "consent": consent}})
    assert told["updatePerson"]["consent"] == {
        "at": "2026-03-01T06:30:00Z", "evidence": "on the phone", "recordedBy": {"displayName": "Anita"},
    }  # fmt: skip
    household = "mutation($i: UpdateGuestUnitInput!) { updateGuestUnit(input: $i) { consent { evidence } } }"
    told = await service.data(household, {"i": {"id": unit["id"], "consent": {"evidence": "a form"}}})
    assert told["updateGuestUnit"]["consent"] == {"evidence": "a form"}
    await service.data(household, {"i": {"id": unit["id"], "name": "Raos"}})
    for name in ("updatePerson", "updateGuestUnit"):
        mutation = person if name == "updatePerson" else household
        target = unit["people"][0]["id"] if name == "updatePerson" else unit["id"]
        assert (await service.data(mutation, {"i": {"id": target, "consent": None}}))[name]["consent"] is None
    error = await service.error(person, {"i": {"id": unit["people"][0]["id"], "consent": {"evidence": " "}}})
    assert error["extensions"] == {"code": "BAD_INPUT", "field": "consent"}


async def test_rows_may_block_and_give_consent(service: Service) -> None:
    made = await wedding(service)
    rows = [
        {"name": "Ravi", "phone": "+919800000021", "doNotMessage": "asked"},
        {"name": "Sita", "phone": "+919800000022", "consent": "2026-03-01 form"},
        {"name": "Mina", "phone": "+919800000023", "consent": "perhaps"},
    ]
    query = "mutation($i: ImportGuestsInput!) { importGuests(input: $i) { rows { nodes { message } } } }"
    told = await service.data(query, {"i": {"workspaceId": made.workspace, "rows": rows, "fileName": "late"}})
    messages = [node["message"] for node in told["importGuests"]["rows"]["nodes"]]
    assert messages[0] == "This phone is on the Do-Not-Message list now."
    assert messages[1] is None
    assert "“perhaps” is not understood" in messages[2]
    listed = await service.data(
        f"query($w: ID!) {{ workspace(id: $w) {{ doNotMessage {{ nodes {{ {ENTRY} }} }} }} }}", {"w": made.workspace}
    )
    assert listed["workspace"]["doNotMessage"]["nodes"] == [
        {
            "source": "IMPORT", "reason": "Guest list late, row 1: asked", "numberWide": False, "receiptId": None,
            "evidence": {"list": "Guest list late", "row": 1, "text": "asked"}, "onTheirWay": [],
        }
    ]  # fmt: skip


async def test_a_block_says_what_is_on_its_way_and_metas_block_shows_its_evidence(idle: Service) -> None:
    service = idle
    made = await wedding(service)
    await made.send()

    async def hand_over(uow: UnitOfWork) -> None:
        await uow.session.execute(sa.update(MessageRow).values(state=MessageState.SENT))

    await service.db.write(hand_over)
    query = f"mutation($i: AddDoNotMessageInput!) {{ addDoNotMessage(input: $i) {{ {ENTRY} }} }}"
    given = {"workspaceId": made.workspace, "phone": "+919800000007", "reason": "asked"}
    assert (await service.data(query, {"i": given}))["addDoNotMessage"] == {
        "source": "MEMBER", "reason": "asked", "numberWide": False, "evidence": None, "receiptId": None,
        "onTheirWay": [{"state": "SENT", "recipientName": "Harish Rao"}],
    }  # fmt: skip

    stop = {"wa_id": "919800000014", "value": "stop", "category": "marketing_messages", "timestamp": 1795500000}
    value = {"metadata": {"phone_number_id": NUMBER}, "user_preferences": [stop]}
    change = {"field": "user_preferences", "value": value}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}).encode()
    assert (await service.http.post("/webhooks/whatsapp", content=body, headers=signed(body))).status_code == 200
    await service.data(
        """mutation($w: ID!) { setMember(input: {workspaceId: $w, subject: "ravi", displayName: "Ravi",
            role: FAMILY_COORDINATOR}) { id } }""",
        {"w": made.workspace},
    )
    listed = f'query($w: ID!) {{ workspace(id: $w) {{ doNotMessage(search: "Anita") {{ nodes {{ id {ENTRY} }} }} }} }}'
    (owners,) = (await service.data(listed, {"w": made.workspace}))["workspace"]["doNotMessage"]["nodes"]
    assert owners["evidence"]["entry"][0]["changes"][0]["value"]["user_preferences"][0]["value"] == "stop"
    assert owners["receiptId"].startswith("rcp_")
    (theirs,) = (await service.data(listed, {"w": made.workspace}, by="ravi"))["workspace"]["doNotMessage"]["nodes"]
    assert (theirs["source"], theirs["numberWide"]) == ("META_STOP", True)
    assert (theirs["evidence"], theirs["receiptId"]) == (None, None)
    revoke = 'mutation($d: ID!) { revokeDoNotMessage(input: {id: $d, reason: "please"}) { id } }'
    assert await service.code(revoke, {"d": owners["id"]}) == "CONFLICT"
    assert await service.code(revoke, {"d": owners["id"]}, by="ravi") == "FORBIDDEN"


async def test_the_provider_says_what_meta_thinks_of_the_number(service: Service) -> None:
    made = await wedding(service)
    query = "query($w: ID!) { workspace(id: $w) { provider { qualityRating messagingLimit dailyLimit syncedAt } } }"
    told = (await service.data(query, {"w": made.workspace}))["workspace"]["provider"]
    assert told.pop("syncedAt") is not None
    assert told == {"qualityRating": "GREEN", "messagingLimit": "TIER_1K", "dailyLimit": 1000}
