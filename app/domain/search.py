"""Search as people type it: without accents, case and spacing, and phones in any notation, as a part of a text.

``search_key`` is what rows keep, ``needle`` what a query becomes; both go through ``fold``.
"""

import unicodedata

from app.domain.errors import BadInputError
from app.domain.text import name_key

MAX_SEARCH = 100
"""Characters of a query."""

ESCAPE = "\\"
"""For ``LIKE … ESCAPE``."""

_BETWEEN_PARTS = "\n"
"""No folded text holds a line break, so that nothing is found across two parts."""


_PHONE_PUNCTUATION = frozenset(" +-‐‑‒–().,/")


def fold(text: str) -> str:
    """``name_key`` of the text; of a phone in any notation (digits and what stands between them) its ASCII digits alone."""
    folded = name_key(text)
    digits = "".join(str(unicodedata.decimal(char)) for char in folded if char.isdecimal())
    is_phone = digits and all(char.isdecimal() or char in _PHONE_PUNCTUATION for char in folded)
    return digits if is_phone else folded


def search_key(*parts: str | None) -> str:
    """What a row is found by: names, phones and other texts, each folded, those that are missing left out."""
    return _BETWEEN_PARTS.join(filter(None, (fold(part) for part in parts if part)))


def needle(query: str | None) -> str | None:
    """The ``LIKE`` pattern (escape character ``ESCAPE``) of what a person typed; None when there is nothing to search for.

    A national number is found by its digits without the leading zeros, which E.164 does not have. Raises
    ``BadInputError`` (field ``search``) for a query that is too long.
    """
    if query is None:
        return None
    if len(query) > MAX_SEARCH:
        raise BadInputError(f"search must be at most {MAX_SEARCH} characters", field="search")
    folded = fold(query)
    if folded.isascii() and folded.isdecimal():
        folded = folded.lstrip("0") or folded
    for special in (ESCAPE, "%", "_"):
        folded = folded.replace(special, ESCAPE + special)
    return f"%{folded}%" if folded else None
