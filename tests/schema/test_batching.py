"""A list of twelve asks the database no more often than a list of two, whatever is nested in it."""

import pytest

from tests.schema.service import Service, Wedding, wedding
from tests.statements import statements

pytestmark = pytest.mark.anyio

NESTED = {
    "Workspace.guestUnits": """query($w: ID!, $e: ID!, $n: Int) { workspace(id: $w) { guestUnits(first: $n) { nodes {
        tags phoneStatus doNotMessage people { name guestUnit { id } } coverage(eventId: $e) } } } }""",
    "Workspace.events": """query($w: ID!) { workspace(id: $w) { events {
        workspace { id viewerRole viewerCan provider { configured } members { id workspace { id } } sides { guestUnits }
            tags { name } templates { id } }
        summary { candidates byState { count } rejections { count } failures { count } }
        coverage { households } } } }""",
    "Workspace.sendRuns": """query($w: ID!, $n: Int) { workspace(id: $w) { sendRuns(first: $n) { nodes {
        event { id } template { id } retryOf { id } createdBy { id } currentRate estimatedCompletionAt
        summary { candidates } } } } }""",
    "Event.messages": """query($e: ID!, $n: Int) { event(id: $e) { messages(first: $n) { nodes {
        run { id event { id } } parameters { value } sources { guestUnit { id } person { id } } } } } }""",
    "GuestImport.rows": """query($w: ID!, $n: Int) { workspace(id: $w) { imports { nodes { createdBy { id }
        rows(first: $n) { nodes { guestUnit { id } } } } } } }""",
    "Workspace.doNotMessage": """query($w: ID!, $n: Int) { workspace(id: $w) { doNotMessage(first: $n) { nodes {
        createdBy { id } revokedBy { id } } } } }""",
    "Workspace.audit": """query($w: ID!, $n: Int) { workspace(id: $w) { audit(first: $n) { nodes {
        actor { id } run { id } } } } }""",
    "Precheck.candidates": """query($i: PrecheckSendInput!, $n: Int) { precheckSend(input: $i) {
        candidates(first: $n) { nodes { sources { guestUnit { id } person { id } } } } } }""",
}


async def fill(made: Wedding, count: int) -> None:
    """``count`` more of everything that a workspace has lists of."""
    service = made.service
    for number in range(count):
        await service.data(
            'mutation($w: ID!) { createEvent(input: {workspaceId: $w, title: "E", startsAt: "2027-02-03T13:00:00Z"}) { id } }',
            {"w": made.workspace},
        )
        await service.data(
            'mutation($w: ID!, $p: String!) { addDoNotMessage(input: {workspaceId: $w, phone: $p, reason: "x"}) { id } }',
            {"w": made.workspace, "p": f"+9198100000{number:02}"},
        )
        await _send_one(made, number)


async def _send_one(made: Wedding, number: int) -> None:
    test = made.request(phone=f"+9198200000{number:02}", idempotencyKey=f"key {number}")
    del test["audience"]
    query = "mutation($i: SendTestInput!) { sendTest(input: $i) { ... on SendInvitesSuccess { run { id } } } }"
    assert (await made.service.data(query, {"i": test}))["sendTest"]["run"]


async def test_nested_lists_are_batched(idle: Service) -> None:
    guests = [(f"Household {n}", f"Guest {n}", f"+9198000000{n:02}") for n in range(12)]
    made = await wedding(idle, guests)
    await made.send()
    await fill(made, 2)

    async def ask(query: str, first: int) -> int:
        variables = {"w": made.workspace, "e": made.event, "i": made.request(includeAlreadyInvited=True), "n": first}
        with statements(idle.db) as asked:
            await idle.data(query, {name: value for name, value in variables.items() if f"${name}" in query})
        assert asked
        return sum(each.reads for each in asked)

    few = {name: await ask(query, 2) for name, query in NESTED.items()}
    await fill(made, 10)
    assert {name: await ask(query, 12) for name, query in NESTED.items()} == few


async def test_households_are_only_counted_when_asked(idle: Service) -> None:
    made = await wedding(idle)

    async def ask(fields: str) -> int:
        query = "query($w: ID!) { workspace(id: $w) { guestUnits { %s } } } fragment C on GuestUnitConnection { totalCount }"
        query = query if "...C" in fields else query.partition(" fragment")[0]
        with statements(idle.db) as asked:
            await idle.data(query % fields, {"w": made.workspace})
        return sum(each.reads for each in asked)

    plain = await ask("nodes { id }")
    assert await ask("totalCount nodes { id }") == plain + 1
    assert await ask("nodes { id } ...C") == plain + 1
    assert await ask("nodes { id } ... on GuestUnitConnection { totalCount }") == plain + 1
