"""Whose what is: unknown, malformed and foreign ids look the same; nobody is let in without a token."""

from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLObjectType,
    build_schema,
    get_named_type,
    is_input_object_type,
    is_required_argument,
)

from app.domain import ids
from app.schema import schema_sdl
from tests.schema.service import Service, Wedding, wedding

pytestmark = pytest.mark.anyio

BY_ID = {
    "node": ids.EVENT,
    "workspace": ids.WORKSPACE,
    "event": ids.EVENT,
    "sendRun": ids.SEND_RUN,
    "inviteMessage": ids.MESSAGE,
    "guestUnit": ids.GUEST_UNIT,
    "guestImport": ids.GUEST_IMPORT,
}
NODES = """query($w: ID!, $e: ID!) {
  workspace(id: $w) {
    id members { id } events { id } imports { nodes { id } } templates { id } sendRuns { nodes { id } }
    doNotMessage { nodes { id } } audit { nodes { id } } guestUnits { nodes { id people { id } } }
  }
  event(id: $e) { messages { nodes { id } } }
}"""


def all_ids(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(all_ids, value))
    if isinstance(value, dict):
        return {value["id"]} if set(value) == {"id"} else set().union(*map(all_ids, value.values()))
    return {value} if isinstance(value, str) else set()


async def full(service: Service) -> tuple[Wedding, set[str]]:
    """A wedding with one of everything, and the ids of it all."""
    made = await wedding(service)
    await made.send()
    block = (
        'mutation($w: ID!) { addDoNotMessage(input: {workspaceId: $w, phone: "+919800000099", reason: "x"}) { id } }'
    )
    await service.data(block, {"w": made.workspace})
    found = all_ids(await service.data(NODES, {"w": made.workspace, "e": made.event}))
    assert len({each[:3] for each in found}) == 11
    return made, found


async def test_ids_that_are_none_are_null(service: Service) -> None:
    for field, prefix in BY_ID.items():
        query = "query($id: ID!) { found: FIELD(id: $id) { id } }".replace("FIELD", field)
        for value in (ids.new_id(prefix), f"{prefix}_1", "", "x" * 100_000, "\x00\ud800", f"{prefix}_\x00"):
            assert await service.data(query, {"id": value}) == {"found": None}


async def test_everything_is_a_node_for_members_and_nothing_for_strangers(service: Service) -> None:
    _, found = await full(service)
    query = "query($id: ID!) { node(id: $id) { id __typename } }"
    kinds = set()
    for each in sorted(found):
        node = (await service.data(query, {"id": each}))["node"]
        assert node["id"] == each
        kinds.add(node["__typename"])
        assert await service.data(query, {"id": each}, by="stranger") == {"node": None}
    assert kinds == {
        "Workspace", "Member", "Event", "GuestUnit", "Person", "GuestImport", "MessageTemplate", "DoNotMessageEntry",
        "SendRun", "InviteMessage", "AuditEntry",
    }  # fmt: skip


async def test_mutations_and_subscription_say_not_found(service: Service) -> None:
    made, _ = await full(service)
    update = 'mutation($e: ID!) { updateEvent(input: {id: $e, title: "x"}) { id } }'
    for event in (made.event, ids.new_id(ids.EVENT), "evt_1"):
        error = await service.error(update, {"e": event}, by="stranger")
        assert error["extensions"] == {"code": "NOT_FOUND"}
        assert error["message"] == "There is nothing with this id that you can see."
        # A field that cannot be null has no other way to say so.
        preview = "query($e: ID!) { audiencePreview(input: {eventId: $e, audience: {}}) { units } }"
        assert await service.code(preview, {"e": event}, by="stranger") == "NOT_FOUND"
    assert await service.data('{ precheck(token: "v1.x.y") { token } }') == {"precheck": None}


async def test_coverage_with_an_event_that_cannot_be_seen(service: Service) -> None:
    made = await wedding(service)
    other = await wedding(service, by="zara")
    query = "query($w: ID!, $e: ID!) { workspace(id: $w) { guestUnits { nodes { coverage(eventId: $e) } } } }"
    answer = await service.answer(query, {"w": made.workspace, "e": other.event})
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"NOT_FOUND"}
    query = """query($w: ID!, $e: ID!) { workspace(id: $w) {
        guestUnits(filter: {eventId: $e, coverage: [NOT_TRIED]}) { totalCount nodes { id } } } }"""
    found = await service.data(query, {"w": made.workspace, "e": other.event})
    assert found["workspace"]["guestUnits"] == {"totalCount": 0, "nodes": []}


def _call(field: Any) -> str:
    """A syntactically valid call of a root field, with made-up arguments."""

    def value(kind: Any) -> str:
        named = get_named_type(kind)
        if is_input_object_type(named):
            needed = {name: each for name, each in named.fields.items() if is_required_argument(each)}
            return "{" + ", ".join(f"{name}: {value(each.type)}" for name, each in needed.items()) + "}"
        made = {"ID": '"x"', "String": '"x"', "Boolean": "true", "DateTime": '"2027-01-01T00:00:00Z"'}
        # FAILED, where there is such a value: not every state can be retried.
        words = list(named.values) if isinstance(named, GraphQLEnumType) else []
        text = made.get(named.name) or ("FAILED" if "FAILED" in words else words[0])
        return f"[{text}]" if str(kind).startswith("[") else text

    arguments = ", ".join(f"{name}: {value(each.type)}" for name, each in field.args.items())
    return f"({arguments})" if arguments else ""


def root_fields() -> list[tuple[str, str, str]]:
    schema = build_schema(schema_sdl())
    found = []
    for operation, kind in (("query", schema.query_type), ("mutation", schema.mutation_type)):
        assert isinstance(kind, GraphQLObjectType)
        found += [(operation, name, f"{name}{_call(field)} {{ __typename }}") for name, field in kind.fields.items()]
    return found


async def test_every_root_field_wants_a_token(service: Service) -> None:
    for operation, name, call in root_fields():
        error = await service.error(f"{operation} {{ {call} }}", by=None)
        assert error["extensions"] == {"code": "UNAUTHENTICATED"}, name
        assert error["path"] == [name]


async def test_tokens_that_are_none(service: Service) -> None:
    answers = set()
    for header in ("Bearer x", "Bearer", "Basic eDp5", "bearer " + service.token()[:-2], "Bearer " + "x" * 9000):
        response = await service.http.post(
            "/graphql", json={"query": "{ me { subject } }"}, headers={"Authorization": header}
        )
        answers.add((response.status_code, response.json()["errors"][0]["message"]))
    assert len(answers) == 1, "one answer for every cause"


async def test_me(service: Service) -> None:
    assert await service.data("{ me { subject displayName memberships { id } } }") == {
        "me": {"subject": "anita", "displayName": "Anita", "memberships": []}
    }
