"""Every operation of the console, in the order of a wedding, over HTTP and on both databases."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse, print_ast

from tests.schema.service import Service, Wedding, status, wamid, wedding

pytestmark = [pytest.mark.anyio, pytest.mark.either_database]

OPERATIONS = {
    node.name.value: print_ast(node)
    for node in parse((Path(__file__).parent / "console-operations.graphql").read_text()).definitions
    if isinstance(node, OperationDefinitionNode) and node.name
}

CSV = """household,name,phone,side
The Raos,Harish Rao,+91 98000 00007,bride
The Thomases,Anita Thomas,+91 98000 00014,bride
The Nairs,Parvati Nair,98,bride
The Khannas,Manoj Khanna,+91 98000 00056,groom
"""


async def reached(service: Service, run: str, wanted: str, count: int) -> dict[str, Any]:
    """The run once ``count`` of its messages are in the state ``wanted``."""
    query = "query($r: ID!) { sendRun(id: $r) { status summary { WANTED candidates } } }".replace("WANTED", wanted)
    for _ in range(200):
        found: dict[str, Any] = (await service.data(query, {"r": run}))["sendRun"]
        if found["summary"][wanted] == count:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(found)


async def test_all_operations(service: Service) -> None:
    made = await wedding(service, [])
    done: set[str] = set()

    async def run(name: str, **variables: Any) -> dict[str, Any]:
        done.add(name)
        return await service.data(OPERATIONS[name], variables)

    imported = (await run("S3_Import", w=made.workspace, csv=CSV))["importGuests"]
    assert {"outcome": "WARNING_MALFORMED_PHONE", "count": 1} in imported["outcomes"]
    assert [row["name"] for row in imported["rows"]["nodes"]] == ["Parvati Nair"]

    guests = (await run("S2_Guests", w=made.workspace))["workspace"]
    assert guests["guestUnits"]["totalCount"] == 1
    assert guests["guestUnits"]["nodes"][0]["people"] == [{"name": "Parvati Nair", "rawPhone": "98"}]
    assert {"side": "BRIDE", "guestUnits": 3} in guests["sides"]

    audience = await run("S4_Audience", e=made.event)
    assert audience["audiencePreview"] == {
        "units": 4, "afterSide": 3, "selectedUnits": 3, "recipients": 2, "withoutPhone": 1,
    }  # fmt: skip
    assert audience["event"]["workspace"]["templates"][0]["parameters"] == [
        {"component": "BODY", "name": "guest_name", "position": None, "kind": "TEXT"}
    ]

    blocked = (await run("S11_Block", w=made.workspace, p="+91 98000 00056"))["addDoNotMessage"]
    assert (blocked["active"], blocked["numberWide"]) == (True, False)

    precheck = (await run("S5_Precheck", i=made.request()))["precheckSend"]
    assert precheck["readyToSend"] is True
    assert (precheck["eligibleCount"], precheck["rejectedCount"]) == (2, 2)
    assert {each["reason"] for each in precheck["rejections"]} == {"DO_NOT_MESSAGE", "MALFORMED_PHONE"}
    assert precheck["candidates"]["totalCount"] == 2
    assert [each["text"] for each in precheck["previews"]] == [
        "Dear Harish Rao, come to our wedding.", "Dear Anita Thomas, come to our wedding.",
    ]  # fmt: skip
    page = (await run("S5b_PrecheckPage", t=precheck["token"], a=None))["precheck"]["candidates"]
    assert len(page["nodes"]) == 2
    assert page["pageInfo"]["hasNextPage"] is False

    sent = (await run("S6_Send", t=precheck["token"]))["sendInvites"]
    assert (sent["__typename"], sent["replayed"]) == ("SendInvitesSuccess", False)
    again = (await run("S6_Send", t=precheck["token"]))["sendInvites"]
    assert again["replayed"] is True
    assert again["run"] == sent["run"]
    run_id = sent["run"]["id"]
    await reached(service, run_id, "accepted", 2)

    first, second = (wamid(message.attempt_id) for message in service.meta.sent)
    answer = await service.post_statuses(
        status(first, "sent", 1_900_000_000),
        status(first, "read", 1_900_000_002),
        status(second, "failed", 1_900_000_003, errors=[{"code": 131026, "title": "Message undeliverable"}]),
        status("wamid.unknown", "sent", 1_900_000_004),
    )
    assert answer.status_code == 200

    shown = (await run("S8_Run", r=run_id, a=None))["sendRun"]
    assert shown["status"] == "COMPLETED"
    assert [(each["code"], each["count"]) for each in shown["summary"]["failures"]] == [(131026, 1)]
    failed = shown["messages"]
    assert (failed["totalCount"], failed["nodes"][0]["failure"]["code"]) == (1, 131026)
    assert [entry["action"] for entry in shown["audit"]["nodes"]] == ["INVITE_SEND"]

    message = (await run("S9_Message", m=failed["nodes"][0]["id"]))["inviteMessage"]
    assert (message["state"], message["lifecycle"]) == ("FAILED", "FAILED")
    assert message["run"]["event"]["title"] == "Sangeet"
    kinds = [entry["kind"] for entry in message["timeline"]]
    assert kinds[0] == "PLANNED"
    assert {"CLAIMED", "PROVIDER_ANSWER", "STATUS"} <= set(kinds)
    assert any(entry["raw"] and entry["kind"] == "STATUS" for entry in message["timeline"])

    not_yet = (await run("S10_NotYet", w=made.workspace, e=made.event))["workspace"]["guestUnits"]
    assert {(unit["name"], unit["coverage"]) for unit in not_yet["nodes"]} == {
        ("The Nairs", "BLOCKED"), ("The Khannas", "BLOCKED"), (message["sources"][0]["guestUnit"]["name"], "FAILED"),
    }  # fmt: skip

    test = (await run("S6b_Test", i=_test_of(made)))["sendTest"]
    assert test["run"]["kind"] == "TEST"

    admin = (await run("S12_Admin", w=made.workspace))["workspace"]
    assert [member["role"] for member in admin["members"]] == ["OWNER"]
    assert [entry["phone"] for entry in admin["doNotMessage"]["nodes"]] == ["+919800000056"]
    assert len(admin["audit"]["nodes"]) == 2
    assert [found["finding"] for found in admin["webhookFindings"]["nodes"]] == ["UNMATCHED"]

    home = (await run("S1_Home"))["me"]["memberships"][0]["workspace"]
    assert home["provider"]["configured"] is True
    assert home["events"][0]["coverage"] == {
        "households": 4, "read": 1, "delivered": 0, "failed": 1, "notTried": 0,
    }  # fmt: skip
    assert {run["summary"]["candidates"] for run in home["sendRuns"]["nodes"]} == {4, 1}

    node = (await run("S13_Node", id=run_id))["node"]
    assert node == {"id": run_id, "status": "COMPLETED"}

    assert done == set(OPERATIONS) - {"S7_Live"}, "S7_Live is in test_subscriptions"


def _test_of(made: Wedding) -> dict[str, Any]:
    request = made.request(phone="+919800000021", idempotencyKey="first test")
    del request["audience"]
    return request
