"""``docs/limits.md`` says the numbers that the code has."""

import pytest

from app.cli.connections import BODY_SECONDS, HEADERS_SECONDS, MAX_HEADERS
from app.cli.server import KEEP_ALIVE_SECONDS, MAX_CONNECTIONS
from app.config import described
from app.db.aside import AT_ONCE, DatabaseAside
from app.db.engine import Database
from app.db.keyset import MAX_FIRST
from app.domain.buckets import MAX_KEYS
from app.http import webhook
from app.schema import cost, limits
from app.schema.cleaning import MAX_NESTING, MAX_VALUES
from app.schema.limits import MAX_CONTAINERS, MAX_UNSIGNED
from app.schema.rates import MAX_OPEN, PRECHECKS
from app.schema.sockets import INIT_TIMEOUT, MAX_OPERATIONS
from app.services.base import REFUSALS_PER_MINUTE
from app.services.events import MAX_EVENTS
from app.services.intake import MAX_WAITING, MAX_WAITING_BYTES
from app.services.workspaces import MAX_MEMBERS
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
        limits.MAX_FRAGMENTS,
        limits.MAX_NESTING,
        1,
        cost.MAX_COST,
        cost.MAX_SUBSCRIPTION_COST,
        MAX_FIRST,
        MAX_NESTING,
        MAX_VALUES,
        MAX_OPERATIONS,
        MAX_OPEN,
        INIT_TIMEOUT.total_seconds(),
    ]
    assert f"and {cost.ASSUMED} for a list" in TEXT
    assert f"at most {MAX_EVENTS} events and {MAX_MEMBERS} members" in TEXT
    assert f"{MAX_KEYS:,} buckets" in TEXT
    assert f"{REFUSALS_PER_MINUTE} refused attempts a minute" in TEXT
    assert all(f"`{name}`" in TEXT for name in PRECHECKS)


def test_what_a_connection_may_bring() -> None:
    rows = table(TEXT, "Limit", "Number", "Met as")
    assert [int(number) for _, number, _ in rows] == [
        limits.MAX_BODY,
        limits.MAX_BODY,
        MAX_UNSIGNED,
        MAX_UNSIGNED,
        MAX_CONTAINERS,
        webhook.MAX_BYTES,
        webhook.READ_SECONDS,
        MAX_WAITING,
        MAX_WAITING_BYTES,
        MAX_HEADERS,
        HEADERS_SECONDS,
        BODY_SECONDS,
        KEEP_ALIVE_SECONDS,
        MAX_CONNECTIONS,
    ]


@pytest.mark.anyio
async def test_connections_to_the_database(database_url: str) -> None:
    database = Database(database_url)
    with database.watched(lambda *_: None) as most:
        assert most == {"read": 10, "write": 1 if database.sqlite else 10}
    aside = DatabaseAside(database)
    with aside.watched(lambda *_: None) as most:
        assert most == {"read aside": AT_ONCE, "write aside": 1 if database.sqlite else AT_ONCE}
    await aside.close()
    await database.close()
    assert f"{AT_ONCE} more of each" in TEXT
    assert "at most 10 to read and 10 to write with (SQLite: 1 to write)" in TEXT


def test_every_setting_is_named() -> None:
    assert {"`GRAPHIQL`", "`ALLOWED_ORIGINS`"} <= {word for word in TEXT.replace(",", " ").split() if word[0] == "`"}
