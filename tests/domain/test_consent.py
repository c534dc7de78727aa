"""Consent in a guest list: given by a yes or a day, never guessed."""

from datetime import UTC, datetime

import pytest

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
