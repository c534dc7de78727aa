"""The API over HTTP and websocket: documents, bodies, cursors, tokens, headers."""

import base64
import contextlib
import json
from typing import Any

import jwt
import schemathesis
from graphql import GraphQLObjectType, introspection_from_schema
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.graphql import nodes

from app.auth.keys import Keys, read_keys
from app.auth.sources import KeySet
from app.auth.verifying import Verifier
from app.domain.errors import UnauthenticatedError
from app.schema import build_schema
from tests.fuzz.engine import SECONDS_PER_CASE, Target
from tests.fuzz.values import anything, broken, broken_text, changed, scalars, serialised, texts
from tests.fuzz.world import CALLERS, OWNER, World, answered
from tests.schema.sockets import Socket
from tests.sign_in import AUDIENCE, ISSUER, RSA, jwk

SCHEMA = build_schema(introspection=True)

Asked = tuple[str | None, bytes]
"""Who asks, and the body."""


def _documents(world: World) -> SearchStrategy[Asked]:
    """Operations of the schema, in order and out of order, by schemathesis; ids are mostly those that there are."""
    ids = st.integers(0, len(world.ids) - 1).map(lambda index: nodes.String(world.ids[index]))
    schemathesis.graphql.scalar("ID", st.one_of(ids, ids, ids, st.text(max_size=30).map(nodes.String)))
    schemathesis.graphql.scalar(
        "DateTime", st.one_of(st.datetimes().map(lambda at: nodes.String(f"{at.isoformat()}Z")))
    )
    schemathesis.graphql.scalar("JSON", st.text(max_size=20).map(nodes.String))
    loaded = schemathesis.graphql.from_dict(dict(introspection_from_schema(SCHEMA._schema)))
    operations = [each.ok() for each in loaded.get_all_operations() if isinstance(each, Ok)]
    assert len(operations) > 20
    cases = st.one_of(*(each.as_strategy(generation_mode=mode) for mode in GenerationMode for each in operations))
    bodies = cases.map(lambda case: json.dumps({"query": case.body}).encode())
    return st.tuples(st.sampled_from(CALLERS), bodies)


async def _ask(world: World, case: Asked) -> str:
    return await world.ask(case[1], case[0])


_LISTS = """query($w: ID!, $n: Int, $s: String, $f: GuestUnitFilter) { workspace(id: $w) {
    guestUnits(first: $n, filter: $f) { totalCount nodes { name } } doNotMessage(search: $s) { totalCount } } }"""
_PRECHECK = "query($i: PrecheckSendInput!) { precheckSend(input: $i) { token eligibleCount } }"
_PREVIEW = "query($i: AudiencePreviewInput!) { audiencePreview(input: $i) { __typename } }"
_IMPORT = "mutation($i: ImportGuestsInput!) { importGuests(input: $i) { id rows(first: 3) { nodes { name } } } }"


def _mutation(name: str, kind: str) -> str:
    return f"mutation($i: {kind}!) {{ {name}(input: $i) {{ id }} }}"


def _requests(world: World) -> SearchStrategy[Asked]:
    """Requests with variables: in order, and changed anywhere in their texts and numbers, their shape, their bytes."""
    # The first of a kind belongs to the caller.
    of_kind = {each.partition("_")[0]: each for each in reversed(world.ids)}
    w, event, unit, person = (of_kind[kind] for kind in ("wsp", "evt", "gun", "per"))
    audience = {"side": "BRIDE", "tags": [], "search": "x", "coverage": [], "includeGuestUnitIds": [unit]}
    parameter = {"component": "BODY", "name": "guest_name", "source": "GUEST_NAME"}
    send = {"eventId": event, "templateName": "wedding_invite", "templateLanguage": "en", "parameters": [parameter]}
    row = {"household": "The Raos", "name": "Harish Rao", "phone": "+919800000007", "side": "BRIDE", "tags": ["a"]}
    starts = "2027-02-03T18:30:00+05:30"
    asked: list[tuple[str, dict[str, Any]]] = [
        (_LISTS, {"w": w, "n": 3, "s": "x", "f": {"search": "rao", "side": "BRIDE"}}),
        (_PRECHECK, {"i": send | {"audience": audience}}),
        (_PREVIEW, {"i": {"eventId": event, "audience": audience}}),
        (_IMPORT, {"i": {"workspaceId": w, "rows": [row]}}),
        (_IMPORT, {"i": {"workspaceId": w, "csv": "household,name,phone\nThe Raos,Harish Rao,+919800000007"}}),
        (
            _mutation("createEvent", "CreateEventInput"),
            {"i": {"workspaceId": w, "title": "Haldi", "startsAt": starts, "venue": "Taj"}},
        ),
        (
            _mutation("addDoNotMessage", "AddDoNotMessageInput"),
            {"i": {"workspaceId": w, "phone": "+919800000028", "reason": "asked"}},
        ),
        (
            _mutation("createWorkspace", "CreateWorkspaceInput"),
            {"i": {"name": "W", "defaultRegion": "IN", "timezone": "Asia/Kolkata"}},
        ),
        (
            _mutation("updateGuestUnit", "UpdateGuestUnitInput"),
            {"i": {"id": unit, "name": "The Raos", "deliveryPhone": "+919800000007", "tags": ["x"]}},
        ),
        (
            _mutation("updatePerson", "UpdatePersonInput"),
            {"i": {"id": person, "name": "Harish", "phone": "+919800000007"}},
        ),
    ]
    whole = [{"query": query, "variables": variables, "operationName": None} for query, variables in asked]
    variables_only = [st.tuples(st.just(query), changed([variables])) for query, variables in asked]
    inside = st.one_of(variables_only).map(lambda pair: {"query": pair[0], "variables": pair[1]})
    callers = st.sampled_from(CALLERS)
    changes = st.one_of(inside.map(lambda request: json.dumps(request).encode()), serialised(changed(whole)))
    unchanged = st.sampled_from(whole).map(lambda request: json.dumps(request).encode())
    return st.tuples(st.just(OWNER), unchanged) | st.tuples(callers, changes) | st.tuples(callers, changes)


_KINDS = [
    "application/json", "application/json; charset=utf-16", "application/graphql", "application/graphql-response+json",
    "text/plain", "multipart/form-data; boundary=x", "multipart/form-data", "application/x-www-form-urlencoded", "", "x", "*/*",
]  # fmt: skip


def _kinds(_world: World) -> SearchStrategy[tuple[str, bytes]]:
    request: dict[str, Any] = {"query": "{ me { subject } }", "variables": {}, "operationName": None, "extensions": {}}
    in_order = st.just(json.dumps(request).encode())
    odd = serialised(changed([request, [request, request]])) | st.binary(max_size=50)
    as_json = st.tuples(st.just(_KINDS[0]), in_order | odd | odd)
    return as_json | st.tuples(st.sampled_from(_KINDS), in_order | odd)


async def _ask_in_kind(world: World, case: tuple[str, bytes]) -> str:
    return await world.ask(case[1], kind=case[0])


def _connections() -> list[tuple[str, str]]:
    """Every list with a cursor: its type and its name."""
    kinds = [each for each in SCHEMA._schema.type_map.values() if isinstance(each, GraphQLObjectType)]
    return [(kind.name, name) for kind in kinds for name, made in kind.fields.items() if "after" in made.args]


Page = tuple[str, str, str, str]
"""Type, list, id of the parent, cursor."""


def _pages(world: World) -> SearchStrategy[Page]:
    """Real cursors with another value in one place; also those of other lists, broken ones, and what looks like one."""
    lists, pages = _real_pages(world)
    made = [page for page in pages if _parts(page[3])]
    parts = st.lists(st.one_of(anything, st.sampled_from(world.ids).map(lambda each: each[-32:])), max_size=4)
    cursors = st.one_of(
        st.sampled_from(pages).map(lambda page: page[3]),
        st.sampled_from(pages).flatmap(lambda page: broken_text(page[3])),
        parts.map(_cursor),
        texts,
    )
    strange = st.tuples(st.sampled_from(_connections()), st.sampled_from(world.ids)).map(
        lambda both: (*both[0], both[1])
    )
    elsewhere = st.tuples(st.sampled_from(lists) | strange, cursors).map(lambda both: (*both[0], both[1]))
    return st.one_of(_tampered(made), _tampered(made), elsewhere, st.sampled_from(pages))


@st.composite
def _tampered(draw: DrawFn, pages: list[Page]) -> Page:
    """A cursor of its own list, of whose key one value is another: what gets as far as the database, if anything does."""
    kind, name, parent, cursor = draw(st.sampled_from(pages))
    parts = _parts(cursor)
    parts[draw(st.integers(1, len(parts) - 1))] = draw(scalars)
    return kind, name, parent, _cursor(parts)


def _cursor(parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def _parts(cursor: str) -> list[Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:  # the candidates of a precheck have another kind
        found = []
    return list(found)


def _real_pages(world: World) -> tuple[list[tuple[str, str, str]], list[Page]]:
    """The lists that there are, and each of them with every cursor of its first page."""
    kinds = dict.fromkeys(world.tokens[:1], "Precheck")
    for each in world.ids:
        answer = world.run(world.service.answer("query($id: ID!) { node(id: $id) { __typename } }", {"id": each}))
        if node := (answer.get("data") or {}).get("node"):
            kinds[each] = node["__typename"]
    lists: list[tuple[str, str, str]] = []
    pages: list[Page] = []
    for parent, kind in kinds.items():
        for name in (name for owner, name in _connections() if owner == kind):
            answer = world.run(world.service.answer(_page_query(kind, name), {"id": parent}))
            if found := answer["data"]["node"]:
                lists.append((kind, name, parent))
                pages += [(kind, name, parent, each["cursor"]) for each in found["list"]["edges"]]
    assert {each[:2] for each in lists} == set(_connections())
    return lists, pages


def _page_query(kind: str, name: str) -> str:
    part = f"list: {name}(first: 3, after: $after) {{ edges {{ cursor }} }}"
    if kind == "Precheck":
        return f"query($id: String!, $after: String) {{ node: precheck(token: $id) {{ {part} }} }}"
    return f"query($id: ID!, $after: String) {{ node(id: $id) {{ ... on {kind} {{ {part} }} }} }}"


async def _turn(world: World, case: Page) -> str:
    kind, name, parent, cursor = case
    variables = {"id": parent, "after": cursor}
    return await world.ask(json.dumps({"query": _page_query(kind, name), "variables": variables}).encode())


def _tokens(world: World) -> SearchStrategy[str]:
    """Tokens of prechecks, real ones and what was made of them."""
    return st.one_of(*(broken_text(token) for token in world.tokens), st.sampled_from(world.tokens), texts)


_WITH_TOKEN = """query P($t: String!) { precheck(token: $t) { eligibleCount } }
mutation S($t: String!) { sendInvites(input: {precheckToken: $t}) { __typename } }"""


async def _redeem(world: World, token: str) -> str:
    answers = []
    for name in "PS":
        request = {"query": _WITH_TOKEN, "operationName": name, "variables": {"t": token}}
        answers.append(await world.ask(json.dumps(request).encode()))
    return " / ".join(answers)


@st.composite
def _authorizations(draw: DrawFn, world: World) -> bytes:
    """Headers: texts, broken tokens, and well signed ones that claim odd things or nothing."""
    real = world.service.token().encode()
    claims = draw(
        changed([{"sub": OWNER, "exp": 4_000_000_000, "iat": 1, "nbf": 1, "name": "A", "iss": "x", "jti": "1"}])
    )
    secret = world.service.settings.auth_secret.reveal()
    made = real
    if isinstance(claims, dict):
        keys = {"HS256": secret, "HS512": secret * 2, "none": ""}
        algorithm = draw(st.sampled_from(["HS256", *keys]))
        payload = json.dumps(claims).encode()
        made = jwt.PyJWS().encode(payload, keys[algorithm], algorithm=algorithm).encode()
    header = draw(changed([{"alg": "RS256", "kid": "first", "typ": "JWT", "crit": ["b64"]}]))
    part = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=")
    odd = b".".join([part, *made.split(b".")[1:]])
    token = draw(st.one_of(st.just(made), st.just(odd), broken(real), broken(made), st.binary(max_size=60)))
    scheme = draw(st.sampled_from([b"Bearer ", b"bearer ", b"Basic ", b"", b"Bearer  ", b"Bearer\t"]))
    return (scheme + token).translate(None, b"\x00\r\n")


async def _fetched() -> Keys:
    return read_keys(json.dumps({"keys": [jwk(RSA)]}).encode())


async def _sign_in(world: World, value: bytes) -> str:
    """With the secret over HTTP, and past the door of a sign-in of one's own, which knows none of these tokens."""
    with contextlib.suppress(UnauthenticatedError):
        await Verifier(KeySet(_fetched), issuer=ISSUER, audience=AUDIENCE).identify(value.decode("latin-1"))
        raise AssertionError("let in")
    headers = [(b"Authorization", value), (b"Content-Type", b"application/json")]
    body = json.dumps({"query": "{ me { subject memberships { role } } }"})
    return answered(await world.service.http.post("/graphql", content=body, headers=headers))


_OPERATIONS = [
    "subscription($id: ID!) { sendRunProgress(id: $id) { status } }", "{ me { subject } }", "subscription { nothing }", "{",
    "query A { me { subject } } query B { me { subject } }",
]  # fmt: skip


def _messages(world: World) -> SearchStrategy[list[bytes]]:
    """What may be said on a socket after its opening, in any order."""
    runs = [each for each in world.ids if each.startswith("run_")] or world.ids
    payloads = [{"query": query, "variables": {"id": run}} for query in _OPERATIONS for run in runs[:2]]
    start = [{"type": "connection_init", "payload": {"Authorization": f"Bearer {world.service.token()}"}}]
    said: list[dict[str, Any]] = [
        *({"type": "subscribe", "id": str(n), "payload": payload} for n, payload in enumerate(payloads)),
        {"type": "complete", "id": "1"},
        {"type": "ping", "payload": {"x": 1}},
        {"type": "pong"},
    ]
    messages = st.one_of(
        st.sampled_from(said).map(lambda each: json.dumps(each).encode()), serialised(changed(said + start))
    )
    first = st.one_of(st.just(json.dumps(start[0]).encode()), serialised(changed(start)))
    return st.tuples(first, st.lists(messages, max_size=5)).map(lambda both: [both[0], *both[1]])


async def _talk(world: World, messages: list[bytes]) -> str:
    """Says all of it, and after that hears an answer to a ping or is hung up on, but not for a fault of ours (1011)."""
    async with Socket(world.service.app, None) as socket:
        for message in messages:
            await socket.send_text(message.decode("utf-8", "replace"))
        await socket.send({"type": "ping", "payload": {"last": True}})
        while True:
            event = await socket.event(seconds=SECONDS_PER_CASE)
            if event["type"] == "websocket.close":
                assert event["code"] != 1011, event
                return f"closed {event['code']}"
            if event["type"] == "websocket.send":
                told = event.get("text") or event["bytes"].decode()
                assert '"INTERNAL"' not in told, told
                if json.loads(told) == {"type": "pong"}:
                    return "goes on"


TARGETS = [
    Target("GraphQL documents", 6, {"data", "BAD_INPUT", "NOT_FOUND"}, _documents, _ask, "sqlite"),
    Target("GraphQL variables", 4, {"data", "BAD_INPUT"}, _requests, _ask, "postgres"),
    Target("GraphQL bodies of any kind", 3, {"data", "BAD_INPUT"}, _kinds, _ask_in_kind, "sqlite"),
    Target("cursors", 4, {"data", "BAD_INPUT"}, _pages, _turn, "postgres"),
    Target("precheck tokens", 3, {"data / data", "data / NOT_FOUND"}, _tokens, _redeem, "sqlite"),
    Target("Authorization headers", 3, {"data", "UNAUTHENTICATED"}, _authorizations, _sign_in, "postgres"),
    Target("websocket messages", 3, {"closed 4400", "goes on"}, _messages, _talk, "sqlite"),
]
