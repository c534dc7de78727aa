"""What may be left out, what null clears, and that no text whatever is an internal error."""

import json
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, build_schema, get_named_type, get_nullable_type
from graphql.type import GraphQLEnumType, GraphQLInputType, GraphQLList

from app.schema import schema_sdl
from tests.schema.service import Service, wedding

pytestmark = [pytest.mark.anyio, pytest.mark.either_database]

EVENT = "mutation($i: UpdateEventInput!) { updateEvent(input: $i) { title venue startsAt status visibility position } }"
UNIT = """mutation($i: UpdateGuestUnitInput!) {
    updateGuestUnit(input: $i) { name side tags deliveryPhone inviteable archived } }"""
PERSON = "mutation($i: UpdatePersonInput!) { updatePerson(input: $i) { name phone guestUnit { id } archived } }"


async def test_left_out_stays_and_null_clears(service: Service) -> None:
    made = await wedding(service)
    event = await service.data(EVENT, {"i": {"id": made.event}})
    assert event["updateEvent"] == {
        "title": "Sangeet", "venue": "Taj", "startsAt": "2027-02-03T13:00:00Z", "status": "PUBLISHED",
        "visibility": "INVITE_ONLY", "position": 1,
    }  # fmt: skip
    cleared = await service.data(EVENT, {"i": {"id": made.event, "venue": None, "title": "Mehndi"}})
    assert cleared["updateEvent"] == event["updateEvent"] | {"venue": None, "title": "Mehndi"}

    units = await service.data(
        "query($w: ID!) { workspace(id: $w) { guestUnits { nodes { id people { id } } } } }", {"w": made.workspace}
    )
    unit = units["workspace"]["guestUnits"]["nodes"][0]
    given = {"id": unit["id"], "tags": ["vip"], "deliveryPhone": "+919800000070"}
    changed = (await service.data(UNIT, {"i": given}))["updateGuestUnit"]
    assert changed["tags"] == ["vip"]
    again = (await service.data(UNIT, {"i": {"id": unit["id"], "deliveryPhone": None}}))["updateGuestUnit"]
    assert again == changed | {"deliveryPhone": None}

    person = unit["people"][0]["id"]
    alone = (await service.data(PERSON, {"i": {"id": person, "phone": None, "guestUnitId": None}}))["updatePerson"]
    assert (alone["phone"], alone["guestUnit"]) == (None, None)


async def test_what_cannot_be_cleared(service: Service) -> None:
    made = await wedding(service)
    units = await service.data(
        "query($w: ID!) { workspace(id: $w) { guestUnits { nodes { id people { id } } } } }", {"w": made.workspace}
    )
    unit = units["workspace"]["guestUnits"]["nodes"][0]
    for query, row, names in (
        (EVENT, made.event, ("title", "startsAt", "status", "visibility", "position")),
        (UNIT, unit["id"], ("name", "side", "tags", "inviteable", "archived")),
        (PERSON, unit["people"][0]["id"], ("name", "archived")),
    ):
        for name in names:
            error = await service.error(query, {"i": {"id": row, name: None}})
            assert error["extensions"] == {"code": "BAD_INPUT", "field": name}


async def test_display_name_is_kept_when_left_out(service: Service) -> None:
    made = await wedding(service, [])
    query = "mutation($i: SetMemberInput!) { setMember(input: $i) { displayName role } }"
    member = {"workspaceId": made.workspace, "subject": "chandra", "role": "PARENT_ADMIN"}
    assert (await service.data(query, {"i": member | {"displayName": "Chandra"}}))["setMember"][
        "displayName"
    ] == "Chandra"
    again = (await service.data(query, {"i": member | {"role": "FAMILY_COORDINATOR"}}))["setMember"]
    assert again == {"displayName": "Chandra", "role": "FAMILY_COORDINATOR"}


async def test_times(service: Service) -> None:
    made = await wedding(service, [])
    for given, shown in (
        ("2027-02-03T18:30:00+05:30", "2027-02-03T13:00:00Z"),
        ("2027-02-03t13:00:00z", "2027-02-03T13:00:00Z"),
        ("2027-02-03T13:00:00.250000Z", "2027-02-03T13:00:00.250000Z"),
    ):
        changed = await service.data(EVENT, {"i": {"id": made.event, "startsAt": given}})
        assert changed["updateEvent"]["startsAt"] == shown
    for wrong in (
        "2027-02-03T18:30:00",
        "2027-02-03",
        "2027-W05-3T00:00:00Z",
        "2027-13-01T00:00:00Z",
        "9999-12-31T23:00:00-05:00",
        "now",
        1,
        "",
    ):
        error = await service.error(EVENT, {"i": {"id": made.event, "startsAt": wrong}})
        assert error["extensions"]["code"] == "BAD_INPUT", wrong
        assert "RFC 3339" in error["message"]


async def test_exactly_one(service: Service) -> None:
    made = await wedding(service)
    precheck = "query($i: PrecheckSendInput!) { precheckSend(input: $i) { token } }"
    for changes in ({"audience": None}, {"fromRun": {"runId": "x", "states": ["FAILED"]}}):
        assert await service.code(precheck, {"i": made.request(**changes)}) == "BAD_INPUT"
    query = "mutation($i: ImportGuestsInput!) { importGuests(input: $i) { id } }"
    for given in ({}, {"csv": "name\nA", "rows": []}):
        assert await service.code(query, {"i": {"workspaceId": made.workspace} | given}) == "BAD_INPUT"


HOSTILE_TO_SQLITE: tuple[Any, ...] = ("\x00", "\ud800", "x" * 50_000)
"""It cannot store the second, and searches for no pattern as long as the third; all others are to it what they are to us."""
HOSTILE: tuple[Any, ...] = (*HOSTILE_TO_SQLITE, "", "%_\\'\"", "🙏" * 300, "a\nb")


def _value(kind: GraphQLInputType, text: str, ids: dict[str, str]) -> Any:
    """A value of this type in which every text is ``text``."""
    bare = get_nullable_type(kind)
    if isinstance(bare, GraphQLList):
        return [_value(bare.of_type, text, ids)]
    if isinstance(bare, GraphQLEnumType):
        return next(iter(bare.values))
    if isinstance(bare, GraphQLInputObjectType):
        # Both ways of saying whom would be refused before anything is looked at.
        left_out = {"rows", "fromRun"}
        return {
            name: ids.get(name) or _value(field.type, text, ids)
            for name, field in bare.fields.items()
            if name not in left_out
        }
    return {"String": text, "ID": text, "Int": 1, "Boolean": True, "DateTime": "2027-01-01T00:00:00Z"}[
        get_named_type(bare).name
    ]


async def test_no_text_is_an_internal_error(service: Service) -> None:
    """Every argument of every root field and of every list, with texts that databases and encodings choke on."""
    made = await wedding(service)
    schema = build_schema(schema_sdl())
    hostile = HOSTILE_TO_SQLITE if service.db.sqlite else HOSTILE
    ids = {"workspaceId": made.workspace, "eventId": made.event}
    for operation, kind in (("query", schema.query_type), ("mutation", schema.mutation_type)):
        assert isinstance(kind, GraphQLObjectType)
        for name, field in kind.fields.items():
            if not field.args:
                continue
            head = ", ".join(f"${arg}: {each.type}" for arg, each in field.args.items())
            call = ", ".join(f"{arg}: ${arg}" for arg in field.args)
            for text in hostile:
                for known in (ids, {}):
                    values = {arg: _value(each.type, text, known) for arg, each in field.args.items()}
                    answer = await service.answer(f"{operation}({head}) {{ {name}({call}) {{ __typename }} }}", values)
                    codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
                    assert not codes & {"INTERNAL", "UNAVAILABLE"}, (name, text[:10], known)
    workspace = schema.type_map["Workspace"]
    assert isinstance(workspace, GraphQLObjectType)
    for name, field in workspace.fields.items():
        if "first" not in field.args:
            continue
        head = ", ".join(f"${arg}: {each.type}" for arg, each in field.args.items())
        call = ", ".join(f"{arg}: ${arg}" for arg in field.args)
        for text in hostile:
            for after in (None, text):
                values = {arg: _value(each.type, text, ids) for arg, each in field.args.items()} | {"after": after}
                query = (
                    f"query($w: ID!, {head}) {{ workspace(id: $w) {{ {name}({call}) {{ nodes {{ __typename }} }} }} }}"
                )
                answer = await service.answer(query, values | {"w": made.workspace})
                codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
                assert not codes & {"INTERNAL", "UNAVAILABLE"}, (name, text[:10])


async def test_what_cannot_be_stored_is_taken_out(service: Service) -> None:
    made = await wedding(service, [])
    changed = await service.data(EVENT, {"i": {"id": made.event, "title": "San\x00ge\ud800et", "venue": "🙏 Taj"}})
    assert (changed["updateEvent"]["title"], changed["updateEvent"]["venue"]) == ("Sangeet", "🙏 Taj")
    literal = r'mutation { updateEvent(input: {id: "EVENT", title: "Meh\u0000ndi"}) { title } }'.replace(
        "EVENT", made.event
    )
    assert (await service.data(literal))["updateEvent"]["title"] == "Mehndi"
    unknown = r'mutation { updateEvent(input: {id: "x\u0000", title: "x"}) { title } }'
    assert await service.code(unknown) == "NOT_FOUND"


@pytest.mark.parametrize("subject", ["a\x00b", "a\ud800b", "a\u202eb", "a\u200bb", "a\nb", "ab "])
async def test_a_subject_is_refused_where_it_would_become_another(service: Service, subject: str) -> None:
    made = await wedding(service, [])
    member = {"workspaceId": made.workspace, "subject": subject, "role": "PARENT_ADMIN"}
    whole = "mutation($i: SetMemberInput!) { setMember(input: $i) { id } }"
    fields = f'{{workspaceId: "{made.workspace}", role: PARENT_ADMIN, subject: SUBJECT}}'
    literal = json.dumps(subject)
    for query, variables in (
        (whole, {"i": member}),
        (f"mutation($s: String!) {{ setMember(input: {fields}) {{ id }} }}".replace("SUBJECT", "$s"), {"s": subject}),
        (f"mutation {{ setMember(input: {fields}) {{ id }} }}".replace("SUBJECT", literal), {}),
        (f"mutation($s: String! = {literal}) {{ setMember(input: {fields}) {{ id }} }}".replace("SUBJECT", "$s"), {}),
    ):
        error = await service.error(query, variables)
        # A lone surrogate in the document itself is already no GraphQL.
        if not error["message"].startswith("Syntax Error: Invalid Unicode escape"):
            assert error["extensions"] == {"code": "BAD_INPUT", "field": "subject"}, query
