"""Which column of a guest list means what: our own names, what families call them, and both of Google Contacts' headers.

Google's present header has ``First Name … Labels … Phone 1 - Label, Phone 1 - Value``; the older one ``Name, Given Name,
Family Name … Group Membership … Phone 1 - Type, Phone 1 - Value``.
"""

import re
from dataclasses import dataclass

from app.domain.errors import BadInputError
from app.domain.phone import mask
from app.domain.text import clean_line, name_key

_SYNONYMS = {
    "household": "household householdname householdgroup family familyname group groupname unit",
    "name": "name guest guestname fullname contactname person",
    "first": "firstname givenname forename",
    "middle": "middlename additionalname",
    "last": "lastname surname",
    "nickname": "nickname fileas organizationname organization1name",
    "phone": (
        "phone phoneno phonenumber phnumber phno mobile mobileno mobilenumber mobilephone cell cellphone tel "
        "telephone whatsapp whatsappno whatsappnumber contact contactno contactnumber"
    ),
    "side": "side familyside",
    "tags": "tags tag labels label groups groupmembership",
    "primary": "primary isprimary",
    "donotmessage": "donotmessage donotcontact donotdisturb dnd nomessages nowhatsapp optout optedout unsubscribed",
    "consent": "consent consentgiven whatsappconsent optin optedin whatsappoptin agreed permission",
    "consentsource": "consentsource consentevidence consentnote consentproof howconsentwasgiven",
}
_FIELD_BY_WORD = {word: field for field, words in _SYNONYMS.items() for word in words.split()}
_GOOGLE_PHONE = re.compile(r"phone(\d{1,3})(value|label|type)", re.ASCII)
_MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the fields are in each record."""

    width: int
    places: dict[str, tuple[int, ...]]
    """Column indexes per field, in the header's order."""
    kinds: dict[int, int]
    """Google's numbers: index of the value column → index of the column that says Mobile, Home, Work …"""

    def all(self, record: list[str], field: str) -> list[str]:
        """The field's cells that hold something; a short record has fewer."""
        cells = (record[place] for place in self.places.get(field, ()) if place < len(record))
        return [cell for cell in cells if cell.strip()]

    def first(self, record: list[str], field: str) -> str:
        return next(iter(self.all(record, field)), "")

    def name(self, record: list[str]) -> str:
        parts = (self.first(record, part) for part in ("first", "middle", "last"))
        return self.first(record, "name") or " ".join(filter(None, parts)) or self.first(record, "nickname")

    def phone(self, record: list[str]) -> str:
        """All numbers of the person, mobiles first: WhatsApp is seldom on the landline at home."""
        places = [place for place in self.places.get("phone", ()) if place < len(record) and record[place].strip()]
        places.sort(key=lambda place: not self._is_mobile(record, place))
        return " ::: ".join(record[place].strip() for place in places)

    def _is_mobile(self, record: list[str], place: int) -> bool:
        kind = self.kinds.get(place)
        if kind is None or kind >= len(record):
            return False
        return any(word in name_key(record[kind]) for word in ("mobile", "cell", "whatsapp"))


def find_columns(header: list[str]) -> Columns:
    """Raises ``BadInputError`` (field ``csv``) when the header has no column for the name or none for the phone."""
    words = ["".join(char for char in name_key(cell) if char.isalnum()) for cell in header]
    places: dict[str, list[int]] = {}
    kinds: dict[str, int] = {}
    for place, word in enumerate(words):
        google = _GOOGLE_PHONE.fullmatch(word)
        if google and google[2] != "value":
            kinds[google[1]] = place
            continue
        field = "phone" if google else _FIELD_BY_WORD.get(word)
        if word == "familyname" and "givenname" in words:
            field = "last"
        if field:
            places.setdefault(field, []).append(place)
    _require(header, places)
    return Columns(
        width=len(header),
        places={field: tuple(indexes) for field, indexes in places.items()},
        kinds={
            place: kinds[google[1]]
            for place, word in enumerate(words)
            if (google := _GOOGLE_PHONE.fullmatch(word)) and google[2] == "value" and google[1] in kinds
        },
    )


def _require(header: list[str], places: dict[str, list[int]]) -> None:
    lacking = []
    if not places.keys() & {"name", "first", "last"}:
        lacking.append("the guest's name (name, guest, full name, or first name and last name)")
    if "phone" not in places:
        lacking.append("the phone (phone, mobile, whatsapp, phone number or contact; it may be empty)")
    if lacking:
        raise BadInputError(
            f"The first line must name the columns, and none is there for {' nor for '.join(lacking)}. "
            "Other columns that are read: household or family, side, tags or labels, primary, do not message, consent. "
            f"Found: {_shown(header)}.",
            field="csv",
        )


def _shown(header: list[str]) -> str:
    """The header's cells, short. A file without header has a guest here: no whole phone number goes into an error."""
    cells = [
        mask(cell) if sum(char.isdecimal() for char in cell) > 4 else f"“{clean_line(cell)[:40]}”"
        for cell in header[:_MAX_SHOWN]
    ]
    return ", ".join(cells) + (f" and {len(header) - _MAX_SHOWN} more" if len(header) > _MAX_SHOWN else "")
