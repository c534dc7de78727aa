"""Guest lists as families keep them: CSV from a spreadsheet or from Google Contacts, as rows of one shape.

Reading judges the file, never a guest: what is odd in one row stays with that row as a sentence in ``problems``.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.domain.consent import NO_WORDS, Consent, read_consent
from app.domain.enums import Side
from app.domain.errors import BadInputError, TooLargeError
from app.domain.guest_columns import Columns, find_columns
from app.domain.text import clean_line, clean_name, name_key, storable

MAX_ROWS = 50_000
MAX_BYTES = 8 * 1024 * 1024
MAX_TAGS = 20
MAX_TAG_LENGTH = 50
MAX_MARK = 200

_SIDES = {
    Side.BRIDE: "bride brides b girl girls dulhan vadhu ladkiwale ladkiwaale ladkiwala",
    Side.GROOM: "groom grooms g boy boys dulha var ladkewale ladkewaale ladkewala ladkawale",
    Side.NEUTRAL: "neutral n both common shared mutual",
}
_SIDE_BY_WORD = {word: side for side, words in _SIDES.items() for word in words.split()}
_YES = frozenset({"yes", "y", "true", "1", "x", "primary", "✓", "✔"})
_BETWEEN_TAGS = re.compile(r":::|[;,\r\n]")
# Google puts nearly every contact into these; they say nothing about a wedding.
_GOOGLE_GROUPS = frozenset({"* mycontacts", "* starred"})


@dataclass(frozen=True, slots=True)
class GuestRow:
    """One person of one household, cleaned. ``name`` is empty when the row gave none (then ``problems`` says so)."""

    row: int
    """1-based; header and blank lines are not counted."""
    household: str | None
    name: str
    phone: str | None
    """As it was given, for ``phone.normalise``: several numbers of one person are joined by ``:::``."""
    side: Side | None
    """None: nothing said, so NEUTRAL for a new household and unchanged for a known one."""
    tags: tuple[str, ...]
    primary: bool
    problems: tuple[str, ...] = ()
    do_not_message: str | None = None
    """What the list says of somebody who must not be messaged, "yes" at the least; None for everybody else."""
    consent: Consent | None = None


def parse_csv(text: str) -> list[GuestRow]:
    """The rows of a CSV text with a header; separated by comma, semicolon or tab, whichever the header uses.

    Raises ``BadInputError`` (field ``csv``) when the text is no such file, and ``TooLargeError`` past ``MAX_ROWS`` or
    ``MAX_BYTES``.
    """
    if len(text) > MAX_BYTES or len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise TooLargeError(f"The list is larger than {MAX_BYTES // 1024**2} MiB. Split it and import the parts.")
    records = _records(storable(text.removeprefix("\ufeff")))
    header = next(records, None)
    if header is None:
        raise BadInputError("The file is empty. Its first line must name the columns.", field="csv")
    columns = find_columns(header)
    rows: list[GuestRow] = []
    for record in records:
        if len(rows) == MAX_ROWS:
            raise TooLargeError(f"The list has more than {MAX_ROWS:,} rows. Split it and import the parts.")
        rows.append(_row(len(rows) + 1, columns, record))
    return rows


def make_row(
    row: int,
    *,
    household: str | None,
    name: str,
    phone: str | None,
    side: Side | None,
    tags: Iterable[str],
    primary: bool,
    problems: Iterable[str] = (),
    do_not_message: str | None = None,
    consent: Consent | None = None,
) -> GuestRow:
    """A row from parts, cleaned and bounded as ``parse_csv`` does it; for lists that come as data."""
    found = list(problems)
    name = clean_name(name)
    if not name:
        found.append("This row has no name. Give the guest a name, as the invite may greet by it.")
    return GuestRow(
        row=row,
        household=clean_name(household) or None,
        name=name,
        phone=storable(phone or "").strip() or None,
        side=side,
        tags=_tags(tags, found),
        primary=primary,
        problems=tuple(found),
        do_not_message=_mark(do_not_message),
        consent=consent,
    )


def household_key(household: str) -> str:
    """Rows with an equal key belong to one household."""
    return name_key(household)


def tag_key(tag: str) -> str:
    """Tags with an equal key are one tag."""
    return clean_line(tag).casefold()


def normalise_side(text: str | None) -> tuple[Side | None, str | None]:
    """The side that a cell names, and a sentence when it names one that nobody knows. Empty is (None, None)."""
    shown = clean_line(text or "")
    word = "".join(char for char in name_key(shown) if char.isalnum())
    if not word:
        return None, None
    side = _SIDE_BY_WORD.get(word) or _SIDE_BY_WORD.get(word.removesuffix("side"))
    return side, None if side else f"Side “{shown[:40]}” is not known: write bride, groom or neutral."


def _records(text: str) -> Iterator[list[str]]:
    """Records with something in them. A broken quote names the line on which its record begins."""
    first_line = next((line for line in io.StringIO(text) if line.strip()), "")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(first_line), strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadInputError(
                f"The CSV is broken in the record that begins on line {begins}: {error}. "
                'A text in quotes must end with a quote, and a quote inside it is written "".',
                field="csv",
            ) from None
        if any(cell.strip() for cell in record):
            yield record


def _delimiter(header: str) -> str:
    outside_quotes = re.sub(r'"[^"]*"', "", header)
    return max(",;\t", key=outside_quotes.count)


def _row(number: int, columns: Columns, record: list[str]) -> GuestRow:
    problems = []
    if any(cell.strip() for cell in record[columns.width :]):
        problems.append(
            "This row has more cells than the header, so a value may stand in the wrong column. "
            "Put a text that contains the separator in quotes."
        )
    side, problem = normalise_side(columns.first(record, "side"))
    if problem:
        problems.append(problem)
    primary = clean_line(columns.first(record, "primary")).casefold()
    if primary not in _YES | NO_WORDS:
        problems.append(f"Primary “{primary[:40]}” is not known: write yes or no.")
    consent, problem = read_consent(columns.first(record, "consent"), columns.first(record, "consentsource"))
    if problem:
        problems.append(problem)
    return make_row(
        number,
        household=columns.first(record, "household"),
        name=columns.name(record),
        phone=columns.phone(record),
        side=side,
        tags=(tag for cell in columns.all(record, "tags") for tag in _split_tags(cell)),
        primary=primary in _YES,
        problems=problems,
        do_not_message=columns.first(record, "donotmessage"),
        consent=consent,
    )


def _mark(cell: str | None) -> str | None:
    """Whatever is not a no is a yes: "asked in March" is one, and rather one too many is blocked."""
    text = clean_name(cell, limit=MAX_MARK)
    return None if name_key(text) in NO_WORDS else text


def _split_tags(cell: str) -> Iterator[str]:
    for tag in _BETWEEN_TAGS.split(cell):
        name = tag.strip()
        if name.casefold() not in _GOOGLE_GROUPS:
            yield name.removeprefix("* ")


def _tags(tags: Iterable[str], problems: list[str]) -> tuple[str, ...]:
    kept: dict[str, str] = {}
    too_long = False
    for tag in tags:
        name = clean_name(tag, limit=MAX_TAG_LENGTH)
        too_long |= len(clean_line(tag)) > MAX_TAG_LENGTH
        if name:
            kept.setdefault(tag_key(name), name)
    if too_long:
        problems.append(f"A tag was longer than {MAX_TAG_LENGTH} characters and was cut.")
    if len(kept) > MAX_TAGS:
        problems.append(f"Only the first {MAX_TAGS} tags of this row were kept.")
    return tuple(kept.values())[:MAX_TAGS]
