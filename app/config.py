"""Settings: read once from the environment, checked there, frozen afterwards.

Each setting says in one place what it means and what it may be; ``docs/settings.md``, ``invites doctor`` and the errors
below are made from that.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Annotated, Any, Final, get_type_hints
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from app.domain.stop_words import MAX_LENGTH, stop_word_key

MIN_SECRET_BYTES: Final = 32
META_HOST: Final = "graph.facebook.com"
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
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


def _text(raw: str) -> str:
    return raw


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return value

    return parse


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        if not (raw.isascii() and raw.isdecimal() and len(raw) < 10 and low <= int(raw) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(raw)

    return parse


def _switch(raw: str) -> bool:
    if raw.lower() not in _WORDS:
        raise ValueError("must be on or off")
    return _WORDS[raw.lower()]


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        found = next((word for word in words if word.lower() == raw.lower()), None)
        if found is None:
            raise ValueError(f"must be one of {', '.join(words)}")
        return found

    return parse


def _matching(pattern: str, hint: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if not re.fullmatch(pattern, raw, re.ASCII):
            raise ValueError(f"must be {hint}")
        return raw

    return parse


def _auth_secret(raw: str) -> Secret:
    if len(raw.encode()) < MIN_SECRET_BYTES:
        raise ValueError(
            f"must be at least {MIN_SECRET_BYTES} bytes long; make one with: "
            'python -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    return Secret(raw)


def _erasure_secret(raw: str) -> Secret:
    if any(len(part.encode()) < MIN_SECRET_BYTES for part in raw.split(",")):
        raise ValueError(f"must be keys of at least {MIN_SECRET_BYTES} bytes each, with commas between them")
    return Secret(raw)


def _header_secret(raw: str) -> Secret:
    if not all("!" <= char <= "~" for char in raw):
        raise ValueError("must have no space, new line or non-ASCII character in it")
    return Secret(raw)


_ENCODE: Final = "special characters in the password must be percent-encoded (@ as %40, : as %3A, / as %2F)"


def _check_postgres(url: sa.URL) -> None:
    """Raises ValueError for what would fail only at connect, or show part of the password as the host."""
    if "@" in f"{url.host}{url.database}":
        raise ValueError(f"must have one @, before the host; {_ENCODE}")
    if not url.query.keys() <= _POSTGRES_ARGUMENTS:
        raise ValueError(f"must have no arguments behind the ? but {', '.join(sorted(_POSTGRES_ARGUMENTS))}")
    port = url.query.get("port", "0")
    if not isinstance(port, str) or not port.isascii() or not port.isdecimal():
        raise ValueError("must have a number as its port")


def _database_url(raw: str) -> str:
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


def _base_url(raw: str) -> str:
    try:
        parts = urlsplit(raw)
        _ = parts.port  # read only here, so that a bad one is found at the start
    except ValueError:
        raise ValueError("must be an address like https://host or https://host:port") from None
    plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not parts.hostname or parts.query or parts.fragment or not (parts.scheme == "https" or plain):
        # The access token travels with every request.
        raise ValueError("must be an https:// address (http:// only for this machine)")
    return raw.rstrip("/")


def _origins(raw: str) -> tuple[str, ...]:
    origins = tuple(origin.strip().rstrip("/") for origin in raw.split(",") if origin.strip())
    if any(not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+", origin) for origin in origins):
        raise ValueError("must be origins like https://console.example, with commas between them")
    return origins


def _stop_words(raw: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in raw.split(",") if stop_word_key(word))
    if not words or any(len(word) > MAX_LENGTH for word in words):
        raise ValueError("must be words with commas between them")
    return words


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Named as in the environment, in small letters. Times are seconds."""

    auth_secret: Annotated[Secret, Setting("Key that signs tokens (HS256), at least 32 bytes. Required.", _auth_secret)]
    erasure_secret: Annotated[
        Secret | None,
        Setting(
            "Key of the hashes that erased phones become, at least 32 bytes; behind it, with commas, those used before. "
            "Left out: `AUTH_SECRET`.",
            _erasure_secret,
        ),
    ] = None
    auth_issuer: Annotated[str | None, Setting("When set, a token's `iss` must equal it.", _text)] = None
    auth_audience: Annotated[str | None, Setting("When set, a token's `aud` must contain it.", _text)] = None
    database_url: Annotated[
        str, Setting("`sqlite:///file.db` or `postgresql://user:password@host/name`.", _database_url)
    ] = field(default="sqlite+aiosqlite:///invites.db", repr=False)
    meta_graph_url: Annotated[str, Setting("Address of Meta's Graph API, or of the simulator.", _base_url)] = (
        f"https://{META_HOST}"
    )
    meta_graph_version: Annotated[
        str, Setting("Version of the Graph API.", _matching(r"v\d{1,3}\.\d{1,2}", "a version like v26.0"))
    ] = "v26.0"
    meta_phone_number_id: Annotated[
        str | None, Setting("Meta's id of the sending number.", _matching(r"\d{1,30}", "Meta's id: digits only"))
    ] = None
    meta_waba_id: Annotated[
        str | None,
        Setting("Meta's id of the WhatsApp Business account.", _matching(r"\d{1,30}", "Meta's id: digits only")),
    ] = None
    meta_access_token: Annotated[
        Secret | None, Setting("Access token for sending and for reading templates.", _header_secret)
    ] = None
    meta_app_secret: Annotated[
        Secret | None, Setting("The Meta app's secret, which signs webhooks. Without it none is accepted.", Secret)
    ] = None
    meta_verify_token: Annotated[
        Secret | None, Setting("Word that Meta repeats when the webhook is set up.", Secret)
    ] = None
    send_rate: Annotated[float, Setting("Messages a second and number, over all workers.", _number(0.01, 1000))] = 20.0
    send_concurrency: Annotated[int, Setting("Requests to Meta at the same time.", _whole(1, 500))] = 40
    send_timeout: Annotated[float, Setting("The whole time of one request to Meta.", _number(1, 120))] = 30.0
    unconfirmed_after: Annotated[
        float, Setting("When an unconfirmed message counts as overdue.", _number(1, 30 * 86400))
    ] = 900.0
    receipts_kept_days: Annotated[
        int, Setting("Days until `invites prune` drops what Meta wrote and what lists said.", _whole(1, 3650))
    ] = 90
    audit_kept_months: Annotated[
        int, Setting("Months until `invites prune` deletes audit entries.", _whole(12, 1200))
    ] = 12
    stop_words: Annotated[
        tuple[str, ...] | None,
        Setting(
            "Replies that, alone in a message, block the guest who sends one; with commas between. "
            "Left out: the usual words in many languages.",
            _stop_words,
        ),
    ] = None
    dispatch: Annotated[bool, Setting("Send from this process; off where `invites worker` sends.", _switch)] = True
    host: Annotated[str, Setting("Address to listen on.", _text)] = "127.0.0.1"
    port: Annotated[int, Setting("Port to listen on.", _whole(0, 65535))] = 8000
    allowed_origins: Annotated[
        tuple[str, ...],
        Setting("Web pages of other origins that may use the API (CORS and websocket), with commas between.", _origins),
    ] = ()
    graphiql: Annotated[bool, Setting("GraphiQL page and introspection at /graphql.", _switch)] = False
    log_level: Annotated[str, Setting("Least level that is logged.", _one_of("DEBUG", "INFO", "WARNING", "ERROR"))] = (
        "INFO"
    )
    log_format: Annotated[str, Setting("Lines for a machine or for people.", _one_of("json", "plain"))] = "json"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read and check all settings. Raises SettingsError with one line about the first that is wrong."""
        values: dict[str, Any] = {}
        for name, setting, default in described():
            raw = env.get(name.upper(), "").strip()
            if not raw:
                if default is MISSING:
                    raise SettingsError(f"{name.upper()} is not set. {setting.meaning}")
                continue
            try:
                values[name] = setting.parse(raw)
            except ValueError as error:
                raise SettingsError(f"{name.upper()} {error}.") from None
        return cls(**values)

    @property
    def provider_configured(self) -> bool:
        """True when there is a number to send from and a token to send with."""
        return self.meta_phone_number_id is not None and self.meta_access_token is not None

    @property
    def erasure_keys(self) -> tuple[bytes, ...]:
        """The first is used, all are recognised."""
        if self.erasure_secret is None:
            return (self.auth_secret.reveal().encode(),)
        return tuple(part.encode() for part in self.erasure_secret.reveal().split(","))

    @property
    def simulated(self) -> bool:
        """True when what looks like Meta is not Meta."""
        return urlsplit(self.meta_graph_url).hostname != META_HOST


def described() -> list[tuple[str, Setting, Any]]:
    """Every setting: its name, what it is, and its default (``MISSING`` when it is required)."""
    hints = get_type_hints(Settings, include_extras=True)
    return [(each.name, hints[each.name].__metadata__[0], each.default) for each in fields(Settings)]


def settings_table() -> str:
    """The table of ``docs/settings.md``."""
    lines = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for name, setting, default in described():
        lines.append(f"| `{name.upper()}` | {_shown(default)} | {setting.meaning} |")
    return "\n".join(lines) + "\n"


def _shown(default: Any) -> str:
    if default is MISSING or default is None or default == ():
        return "–"
    if isinstance(default, bool):
        return "`on`" if default else "`off`"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
