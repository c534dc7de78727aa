import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.enums import PhoneStatus
from app.domain.phone import MAX_CELL, country_of, is_region, mask, normalise, same_person, spellings

INDIAN = "+919845012345"
digits = st.text("0123456789", min_size=1, max_size=15)


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("9845012345", "IN", INDIAN),
        ("098450 12345", "IN", INDIAN),
        ("+91 98450-12345", "IN", INDIAN),
        ("(+91) 98450 12345", "US", INDIAN),
        ("0091 98450 12345", "IN", INDIAN),
        ("0091 98450 12345", "US", INDIAN),  # where libphonenumber itself knows only 011
        ("00919845012345", "US", INDIAN),
        ("91-98450-12345", "IN", INDIAN),
        ("919845012345", "IN", INDIAN),
        ("+91 (0) 98450 12345", "IN", INDIAN),
        ("+44(0)7911 123456", "IN", "+447911123456"),
        ("+39 06 1234 5678", "IN", "+390612345678"),  # Italy keeps its zero
        ("+1 (650) 555-0143", "IN", "+16505550143"),
        ("650.555.0143", "US", "+16505550143"),
        ("\u202a+91 98450 12345\u202c", "IN", INDIAN),
        ("\u2066+91\u00a098450\u200b12345\u2069\ufeff", "IN", INDIAN),
        ("98450–12345", "IN", INDIAN),
        ("９８４５０１２３４５", "IN", INDIAN),
        ("＋９１ ９８４５０１２３４５", "US", INDIAN),
        ("００９１ ９８４５０１２３４５", "US", INDIAN),
        ("٩٨٤٥٠١٢٣٤٥", "IN", INDIAN),
        ("०९८४५०१२३४५", "IN", INDIAN),
        ("９８४५०12345", "IN", INDIAN),
        ("'9845012345", "IN", INDIAN),
        ("9845012345.0", "IN", INDIAN),
        ("0171/1234567", "DE", "+491711234567"),
        ("98\x0045012345", "IN", INDIAN),
        ("98450\ud80012345", "IN", INDIAN),
        ("+52 1 55 1234 5677", "IN", "+525512345677"),  # as WhatsApp spells it
        ("+551187654321", "IN", "+5511987654321"),
        ("11 8765-4321", "BR", "+5511987654321"),
        ("+551123456789", "IN", "+551123456789"),  # a landline, valid as it is, gets no ninth digit
        ("+541123456789", "IN", "+541123456789"),
    ],
)
def test_what_families_type_becomes_e164(raw: str, region: str, e164: str) -> None:
    phone = normalise(raw, region)
    assert (phone.status, phone.e164) == (PhoneStatus.VALID, e164)


@pytest.mark.parametrize(
    "raw",
    [
        "12345 ::: 98450 12345",
        "98450 12345 ::: +1 650 555 0143",
        "98450 12345, 98450 54321",
        "98450 12345; 98450 54321",
        "98450 12345 / 98450 54321",
        "98450 12345/6",
        "98450 12345 or 98450 54321",
        "98450 12345\n98450 54321",
        "98450 12345 +1 650 555 0143",
        "N/A, 98450 12345",
    ],
)
def test_the_first_valid_number_of_a_cell_counts(raw: str) -> None:
    assert normalise(raw, "IN").e164 == INDIAN


def test_the_others_of_a_cell_are_told_each_once() -> None:
    cell = "12345 ::: 98450 12345 ::: 98450 54321 / +91 98450 12345 or +1 650 555 0143, 098450 54321"
    assert normalise(cell, "IN").others == ("+919845054321", "+16505550143")
    assert normalise("98450 12345", "IN").others == ()


@pytest.mark.parametrize("raw", [None, "", "   ", "-", "--", "\u202a\u202c", "\n", " ::: "])
def test_nothing_written_is_missing(raw: str | None) -> None:
    phone = normalise(raw, "IN")
    assert (phone.status, phone.e164) == (PhoneStatus.MISSING, None)


@pytest.mark.parametrize(
    ("raw", "region"),
    [
        ("N/A", "IN"),
        ("call Ravi", "IN"),
        ("tel:", "IN"),
        ("9.87654E+09", "IN"),  # a spreadsheet has already lost the digits
        ("987654321O", "IN"),
        ("98123", "IN"),
        ("98765432101234", "IN"),
        ("+999 12345678", "IN"),
        ("+44 7700 900124", "IN"),  # possible, but Ofcom keeps it for films
        ("971 50 584 5602", "IN"),  # another country's code without + is not guessed
        ("919845012345", "US"),
        ("+91 22 2345 6789 ext 12", "IN"),
        ("+91 22 2345 6789 x12", "IN"),
        ("+91 22 2345 6789;ext=12", "IN"),
        ("+91 22 2345 6789#12", "IN"),
        ("1-800-FLOWERS", "US"),
        ("9845012345 9845054321", "IN"),
        ("9845012345", "XX"),
        ("9" * 65, "IN"),
        ("98450 12345" + " " * 60 + "9", "IN"),
        ("98450 12345," * 30, "IN"),
    ],
)
def test_what_no_message_can_reach_is_malformed(raw: str, region: str) -> None:
    phone = normalise(raw, region)
    assert (phone.status, phone.e164) == (PhoneStatus.MALFORMED, None)


def test_one_number_may_have_64_characters_of_punctuation_but_not_more() -> None:
    number = "98450" + "-" * 54 + "12345"
    assert normalise(number, "IN").e164 == INDIAN
    assert normalise(number.replace("-", "--", 1), "IN").status is PhoneStatus.MALFORMED


@given(st.text(max_size=300), st.sampled_from(["IN", "US", "GB", "DE", "BR", "XX", ""]))
@example("0" * 300, "IN")
def test_normalise_is_total_and_bounded(raw: str, region: str) -> None:
    phone = normalise(raw, region)
    assert len(phone.raw) <= MAX_CELL
    assert not set(phone.raw) & set("\x00\u202a\n")
    assert (phone.e164 is not None) == (phone.status is PhoneStatus.VALID)
    if phone.e164:
        assert normalise(phone.e164, "IN").e164 == phone.e164


def test_spellings_of_the_three_countries() -> None:
    assert spellings("+5581912345678") == {"+5581912345678", "+558112345678"}
    assert spellings("+5215512345678") == {"+5215512345678", "+525512345678"}
    assert spellings("+5491123456789") == {"+5491123456789", "+541123456789"}
    assert spellings(INDIAN) == {INDIAN}


def test_twins_are_one_person_but_for_argentina() -> None:
    for number in ("+5581912345678", "+525512345678", INDIAN):
        assert same_person(number) == spellings(number)
    assert same_person("+5491123456789") == {"+5491123456789"}


@given(st.sampled_from(["55", "52", "521", "54", "549", "91", "1"]), digits)
@example("55", "9999999999")
@example("55", "99999999999")
@example("52", "1111111111")
@example("54", "9999999999")
def test_spellings_are_symmetric_and_hold_the_number_itself(country: str, rest: str) -> None:
    number = f"+{country}{rest}"
    twins = spellings(number)
    assert number in twins
    assert len(twins) <= 2
    assert all(spellings(twin) == twins for twin in twins)


def test_regions_and_countries() -> None:
    assert is_region("IN")
    assert is_region("US")
    assert not any(is_region(odd) for odd in ("in", "XX", "001", "", "India"))
    assert country_of("+16505550101") == "US"
    assert country_of("+14165550123") == "CA"
    assert country_of("+18765550123") == "JM"
    assert country_of(INDIAN) == "IN"
    assert country_of("+77012345678") == "KZ"
    assert country_of("+80012345678") is None
    assert country_of("nonsense") is None


def test_mask_keeps_the_country_and_the_last_four() -> None:
    assert mask("+918319002949") == "+91•••••2949"
    assert mask("+16505550143") == "+1•••••0143"
    assert mask("8319002949") == "•••••2949"
    assert mask("12345") == "•••••"
    assert mask(None) == "no phone"
    assert mask("call Ravi on 8319002949") == "•••••2949"


@given(st.text(st.characters(categories=["Nd"]) | st.sampled_from("+ -()"), max_size=40))
def test_mask_never_shows_more_than_six_digits(phone: str) -> None:
    assert sum(char.isdecimal() for char in mask(phone)) <= 6
