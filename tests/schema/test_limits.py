"""How much one document may ask for, at the last value that is allowed and the first that is not."""

from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
import strawberry.schema.schema
from graphql import GraphQLError, get_introspection_query

from app.schema import build_schema
from app.schema.cleaning import MAX_NESTING, MAX_VALUES
from app.schema.limits import (
    MAX_ALIASES,
    MAX_CONTAINERS,
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_DOCUMENT,
    MAX_FIELDS,
    MAX_FRAGMENTS,
    MAX_TOKENS,
    MAX_UNSIGNED,
    Limits,
)
from app.schema.limits import MAX_NESTING as MAX_SELECTIONS
from tests.schema.sockets import Socket

pytestmark = [pytest.mark.anyio, pytest.mark.either_database]


async def error(document: str) -> GraphQLError:
    """The first error: a document that passes the limits gets as far as the first resolver."""
    result = await build_schema().execute(document, context_value=Nobody())
    assert result.errors
    return result.errors[0]


async def code(document: str) -> str:
    found: str = ((await error(document)).extensions or {})["code"]
    return found


async def message(document: str) -> str:
    return (await error(document)).message


class Nobody:
    """A context in which nothing can be asked."""

    def for_operation(self) -> "Nobody":
        return self

    def counted(self, kind: str, code: str) -> None:
        pass

    @property
    def actor(self) -> None:
        raise OSError("here the limits end")

    loaders = services = rates = actor


PASSED = "UNAVAILABLE"
"""What ``Nobody`` comes out as."""


async def test_depth() -> None:
    def chain(levels: int) -> str:
        """``event { workspace { events { workspace …``, as many levels as asked."""
        document = "id"
        for level in range(levels - 1, 1, -1):
            document = f"{'events' if level % 2 else 'workspace'} {{ {document} }}"
        return f"{{ event(id: 1) {{ {document} }} }}"

    assert await code(chain(MAX_DEPTH)) == PASSED
    assert await code(chain(MAX_DEPTH + 1)) == "TOO_LARGE"
    hidden = f"query {{ event(id: 1) {{ ...A }} }} fragment A on Event {chain(MAX_DEPTH)[len('{ event(id: 1) ') : -2]}"
    assert await code(hidden) == PASSED
    deeper = "query { event(id: 1) { ...A } } fragment A on Event { workspace { events { ...B } } } "
    assert await code(deeper + f"fragment B on Event {chain(MAX_DEPTH)[len('{ event(id: 1) ') : -2]}") == "TOO_LARGE"


async def test_aliases() -> None:
    def aliased(count: int) -> str:
        return "{ " + " ".join(f"a{number}: me {{ subject }}" for number in range(count)) + " }"

    assert await code(aliased(MAX_ALIASES)) == PASSED
    assert await code(aliased(MAX_ALIASES + 1)) == "TOO_LARGE"
    spread = "fragment A on Query { " + " ".join(f"a{n}: me {{ subject }}" for n in range(MAX_ALIASES)) + " }"
    assert await code("{ ...A }" + spread) == PASSED
    assert await code("{ ...A b: me { subject } }" + spread) == "TOO_LARGE"


async def test_tokens() -> None:
    def listed(count: int) -> str:
        return "query(" + "$a: ID " * count + ") { me { subject } }"

    assert "tokens" not in await message(listed(MAX_TOKENS // 4 - 5))
    assert "more than 3000 tokens" in await message(listed(MAX_TOKENS // 4 + 5))


async def test_fields() -> None:
    def fields(count: int) -> str:
        return "{ me { " + " ".join("subject" for _ in range(count - 1)) + " } }"

    assert await code(fields(MAX_FIELDS)) == PASSED
    assert await code(fields(MAX_FIELDS + 1)) == "TOO_LARGE"
    assert await code("{ me { " + "__typename " * MAX_FIELDS + "} }") == "TOO_LARGE"


@pytest.mark.parametrize(
    "document",
    [
        "{ ...F0 }"
        + "".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
        + "fragment F60 on Query { me { subject } }",
        "{ " + "me { subject } " * 700 + "}",
        "{ " + "__typename " * 2_900 + "}",
    ],
    ids=["fragments that spread each other twice", "the same again and again", "the name of the type, often"],
)
async def test_what_takes_validation_seconds_is_refused_before(document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def validate(*_: object) -> NoReturn:
        raise AssertionError("it was validated")

    monkeypatch.setattr(strawberry.schema.schema, "validate_document", validate)
    assert await code(document) == "TOO_LARGE"


@pytest.mark.parametrize(
    "fragments",
    [
        "fragment F on Query { " + "me { subject } " * 600 + "}",
        "fragment F on Query { ...G } fragment G on Query { me { subject } }",
    ],
    ids=["one", "one that only another spreads"],
)
async def test_fragments_that_nobody_spreads(fragments: str) -> None:
    """Validation looks into them, so they are refused before it: the sentence is ours, not graphql-core's."""
    found = await error("{ me { subject } } " + fragments)
    assert (found.message, found.extensions) == ("Fragment 'F' is never used.", {"code": "BAD_INPUT"})


def chain(count: int, *, body: str = "...F{}") -> str:
    """Fragments that spread one another in turn."""
    middle = "".join(f"fragment F{n} on Query {{ {body.format(n + 1)} }} " for n in range(count - 1))
    return f"{{ ...F0 }} {middle} fragment F{count - 1} on Query {{ me {{ subject }} }}"


async def test_the_number_of_fragments() -> None:
    assert await code(chain(MAX_FRAGMENTS)) == PASSED
    for count in (MAX_FRAGMENTS + 1, 328):
        assert f"more than {MAX_FRAGMENTS} fragments" in await message(chain(count))
        assert await code(chain(count)) == "TOO_LARGE"


async def test_selections_within_each_other() -> None:
    def inline(levels: int) -> str:
        return "{ " + "... { " * levels + "me { subject }" + " }" * levels + " }"

    assert await code(inline(MAX_SELECTIONS - 1)) == PASSED
    assert f"more than {MAX_SELECTIONS} fields and fragments" in await message(inline(MAX_SELECTIONS))
    assert await code(inline(100)) == "TOO_LARGE"
    both = chain(40, body="... {{ " * 5 + "...F{}" + " }}" * 5)
    assert await code(both) == "TOO_LARGE"


@pytest.mark.parametrize(
    "document",
    [
        '{ a: __schema { types { name } } b: __type(name: "Event") { name } }',
        "{ __schema { a: types { name } b: types { name } } }",
        "{ __schema { types { ...T } } } fragment T on __Type { a: fields { name } }",
    ],
    ids=["on", "below", "below, in a fragment"],
)
async def test_introspection_has_no_aliases(document: str) -> None:
    found = await error(document)
    assert found.extensions == {"code": "BAD_INPUT"}
    assert found.message.startswith("There are no aliases for or below __")


async def test_introspection_counts_as_fields() -> None:
    assert await code("{ " + "__schema { types { name } } " * (MAX_FIELDS // 3 + 1) + "}") == "TOO_LARGE"
    everything = get_introspection_query(
        input_value_deprecation=True, specified_by_url=True, directive_is_repeatable=True
    )
    assert (await build_schema().execute(everything, context_value=Nobody())).errors is None


class BrokenError(Exception):
    """What nobody foresaw."""


def _failing() -> Iterator[None]:
    raise BrokenError("secret of the inside")


@pytest.mark.parametrize("hook", ["on_operation", "on_parse", "on_validate"])
async def test_an_error_in_an_extension_has_a_code(service: Any, monkeypatch: pytest.MonkeyPatch, hook: str) -> None:
    def fail(_self: Any) -> Iterator[None]:
        yield from _failing()

    monkeypatch.setattr(Limits, hook, fail)
    over_http = await service.error("{ me { subject } }")
    async with Socket(service.app, service.token()) as socket:
        await socket.subscribe("1", "{ me { subject } }")
        (over_socket,) = (await socket.until("error"))["payload"]
    for found in (over_http, over_socket):
        assert found["message"] == "Internal error"
        assert found["extensions"]["code"] == "INTERNAL"
        assert found["extensions"]["errorId"]


async def test_the_number_of_values_in_the_variables(service: Any) -> None:
    query = "{ me { subject } }"
    # The variables themselves are one value, and the list another.
    assert await service.data(query, {"x": [0] * (MAX_VALUES - 1)})
    refused = await service.error(query, {"x": [0] * MAX_VALUES})
    assert refused["extensions"] == {"code": "TOO_LARGE"}
    assert "1,000,000 values" in refused["message"]


async def test_the_number_of_lists_and_objects_is_judged_before_parsing(service: Any) -> None:
    def body(count: int) -> bytes:
        """Broken at its end, so that a parser would say so."""
        return b'{"query": "x", "variables": {"x": [' + b"[]," * (count - 3) + b"}"

    for count, status in ((MAX_CONTAINERS, 400), (MAX_CONTAINERS + 1, 413)):
        headers = service.headers() | {"Content-Type": "application/json"}
        response = await service.http.post("/graphql", content=body(count), headers=headers)
        assert response.status_code == status
    assert response.json()["errors"][0]["extensions"] == {"code": "TOO_LARGE"}
    async with Socket(service.app, service.token()) as socket:
        await socket.send_text(body(MAX_CONTAINERS + 1).decode())
        assert await socket.closed() == 1009


async def test_from_strangers_only_small_requests_are_read(service: Any) -> None:
    def body(size: int) -> bytes:
        """Broken at its end, so that a parser would say so."""
        return b'{"query": "'.ljust(size, b"x")

    async def post(size: int, headers: dict[str, str]) -> Any:
        headers = headers | {"Content-Type": "application/json"}
        return await service.http.post("/graphql", content=body(size), headers=headers)

    assert (await post(MAX_UNSIGNED, {})).status_code == 400
    assert (await post(MAX_UNSIGNED + 1, service.headers())).status_code == 400
    for headers in ({}, {"Authorization": "Bearer made.up.token"}):
        refused = await post(MAX_UNSIGNED + 1, headers)
        assert refused.status_code == 200
        assert [each["extensions"] for each in refused.json()["errors"]] == [{"code": "UNAUTHENTICATED"}]


async def test_before_its_token_a_socket_takes_small_messages_only(service: Any) -> None:
    def ping(size: int) -> str:
        return '{"type": "ping", "payload": {"x": "' + "x" * (size - 38) + '"}}'

    assert len(ping(100)) == 100
    async with Socket(service.app, None) as socket:
        await socket.send_text(ping(MAX_UNSIGNED))
        await socket.until("pong")
        await socket.send_text(ping(MAX_UNSIGNED + 1))
        assert await socket.closed() == 1009
    async with Socket(service.app, service.token()) as socket:
        await socket.send_text(ping(MAX_UNSIGNED + 1))
        await socket.until("pong")


async def test_what_is_too_deep_for_the_parser() -> None:
    for document in ("{ a" * 900 + "}" * 900, "{ event(id: " + "[" * 1400 + "]" * 1400 + ") { id } }"):
        assert "nested too deeply" in await message(document)


def nested(levels: int) -> Any:
    """As many lists within each other."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


async def test_variables_that_are_nested_too_deeply(service: Any) -> None:
    query = "{ me { subject } }"
    # The variables themselves are one level.
    assert await service.data(query, {"x": nested(MAX_NESTING - 1)})
    for levels in (MAX_NESTING, 500, 900):
        refused = await service.error(query, {"x": nested(levels)})
        assert refused["extensions"] == {"code": "TOO_LARGE"}, levels
        assert "32 levels" in refused["message"]


async def test_numbers_with_more_digits_than_python_converts() -> None:
    for digits in (MAX_DIGITS + 1, 5_000):
        for sign in ("", "-"):
            document = f"{{ workspace(id: 1) {{ guestUnits(first: {sign}{'9' * digits}) {{ nodes {{ id }} }} }} }}"
            assert "more than 100 digits" in await message(document)
            assert await code(document) == "BAD_INPUT"
    assert "32-bit" in await message(f"{{ workspace(id: 1) {{ guestUnits(first: {'9' * MAX_DIGITS}) {{ id }} }} }}")
    assert await code(f'{{ event(id: "{"9" * 5_000}") {{ id }} }}') == PASSED, "digits of a text are no number"


async def test_one_of_several_operations_is_named(service: Any) -> None:
    document = "query A { me { subject } } query B { me { displayName } }"
    refused = await service.error(document)
    assert refused["extensions"] == {"code": "BAD_INPUT"}
    assert "Name the operation to run" in refused["message"]
    for name, found in (("A", {"subject": "anita"}), ("B", {"displayName": "Anita"})):
        body = {"query": document, "operationName": name}
        response = await service.http.post("/graphql", json=body, headers=service.headers())
        assert response.json()["data"] == {"me": found}


async def test_fragments_in_a_circle_end() -> None:
    assert await code("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }") == "BAD_INPUT"


async def test_one_mutation_per_request() -> None:
    pause = 'pauseSendRun(id: "x") { id }'
    assert await code("mutation { " + pause + " }") == PASSED
    for two in (f"a: {pause} b: {pause}", f"...A {pause}"):
        document = "mutation { " + two + " } fragment A on Mutation { b: " + pause + " }"
        assert await code(document if "...A" in two else document.partition(" fragment")[0]) == "BAD_INPUT"


async def test_the_document_is_measured_before_it_is_parsed(service: Any) -> None:
    def padded(size: int) -> str:
        return "{ me { subject } } #".ljust(size, "x")

    assert (await service.data(padded(MAX_DOCUMENT)))["me"]["subject"] == "anita"
    refused = await service.error(padded(MAX_DOCUMENT + 1))
    assert refused["extensions"] == {"code": "TOO_LARGE"}
    assert "64 kB" in refused["message"]
