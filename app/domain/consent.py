"""Consent to be messaged: what an operator or a guest list says of it.

WhatsApp asks for an opt-in before the first message, and for proof of it (Meta, "Get opt-in for WhatsApp"). So consent is
never guessed: a cell gives it by a yes or a day, and what else it says is kept as evidence, unless it takes the yes back or
casts doubt on it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain.text import clean_line, name_key

MAX_EVIDENCE = 500

_DAY = r"\d{4}-\d{2}-\d{2}"
_GIVEN = re.compile(rf"(?:(?P<yes>yes|agreed)\b)?\W*(?P<day>{_DAY})?\b\W*(?P<how>.*)", re.IGNORECASE | re.ASCII)
_DOUBT = re.compile(
    r"[?？¿]|n[' ]t\b|नही|"
    r"\b(?:(?:dont|doesnt|didnt|wont|cant|cannot|isnt|wasnt|hasnt|havent|no|non|none|nope|nah|nahi|nahin|nay|nil|not|nor|never"
    r"|nobody|nothing|neither|without|against|but|if|until|unless|except|maybe|perhaps|probably|later|missing|tbc|tbd|tba"
    r"|deny|denie[ds]|blocked|on hold|to be|false|unknown|unsure|unclear|uncertain|unwilling|unanswered|unconfirmed)\b"
    r"|refus|declin|reject|disagree|dissent|object|oppos|revo[ck]|withdr|retract|rescind|cancel|expir|lapse|stop|unsubs"
    r"|opt(?:s|ed|ing)?[ -]*out|pending|await|(?:wait|ask)(?:s|ed|ing)?\b)"
)
"""In the folded text (``name_key``), words and beginnings of words with which a yes is none. Rather one too many: the
operator is told and can say it in other words. An acute accent that stands for an apostrophe is folded to a space.
"""
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

    ``2026-03-01``, ``yes``, ``yes, by phone`` and ``2026-03-01 form`` are consent; ``asked her``, ``2026-03-01 refused``
    and ``yes?`` are not. ``source`` is the column that says how; it gives no consent by itself, and can take it back.
    """
    text, how = clean_line(cell), clean_line(source)
    word = name_key(text)
    if word in NO_WORDS:
        return None, None
    if _doubted(text) or _doubted(how):
        return None, _unknown(_evidence(text, how))
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


def _doubted(text: str) -> bool:
    return _DOUBT.search(name_key(text).replace("_", " ")) is not None


def _evidence(text: str, how: str) -> str:
    return (f"{text}, {how}" if how else text)[:MAX_EVIDENCE]


def _unknown(text: str) -> str:
    return (
        f"Consent “{text[:40]}” is not understood, so none is recorded: begin it with yes or with the day, such as "
        "2026-03-01, and let nothing in it cast doubt."
    )
