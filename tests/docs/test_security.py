"""docs/security.md and SECURITY.md: no threat without an answer and a test, no secret without what to do after a leak.

That the files, tests, commands and operations that they name exist is checked with those of every document.
"""

import re
from typing import Any, get_args, get_type_hints

import pytest

from app.config import Secret, Settings
from tests.docs.test_docs import TEXTS, coded

ATTACKERS = [
    "A stranger on the internet", "Whoever can post to the webhook", "Meta's own oddities", "A guest",
    "A malicious guest list", "A member of another wedding", "A coordinator who wants more", "A former member",
    "A stolen token", "A stolen backup, or the machine", "A log reader", "A flooded service", "A compromised dependency",
]  # fmt: skip

_SECTION = re.compile(r"^## (.+)\n\n\| Threat \| Answer \| Tests \|\n\|---\|---\|---\|\n((?:\|.*\n)+)", re.MULTILINE)
_TEST = re.compile(r"`(?:tests/[\w/]+\.py::test_\w+)`")
_CODE = re.compile(r"(?:app|tests|benchmarks)/[\w./]+")


def threats() -> dict[str, list[list[str]]]:
    """The rows of each table, by its heading."""
    return {
        title: [[cell.strip() for cell in line.strip("|").split("|")] for line in rows.splitlines()]
        for title, rows in _SECTION.findall(TEXTS["docs/security.md"])
    }


def problem(row: list[str]) -> str | None:
    """What a threat lacks."""
    if len(row) != 3 or not row[0]:
        return "three cells"
    _, answer, tests = row
    if answer.startswith("**Not answered**: "):
        told = re.fullmatch(r"\*\*Not answered\*\*: [^*]{10,} \*\*You\*\*: [^*]{10,}\.", answer)
        return None if told and tests == "–" else "why, what the operator does, and no test"
    if not any(_CODE.fullmatch(each) for each in coded(answer)):
        return "where it is answered"
    listed = tests.split(", ")
    if not all(_TEST.fullmatch(each) for each in listed) or len(set(listed)) != len(listed):
        return "tests, each once"
    return None


def test_every_attacker_has_threats() -> None:
    assert list(threats()) == ATTACKERS


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_each_threat_has_an_answer_and_a_test_or_is_left_to_the_operator(attacker: str) -> None:
    rows = threats()[attacker]
    assert [(row[0], found) for row in rows if (found := problem(row))] == []
    assert len({row[0] for row in rows}) == len(rows) >= 3


@pytest.mark.parametrize(
    "row",
    [
        ["x", "Refused: `app/main.py`", "–"],
        ["x", "Refused: `app/main.py`", "`tests/test_auth.py`"],
        ["x", "Refused: `app/main.py`", "`tests/a.py::test_a`, `tests/a.py::test_a`"],
        ["x", "Refused, by `AUTH_SECRET`", "`tests/a.py::test_a`"],
        ["x", "**Not answered**: it is too hard for us.", "–"],
        ["x", "**Not answered**: it is too hard for us. **You**: take care of it.", "`tests/a.py::test_a`"],
        ["x", "Refused: `app/main.py`"],
    ],
)
def test_what_a_threat_lacks_is_found(row: list[str]) -> None:
    assert problem(row)


def test_every_secret_has_its_steps() -> None:
    hints: dict[str, Any] = get_type_hints(Settings)
    secret = [name.upper() for name, hint in hints.items() if Secret in (hint, *get_args(hint))]
    sections = re.findall(r"^### ([A-Z_]+)\n(.*?)(?=^### )", TEXTS["SECURITY.md"], re.MULTILINE | re.DOTALL)
    # DATABASE_URL is no Secret, since doctor shows it without its password.
    assert sorted(name for name, _ in sections) == sorted([*secret, "DATABASE_URL"])
    for name, text in sections:
        assert "\n1. " in text, name
        assert _TEST.search(text.partition("Held by")[2]), name
