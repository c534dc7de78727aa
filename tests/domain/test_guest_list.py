import csv
import io
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain import guest_list
from app.domain.enums import PhoneStatus, Side
from app.domain.errors import BadInputError, TooLargeError
from app.domain.guest_list import household_key, make_row, normalise_side, parse_csv, tag_key
from app.domain.phone import normalise
from app.domain.text import clean_name

DATA = Path(__file__).parent.parent / "data"


def read(name: str) -> str:
    return (DATA / name).read_bytes().decode()


def test_the_sample_list_has_the_expected_counts() -> None:
    rows = parse_csv(read("guests.csv"))
    phones = [normalise(row.phone, "IN") for row in rows]
    by_status = Counter(phone.status for phone in phones)
    assert {
        "rows": len(rows),
        "households": len({household_key(row.household or "") for row in rows}),
        "usable": by_status[PhoneStatus.VALID],
        "distinct": len({phone.e164 for phone in phones if phone.e164}),
        "no_phone": by_status[PhoneStatus.MISSING],
        "malformed": by_status[PhoneStatus.MALFORMED],
    } == json.loads(read("guests.expect.json"))


def test_a_row_of_the_sample_list() -> None:
    row = parse_csv(read("guests.csv"))[4]
    assert row == guest_list.GuestRow(
        row=5,
        household="D'Souza Parivar 378",
        name="Pooja D'Souza",
        phone="+91 83190 02949",
        side=Side.GROOM,
        tags=("school", "neighbours", "family"),
        primary=True,
    )


def test_a_formula_stays_text() -> None:
    names = [row.name for row in parse_csv(read("guests.csv"))]
    assert '=HYPERLINK("x") Rao' in names


def test_google_contacts_of_today() -> None:
    rows = parse_csv(read("google-contacts.csv"))
    assert [(row.name, row.phone, row.tags) for row in rows] == [
        ("Asha Rao", "+91 98450 12345", ("Sangeet",)),
        ("Søren B. Krishnan", "098450 54321 ::: 080 2345 6789", ()),  # the mobile before the landline
        ("Meera", "12345 ::: +1 650-555-0143", ("friends", "Mehndi")),
        ("Sharma Caterers", "+91 22 2345 6789", ()),
        ("Only Mail", None, ()),
    ]
    assert normalise(rows[2].phone, "IN").e164 == "+16505550143"
    assert {row.household for row in rows} == {None}


def test_google_contacts_as_exported_before() -> None:
    text = (
        "Name,Given Name,Additional Name,Family Name,Group Membership,Phone 1 - Type,Phone 1 - Value,Phone 2 - Type,"
        "Phone 2 - Value\r\n"
        "Asha Rao,Asha,,Rao,* myContacts ::: Sangeet,Home,080 2345 6789,Mobile,98450 12345 ::: 98450 54321\r\n"
        ",Ravi,,Nair,* myContacts,Mobile,98450 12346,,\r\n"
    )
    asha, ravi = parse_csv(text)
    assert (asha.name, asha.household, asha.tags) == ("Asha Rao", None, ("Sangeet",))
    assert asha.phone == "98450 12345 ::: 98450 54321 ::: 080 2345 6789"
    assert (ravi.name, ravi.phone) == ("Ravi Nair", "98450 12346")


@pytest.mark.parametrize(
    "header",
    [
        "Household,Name,Phone,Side,Tags,Primary",
        "\ufeffFAMILY NAME;Full Name;WhatsApp_No.;side;labels;Is Primary",
        "group\tGuest\tPhone Number\tSIDE\tGroups\tprimary",
        '"family","guest name","Mobile No","Side","tag","primary"',
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_headers_delimiters_and_line_ends(header: str, newline: str) -> None:
    delimiter = next(char for char in ";\t," if char in header)
    cells = ["Raos", "Asha Rao", "98450 12345", "Bride", '"vip;office"', "yes"]
    (row,) = parse_csv(newline.join([header, delimiter.join(cells), ""]))
    assert (row.household, row.name, row.phone, row.side) == ("Raos", "Asha Rao", "98450 12345", Side.BRIDE)
    assert (row.tags, row.primary, row.problems) == (("vip", "office"), True, ())


def test_a_separator_inside_a_quoted_header_does_not_count() -> None:
    (row,) = parse_csv('name,phone,"note; a; b; c"\nAsha,1,x\n')
    assert (row.name, row.phone) == ("Asha", "1")


def test_first_and_last_name_and_two_phone_columns() -> None:
    (row,) = parse_csv("First Name,Surname,Phone,Mobile\nAsha,Rao,080 2345 6789,98450 12345\n")
    assert (row.name, row.phone) == ("Asha Rao", "080 2345 6789 ::: 98450 12345")


def test_blank_lines_and_odd_widths() -> None:
    text = 'name,phone,household\n\n"Asha\nRao",1\n,,\n  \nRavi,2,Raos,,\nMeera,3,Raos,extra\n'
    asha, ravi, meera = parse_csv(text)
    assert (asha.row, asha.name, asha.phone, asha.household) == (1, "Asha Rao", "1", None)
    assert (ravi.row, ravi.problems) == (2, ())
    assert meera.row == 3
    assert "more cells than the header" in meera.problems[0]


def test_nul_characters_and_lone_surrogates_go() -> None:
    (row,) = parse_csv("na\x00me,phone\n\x00,\x00\nAs\x00ha\ud800,98\x0045\n")
    assert (row.name, row.phone) == ("Asha", "9845")


def test_what_is_odd_in_a_row_stays_with_the_row() -> None:
    text = "name,phone,side,primary\n,98450 12345,aunt,perhaps\nAsha,1,,\n"
    odd, fine = parse_csv(text)
    assert (odd.name, odd.side, odd.primary) == ("", None, False)
    assert [problem.split()[0] for problem in odd.problems] == ["Side", "Primary", "This"]
    assert "“aunt”" in odd.problems[0]
    assert fine.problems == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "The file is empty"),
        ("\ufeff\r\n \r\n", "The file is empty"),
        ("household,phone\nRaos,1\n", "none is there for the guest's name"),
        ("name,household\nAsha,Raos\n", "none is there for the phone"),
        ("a,b\n1,2\n", "Found: “a”, “b”."),
        ('name,phone\nAsha,1\n\n"Ravi,2\nMeera,3\n', "begins on line 4"),
        ('name,phone\n"Asha"x,1\n', "begins on line 2"),
        ("name,phone\n" + "x" * 200_000 + ",1\n", "begins on line 2"),
    ],
)
def test_what_is_no_guest_list_is_refused_with_a_reason(text: str, says: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_csv(text)
    assert says in caught.value.message
    assert caught.value.field == "csv"


def test_the_error_for_a_file_without_header_shows_no_phone_and_is_short() -> None:
    with pytest.raises(BadInputError) as caught:
        parse_csv("Asha Rao,+91 98450 12345," + "x" * 5000 + ",y" * 5000)
    assert "12345," not in caught.value.message
    assert "98450" not in caught.value.message
    assert "+91•••••2345" in caught.value.message
    assert len(caught.value.message) < 1000


def test_the_limits_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "name,phone\n" + "Asha,1\n\n" * 3
    monkeypatch.setattr(guest_list, "MAX_ROWS", 3)
    assert len(parse_csv(text)) == 3
    with pytest.raises(TooLargeError, match="more than 3 rows"):
        parse_csv(text + "Ravi,2\n")
    monkeypatch.setattr(guest_list, "MAX_BYTES", 2 * 1024**2)
    with pytest.raises(TooLargeError, match="2 MiB"):
        parse_csv("name,phone\n" + "é" * 1024**2)


def test_the_limits_themselves() -> None:
    assert (guest_list.MAX_ROWS, guest_list.MAX_BYTES) == (50_000, 8_388_608)


def test_tags_are_one_per_key_and_bounded() -> None:
    tags = ["VIP", " vip ", "Sangeet  only", "", "x" * 60, *(f"t{n}" for n in range(30))]
    row = make_row(1, household=None, name="Asha", phone=None, side=None, tags=tags, primary=False)
    assert row.tags[:4] == ("VIP", "Sangeet only", "x" * 50, "t0")
    assert len(row.tags) == 20
    assert len(row.problems) == 2
    assert tag_key(" VIP") == tag_key("vip")


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("bride's side", Side.BRIDE),
        ("Bride’s  Side", Side.BRIDE),
        ("BRIDE", Side.BRIDE),
        ("bride side", Side.BRIDE),
        ("Ladkiwale", Side.BRIDE),
        ("GROOM", Side.GROOM),
        ("groom's", Side.GROOM),
        ("ladke wale", Side.GROOM),
        ("Neutral", Side.NEUTRAL),
        ("both sides", None),
        ("", None),
        (None, None),
        ("  ", None),
    ],
)
def test_sides(text: str | None, side: Side | None) -> None:
    found, problem = normalise_side(text)
    assert found is side
    assert (problem is not None) == (side is None and bool(text and text.strip()))


@pytest.mark.parametrize("text", ["yes", "TRUE", "1", "x", "Y", " primary "])
def test_primary_yes(text: str) -> None:
    (row,) = parse_csv(f"name,phone,primary\nAsha,1,{text}\n")
    assert (row.primary, row.problems) == (True, ())


@pytest.mark.parametrize("text", ["no", "FALSE", "0", "", "n"])
def test_primary_no(text: str) -> None:
    (row,) = parse_csv(f"name,phone,primary\nAsha,1,{text}\n")
    assert (row.primary, row.problems) == (False, ())


@given(st.text(st.characters() | st.sampled_from('",;\t\r\n\x00'), max_size=200))
@example('name,phone\n"')
@example("phone 1 - value,name,phone 1 - label\n1")
def test_parsing_answers_or_refuses_but_never_breaks(text: str) -> None:
    for candidate in (text, "name,phone,tags,side\n" + text):
        try:
            rows = parse_csv(candidate)
        except BadInputError:
            continue
        assert [row.row for row in rows] == list(range(1, len(rows) + 1))
        json.dumps([row.name for row in rows], ensure_ascii=False).encode()


cells = st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=20)


@given(st.lists(st.tuples(cells, cells), max_size=8), st.sampled_from([",", ";", "\t"]))
def test_what_a_spreadsheet_writes_is_read_back(pairs: list[tuple[str, str]], delimiter: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["household", "name", "phone"])
    writer.writerows([household, f"Asha {name}", "1"] for household, name in pairs)
    rows = parse_csv(out.getvalue())
    assert [row.household or "" for row in rows] == [clean_name(household) for household, _ in pairs]
    assert [row.name for row in rows] == [clean_name(f"Asha {name}") for _, name in pairs]
