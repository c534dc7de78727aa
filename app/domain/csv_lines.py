"""Lines of a CSV file (RFC 4180) that a spreadsheet shows as they are."""

import csv
import io
from collections.abc import Iterable, Sequence

BYTE_ORDER_MARK = "\ufeff"
"""At the start of a file: without it Excel takes UTF-8 for the alphabet of the machine."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the full-width signs, which an East Asian Excel reads as the first four."""


def safe(cell: str) -> str:
    """A cell that no spreadsheet runs as a formula: an apostrophe before what would begin one, phones too.

    Source: OWASP, "CSV Injection". A guest's name is what somebody else typed.
    """
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def lines(rows: Iterable[Sequence[str]]) -> str:
    """The rows as text, each cell made safe, each line with CRLF."""
    text = io.StringIO()
    csv.writer(text).writerows([safe(cell) for cell in row] for row in rows)
    return text.getvalue()
