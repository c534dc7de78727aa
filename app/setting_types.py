"""What a setting is, and how its text is read. A parser raises ValueError with what is allowed, and quotes no secret."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from app.domain.stop_words import MAX_LENGTH, stop_word_key

MIN_SECRET_BYTES: Final = 32
"""Of a key for HS256: as long as its hash (RFC 7518 §3.2)."""
MIN_SECRET_CHARACTERS: Final = 6
"""Different ones. 32 random decimal digits have fewer once in ten million times; what a hurried hand types often has."""
MAX_APP_SECRETS: Final = 2
"""Each is tried on every webhook, signed or not."""
MIN_TOKEN: Final = 16
_MAKE_ONE: Final = 'make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"'
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_JWT: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_ASYNC_DRIVERS: Final = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
}
_POSTGRES_ARGUMENTS: Final = frozenset({
    "database", "host", "passfile", "password", "port", "prepared_statement_cache_size", "ssl", "sslmode",
    "target_session_attrs", "user",
})  # fmt: skip
"""Behind the ? of a PostgreSQL URL: what asyncpg or SQLAlchemy reads as text. Any other is a TypeError at connect."""
_WORDS: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


class SettingsError(Exception):
    """A setting is missing or wrong. The message is the one line that the operator needs; it never quotes a secret."""


class Secret:
    """A value that shows itself only when asked: not in a repr, a log line or an f-string."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a setting means, and how its text is read; ``parse`` raises ValueError with what is allowed."""

    meaning: str
    parse: Callable[[str], Any]


def text(raw: str) -> str:
    return raw


def number(low: float, high: float) -> Callable[[str], float]:
    def parse(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return value

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        if not (raw.isascii() and raw.isdecimal() and len(raw) < 10 and low <= int(raw) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(raw)

    return parse


def switch(raw: str) -> bool:
    if raw.lower() not in _WORDS:
        raise ValueError("must be on or off")
    return _WORDS[raw.lower()]


def one_of(*words: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        found = next((word for word in words if word.lower() == raw.lower()), None)
        if found is None:
            raise ValueError(f"must be one of {', '.join(words)}")
        return found

    return parse


def matching(pattern: str, hint: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if not re.fullmatch(pattern, raw, re.ASCII):
            raise ValueError(f"must be {hint}")
        return raw

    return parse


def _looks_random(key: str) -> bool:
    # A text that repeats itself is found in its own double, before the second half.
    return len(set(key)) >= MIN_SECRET_CHARACTERS and key not in (key + key)[1:-1]


def auth_secret(raw: str) -> Secret:
    found = len(raw.encode())
    if found < MIN_SECRET_BYTES:
        raise ValueError(f"must be at least {MIN_SECRET_BYTES} bytes long; {_MAKE_ONE}")
    if not _looks_random(raw):
        raise ValueError(f"must be random: it has too few different characters, or repeats itself; {_MAKE_ONE}")
    if "," in raw:
        # Behind the commas of ERASURE_SECRET, where it goes once it is changed, it would be two other keys.
        raise ValueError(f"must have no comma in it; {_MAKE_ONE}")
    return Secret(raw)


def erasure_secret(raw: str) -> Secret:
    keys = [each.strip() for each in raw.split(",")]
    if any(len(key.encode()) < MIN_SECRET_BYTES for key in keys):
        raise ValueError(f"must be keys of at least {MIN_SECRET_BYTES} bytes each, with commas between them")
    # An older one cannot be chosen any more: without it nobody erased with it would be recognised.
    if not _looks_random(keys[0]):
        raise ValueError(f"must be random: the first has too few different characters, or repeats itself; {_MAKE_ONE}")
    return Secret(",".join(keys))


def header_secret(raw: str) -> Secret:
    if not all("!" <= char <= "~" for char in raw):
        raise ValueError("must have no space, new line or non-ASCII character in it")
    return Secret(raw)


_ENCODE: Final = "special characters in the password must be percent-encoded (@ as %40, : as %3A, / as %2F)"


def app_secrets(raw: str) -> Secret:
    secrets = [each.strip() for each in raw.split(",")]
    if not all(secrets) or len(secrets) > MAX_APP_SECRETS:
        raise ValueError("must be one secret, or two with a comma between them while it is being changed")
    return Secret(",".join(secrets))


def token(raw: str) -> Secret:
    if len(raw) < MIN_TOKEN:
        raise ValueError(f"must be at least {MIN_TOKEN} characters long")
    return header_secret(raw)


def page_tokens(raw: str) -> Secret:
    tokens = [each.strip() for each in raw.split(",")]
    if not all(_JWT.fullmatch(each) for each in tokens):
        raise ValueError("must be tokens as 'invites token' prints them, with commas between")
    return Secret(",".join(tokens))


def _check_postgres(url: sa.URL) -> None:
    """Raises ValueError for what would fail only at connect, or show part of the password as the host."""
    if "@" in f"{url.host}{url.database}":
        raise ValueError(f"must have one @, before the host; {_ENCODE}")
    if not url.query.keys() <= _POSTGRES_ARGUMENTS:
        raise ValueError(f"must have no arguments behind the ? but {', '.join(sorted(_POSTGRES_ARGUMENTS))}")
    port = url.query.get("port", "0")
    if not isinstance(port, str) or not port.isascii() or not port.isdecimal():
        raise ValueError("must have a number as its port")


def database_url(raw: str) -> str:
    """The URL with its async driver. ``sslmode``, which libpq and hosting services use, becomes asyncpg's ``ssl``."""
    try:
        url = make_url(raw)
    except (sa.exc.ArgumentError, ValueError):
        # The ValueError of a bad port quotes what stands there: part of the password, if that has an @ and a colon.
        raise ValueError(
            f"must be a URL like postgresql://user:password@host/name or sqlite:///file.db; {_ENCODE}"
        ) from None
    driver = _ASYNC_DRIVERS.get(url.drivername)
    if driver is None:
        raise ValueError("must begin with postgresql:// or sqlite:///")
    if driver.startswith("sqlite") and url.database in {None, "", ":memory:"}:
        raise ValueError("must name a file (sqlite:///file.db): a database in memory is another one per connection")
    if driver.startswith("postgresql"):
        _check_postgres(url)
    url = url.set(drivername=driver)
    if mode := url.query.get("sslmode"):
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return url.render_as_string(hide_password=False)


def base_url(raw: str) -> str:
    parts = _address(raw)
    if parts.query:
        raise ValueError("must have nothing behind a ?")
    return raw.rstrip("/")


def keys_url(raw: str) -> str:
    """A query is kept: some sign-ins tell their policies apart by it."""
    if _address(raw).username is not None:
        raise ValueError("must have no user or password in it: public keys need none")
    return raw


def _address(raw: str) -> SplitResult:
    """Raises ValueError for what is no https address, or http to another machine: tokens or trust travel on it."""
    try:
        parts = urlsplit(raw)
        _ = parts.port  # read only here, so that a bad one is found at the start
    except ValueError:
        raise ValueError("must be an address like https://host or https://host:port") from None
    plain = parts.scheme == "http" and parts.hostname in LOOPBACK
    printable = all("!" <= char <= "~" for char in raw)
    if not parts.hostname or parts.fragment or not printable or not (parts.scheme == "https" or plain):
        raise ValueError("must be an https:// address (http:// only for this machine)")
    return parts


def origins(raw: str) -> tuple[str, ...]:
    origins = tuple(origin.strip().rstrip("/") for origin in raw.split(",") if origin.strip())
    if any(not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+", origin) for origin in origins):
        raise ValueError("must be origins like https://console.example, with commas between them")
    return origins


def stop_words(raw: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in raw.split(",") if stop_word_key(word))
    if not words or any(len(word) > MAX_LENGTH for word in words):
        raise ValueError("must be words with commas between them")
    return words
