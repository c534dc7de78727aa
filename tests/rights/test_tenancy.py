"""Nothing crosses: every field of every type, asked for another family's things, answers as for things of nobody.

What is asked is made from the schema, so a new field is walked too, or says what it needs to be.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from app.db.engine import Database
from app.db.tables import Base
from app.domain.enums import AuditAction
from tests.rights.documents import Call, Filling, all_fields, calls, object_type
from tests.rights.world import Families, contents, entries
from tests.schema.service import Service
from tests.schema.sockets import Socket
from tests.statements import statements

pytestmark = pytest.mark.anyio

FIELDS = 392
"""Of all object types. Who adds one changes the number, and looks at whom the field shows it to."""

ONLY_DONE = {"SendInvitesSuccess", "PrecheckStale", "SendBlocked", "Erasure"}
"""What only a mutation answers with: made for its caller or not at all, and not by a walk that changes nothing."""

OPEN_ROUTES = {"/graphql", "/webhooks/whatsapp", "/health/live", "/health/ready"}
"""What is served under one address to everybody; the first is walked here, the others tell nothing of a family."""

CALLS = calls()
OVER_HTTP = [call for call in CALLS if call.root != "Subscription"]


class Asked:
    """What one request came to: its body, and how many statements it sent to the database."""

    def __init__(self, body: bytes, statements: int) -> None:
        self.body, self.statements = body, statements
        self.answer: dict[str, Any] = json.loads(body)
        self.text = json.dumps(self.answer, ensure_ascii=False)
        self.codes = {error["extensions"]["code"] for error in self.answer.get("errors", ())}

    def is_nothing(self, root_field: str) -> bool:
        """Null, or the one refusal: nothing else can be told from it."""
        if "errors" not in self.answer:
            return self.answer == {"data": {root_field: None}}
        errors = [{key: each[key] for key in ("message", "path", "extensions")} for each in self.answer["errors"]]
        refused = {
            "message": "There is nothing with this id that you can see.",
            "path": [root_field],
            "extensions": {"code": "NOT_FOUND"},
        }
        return self.answer["data"] is None and errors == [refused]


async def ask(service: Service, document: str, by: str | None) -> Asked:
    headers = service.headers(by) if by else {}
    with statements(service.db) as asked:
        response = await service.http.post("/graphql", json={"query": document}, headers=headers)
    assert response.status_code == 200, (document, response.text)
    return Asked(response.content, len(asked))


def test_every_field_is_walked() -> None:
    walked = set().union(*(call.fields for call in CALLS))
    assert walked == all_fields()
    assert len(walked) == FIELDS
    print(f"\ntenancy walk: {len(walked)} of {len(all_fields())} fields in {len(CALLS)} operations")


async def test_the_owner_reaches_every_type(world: Families) -> None:
    """Else the walk below would prove nothing."""
    reached = set(ONLY_DONE)
    for call in OVER_HTTP:
        if call.root == "Mutation":
            continue
        for things in (world.asha, world.alone):
            asked = await ask(world.service, call.document(Filling(things)), "asha")
            assert asked.codes == set(), (call, asked.text)
            if call.reached(asked.answer["data"]):
                reached.add(call.kind)
                break
    kinds = {call.kind for call in OVER_HTTP if call.way}
    assert kinds - reached == set()


async def test_strangers_and_nobody_find_nothing(world: Families) -> None:
    """Foreign and unknown ids: the same bytes, from the same number of statements, and no row is changed."""
    walked = sorted(OVER_HTTP, key=lambda call: call.names_something)  # those that make something of one's own first
    before: Any = None
    for call in walked:
        if call.names_something and before is None:
            before = await _kept(world.service.db)
        foreign = await ask(world.service, call.document(Filling(world.asha)), "meera")
        assert not world.leaked(foreign.text), call
        if call.names_something:
            unknown = await ask(world.service, call.document(Filling(world.nothing)), "meera")
            assert unknown.is_nothing(call.root_field), (call, unknown.text)
            assert (foreign.body, foreign.statements) == (unknown.body, unknown.statements), call
        nobody = await ask(world.service, call.document(Filling(world.asha)), None)
        assert (nobody.codes, nobody.answer["data"]) in (
            ({"UNAUTHENTICATED"}, None),
            ({"UNAUTHENTICATED"}, {call.root_field: None}),
        ), call
        assert nobody.statements == 0, call
    assert before == await _kept(world.service.db)


async def test_a_foreign_thing_in_a_call_of_ones_own(world: Families) -> None:
    """One argument names a foreign thing, all others and the way to the field are the caller's own."""
    for call, spot in _mixed():
        foreign, unknown = [
            await ask(world.service, call.document(Filling(world.meera, spot=spot, foreign=things)), "meera")
            for things in (world.asha, world.nothing)
        ]
        assert not world.leaked(foreign.text), (call, spot)
        assert foreign.codes <= {"NOT_FOUND"}, (call, spot, foreign.text)
        assert _steady(foreign.answer) == _steady(unknown.answer), (call, spot)
        assert foreign.statements == unknown.statements, (call, spot)


async def test_a_cursor_of_another_family(world: Families) -> None:
    walked = 0
    for call in OVER_HTTP:
        for name in call.names:
            if "after" not in object_type(call.kind).fields[name].args:
                continue
            plain = [call.document(Filling(of, everything=False)) for of in (world.asha, world.alone)]
            cursors = [each for own in plain for each in _cursors((await ask(world.service, own, "asha")).answer)]
            assert cursors, call
            given = {f"{call.kind}.{name}.after": cursors[0]}
            mixed = Filling(world.meera, given=given, everything=False)
            asked = await ask(world.service, call.document(mixed), "meera")
            assert asked.codes in ({"BAD_INPUT"}, {"CONFLICT"}), (call, asked.text)
            assert not world.leaked(asked.text), call
            walked += 1
    assert walked == sum("after" in each.args for each in _fields())


async def test_what_meta_blocked_for_a_guest_of_one_family(world: Families) -> None:
    """The entry is the number's, which both use; the guest is only in one list."""
    given = {"RevokeDoNotMessageInput.id": world.asha.number_block}
    (revoke,) = [call for call in CALLS if call.fields == {"Mutation.revokeDoNotMessage"}]
    node = f'{{ node(id: "{world.asha.number_block}") {{ id }} }}'
    assert (await ask(world.service, node, "asha")).answer["data"]["node"]
    assert (await ask(world.service, node, "meera")).is_nothing("node")
    owner = await ask(world.service, revoke.document(Filling(world.asha, given=given)), "asha")
    assert owner.codes == {"CONFLICT"}
    foreign = await ask(world.service, revoke.document(Filling(world.asha, given=given)), "meera")
    unknown = await ask(world.service, revoke.document(Filling(world.nothing)), "meera")
    assert foreign.is_nothing("revokeDoNotMessage")
    assert (foreign.body, foreign.statements) == (unknown.body, unknown.statements)


async def test_what_meta_said_of_one_familys_message_to_a_guest_of_both(world: Families) -> None:
    """Both are blocked, and see that; what it was about is for the family that had sent it."""
    query = f'{{ node(id: "{world.stop}") {{ ... on DoNotMessageEntry {{ id evidence receiptId }} }} }}'
    mine, theirs = [(await world.service.data(query, by=by))["node"] for by in ("asha", "meera")]
    assert mine["evidence"]["biz_opaque_callback_data"] == f"{world.asha.message}.1"
    assert mine["receiptId"]
    assert theirs == {"id": world.stop, "evidence": None, "receiptId": None}


async def test_the_subscription(world: Families) -> None:
    (call,) = [call for call in CALLS if call.root == "Subscription"]
    errors = []
    for things in (world.asha, world.alone, world.nothing):
        async with Socket(world.service.app, world.service.token("meera")) as socket:
            await socket.subscribe("1", call.document(Filling(things)))
            errors.append((await socket.until("next"))["payload"])
            await socket.until("complete")
    assert errors[0]["errors"][0]["extensions"] == {"code": "NOT_FOUND"}
    assert errors[0] == errors[1] == errors[2]
    targets = [entry.target_id for entry in (await entries(world.service.db))[-3:]]
    assert targets == [world.asha.run, world.alone.run, world.nothing.run]


async def test_every_other_route(world: Families) -> None:
    """Whatever else is served by id answers strangers as for nothing, and nobody before it looks."""
    service, served = world.service, set()
    for route in service.app.routes:
        served.add(route.path)
        if "{" not in route.path:
            continue
        kind = next(kind for kind in ("run", "event") if f"/{kind}s/" in route.path)
        paths = [re.sub(r"\{[^}]*\}", f"{getattr(of, kind)}.csv", route.path) for of in (world.asha, world.nothing)]
        assert (await service.http.get(paths[0], headers=service.headers("asha"))).status_code == 200
        foreign, unknown = [await service.http.get(path, headers=service.headers("meera")) for path in paths]
        assert (foreign.status_code, foreign.content) == (404, unknown.content)
        assert not world.leaked(foreign.text)
        assert (await service.http.get(paths[0])).status_code == 401
    assert {path for path in served if "{" not in path} == OPEN_ROUTES


async def test_what_is_refused_across_workspaces_is_kept_without_a_workspace(world: Families) -> None:
    """With actor, act and target; no member of either family reads it."""
    known = await entries(world.service.db)
    for things in (world.asha, world.nothing):
        document = next(call for call in CALLS if call.fields == {"Mutation.updateEvent"}).document(Filling(things))
        assert (await ask(world.service, document, "meera")).codes == {"NOT_FOUND"}
    kept = await entries(world.service.db, known)
    assert [(each.workspace_id, each.action, each.actor_text, each.text, each.target_id) for each in kept] == [
        (None, AuditAction.ACCESS_REFUSED, "Meera (meera)", "Refused or unknown: edit an event", things.event)
        for things in (world.asha, world.nothing)
    ]
    for subject, things in (("asha", world.asha), ("meera", world.meera)):
        trail = "query($w: ID!) { workspace(id: $w) { audit(first: 100) { nodes { id text } } } }"
        shown = await world.service.data(trail, {"w": things.workspace}, by=subject)
        assert shown["workspace"]["audit"]["nodes"]
        assert not {each["id"] for each in shown["workspace"]["audit"]["nodes"]} & {each.id for each in kept}
        assert await world.service.data(f'{{ node(id: "{kept[0].id}") {{ id }} }}', by=subject) == {"node": None}


def _mixed() -> Iterator[tuple[Call, tuple[str, ...]]]:
    """Calls with one place for a foreign thing. Where a root asks for one thing only, the walk of strangers has done it."""
    for call in OVER_HTTP:
        spots = list(call.spots())
        if call.way or len(spots) > 1:
            yield from ((call, spot) for spot in spots)


def _fields() -> list[Any]:
    return [object_type(call.kind).fields[name] for call in OVER_HTTP for name in call.names]


def _steady(value: Any) -> Any:
    """An answer without what differs from one request to the next."""
    if isinstance(value, dict):
        passing = {"token", "expiresAt", "at", "cursor", "startCursor", "endCursor"}
        return {key: _steady(each) for key, each in value.items() if key not in passing}
    return [_steady(each) for each in value] if isinstance(value, list) else value


def _cursors(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["endCursor"]] if value.get("endCursor") else []
        return own + [found for each in value.values() for found in _cursors(each)]
    return [found for each in value for found in _cursors(each)] if isinstance(value, list) else []


async def _kept(db: Database) -> list[tuple[Any, ...]]:
    """Every row of every table, but for what is refused, which is kept without a workspace."""
    rows = await contents(db, Base.metadata.sorted_tables)
    audit = Base.metadata.tables["audit"]
    place = [column.name for column in audit.columns].index("workspace_id") + 1
    return sorted((row for row in rows if row[0] != "audit" or row[place]), key=repr)
