"""What an operation costs, and that one which costs too much is not run. The figures are counted by hand."""

from typing import Any

import pytest
from graphql import (
    GraphQLObjectType,
    OperationDefinitionNode,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    parse,
)

from app.db.keyset import MAX_FIRST
from app.schema import build_schema
from app.schema.cost import ASSUMED, MAX_COST, MAX_SUBSCRIPTION_COST, operation_cost
from app.schema.limits import MAX_FIELDS
from app.schema.pagination import DEFAULT_FIRST
from app.schema.types.prechecks import DEFAULT_PREVIEWS
from tests.schema.service import Service, wedding
from tests.schema.sockets import Socket
from tests.schema.test_console import OPERATIONS

pytestmark = [pytest.mark.anyio, pytest.mark.either_database]

SCHEMA = build_schema()._schema  # the very one that runs: one made of its text keeps defaults elsewhere


def cost(query: str, variables: dict[str, Any] | None = None) -> int:
    document = parse(query)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return operation_cost(SCHEMA, document, operation, variables or {})


def guests(first: str, variables: str = "") -> str:
    """A list of 2 + 3 n, where n is how long it is."""
    return f"query{variables} {{ workspace(id: 1) {{ guestUnits{first} {{ nodes {{ id name }} edges {{ node {{ id }} }} }} }} }}"


@pytest.mark.parametrize(
    ("query", "variables", "wanted"),
    [
        ("{ me { subject displayName } }", {}, 3),
        ("{ a: me { subject } b: me { subject } }", {}, 4),
        # workspace, guestUnits, nodes, edges; then per entry two below nodes, and node and id below edges.
        (guests("(first: 10)"), {}, 4 + 10 * 4),
        (guests(""), {}, 4 + DEFAULT_FIRST * 4),
        (guests("(first: null)"), {}, 4 + DEFAULT_FIRST * 4),
        (guests("(first: $n)", "($n: Int)"), {"n": 7}, 4 + 7 * 4),
        (guests("(first: $n)", "($n: Int)"), {"n": 7.0}, 4 + 7 * 4),
        (guests("(first: $n)", "($n: Int)"), {}, 4 + DEFAULT_FIRST * 4),
        (guests("(first: $n)", "($n: Int)"), {"n": None}, 4 + DEFAULT_FIRST * 4),
        (guests("(first: $n)", "($n: Int = 9)"), {}, 4 + 9 * 4),
        (guests("(first: $n)", "($n: Int = 9)"), {"n": 3}, 4 + 3 * 4),
        # Refused later; it must not make the operation cheap, nor the sum a number of a thousand digits.
        (guests("(first: -1)"), {}, 4 + MAX_FIRST * 4),
        (guests(f"(first: {10**30})"), {}, 4 + MAX_FIRST * 4),
        *((guests("(first: $n)", "($n: Int)"), {"n": n}, 4 + MAX_FIRST * 4) for n in ("x", [1], float("inf"), 10**9)),
        ("{ workspace(id: 1) { members { id } viewerCan } }", {}, 3 + ASSUMED),
        ("{ workspace(id: 1) { events { sendRuns(first: 10) { nodes { id } } } } }", {}, 2 + ASSUMED * (2 + 10)),
        ("{ precheck(token: 1) { previews { text } } }", {}, 2 + DEFAULT_PREVIEWS),
        ("{ precheck(token: 1) { previews(first: 20) { text } } }", {}, 2 + 20),
        ("{ node(id: 1) { id ... on SendRun { messages(first: 2) { nodes { id } } } } }", {}, 2 + 2 + 2),
        ("{ workspace(id: 1) { guestUnits(first: 9) { totalCount pageInfo { hasNextPage } } } }", {}, 2 + 3),
        ("{ __schema { types { fields { name } } } __typename }", {}, 0),
        ("{ nothing { more } }", {}, 0),
        ('mutation { pauseSendRun(id: "x") { id summary { sent } } }', {}, 4),
    ],
)  # fmt: skip
def test_costs(query: str, variables: dict[str, Any], wanted: int) -> None:
    assert cost(query, variables) == wanted


def test_a_fragment_costs_what_its_place_makes_of_it() -> None:
    page = "fragment Page on GuestUnitConnection { ...Deep nodes { id } } "
    deep = "fragment Deep on GuestUnitConnection { nodes { ...Unit } } fragment Unit on GuestUnit { name side }"
    written_out = "guestUnits(first: {}) {{ nodes {{ name side }} nodes {{ id }} }}"
    for first in (1, 100):
        spread = f"{{ workspace(id: 1) {{ guestUnits(first: {first}) {{ ...Page }} }} }} {page}{deep}"
        assert cost(spread) == cost(f"{{ workspace(id: 1) {{ {written_out.format(first)} }} }}") == 4 + 3 * first


def test_fragments_are_measured_once() -> None:
    """Sixty fragments that spread each other twice are 2⁶⁰ steps for whoever follows them."""
    chain = "".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
    assert cost("{ ...F0 }" + chain + "fragment F60 on Query { me { subject } }") == 2 * 2**60
    assert cost("{ ...A } fragment A on Query { ...B ...C } fragment B on Query { ...A }") == 0


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_console_is_far_from_the_limit(name: str) -> None:
    assert 0 < cost(OPERATIONS[name]) < MAX_COST / 50


def everything_of(kind: GraphQLObjectType, levels: int, above: frozenset[str]) -> str:
    """All fields of a type, and of what it refers to, without arguments, pages and the way back."""
    parts = []
    for name, field in kind.fields.items():
        inner = get_named_type(field.type)
        if any(is_required_argument(argument) for argument in field.args.values()):
            continue
        if is_leaf_type(inner):
            parts.append(name)
        elif (
            levels and isinstance(inner, GraphQLObjectType) and inner.name not in above and "nodes" not in inner.fields
        ):
            parts.append(f"{name} {{ {everything_of(inner, levels - 1, above | {inner.name})} }}")
    return " ".join(parts)


def full_messages(first: int) -> str:
    kind = SCHEMA.type_map["InviteMessage"]
    assert isinstance(kind, GraphQLObjectType)
    node = everything_of(kind, 2, frozenset({"InviteMessage", "Workspace"}))
    page = f"messages(first: {first}) {{ totalCount pageInfo {{ hasNextPage endCursor }} nodes {{ {node} }} }}"
    return f"query($r: ID!) {{ sendRun(id: $r) {{ {page} }} }}"


async def test_a_page_of_full_messages(service: Service) -> None:
    query = full_messages(MAX_FIRST)
    assert 20_000 < cost(query) < 0.6 * MAX_COST
    run = await (await wedding(service)).send()
    shown = await service.data(query, {"r": run})
    assert len(shown["sendRun"]["messages"]["nodes"]) == 2


TOO_MUCH = "query($n: Int) { workspace(id: 1) { events { sendRuns(first: 100) { nodes { messages(first: $n) { nodes { id } } } } } } }"


async def test_too_much_is_refused_before_anything_is_read(service: Service) -> None:
    fits, over = 97, 98
    assert (cost(TOO_MUCH, {"n": fits}), cost(TOO_MUCH, {"n": over})) == (49_512, 50_012)
    assert await service.data(TOO_MUCH, {"n": fits}) == {"workspace": None}
    error = await service.error(TOO_MUCH, {"n": over})
    assert error["extensions"] == {"code": "TOO_LARGE"}
    assert error["message"] == (
        "The operation costs 50,012 and 50,000 is the most. Ask for fewer entries with first, for fewer lists within "
        "lists, or in several requests."
    )
    async with Socket(service.app, service.token()) as socket:
        await socket.subscribe("1", TOO_MUCH, {"n": over})
        assert (await socket.until("error"))["payload"][0]["extensions"] == {"code": "TOO_LARGE"}
        await socket.subscribe("2", TOO_MUCH, {"n": fits})
        assert (await socket.until("next"))["payload"]["data"] == {"workspace": None}


async def test_what_is_read_again_and_again_may_cost_less(service: Service) -> None:
    watch = (
        "subscription($r: ID!, $n: Int) { sendRunProgress(id: $r) { messages(first: $n) { edges { node { @ } } } } }"
    )
    watch = watch.replace("@", everything_of(SCHEMA.type_map["InviteMessage"], 1, frozenset({"Workspace"})))  # type: ignore[arg-type]  # an object's
    fits = max(n for n in range(1, 101) if cost(watch, {"r": "x", "n": n}) <= MAX_SUBSCRIPTION_COST)
    assert fits < MAX_FIRST
    run = await (await wedding(service)).send()
    async with Socket(service.app, service.token()) as socket:
        await socket.subscribe("1", watch, {"r": run, "n": fits + 1})
        (refused,) = (await socket.until("error"))["payload"]
        assert refused["extensions"] == {"code": "TOO_LARGE"}
        assert "2,000 is the most" in refused["message"]
        await socket.subscribe("2", watch, {"r": run, "n": fits})
        assert "errors" not in (await socket.until("next"))["payload"]


async def test_only_the_operation_that_runs_is_counted(service: Service) -> None:
    document = "query Small { me { subject } } " + TOO_MUCH.replace("query", "query Large")
    for name, refused in (("Small", False), ("Large", True)):
        body = {"query": document, "operationName": name, "variables": {"n": 100}}
        response = await service.http.post("/graphql", json=body, headers=service.headers())
        assert ("errors" in response.json()) is refused


def test_what_fits_the_limit_on_fields_may_cost_too_much() -> None:
    """The two limits are about different things: this one has 9 fields."""
    assert MAX_FIELDS > 9
    assert cost(TOO_MUCH, {"n": 100}) > MAX_COST
