"""``docs/limits.md`` says the numbers that the code has."""

from app.cli.connections import BODY_SECONDS, HEADERS_SECONDS, MAX_HEADERS
from app.cli.server import KEEP_ALIVE_SECONDS, MAX_CONNECTIONS
from app.config import described
from app.db.keyset import MAX_FIRST
from app.domain.buckets import MAX_KEYS
from app.http import webhook
from app.schema import cost, limits
from app.schema.cleaning import MAX_NESTING
from app.schema.controller import INIT_TIMEOUT, MAX_OPERATIONS
from app.schema.rates import PRECHECKS
from app.services.base import REFUSALS_PER_MINUTE
from tests.docs.test_docs import TEXTS, table

TEXT = TEXTS["docs/limits.md"]


def test_what_an_operation_may_ask() -> None:
    defaults = {name: f"{default:g}" for name, _, default in described() if isinstance(default, int | float)}
    rows = table(TEXT, "Limit", "Number", "Setting")
    settings = {setting.strip("`").lower(): number for _, number, setting in rows if setting != "–"}
    assert settings == {name: defaults[name] for name in settings}
    assert set(settings) == {"query_timeout", "mutations_per_minute", "prechecks_per_minute"}
    assert [int(number) for _, number, setting in rows if setting == "–"] == [
        limits.MAX_DOCUMENT,
        limits.MAX_TOKENS,
        limits.MAX_DEPTH,
        limits.MAX_FIELDS,
        limits.MAX_ALIASES,
        1,
        cost.MAX_COST,
        MAX_FIRST,
        MAX_NESTING,
        MAX_OPERATIONS,
        INIT_TIMEOUT.total_seconds(),
    ]
    assert f"and {cost.ASSUMED} for a list" in TEXT
    assert f"{MAX_KEYS:,} buckets" in TEXT
    assert f"{REFUSALS_PER_MINUTE} refused attempts a minute" in TEXT
    assert all(f"`{name}`" in TEXT for name in PRECHECKS)


def test_what_a_connection_may_bring() -> None:
    rows = table(TEXT, "Limit", "Number", "Met as")
    assert [int(number) for _, number, _ in rows] == [
        limits.MAX_BODY,
        limits.MAX_BODY,
        webhook.MAX_BYTES,
        webhook.READ_SECONDS,
        MAX_HEADERS,
        HEADERS_SECONDS,
        BODY_SECONDS,
        KEEP_ALIVE_SECONDS,
        MAX_CONNECTIONS,
    ]


def test_every_setting_is_named() -> None:
    assert {"`GRAPHIQL`", "`ALLOWED_ORIGINS`"} <= {word for word in TEXT.replace(",", " ").split() if word[0] == "`"}
