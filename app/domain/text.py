"""Text as people paste it, made safe to store, compare and send."""

import re
import unicodedata
from typing import Final

MAX_SUBJECT: Final = 255
"""Characters of a token's subject (OpenID Connect Core §2)."""

_JOINERS = frozenset("\u200c\u200d")
_VIRAMA = 9
_VARIATION_SELECTOR = "\ufe0f"
_STRIPPED = frozenset({"Cc", "Cf", "Cs"})
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ACCENTS = re.compile("[\u0300-\u036f]")
# Letters whose stroke is no combining mark to Unicode, and the apostrophes that phones and word processors insert.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d"} | dict.fromkeys("’‘ʼʻ′`´＇", "'"))


def storable(text: str) -> str:
    """``text`` without NUL and lone surrogates, which PostgreSQL, UTF-8 and Meta refuse."""
    return _UNSTORABLE.sub("", text)


def clean_line(text: str) -> str:
    """One line: NFC, white space runs (also newlines, tabs, NBSP) as one space, no control, bidi or invisible characters.

    Joiners stay where Indic and Arabic scripts and emoji need them to look right. Idempotent.
    """
    if text.isascii() and text.isprintable():  # most of a long list, and the rest of it comes to the same
        return " ".join(text.split())
    text = unicodedata.normalize("NFC", text)
    if not text.isprintable():
        text = unicodedata.normalize("NFC", "".join(_visible(text)))
    return " ".join(text.split())


def _visible(text: str) -> list[str]:
    kept: list[str] = []
    for char in text:
        if char.isspace():
            kept.append(" ")
        elif char in _JOINERS:
            if kept and _joins(kept[-1]):
                kept.append(char)
        elif unicodedata.category(char) not in _STRIPPED:
            kept.append(char)
    return kept


def _joins(before: str) -> bool:
    return (
        before == _VARIATION_SELECTOR
        or unicodedata.combining(before) == _VIRAMA
        or unicodedata.category(before) in {"Lo", "So", "Sk"}
    )


def clean_name(text: str | None, *, limit: int = 200) -> str:
    """``clean_line`` cut to ``limit`` characters; empty when nothing is left. What looks like a formula stays text."""
    return clean_line(text or "")[:limit].rstrip()


def is_subject(text: str) -> bool:
    """Whether a token's subject can be shown as it is: 1 to ``MAX_SUBJECT`` characters, and none that ``clean_line`` takes.

    Another one would pass on a screen for somebody else.
    """
    return 1 <= len(text) <= MAX_SUBJECT and clean_line(text) == text


def name_key(name: str) -> str:
    """The key under which two spellings of one name are equal: case, spacing, accents and apostrophes do not count.

    Only the accents of European scripts are dropped: a vowel sign of Devanagari or Arabic makes another name.
    """
    if name.isascii() and name.isprintable():
        return " ".join(name.lower().replace("`", "'").split())
    # Folding can bring up new marks and decomposing can bring up new capitals, hence one after the other, twice.
    for _ in range(2):
        name = unicodedata.normalize("NFKD", clean_line(name).casefold())
        name = _ACCENTS.sub("", name).translate(_PLAIN)
    name = "".join(char for char in name if char not in _JOINERS)
    return " ".join(unicodedata.normalize("NFC", name).split())
