"""The documents of GraphQL that the figures ask with."""

from typing import Any, Final

from benchmarks.world import SOURCES, World

_COUNTS: Final = (
    "candidates eligible rejected cancelled queued sending unconfirmed accepted sent failed delivered read "
    "reachedAccepted reachedSent reachedDelivered reachedRead"
)
SUMMARY: Final = f"query($id: ID!) {{ sendRun(id: $id) {{ status summary {{ {_COUNTS} }} }} }}"
_FIELDS: Final = "id recipientName phone state operatorText attemptCount createdAt updatedAt"
PAGE: Final = (
    "query($id: ID!, $after: String) { sendRun(id: $id) { messages(first: 100, after: $after) "
    f"{{ nodes {{ {_FIELDS} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"
)
ME: Final = "{ me { displayName memberships { role workspace { id name } } } }"
PRECHECK: Final = (
    "query($input: PrecheckSendInput!) { precheckSend(input: $input) { token eligibleCount rejectedCount "
    "candidates(first: 20) { nodes { recipientName } } previews { text } } }"
)
SEND: Final = (
    "mutation($token: String!) { sendInvites(input: {precheckToken: $token}) "
    "{ __typename ... on SendInvitesSuccess { run { id } } } }"
)
IMPORT: Final = (
    "mutation($workspace: ID!, $csv: String!) { importGuests(input: {workspaceId: $workspace, csv: $csv}) "
    "{ id outcomes { outcome count } } }"
)


async def everybody(world: World) -> dict[str, Any]:
    """The input of a precheck: all guests, to an event that nobody was invited to yet."""
    parameters = [{"component": "BODY", "name": name, "source": source.name} for name, source in SOURCES.items()]
    return {
        "eventId": await world.event(), "templateName": "invite", "templateLanguage": "en", "parameters": parameters,
        "audience": {},
    }  # fmt: skip


def csv_of(count: int) -> str:
    """A list with a phone for everybody, and four guests in three households."""
    lines = ["household,name,phone,side,tags,primary"]
    lines += [f"Family {k * 3 // 4},Friend {k},+9197{k:08d},Bride,friends," for k in range(1, count + 1)]
    return "\n".join(lines)
