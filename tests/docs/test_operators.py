"""The operator's guide lists every reason and state, in the words that the service itself uses."""

import re
from collections.abc import Mapping
from enum import StrEnum

import pytest

from app.domain.enums import BlockerCode, MessageState, RejectionReason, SendRunStatus, StaleReason
from app.domain.texts import BLOCKERS, REJECTIONS, STALE, STATES, Advice
from app.http.pages import STATIC
from app.whatsapp.codes import CODES
from app.whatsapp.port import Behaviour
from tests.docs.test_docs import ROOT, TEXTS, coded, table

TEXT = TEXTS["docs/operators.md"]
WORDS = dict(
    re.findall(r'\b([A-Z]+): "(.+?)"', (STATIC / "console" / "words.js").read_text(encoding="utf-8")),
)
"""The console's, by the service's."""
MOST_BYTES = 120 * 1024


def advice(first: str, section: str) -> list[list[str]]:
    return table(section, first, "It means", "What to do")


@pytest.mark.parametrize(
    ("heading", "first", "reasons", "texts"),
    [
        ("## Why somebody is held back", "Reason", RejectionReason, REJECTIONS),
        ("## Send invites", "Reason", StaleReason, STALE),
        ("## Send invites", "Blocker", BlockerCode, BLOCKERS),
    ],
)
def test_each_reason_says_what_to_do(
    heading: str, first: str, reasons: type[StrEnum], texts: Mapping[StrEnum, Advice]
) -> None:
    section = TEXT.partition(heading)[2].partition("\n## ")[0]
    rows = advice(first, section)
    assert rows == [[f"`{each}`", texts[each].operator_text, texts[each].next_step] for each in reasons]


def test_the_states() -> None:
    rows = table(TEXT, "Console", "State", "It means", "What to do")
    assert rows == [[WORDS[each], f"`{each}`", STATES[each][0], STATES[each][1] or "–"] for each in MessageState]


def test_the_statuses() -> None:
    rows = table(TEXT, "Console", "Status", "It means", "What to do")
    assert [coded(row[1]) for row in rows] == [[each] for each in SendRunStatus]
    assert [row[0] for row in rows] == ["Sending", "Paused", "Stopped", "Cancelled", "Sent"]
    assert all(row[3] for row in rows)


def test_the_failures_of_one_guest() -> None:
    rows = table(TEXT, "Failure", "WhatsApp's codes", "It means", "What to do")
    named = {int(code): row for row in rows for code in coded(row[1])}
    final = {code: rule for code, rule in CODES.items() if rule.behaviour is Behaviour.FINAL}
    assert sorted(named) == sorted(final)
    for code, rule in final.items():
        title, _, *words = named[code]
        assert [title, *words] == [rule.title, rule.operator_text, rule.next_step]


def test_pictures_are_shown_and_small() -> None:
    pictures = sorted((ROOT / "docs" / "images").glob("*.png"))
    assert [path.name for path in pictures if path.stat().st_size > MOST_BYTES] == []
    assert [path.name for path in pictures if f"images/{path.name}" not in "".join(TEXTS.values())] == []
