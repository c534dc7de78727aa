"""Guest lists as files, and the paths and methods that nobody has."""

import json
from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from app.domain.errors import BadInputError, TooLargeError
from app.domain.guest_list import parse_csv
from tests.fuzz.engine import Target
from tests.fuzz.values import broken_text, texts
from tests.fuzz.world import World

_HEADERS = [
    "household",
    "name",
    "phone",
    "side",
    "tags",
    "primary",
    "First Name",
    "Phone 1 - Value",
    "Labels",
    "\ufeffname",
    "",
]
_CELLS = st.sampled_from(
    ["Asha", "+919800000007", "bride", "yes", '"', '""', '"a\nb"', "a;b:::c", "'=1+1", "\t", "\r", "\u2028"]
)
_LINES = ["household,name,phone,side", "The Raos,Harish Rao,+919800000007,BRIDE", '"Rao, A",Asha,98000 00014,groom']


def _files(_world: World) -> SearchStrategy[str]:
    """Tables with odd cells, with any separator, and a good file with something broken in it."""
    rows = st.lists(st.lists(_CELLS | texts, max_size=6), max_size=8)
    header = st.just(_HEADERS[:5]) | st.lists(st.sampled_from(_HEADERS) | texts, max_size=6)

    def joined(parts: tuple[Sequence[str], Sequence[Sequence[str]], str, str]) -> str:
        head, body, separator, end = parts
        return end.join(separator.join(line) for line in (head, *body))

    tables = st.tuples(
        header, rows, st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["\n", "\r\n", "\r", "\n\n"])
    )
    return tables.map(joined) | broken_text("\r\n".join(_LINES)) | texts


async def _read(_world: World, text: str) -> str:
    """As the parser alone, which the command line uses too."""
    try:
        rows = parse_csv(text)
    except (BadInputError, TooLargeError) as error:
        return error.code.value
    for row in rows:
        json.dumps([row.name, row.household, row.phone, row.tags], ensure_ascii=False).encode()
        assert row.name or row.problems
        assert len(row.tags) <= 20
    return "rows" if rows else "no rows"


_IMPORT = "mutation($i: ImportGuestsInput!) { importGuests(input: $i) { id rows(first: 100) { nodes { name } } } }"


async def _import(world: World, text: str) -> str:
    """To the database and back."""
    workspace = next(each for each in world.ids if each.startswith("wsp_"))
    variables = {"i": {"workspaceId": workspace, "csv": text}}
    return await world.ask(json.dumps({"query": _IMPORT, "variables": variables}).encode())


_PATHS = ["graphql", "webhooks/whatsapp", "health/live", "health/ready", "metrics"]
_PARTS = [
    "graphql",
    "webhooks",
    "whatsapp",
    "health",
    "live",
    "metrics",
    "exports",
    "runs",
    "events",
    "..",
    "%2e%2e",
    "%ff",
    "",
]
_METHODS = ["GET", "GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"]
Request = tuple[str, str]
"""Method and path."""


def _paths(world: World) -> SearchStrategy[Request]:
    """Paths that there are with any method, and paths made of parts of them, of files of what there is, and of anything."""
    files = st.sampled_from(world.ids).map(lambda each: f"{each}.csv")
    odd = texts.map(lambda text: "".join(f"%{byte:02x}" for byte in text[:200].encode("utf-8", "replace")))
    made = st.lists(st.one_of(st.sampled_from(_PARTS), files, odd), max_size=5).map("/".join)
    exports = st.tuples(st.sampled_from(["runs", "events"]) | odd, files | odd.map("{}.csv".format)).map("/".join)
    paths = st.one_of(st.sampled_from(_PATHS), made, exports.map("exports/{}".format))
    return st.tuples(st.sampled_from(_METHODS), paths)


async def _walk(world: World, case: Request) -> str:
    response = await world.service.http.request(case[0], f"http://service/{case[1]}", headers=world.service.headers())
    assert response.status_code < 500, response.text
    return str(response.status_code)


TARGETS = [
    Target("guest lists, parsed", 4, {"rows", "BAD_INPUT"}, _files, _read, "sqlite"),
    Target("guest lists, imported", 2, {"data", "BAD_INPUT"}, _files, _import, "postgres"),
    Target("paths and methods", 3, {"200", "404", "405"}, _paths, _walk, "sqlite"),
]
