"""Consent in a guest list: given by a yes or a day, never guessed."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.consent import MAX_EVIDENCE, Consent, read_consent

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cell", "source", "consent"),
    [
        ("yes", "", Consent("yes")),
        (" Y ", "signed form", Consent("Y, signed form")),
        ("✓", "", Consent("✓")),
        ("yes, by phone", "", Consent("yes, by phone")),
        ("Agreed!", "", Consent("Agreed!")),
        ("2026-03-01", "", Consent("2026-03-01", MARCH)),
        ("2026-03-01 on the website", "", Consent("2026-03-01 on the website", MARCH)),
        ("yes 2026-03-01", "call", Consent("yes 2026-03-01, call", MARCH)),
        ("yes " + "x" * 999, "", Consent(("yes " + "x" * 999)[:MAX_EVIDENCE])),
    ],
)
def test_a_yes_or_a_day_gives_it(cell: str, source: str, consent: Consent) -> None:
    assert read_consent(cell, source) == (consent, None)


@pytest.mark.parametrize("cell", ["", " ", "no", "No", "n/a", "-", "0"])
def test_a_no_gives_none(cell: str) -> None:
    assert read_consent(cell, "signed form") == (None, None)


@pytest.mark.parametrize("cell", ["asked her", "yesterday", "not yet", "maybe", "01/03/2026", "2026-13-01", "1 March"])
def test_anything_else_is_not_guessed_at(cell: str) -> None:
    consent, problem = read_consent(cell)
    assert consent is None
    assert problem is not None
    assert f"Consent “{cell}” is not understood" in problem


def wide(text: str) -> str:
    """In full-width letters, as a phone with a Japanese keyboard writes them."""
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


GIVEN = st.sampled_from(["yes", "YES", "agreed", "2026-03-01", "yes 2026-03-01", "Yes, 2026-03-01"])
BETWEEN = st.sampled_from([" ", ", ", ": ", " - ", " – ", "; ", ". ", " (", "\n", "\t", "/", " … ", " _"])
TAIL = st.sampled_from(
    ["", "by phone", "form 12", "on the website", "her mother said so", "Askari Road", "signed", "Ärzte-Liste", "हाँ"]
)
NOTES = st.sampled_from([
    "no", "not", "never", "refused", "refuses", "declined", "withdrawn", "withdrew", "revoked", "revocation", "against",
    "pending", "unknown", "asked", "to ask", "?", "didn't", "don’t", "dont", "won´t", "opted out", "opt-out", "unsubscribed",
    "but e-mail only", "if he calls back", "cancelled", "expired", "waiting", "tbc", "maybe", "nahi", "नहीं", "rejected", "n't",
])  # fmt: skip


@given(
    GIVEN,
    BETWEEN,
    TAIL,
    BETWEEN,
    NOTES,
    BETWEEN,
    TAIL,
    st.booleans(),
    st.sampled_from([str, str.upper, str.title, wide]),
)
def test_what_takes_a_yes_back_or_doubts_it_is_no_consent(
    given: str,
    first: str,
    before: str,
    second: str,
    note: str,
    third: str,
    after: str,
    beside: bool,
    written: Callable[[str], str],
) -> None:
    """Wherever it stands: in the cell, or in the column that says how."""
    tail = f"{before}{second}{written(note)}{third}{after}"
    consent, problem = read_consent(given, tail) if beside else read_consent(f"{given}{first}{tail}")
    assert consent is None
    assert problem is not None
    assert "is not understood, so none is recorded" in problem


@given(GIVEN, BETWEEN, TAIL, st.booleans())
def test_what_only_says_how_is_kept(given: str, between: str, tail: str, beside: bool) -> None:
    consent, problem = read_consent(given, tail) if beside else read_consent(f"{given}{between}{tail}")
    assert problem is None
    assert consent is not None
    assert tail in consent.evidence
