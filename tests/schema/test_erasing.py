"""``eraseGuest`` over HTTP: the answer, once and again, and the list of those who must not be messaged."""

import pytest

from tests.schema.service import Service, wedding

pytestmark = pytest.mark.anyio

ERASE = "mutation($i: EraseGuestInput!) { eraseGuest(input: $i) { id erasedAt replayed } }"
GUESTS = """query($w: ID!) { workspace(id: $w) {
    guestUnits(filter: {search: "Rao"}) { nodes { id } } doNotMessage { nodes { phone source reason } } } }"""


async def test_erasing_a_guest(idle: Service) -> None:
    made = await wedding(idle)
    (unit,) = (await idle.data(GUESTS, {"w": made.workspace}))["workspace"]["guestUnits"]["nodes"]
    asked = {"i": {"id": unit["id"], "reason": "GUEST_REQUEST"}}
    assert await idle.code(ERASE, asked, by="mallory") == "NOT_FOUND"
    erased = (await idle.data(ERASE, asked))["eraseGuest"]
    assert (erased["id"], erased["replayed"]) == (unit["id"], False)
    assert (await idle.data(ERASE, asked))["eraseGuest"] == erased | {"replayed": True}
    seen = (await idle.data(GUESTS, {"w": made.workspace}))["workspace"]
    assert seen["guestUnits"]["nodes"] == []
    assert seen["doNotMessage"]["nodes"] == [
        {"phone": "erased", "source": "ERASURE", "reason": "The guest was erased."}
    ]
    renamed = "mutation($u: ID!) { updateGuestUnit(input: {id: $u, archived: false}) { id } }"
    assert await idle.code(renamed, {"u": unit["id"]}) == "CONFLICT"


REASONS = """query($w: ID!) { workspace(id: $w) {
    audit(filter: {actions: [BLOCK_ADD, BLOCK_REVOKE]}) { nodes { action reason text after } } } }"""


async def test_the_trail_tells_why_somebody_was_blocked_until_the_guest_is_erased(idle: Service) -> None:
    """The trail cannot be changed, so it only points to the reason, which may name the guest."""
    made = await wedding(idle)
    phone = (await idle.data(PHONES, {"w": made.workspace}))["workspace"]["guestUnits"]["nodes"][0]["people"][0][
        "phone"
    ]
    block = "mutation($i: AddDoNotMessageInput!) { addDoNotMessage(input: $i) { id } }"
    lift = "mutation($i: RevokeDoNotMessageInput!) { revokeDoNotMessage(input: $i) { id } }"
    given = {"workspaceId": made.workspace, "phone": phone, "reason": "Rao asked for it"}
    entry = (await idle.data(block, {"i": given}))["addDoNotMessage"]["id"]
    await idle.data(lift, {"i": {"id": entry, "reason": "Rao changed his mind"}})
    assert await reasons(idle, made.workspace) == {"BLOCK_ADD": given["reason"], "BLOCK_REVOKE": "Rao changed his mind"}
    (unit,) = (await idle.data(GUESTS, {"w": made.workspace}))["workspace"]["guestUnits"]["nodes"]
    await idle.data(ERASE, {"i": {"id": unit["id"], "reason": "GUEST_REQUEST"}})
    assert set((await reasons(idle, made.workspace)).values()) == {"The guest was erased."}


PHONES = (
    """query($w: ID!) { workspace(id: $w) { guestUnits(filter: {search: "Rao"}) { nodes { people { phone } } } } }"""
)


async def reasons(idle: Service, workspace: str) -> dict[str, str]:
    nodes = (await idle.data(REASONS, {"w": workspace}))["workspace"]["audit"]["nodes"]
    assert not any("Rao" in str([node["text"], node["after"]]) for node in nodes)
    return {node["action"]: node["reason"] for node in nodes}
