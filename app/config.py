"""Settings: read once from the environment, checked there, frozen afterwards.

Each setting says in one place what it means and what it may be; ``docs/settings.md``, ``invites doctor`` and the errors
below are made from that.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Annotated, Any, Final, get_type_hints
from urllib.parse import urlsplit

from app import setting_types as parse
from app.setting_types import Secret, Setting, SettingsError

__all__ = ["META_HOST", "Secret", "Setting", "Settings", "SettingsError", "described", "settings_table"]

META_HOST: Final = "graph.facebook.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Named as in the environment, in small letters. Times are seconds."""

    auth_secret: Annotated[
        Secret,
        Setting(
            "Key of this service: signs prechecks and, unless `AUTH_JWKS_URL` is set, tokens (HS256). "
            "At least 32 bytes, the same for all processes. Required; make it once and keep it: "
            '`python -c "import secrets; print(secrets.token_urlsafe(48))"`.',
            parse.auth_secret,
        ),
    ]
    erasure_secret: Annotated[
        Secret | None,
        Setting(
            "Key of the hashes that erased phones become, at least 32 bytes; behind it, with commas, those used before. "
            "Left out: `AUTH_SECRET`.",
            parse.erasure_secret,
        ),
    ] = None
    auth_jwks_url: Annotated[
        str | None,
        Setting(
            "Address of your sign-in's public keys (JWKS). When set, tokens must be signed by one of them.",
            parse.keys_url,
        ),
    ] = None
    auth_issuer: Annotated[str | None, Setting("When set, a token's `iss` must equal it.", parse.text)] = None
    auth_audience: Annotated[str | None, Setting("When set, a token's `aud` must contain it.", parse.text)] = None
    database_url: Annotated[
        str, Setting("`sqlite:///file.db` or `postgresql://user:password@host/name`.", parse.database_url)
    ] = field(default="sqlite+aiosqlite:///invites.db", repr=False)
    meta_graph_url: Annotated[str, Setting("Address of Meta's Graph API, or of the simulator.", parse.base_url)] = (
        f"https://{META_HOST}"
    )
    meta_graph_version: Annotated[
        str, Setting("Version of the Graph API.", parse.matching(r"v\d{1,3}\.\d{1,2}", "a version like v26.0"))
    ] = "v26.0"
    meta_phone_number_id: Annotated[
        str | None, Setting("Meta's id of the sending number.", parse.matching(r"\d{1,30}", "Meta's id: digits only"))
    ] = None
    meta_waba_id: Annotated[
        str | None,
        Setting("Meta's id of the WhatsApp Business account.", parse.matching(r"\d{1,30}", "Meta's id: digits only")),
    ] = None
    meta_access_token: Annotated[
        Secret | None, Setting("Access token for sending and for reading templates.", parse.header_secret)
    ] = None
    meta_app_secret: Annotated[
        Secret | None,
        Setting("The Meta app's secret, which signs webhooks. Without it none is accepted.", parse.app_secrets),
    ] = None
    meta_verify_token: Annotated[
        Secret | None, Setting("Word that Meta repeats when the webhook is set up.", Secret)
    ] = None
    send_rate: Annotated[
        float, Setting("Messages a second and number, over all workers.", parse.number(0.01, 1000))
    ] = 20.0
    send_concurrency: Annotated[int, Setting("Requests to Meta at the same time.", parse.whole(1, 500))] = 40
    send_timeout: Annotated[float, Setting("The whole time of one request to Meta.", parse.number(1, 120))] = 30.0
    unconfirmed_after: Annotated[
        float, Setting("When an unconfirmed message counts as overdue.", parse.number(1, 30 * 86400))
    ] = 900.0
    receipts_kept_days: Annotated[
        int, Setting("Days until `invites prune` drops what Meta wrote and what lists said.", parse.whole(1, 3650))
    ] = 90
    audit_kept_months: Annotated[
        int, Setting("Months until `invites prune` deletes audit entries.", parse.whole(12, 1200))
    ] = 12
    stop_words: Annotated[
        tuple[str, ...] | None,
        Setting(
            "Replies that, alone in a message, block the guest who sends one; with commas between. "
            "Left out: the usual words in many languages.",
            parse.stop_words,
        ),
    ] = None
    dispatch: Annotated[bool, Setting("Send from this process; off where `invites worker` sends.", parse.switch)] = True
    host: Annotated[str, Setting("Address to listen on.", parse.text)] = "127.0.0.1"
    port: Annotated[int, Setting("Port to listen on.", parse.whole(0, 65535))] = 8000
    allowed_origins: Annotated[
        tuple[str, ...],
        Setting(
            "Web pages of other origins that may use the API (CORS and websocket), with commas between.", parse.origins
        ),
    ] = ()
    graphiql: Annotated[bool, Setting("GraphiQL page and introspection at /graphql.", parse.switch)] = False
    console: Annotated[bool, Setting("The page at /console for sending and following invites.", parse.switch)] = False
    graphiql_tokens: Annotated[
        Secret | None,
        Setting(
            "Tokens that both pages carry, with commas between, for a demo: whoever opens them is signed in.",
            parse.page_tokens,
        ),
    ] = None
    metrics_token: Annotated[
        Secret | None,
        Setting("Bearer token for /metrics, at least 16 characters. Without it there is no such page.", parse.token),
    ] = None
    query_timeout: Annotated[float, Setting("The whole time of one GraphQL query.", parse.number(1, 600))] = 30.0
    mutations_per_minute: Annotated[
        int, Setting("Mutations a minute, for each person and process.", parse.whole(1, 100_000))
    ] = 240
    prechecks_per_minute: Annotated[
        int, Setting("Prechecks and audience previews a minute, for each person and process.", parse.whole(1, 100_000))
    ] = 120
    log_level: Annotated[
        str, Setting("Least level that is logged.", parse.one_of("DEBUG", "INFO", "WARNING", "ERROR"))
    ] = "INFO"
    log_format: Annotated[str, Setting("Lines for a machine or for people.", parse.one_of("json", "plain"))] = "json"

    def __post_init__(self) -> None:
        if self.auth_jwks_url is not None:
            for name in ("auth_issuer", "auth_audience"):
                # The keys of a sign-in sign for every application that uses it: without these, theirs would be ours.
                if not getattr(self, name):
                    raise SettingsError(
                        f"{name.upper()} is not set. With AUTH_JWKS_URL it must be: see docs/identity.md."
                    )

        if self.graphiql_tokens is not None and not (self.simulated and self.host in parse.LOOPBACK):
            raise SettingsError(
                "GRAPHIQL_TOKENS is set, which signs in whoever opens the page. It is for a demo with a simulated "
                "WhatsApp, reachable from this machine alone."
            )

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
    def app_secrets(self) -> tuple[str, ...]:
        """Both secrets of Meta's app while it is being changed; none where no webhook is accepted."""
        return tuple(self.meta_app_secret.reveal().split(",")) if self.meta_app_secret else ()

    @property
    def page_tokens(self) -> tuple[str, ...]:
        """What both pages carry; none outside a demo."""
        return tuple(self.graphiql_tokens.reveal().split(",")) if self.graphiql_tokens else ()

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
