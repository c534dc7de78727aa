"""The checks that inputs of several use cases share. Each raises ``BadInputError`` with the field's public name."""

from typing import TypeVar

from app.domain.errors import BadInputError
from app.domain.patch import UNSET, UnsetType
from app.domain.text import clean_line, storable

V = TypeVar("V")


class Shortened(str):
    """A text that lost what cannot be stored on its way in: good to read, but no name of anything any more."""

    __slots__ = ()


def line(text: str, field: str, *, limit: int) -> str:
    """One line of 1 to ``limit`` characters, cleaned."""
    cleaned = clean_line(text)
    if not 1 <= len(cleaned) <= limit:
        raise BadInputError(f"Give 1 to {limit} characters, you gave {len(cleaned)}.", field=field)
    return cleaned


def paragraph(text: str, field: str, *, limit: int) -> str:
    """Free text of 1 to ``limit`` characters that may have several lines."""
    cleaned = storable(text).strip()
    if not 1 <= len(cleaned) <= limit:
        raise BadInputError(f"Give 1 to {limit} characters, you gave {len(cleaned)}.", field=field)
    return cleaned


def identifier(text: str, field: str, *, limit: int) -> str:
    """A name that another system gave (a token's subject): kept exactly, so refused where it could not be."""
    if not 1 <= len(text) <= limit:
        raise BadInputError(f"Give 1 to {limit} characters, you gave {len(text)}.", field=field)
    if isinstance(text, Shortened) or clean_line(text) != text:
        # ``app.auth`` takes no such subject from a token either.
        raise BadInputError(
            "Give it in Unicode's NFC, without control or invisible characters and without needless spaces.",
            field=field,
        )
    return text


def not_null(value: V | UnsetType | None, field: str) -> V | UnsetType:
    """Left out, or a value: for fields that cannot be cleared."""
    if value is None:
        raise BadInputError("This cannot be empty. Leave it out to keep it as it is.", field=field)
    return value


def changes(**given: object) -> dict[str, object]:
    """The arguments that were given, without those left out."""
    return {name: value for name, value in given.items() if value is not UNSET}
