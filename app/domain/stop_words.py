"""A typed or tapped opt-out: a message that is nothing but a stop word. Nothing else of an inbound message is understood.

WhatsApp's policy asks to honour such requests and names no list; these are the usual words in the languages of our guests.
"""

import unicodedata

from app.domain.text import name_key

DEFAULT_STOP_WORDS = frozenset(
    {
        *("stop", "stop all", "stopall", "unsubscribe", "opt out", "optout", "opt-out", "remove me"),
        *("unsubscribe me", "opt me out", "stop messages", "stop promotions"),
        *("रोकें", "रोको", "बंद", "बंद करो", "band karo", "roko", "mat bhejo"),
        *("ਬੰਦ", "ਬੰਦ ਕਰੋ", "બંધ", "બંધ કરો", "বন্ধ", "বন্ধ করুন", "நிறுத்து", "ఆపు", "ನಿಲ್ಲಿಸಿ", "നിർത്തുക"),
        *("بند", "بند کرو", "روکو", "إيقاف", "توقف", "stopp", "arret", "alto", "baja", "parar", "pare"),
    }
)

MAX_LENGTH = 40
"""Characters; a longer text is a conversation, for people to read."""

_DRESS = frozenset("\ufe0e\ufe0f\u20e3")
"""Marks that belong to the emoji before them and not to a letter."""


def stop_word_key(word: str) -> str:
    """How words are compared: without case, accents and repeated spaces, and without the emoji and punctuation around."""
    key = name_key(word)
    spoken = [place for place, char in enumerate(key) if _is_spoken(char)]
    return key[spoken[0] : spoken[-1] + 1] if spoken else ""


def is_stop_word(text: str, words: frozenset[str]) -> bool:
    """True when the whole text is one of ``words`` (keys, see ``stop_word_key``)."""
    return len(text) <= MAX_LENGTH and stop_word_key(text) in words


def _is_spoken(char: str) -> bool:
    """A letter, a digit, or a vowel sign."""
    return unicodedata.category(char)[0] in "LMN" and char not in _DRESS
