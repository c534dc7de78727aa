"""Pages of a precheck's candidates, which are in memory, and what is asked of every page."""

from typing import Any

import pytest

from app.domain.errors import BadInputError, ConflictError
from app.schema.pagination import slice_of
from tests.schema.service import Service, wedding

pytestmark = [pytest.mark.anyio, pytest.mark.either_database]

PRECHECK = """query($t: String!, $n: Int, $a: String, $v: Verdict, $s: String) { precheck(token: $t) {
    candidates(first: $n, after: $a, verdict: $v, search: $s) {
        totalCount nodes { recipientName } edges { cursor node { recipientName } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""


def test_pages_put_together_are_the_list() -> None:
    for count in (0, 1, 5, 6, 7):
        rows, after, found = list(range(count)), None, []
        while True:
            page = slice_of(rows, 3, after, version="v", scope="s")
            found += page.nodes
            assert page.total == count
            if not page.has_next:
                break
            after = page.cursors[-1]
        assert found == rows


@pytest.mark.parametrize("first", [0, -1, 101])
def test_first_is_1_to_100(first: int) -> None:
    with pytest.raises(BadInputError, match="first"):
        slice_of([1], first, None, version="v", scope="s")


def test_cursors_of_another_list() -> None:
    cursor = slice_of([1, 2], 1, None, version="v", scope="s").cursors[0]
    for wrong in ("", "x", "!", "🙏", cursor[:-2], cursor + cursor):
        with pytest.raises(BadInputError):
            slice_of([1, 2], 1, wrong, version="v", scope="s")
    with pytest.raises(BadInputError):
        slice_of([1, 2], 1, cursor, version="v", scope="other")
    with pytest.raises(ConflictError):
        slice_of([1, 2], 1, cursor, version="later", scope="s")


async def test_candidates(idle: Service) -> None:
    guests = [(f"Household {n}", f"Guest {n}", f"+9198000000{n:02}") for n in range(5)]
    made = await wedding(idle, guests)
    token = (
        await idle.data("query($i: PrecheckSendInput!) { precheckSend(input: $i) { token } }", {"i": made.request()})
    )["precheckSend"]["token"]

    async def page(**variables: Any) -> dict[str, Any]:
        found: dict[str, Any] = (await idle.data(PRECHECK, {"t": token} | variables))["precheck"]["candidates"]
        return found

    first = await page(n=2)
    assert first["totalCount"] == 5
    assert [edge["node"] for edge in first["edges"]] == first["nodes"]
    assert first["pageInfo"] == {
        "hasNextPage": True, "hasPreviousPage": False,
        "startCursor": first["edges"][0]["cursor"], "endCursor": first["edges"][1]["cursor"],
    }  # fmt: skip
    second = await page(n=100, a=first["pageInfo"]["endCursor"])
    assert second["pageInfo"]["hasPreviousPage"] is True
    assert [node["recipientName"] for node in first["nodes"] + second["nodes"]] == [f"Guest {n}" for n in range(5)]
    assert (await page(s="guest 3"))["nodes"] == [{"recipientName": "Guest 3"}]
    assert (await page(s="0000002"))["nodes"] == [{"recipientName": "Guest 2"}]
    assert (await page(v="REJECTED"))["totalCount"] == 0

    values = {"t": token, "a": first["pageInfo"]["endCursor"]}
    assert await idle.code(PRECHECK, values | {"v": "ELIGIBLE"}) == "BAD_INPUT"
    await idle.data(
        'mutation($w: ID!) { addDoNotMessage(input: {workspaceId: $w, phone: "+919800000000", reason: "x"}) { id } }',
        {"w": made.workspace},
    )
    assert await idle.code(PRECHECK, values) == "CONFLICT"

    query = "query($i: PrecheckSendInput!) { precheckSend(input: $i) { eligibleCount previews { text } } }"
    unknown = await idle.data(query, {"i": made.request(templateName="no_such")})
    assert unknown["precheckSend"] == {"eligibleCount": 4, "previews": []}, "without a text there is nothing to show"


async def test_every_list_of_a_workspace_pages_alike(idle: Service) -> None:
    made = await wedding(idle)
    for name in ("guestUnits", "imports", "sendRuns", "doNotMessage", "audit", "webhookFindings"):
        query = """query($w: ID!, $n: Int, $a: String) { workspace(id: $w) {
            LIST(first: $n, after: $a) { nodes { __typename } } } }""".replace("LIST", name)
        for variables, field in (({"n": 0}, "first"), ({"n": 101}, "first"), ({"a": "x"}, "after")):
            error = await idle.error(query, {"w": made.workspace} | variables)
            assert error["extensions"] == {"code": "BAD_INPUT", "field": field}, name
        assert await idle.data(query, {"w": made.workspace, "n": None})
