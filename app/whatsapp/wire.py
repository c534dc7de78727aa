"""Reading JSON that somebody else wrote. Nothing here trusts a type, a length or a character.

What is read here may be stored as it is: PostgreSQL's text takes neither NUL nor a lone surrogate, and one such
character in one guest's name would otherwise undo the other 999 statuses of the same body.
"""

import json
import math
import re
import time
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from app.whatsapp.port import ProviderError

ID_LIMIT: Final = 512
"""Meta states no length for its ids; real message ids have about 60 characters."""

WORD_LIMIT: Final = 64
"""Characters of an enum word or of a short id."""

_TITLE_LIMIT: Final = 300
_DETAILS_LIMIT: Final = 1000
_CODE_DIGITS: Final = 9
_INT_LIMIT: Final = 2**63
_NESTING: Final = 32
_TEN_YEARS: Final = 10 * 365.25 * 86400
_PHONE: Final = re.compile(r"\+?([0-9]{5,15})")

_UNSTORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")
_encode: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def decode(raw: bytes) -> Any:
    """The value of a JSON text. Raises ``ValueError`` when there is none.

    The strict parser is the fast one. The second takes what it refuses and a single odd item may hold: lone
    surrogates, broken UTF-8, a byte order mark, NaN, numbers beyond any range.
    """
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        pass
    try:
        text = raw.decode("utf-8-sig", "replace")
        return json.loads(text, parse_int=_int_or_none, parse_float=_float_or_none, parse_constant=_nothing)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def encode(value: Any) -> str:
    """Compact ASCII JSON; a NUL or a lone surrogate stays an escape. Raises ``ValueError`` when nested too deeply."""
    try:
        fast = msgspec.json.encode(value)
    except (ValueError, RecursionError):
        pass
    else:
        if fast.isascii():
            return fast.decode()
    try:
        return _encode(value)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def storable(text: str, limit: int) -> str:
    """At most ``limit`` characters, with U+FFFD for each one that a database refuses."""
    if text.isascii() and "\0" not in text:
        return text[:limit]
    return _UNSTORABLE.sub("\ufffd", text[:limit])


def read_text(value: Any, limit: int) -> str | None:
    """Text, also where Meta sends a number for one (template ids); None for anything else and for empty text."""
    if isinstance(value, str):
        return storable(value, limit) or None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _INT_LIMIT:
        return str(value)
    return None


def read_word(value: Any) -> str | None:
    """One of Meta's enum words; upper case, since Meta's pages do not agree on the case."""
    text = read_text(value, WORD_LIMIT)
    return text.upper()[:WORD_LIMIT] if text else None


def read_id(value: Any) -> str | None:
    """An id exactly as Meta wrote it; None for one that cannot be stored whole, since half an id names another."""
    if isinstance(value, str) and 0 < len(value) <= ID_LIMIT and not _UNSTORABLE.search(value):
        return value
    return None


def read_object(value: Any) -> dict[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def read_number(value: Any) -> int | None:
    """A whole number from 0 on, also as a string of digits; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 18:
        return int(value)
    return value if isinstance(value, int) and 0 <= value < _INT_LIMIT else None


def read_time(value: Any) -> datetime | None:
    """Unix seconds, as digits in statuses and as a number in preferences; None for milliseconds and other nonsense."""
    seconds = read_number(value)
    if seconds is None or not 0 < seconds < time.time() + _TEN_YEARS:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def read_phone(value: Any) -> str | None:
    """``+`` and digits: Meta writes the digits alone."""
    found = _PHONE.fullmatch(read_text(value, WORD_LIMIT) or "")
    return f"+{found[1]}" if found else None


def read_error(value: Any) -> ProviderError | None:
    """Meta's error object; None without a usable code. ``error_data`` may be an object or plain text."""
    body = read_object(value)
    code = read_number(body.get("code"))
    if code is None or code >= 10**_CODE_DIGITS:
        return None
    data = body.get("error_data")
    return ProviderError(
        code=code,
        title=read_text(body.get("title"), _TITLE_LIMIT) or read_text(body.get("message"), _TITLE_LIMIT) or "",
        details=read_text(data.get("details") if isinstance(data, dict) else data, _DETAILS_LIMIT),
    )


def read_json(value: Any, nesting: int = _NESTING) -> Any:
    """The same value with every text and key storable; what lies deeper than any template does becomes null."""
    if isinstance(value, str):
        return storable(value, len(value))
    if not isinstance(value, dict | list):
        return value
    if nesting == 0:
        return None
    if isinstance(value, list):
        return [read_json(each, nesting - 1) for each in value]
    return {storable(key, ID_LIMIT): read_json(each, nesting - 1) for key, each in value.items()}


def _int_or_none(digits: str) -> int | None:
    return int(digits) if len(digits) <= 20 else None


def _float_or_none(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _nothing(_constant: str) -> None:
    """NaN and Infinity are not JSON, and no field of Meta's means anything by them."""
