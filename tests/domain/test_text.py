import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.text import clean_line, clean_name, name_key, storable

any_text = st.text(st.characters(), max_size=60)  # lone surrogates too


def test_clean_name_makes_one_visible_line() -> None:
    assert clean_name("  Zoe\u0308 \t\n Nair\u00a0 ") == "Zoë Nair"
    assert clean_name("\u202eA\u200bsha\u2066\ufeff\x00\x07 Rao\ud800") == "Asha Rao"
    assert clean_name('=HYPERLINK("x") Rao') == '=HYPERLINK("x") Rao'
    assert clean_name(None) == ""
    assert clean_name("\u200b \u202c") == ""
    assert clean_name("x" * 300) == "x" * 200


@pytest.mark.parametrize("name", ["क्\u200dष", "می\u200cخواهم", "👩\u200d❤\ufe0f\u200d👨 Rao"])
def test_joiners_that_a_script_needs_stay(name: str) -> None:
    assert clean_name(name) == name


def test_joiners_without_a_use_go() -> None:
    assert clean_name("As\u200dha\u200c Rao\u200d") == "Asha Rao"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("  Müller   Parivar ", "müller parivar"),
        ("Müller", "MULLER"),
        ("D’Souza", "D'Souza"),
        ("Mu\u0308ller", "Müller"),
        ("Søren", "Soren"),
        ("Straße", "STRASSE"),
        ("𝓐𝓼𝓱𝓪", "Asha"),
        ("The\u00a0Raos", "the raos"),
    ],
)
def test_spellings_of_one_name_have_one_key(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(("one", "other"), [("राम", "रमा"), ("मीना", "मना"), ("Rao 1", "Rao 11"), ("Rao", "Raos")])
def test_other_names_have_other_keys(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@given(any_text)
@example("\u0130\u0345\u1e9e")
@example("e\u200b\u0301\u200d")
def test_cleaning_is_idempotent_and_storable(text: str) -> None:
    line = clean_line(text)
    assert clean_line(line) == line == unicodedata.normalize("NFC", line)
    assert storable(line) == line
    line.encode()
    assert "  " not in line
    assert line == line.strip()
    assert len(clean_name(text)) <= 200


@given(any_text)
@example("ΰ\u0345")
@example("ŉ´")
def test_a_key_is_its_own_key(text: str) -> None:
    assert name_key(name_key(text)) == name_key(text)
    assert name_key(clean_line(text)) == name_key(text)


@given(st.text("abzABZäÄøØéÉ' ’", max_size=20))
def test_case_does_not_count(text: str) -> None:
    assert name_key(text) == name_key(text.upper()) == name_key(text.lower())
