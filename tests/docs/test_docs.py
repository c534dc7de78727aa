"""What the documents say is so: commands, options, tables, links, files, GraphQL operations and the diagram."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

from app.cli import main
from app.config import described
from app.domain.enums import MessageState, Permission, Role
from app.domain.errors import ErrorCode
from app.domain.lifecycle import DISPATCH, RANK, Dispatch
from app.domain.roles import DEFAULT_ROLES_THAT_SEND, MANAGES, permissions
from app.services.checks import KINDS
from tests.docs.lifecycle_diagram import diagram
from tests.rights import table as rights

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in DOCUMENTS}
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
HEADINGS = ["Context", "Decision", "Consequences", "Alternatives", "References"]

_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")

each_document = pytest.mark.parametrize("name", TEXTS)


def blocks(text: str, *languages: str) -> Iterator[str]:
    """The fenced blocks in one of these languages, without their indentation."""
    for indent, language, body in _FENCE.findall(text):
        if language in languages:
            yield "\n".join(line.removeprefix(indent) for line in body.splitlines())


def commands(text: str) -> Iterator[list[str]]:
    """All commands that a document tells its readers to run, in fenced blocks and within lines, as words."""
    spans = _CODE.findall(_FENCE.sub("", text))
    lines = [line for block in blocks(text, "sh", "bash", "shell") for line in block.replace("\\\n", " ").splitlines()]
    for each in (*spans, *lines):
        words = shlex.split(each, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if words and words[0] in {"make", "invites"}:
            yield words


def table(text: str, *header: str) -> list[list[str]]:
    """The rows of the one table with this header; cells are stripped."""
    for found in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        first, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()]
        if first == list(header):
            return rows
    pytest.fail(f"no table with the header {header}")


def coded(cell: str) -> list[str]:
    return _CODE.findall(cell)


def problem(words: list[str]) -> str | None:
    """What is wrong with a command that a document names."""
    return _problem_of_make(words[1:]) if words[0] == "make" else _problem_of_invites(words[1:])


def _problem_of_make(words: list[str]) -> str | None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    unknown = [word for word in words if "=" not in word and word not in targets]
    return f"make has no target {unknown}" if unknown else None


def _problem_of_invites(words: list[str]) -> str | None:
    if not words or words in (["--help"], ["--version"]):
        return None
    command = main.get_command(click.Context(main), words[0])
    if command is None:
        return f"invites has no command {words[0]!r}"
    known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
    unknown = [word for word in words[1:] if word.startswith("-") and word.partition("=")[0] not in known]
    if unknown:
        return f"invites {words[0]} has no {unknown}"
    # Written out with its options it is meant to be copied, so nothing that is required may be left out.
    missing = [
        parameter.opts[0]
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.required and not set(parameter.opts) & set(words)
    ]
    return f"invites {words[0]} lacks {missing}" if len(words) > 1 and words[1] != "--help" and missing else None


@each_document
def test_commands_exist(name: str) -> None:
    assert [found for words in commands(TEXTS[name]) if (found := problem(words))] == []


def test_wrong_commands_are_found() -> None:
    text = "`make tests`\n\n```sh\ninvites sent\nX=1 invites serve --prot 1  # x\ninvites send \\\n  --as a\n```\n"
    assert [words[:2] for words in commands(text)] == [
        ["make", "tests"], ["invites", "sent"], ["invites", "serve"], ["invites", "send"],
    ]  # fmt: skip
    assert all(problem(words) for words in commands(text))


def test_the_readme_shows_every_command() -> None:
    named = {words[1] for words in commands(TEXTS["README.md"]) if words[0] == "invites" and len(words) > 1}
    # ``demo`` is shown as ``make demo``; ``export-schema`` is for those who change the code.
    assert set(main.list_commands(click.Context(main))) - named == {"demo", "export-schema"}


def test_the_readme_is_short() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 200
    assert len(TEXTS["CONTRIBUTING.md"].splitlines()) <= 50


@pytest.mark.parametrize("header", ["To run", "To develop"])
def test_every_dependency_has_its_reason(header: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] if header == "To run" else project["optional-dependencies"]["dev"]
    rows = table(TEXTS["docs/decisions/0009-dependencies.md"], header, "Reason")
    assert [coded(name)[0] for name, _ in rows] == [re.split(r"[\[<>=]", each)[0] for each in wanted]
    assert all(reason for _, reason in rows)


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_decisions_have_their_headings(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert text.startswith(f"# {path.name[:4]}: ")


def test_decisions_are_numbered() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{n:04}" for n in range(1, len(DECISIONS) + 1)]


@each_document
def test_links_lead_somewhere(name: str) -> None:
    folder = (ROOT / name).parent
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", TEXTS[name])):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = (folder / path).resolve() if path else ROOT / name
        if not found.exists() or (anchor and anchor not in anchors(found.read_text(encoding="utf-8"))):
            broken.append(target)
    assert broken == []


def anchors(text: str) -> set[str]:
    """As GitHub makes them from headings."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@each_document
def test_files_and_tests_that_are_named_exist(name: str) -> None:
    missing = []
    for each in _CODE.findall(TEXTS[name]):
        found = re.fullmatch(r"((?:app|tests|docs|benchmarks)/[\w./-]+?)/?(?:::(\w+))?", each)
        if found is None:
            continue
        path, test = ROOT / found[1], found[2]
        if not path.exists() or (test and f"def {test}(" not in path.read_text(encoding="utf-8")):
            missing.append(each)
    assert missing == []


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))


@each_document
def test_graphql_operations_are_valid(name: str, schema: GraphQLSchema) -> None:
    for block in blocks(TEXTS[name], "graphql"):
        assert validate(schema, parse(block)) == [], block


def test_there_are_operations_to_validate() -> None:
    assert len(list(blocks(TEXTS["README.md"], "graphql"))) == 2


def test_error_codes() -> None:
    rows = table(TEXTS["README.md"], "Code", "It means")
    assert [coded(code) for code, _ in rows] == [[code.value] for code in ErrorCode]


def test_rights() -> None:
    rows = table(TEXTS["README.md"], "Permissions", *Role)
    named = [Permission(word) for row in rows for word in coded(row[0]) if word in Permission.__members__]
    assert sorted(named) == sorted(Permission), "each once"
    for row in rows:
        for role, cell in zip(Role, row[1:], strict=True):
            granted = permissions(role, DEFAULT_ROLES_THAT_SEND)
            may = {Permission(word) in granted for word in coded(row[0]) if word in Permission.__members__}
            assert may == {cell.startswith("✔")}, (row[0], role)


def test_whom_a_role_manages() -> None:
    (row,) = [row for row in table(TEXTS["README.md"], "Permissions", *Role) if coded(row[0]) == ["MEMBER_MANAGE"]]
    words = {
        frozenset(Role): "✔",
        frozenset({Role.FAMILY_COORDINATOR}): "✔ coordinators only",
        frozenset[Role](): "–",
    }
    assert row[1:] == [words[MANAGES[role]] for role in Role]


def test_settings_of_the_readme_exist() -> None:
    settings = {name.upper() for name, _, _ in described()}
    text = TEXTS["README.md"]
    named = {
        each
        for block in blocks(text, "sh")
        for line in block.splitlines()
        if line.startswith("export ")
        for each in re.findall(r"\b([A-Z][A-Z_]+)=", line)
    }
    prose = set(re.findall(r"`((?:META|AUTH|SEND|DATABASE)_[A-Z_]*[A-Z])`", text)) - set(Permission.__members__)
    assert named
    assert named | prose <= settings


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md"])
def test_what_is_said_to_be_missing_is_missing(name: str) -> None:
    routes = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "app" / "http").rglob("*.py"))
    sdl = (ROOT / "schema.graphql").read_text(encoding="utf-8")
    assert ("no export" in TEXTS[name]) is ("/exports/" not in routes)
    assert ("no erasure" in TEXTS[name]) is ("eraseGuest(" not in sdl)


def test_states_of_the_lifecycle() -> None:
    rows = table(TEXTS["docs/lifecycle.md"], "State", "Rank", "It means", "Left by")
    assert [coded(row[0]) for row in rows] == [[state.value] for state in MessageState]
    for state, (_, rank, _, left_by) in zip(MessageState, rows, strict=True):
        assert rank == str(RANK.get(state, "–"))
        assert coded(left_by) == [event.value for (start, event) in DISPATCH if start is state]


def test_transitions_of_the_lifecycle() -> None:
    rows = table(TEXTS["docs/lifecycle.md"], "Transition", "What happened")
    assert [coded(row[0]) for row in rows] == [[event.value] for event in Dispatch]


def test_the_diagram_is_up_to_date() -> None:
    assert list(blocks(TEXTS["docs/lifecycle.md"], "mermaid")) == [diagram()]


def test_the_page_of_rights_is_up_to_date() -> None:
    assert TEXTS["docs/rights.md"] == rights.document(), "python -m tests.rights.table > docs/rights.md"


def test_each_promise_says_how_it_is_kept_and_names_its_tests() -> None:
    """That the tests exist is checked for every document above; here that no promise goes without."""
    sections = re.findall(r"^## (\d+)\. .+?\n(.*?)(?=^## )", TEXTS["docs/promises.md"], re.MULTILINE | re.DOTALL)
    assert [int(number) for number, _ in sections] == list(range(1, 12))
    for number, text in sections:
        how, _, listed = text.strip().partition("\n\n")
        tests = listed.splitlines()
        assert how.count(". ") + how.count(".\n") + how.endswith(".") >= 1, number
        assert len(tests) >= 3, number
        assert all(re.fullmatch(r"- `tests/[\w/]+\.py::test_\w+`", each) for each in tests), number
        assert len(set(tests)) == len(tests), number


def test_the_checks_of_verify() -> None:
    rows = table(TEXTS["docs/promises.md"], "Promise", "Check", "Looks at")
    assert rows == [[str(promise), title, unit] for promise, title, unit in KINDS.values()]


@each_document
def test_nothing_of_a_machine_is_named(name: str) -> None:
    """No package index and no folder of whoever wrote it; put together here, so that this file names none either."""
    hosts = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "com"))]
    folders = ["/" + folder + "/" for folder in ("work", "root", "home", "Users", "tmp")]
    assert [each for each in hosts + folders if each in TEXTS[name]] == []
