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
