"""The two scalars of the contract."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NewType

import strawberry
from strawberry.exceptions import StrawberryInputCoercionError
from strawberry.types.scalar import ScalarDefinition

JSON = NewType("JSON", object)

# RFC 3339 §5.6; ``fromisoformat`` alone would also take week dates and times without an offset.
_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)
_HINT: Final = "A time must be RFC 3339 with an offset, like 2026-12-05T18:30:00+05:30 or 2026-12-05T13:00:00Z."


def _parse_time(value: Any) -> datetime:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise StrawberryInputCoercionError(_HINT)
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise StrawberryInputCoercionError(_HINT) from None


def _show_time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


SCALARS: Final[Mapping[object, ScalarDefinition]] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="RFC 3339 time with offset; always UTC in answers.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=_show_time,
        parse_value=_parse_time,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="JSON as Meta sent it, cut to the one item, what is personal to others removed.",
    ),
}
