"""On a websocket there are queries and mutations too: every limit that HTTP has holds there, and names are kept as well."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.db.engine import Database
from app.schema.limits import MAX_ALIASES, MAX_DEPTH, MAX_FIELDS, MAX_TOKENS
from app.schema.rates import MAX_OPEN
from tests.schema.service import Service, serving, wedding
from tests.schema.sockets import Socket

pytestmark = [pytest.mark.anyio, pytest.mark.either_database]


@pytest.fixture
async def socket(idle: Service) -> AsyncIterator[Socket]:
    async with Socket(idle.app, idle.token()) as opened:
        yield opened


async def refused(socket: Socket, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """The one error of an operation, whether it came before the execution or out of it."""
    await socket.subscribe("1", query, variables)
    message = await socket.either("error", "next")
    errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
    assert len(errors) == 1
    if message["type"] == "next":
        await socket.until("complete")
    found: dict[str, Any] = errors[0]
    return found


DEEP = "{ event(id: 1) " + "{ workspace { events " * (MAX_DEPTH // 2) + "{ id }" + " } }" * (MAX_DEPTH // 2) + " }"
PAUSE = 'pauseSendRun(id: "x") { id }'


@pytest.mark.parametrize(
    ("query", "code", "part"),
    [
        (DEEP, "TOO_LARGE", f"more than {MAX_DEPTH} levels"),
        ("{ " + " ".join(f"a{n}: me {{ subject }}" for n in range(MAX_ALIASES + 1)) + " }", "TOO_LARGE", "aliases"),
        ("{ me { " + "subject " * MAX_FIELDS + "} }", "TOO_LARGE", f"more than {MAX_FIELDS} fields"),
        (f"mutation {{ a: {PAUSE} b: {PAUSE} }}", "BAD_INPUT", "one mutation"),
        ("query(" + "$a: ID " * (MAX_TOKENS // 4 + 5) + ") { me { subject } }", "BAD_INPUT", f"{MAX_TOKENS} tokens"),
        ("{ workspace(id: 1) { guestUnits(first: " + "9" * 101 + ") { totalCount } } }", "BAD_INPUT", "digits"),
    ],
    ids=["depth", "aliases", "fields", "mutations", "tokens", "digits"],
)
async def test_documents(socket: Socket, query: str, code: str, part: str) -> None:
    error = await refused(socket, query)
    assert error["extensions"] == {"code": code}
    assert part in error["message"]


async def test_the_size_of_a_page(idle: Service, socket: Socket) -> None:
    query = 'mutation { createWorkspace(input: {name: "W", defaultRegion: "IN", timezone: "Asia/Kolkata"}) { id } }'
    workspace = (await idle.data(query))["createWorkspace"]["id"]
    query = "query($w: ID!, $n: Int) { workspace(id: $w) { guestUnits(first: $n) { nodes { id } } } }"
    error = await refused(socket, query, {"w": workspace, "n": 101})
    assert error["extensions"] == {"code": "BAD_INPUT", "field": "first"}


async def test_what_one_person_has_open_on_all_sockets(idle: Service) -> None:
    run = await (await wedding(idle)).send()
    watch = "subscription($r: ID!) { sendRunProgress(id: $r) { id } }"

    async def open_some(socket: Socket, count: int) -> None:
        for number in range(count):
            await socket.subscribe(str(number), watch, {"r": run})
            await socket.until("next")

    token = idle.token()
    async with Socket(idle.app, token) as first, Socket(idle.app, token) as second, Socket(idle.app, token) as third:
        await open_some(first, MAX_OPEN // 2)
        await open_some(second, MAX_OPEN // 2)
        error = await refused(third, "{ me { subject } }")
        assert error["extensions"] == {"code": "RATE_LIMITED"}
        assert f"At most {MAX_OPEN} operations" in error["message"]
        async with Socket(idle.app, idle.token("chandra")) as other:
            await other.subscribe("1", "{ me { subject } }")
            await other.until("next")
        await first.send({"type": "complete", "id": "0"})
        await open_some(third, 1)
        assert (await refused(second, "{ me { subject } }"))["extensions"] == {"code": "RATE_LIMITED"}
    async with Socket(idle.app, token) as socket:
        await open_some(socket, MAX_OPEN // 2)


async def test_what_was_sent_before_one_heard_of_the_closing_is_not_read(idle: Service) -> None:
    """A server refuses to close twice: anybody could fill the log with that, without a token."""
    make = 'mutation { createWorkspace(input: {name: "W", defaultRegion: "IN", timezone: "Asia/Kolkata"}) { id } }'
    for token, first, code in (
        (None, {"type": "subscribe", "id": "0", "payload": {"query": make}}, 4401),
        (None, {"type": "connection_init", "payload": {"Authorization": "Bearer x"}}, 4403),
        (idle.token(), {"type": "unheard of"}, 4400),
    ):
        async with Socket(idle.app, token) as socket:
            await socket.send(first)
            await socket.subscribe("1", make)
            assert await socket.closed() == code
        assert socket.said_more() == []
    assert await idle.data("{ me { memberships { role } } }") == {"me": {"memberships": []}}


GUESSES: list[tuple[str, dict[str, Any]]] = [
    ("{ me { subjec } }", {}),
    ("{ event(idd: 1) { id } }", {}),
    ("{ node(id: 1) { ... on Evnt { id } } }", {}),
    ("{ workspace(id: 1) { events(statuses: [PUBLISHD]) { id } } }", {}),
    ('mutation { createWorkspace(input: {nam: "x"}) { id } }', {}),
    ("query($i: AudiencePreviewInpt!) { audiencePreview(input: $i) { units } }", {}),
    ("query($i: AudiencePreviewInput!) { audiencePreview(input: $i) { units } }", {"i": {"eventI": "x"}}),
    ("query($s: [EventStatus!]) { workspace(id: 1) { events(statuses: $s) { id } } }", {"s": ["PUBLISHD"]}),
]
"""Names that are nearly right."""


async def test_no_name_is_told_that_was_not_asked_with(idle: Service, socket: Socket) -> None:
    for query, variables in GUESSES:
        over_http = await idle.answer(query, variables)
        await socket.subscribe("1", query, variables)
        message = await socket.either("error", "next")
        if message["type"] == "next":
            await socket.until("complete")
        for found in (over_http, message):
            assert "errors" in str(found) or found["type"] == "error"
            assert "Did you mean" not in str(found), query
    for query in ("{ __schema { __typename } }", '{ __type(name: "Event") { __typename } }'):
        assert "introspection" in (await idle.error(query))["message"]
        assert "introspection" in (await refused(socket, query))["message"]


async def test_the_guesses_are_nearly_right(db: Database) -> None:
    """Where names may be told, each of them would have been helped."""
    async with serving(db, dispatch=False, graphiql=True) as service:
        for query, variables in GUESSES:
            assert "Did you mean" in str(await service.answer(query, variables)), query
        assert await service.data('{ __type(name: "Event") { name } }') == {"__type": {"name": "Event"}}


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://service", True),
        ("http://service:8000", False),
        ("http://other.service", False),
        ("http://service.other", False),
        ("http://service@other", False),
        ("https://other.example", False),
        ("null", False),
        ("", False),
        ("file://", False),
    ],
)
async def test_origins_when_none_is_named(idle: Service, origin: str | None, allowed: bool) -> None:
    """A page elsewhere cannot open a socket, even for somebody who is signed in here; programs send no origin."""
    headers = {} if origin is None else {"origin": origin}
    async with Socket(idle.app, idle.token() if allowed else None, headers=headers) as socket:
        if allowed:
            await socket.subscribe("1", "{ me { subject } }")
            assert (await socket.until("next"))["payload"]["data"] == {"me": {"subject": "anita"}}
        else:
            assert (await socket.event())["type"] == "websocket.close", "before it was accepted"
