"""Phone numbers: what families type, as E.164; the spellings of one person; what may be shown of a number in a log.

libphonenumber decides what is a number. A number that it knows to be possible but not valid, in none of its spellings,
is refused: it is a typing error or a stranger's phone.
"""

import re
import unicodedata
from dataclasses import dataclass

import phonenumbers

from app.domain.enums import PhoneStatus
from app.domain.text import clean_line

MAX_CELL = 250
"""Characters of a whole cell, which may hold several numbers."""
MAX_NUMBER = 64
"""Characters of one number with all its punctuation."""

# What stands between several numbers in one cell. A slash only after a whole number: "0171/123456" is one number.
_BETWEEN = re.compile(
    r":::|[|&\r\n]|[,;](?!\s*e?xt?)|\b(?:or|and)\b|(?<=[\d\s().-]{9})/|(?<=\d)\s+(?=\+)", re.IGNORECASE
)
_INTERNATIONAL = re.compile(r"^[\s(+]*00")
_SPREADSHEET_FLOAT = re.compile(r"(\d{8,15})\.0", re.ASCII)

# Meta may answer with the other spelling (meta-cloud-api.md §8). In both lengths the digits are the same person's.
_SPELLINGS = (
    (re.compile(r"\+55(\d{2})9?(\d{8})", re.ASCII), (r"+55\g<1>9\g<2>", r"+55\g<1>\g<2>")),
    (re.compile(r"\+521?(\d{10})", re.ASCII), (r"+521\g<1>", r"+52\g<1>")),
    (re.compile(r"\+549?(\d{10})", re.ASCII), (r"+549\g<1>", r"+54\g<1>")),
)
_ARGENTINA = "+54"


@dataclass(frozen=True, slots=True)
class Phone:
    status: PhoneStatus
    e164: str | None
    """Set when, and only when, the status is VALID."""
    raw: str
    """As it was given, on one line, without what cannot be stored; at most ``MAX_CELL`` characters."""
    others: tuple[str, ...] = ()
    """The further valid numbers of the cell, each once."""


def is_region(region: str) -> bool:
    """True for a two-letter region (``IN``) that can be a workspace's default."""
    return region in phonenumbers.SUPPORTED_REGIONS


def normalise(raw: str | None, region: str) -> Phone:
    """The first valid number of a cell. Numbers without country code are taken to be of ``region``.

    MISSING: nothing that could be a number or a word. MALFORMED: something was written ("N/A", "call Ravi", a number
    too short, an extension) that no message can reach, and an operator should look at it.
    """
    cell = raw or ""
    shown = clean_line(cell)[:MAX_CELL]
    if len(cell) > MAX_CELL:
        return Phone(PhoneStatus.MALFORMED, None, shown)
    if not any(char.isalnum() for char in shown):
        return Phone(PhoneStatus.MISSING, None, shown)
    first, *others = dict.fromkeys(
        filter(None, (_e164(clean_line(part), region) for part in _BETWEEN.split(cell)))
    ) or (None,)
    if first is None:
        return Phone(PhoneStatus.MALFORMED, None, shown)
    return Phone(PhoneStatus.VALID, first, shown, tuple(others))


def _e164(text: str, region: str) -> str | None:
    # A letter is never dialled here: "9.87654E+09" and "987654321O" would otherwise lose or gain digits.
    if not text or len(text) > MAX_NUMBER or any(char.isalpha() for char in text):
        return None
    text = _ascii_digits(text)
    text = _INTERNATIONAL.sub("+", text, count=1)
    if whole := _SPREADSHEET_FLOAT.fullmatch(text):
        text = whole[1]
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if number.extension:
        return None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if phonenumbers.is_valid_number(number):
        return e164
    # Copied from WhatsApp: Mexico with its old 1, Brazil without the ninth digit. There is one twin at most.
    return next((twin for twin in spellings(e164) if phonenumbers.is_valid_number(phonenumbers.parse(twin))), None)


def _ascii_digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text).replace("＋", "+")


def same_person(e164: str) -> frozenset[str]:
    """The spellings that are this person for certain: Brazil's and Mexico's twins, which Meta itself exchanges."""
    return frozenset({e164}) if e164.startswith(_ARGENTINA) else spellings(e164)


def spellings(e164: str) -> frozenset[str]:
    """All keys under which this person may appear: the number itself, and in Brazil, Mexico and Argentina its twin.

    For Do-Not-Message: rather one too many. Symmetric. Never for identity: in Argentina the twin may be a neighbour.
    """
    for pattern, twins in _SPELLINGS:
        if found := pattern.fullmatch(e164):
            return frozenset({e164, *(found.expand(twin) for twin in twins)})
    return frozenset({e164})


def country_of(e164: str) -> str | None:
    """The region (``US``, ``CA``, ``IN``) by country and area code; None where libphonenumber knows none."""
    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(e164))
    except phonenumbers.NumberParseException:
        return None
    return region if region and is_region(region) else None


def mask(phone: str | None) -> str:
    """For logs and errors: ``+91•••••2949``. At most six digits, and none of what is too short to hide anything."""
    if not phone:
        return "no phone"
    digits = "".join(char for char in _ascii_digits(phone) if char.isdecimal())
    if len(digits) < 8:
        return "•••••"
    start = digits[: 1 if digits[0] in "17" else 2] if phone.lstrip().startswith("+") else ""
    return f"{'+' if start else ''}{start}•••••{digits[-4:]}"
