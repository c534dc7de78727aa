"""Column types. Each says once how a value looks in Python and how both databases keep it."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa
from asyncpg.pgproto.pgproto import UUID  # uuid.UUID made in C, several times as fast: long lists are mostly ids
from sqlalchemy.engine.interfaces import Dialect

E = TypeVar("E", bound=StrEnum)

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


class PublicId(sa.TypeDecorator[str]):
    """``run_0197f3…`` in Python, the 16 bytes behind it in the database (``uuid``; CHAR(32) on SQLite).

    Raises ValueError for text that is not an id of this kind: callers check what comes from outside with ``ids.is_id``.
    """

    impl = sa.Uuid(as_uuid=True)
    cache_ok = True

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix
        self._lead = f"{prefix}_"

    def process_bind_param(self, value: str | None, dialect: Dialect) -> UUID | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is None:
            return None
        if not value.startswith(self._lead):
            raise ValueError(f"not an id of kind {self.prefix!r}")
        return UUID(value[len(self._lead) :])

    def process_result_value(self, value: UUID | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else self._lead + value.hex


class UtcDateTime(sa.TypeDecorator[datetime]):
    """Aware UTC in Python; ``timestamptz`` on PostgreSQL, sortable text on SQLite. Naive times are refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class JsonText(sa.TypeDecorator[Any]):
    """JSON kept as ASCII text.

    Not ``jsonb``: Meta's payloads may hold NUL characters and lone surrogates, which ``jsonb`` refuses, and evidence must
    come back as it went in. As Unicode escapes both are harmless.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else _encode(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else json.loads(value)


def enum_name(kind: type[E]) -> "sa.Enum":
    """A StrEnum kept by name in plain text: a new member needs no migration, and both databases agree."""
    return sa.Enum(kind, native_enum=False, length=32, create_constraint=False, validate_strings=True)
