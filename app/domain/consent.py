"""Consent to be messaged: what an operator or a guest list says of it.

WhatsApp asks for an opt-in before the first message, and for proof of it (Meta, "Get opt-in for WhatsApp"). So consent is
never guessed: a cell gives it by a yes or a day, and what else it says is kept as evidence.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain.text import clean_line, name_key

MAX_EVIDENCE = 500

_DAY = r"\d{4}-\d{2}-\d{2}"
_GIVEN = re.compile(rf"(?:(?P<yes>yes|agreed)\b)?\W*(?P<day>{_DAY})?\b\W*(?P<how>.*)", re.IGNORECASE | re.ASCII)
_YES = frozenset({"yes", "y", "true", "1", "x", "ok", "agreed", "given", "✓", "✔"})
NO_WORDS = frozenset({"", "no", "n", "false", "0", "-", "–", "none", "nil", "na", "n/a"})
"""Cells that say nothing, in any column that is answered by yes or no."""


@dataclass(frozen=True, slots=True)
class Consent:
    evidence: str
    """How it was given, for whoever has to prove it."""
    at: datetime | None = None
    """When; None where nobody said, so that the time of recording stands for it."""


def read_consent(cell: str, source: str = "") -> tuple[Consent | None, str | None]:
    """What the cells of a guest list's consent columns give, and a sentence where that cannot be understood.

    ``2026-03-01``, ``yes``, ``yes, by phone`` and ``2026-03-01 form`` are consent; ``asked her`` is not. ``source`` is the
    column that says how; it gives no consent by itself.
    """
    text, how = clean_line(cell), clean_line(source)
    word = name_key(text)
    if word in NO_WORDS:
        return None, None
    if word in _YES:
        return Consent(_evidence(text, how)), None
    found = _GIVEN.fullmatch(text)
    if found and (found["yes"] or found["day"]):
        try:
            at = datetime.fromisoformat(found["day"]).replace(tzinfo=UTC) if found["day"] else None
        except ValueError:
            return None, _unknown(text)
        return Consent(_evidence(text, how), at), None
    return None, _unknown(text)


def _evidence(text: str, how: str) -> str:
    return (f"{text}, {how}" if how else text)[:MAX_EVIDENCE]


def _unknown(text: str) -> str:
    return f"Consent “{text[:40]}” is not understood, so none is recorded: begin it with yes or with the day, such as 2026-03-01."
