"""A typed opt-out: a message that is nothing but a stop word. Nothing else of an inbound message is understood.

WhatsApp's policy asks to honour such requests and names no list; these are the usual words in the languages of our guests.
"""

from app.domain.text import name_key

DEFAULT_STOP_WORDS = frozenset(
    {
        *("stop", "stop all", "stopall", "unsubscribe", "opt out", "optout", "opt-out", "remove me"),
        *("रोकें", "रोको", "बंद", "बंद करो", "band karo", "roko", "mat bhejo"),
        *("ਬੰਦ", "ਬੰਦ ਕਰੋ", "બંધ", "બંધ કરો", "বন্ধ", "বন্ধ করুন", "நிறுத்து", "ఆపు", "ನಿಲ್ಲಿಸಿ", "നിർത്തുക"),
        *("بند", "بند کرو", "روکو", "إيقاف", "توقف", "stopp", "arret", "alto", "baja", "parar", "pare"),
    }
)

MAX_LENGTH = 40
"""Characters; a longer text is a conversation, for people to read."""

_EDGES = " .!?,;:…\"'“”‘’*_~-—()[]🙏🛑✋"


def stop_word_key(word: str) -> str:
    """How words are compared: without case, accents, edge punctuation and repeated spaces."""
    return name_key(word).strip(_EDGES)


def is_stop_word(text: str | None, words: frozenset[str]) -> bool:
    """True when the whole text is one of ``words`` (keys, see ``stop_word_key``)."""
    return text is not None and len(text) <= MAX_LENGTH and stop_word_key(text) in words
