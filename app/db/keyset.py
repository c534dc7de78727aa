"""Pages by key: forward only, never OFFSET, so that a page costs the same wherever it is and no row is seen twice.

A list has one order (``Keyset``), whose last column is unique. A ``Window`` is what a caller asked of it: how many rows,
after which cursor. The cursor names the list, its parent and its filters too, so that one of another list is refused.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, overload
from uuid import UUID

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.types import PublicId
from app.domain import ids
from app.domain.errors import BadInputError
from app.domain.text import storable

T = TypeVar("T")

MAX_FIRST = 100
_MAX_CURSOR = 2_000
"""Characters; the longest key is a name of 200 characters."""
_MAX_INTEGER = 2**31 - 1
"""What an ``integer`` column of PostgreSQL takes."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list in its order; ``cursors`` goes along with ``nodes``."""

    nodes: list[T]
    cursors: Sequence[str]
    has_next: bool
    total: int | None = None
    """Rows of the whole list; None where nobody counted them."""


@dataclass(frozen=True, slots=True)
class Window:
    """A checked wish for one page."""

    keyset: "Keyset"
    first: int
    after: tuple[Any, ...] | None
    scope: str

    def cursor(self, key: Sequence[Any]) -> str:
        """The cursor of the row with this key."""
        values = [value.hex if isinstance(value, UUID) else value for value in key]
        text = json.dumps([self.scope, *values], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Cursors(Sequence[str]):
    """Those of rows that end with their key, each made when it is asked for: mostly the last one is."""

    window: Window
    rows: Sequence[Sequence[Any]]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Cursors": ...
    def __getitem__(self, index: int | slice) -> "str | Cursors":
        if isinstance(index, slice):
            return Cursors(self.window, self.rows[index])
        return self.window.cursor(self.rows[index][-len(self.window.keyset.columns) :])


@dataclass(frozen=True, slots=True)
class Keyset:
    """The order of a list: columns that are never null, all in one direction, the last one unique within the list."""

    name: str
    columns: tuple[Any, ...]
    descending: bool = False

    def window(self, first: int, after: str | None, *scope: object) -> Window:
        """``scope`` is everything that chooses the list: its parent's id and the filters.

        Raises ``BadInputError`` for ``first`` out of range and for a cursor that this list did not hand out.
        """
        if not 1 <= first <= MAX_FIRST:
            raise BadInputError(f"first must be between 1 and {MAX_FIRST}", field="first")
        fingerprint = _fingerprint(self.name, scope)
        return Window(self, first, None if after is None else self._key(after, fingerprint), fingerprint)

    def _key(self, cursor: str, fingerprint: str) -> tuple[Any, ...]:
        try:
            parts = json.loads(base64.b64decode(_padded(cursor), altchars=b"-_", validate=True))
        except (ValueError, RecursionError, binascii.Error):
            parts = None
        if not isinstance(parts, list) or len(parts) != len(self.columns) + 1 or parts[0] != fingerprint:
            raise _bad_cursor()
        return tuple(_value(column, part) for column, part in zip(self.columns, parts[1:], strict=True))


async def page(
    uow: UnitOfWork,
    query: sa.Select[*tuple[Any, ...]],
    window: Window,
    make: Callable[[Any], T],
    *,
    total: int | None = None,
) -> Page[T]:
    """The page of ``query`` (unordered, unlimited). ``make`` turns one of its rows into a node."""
    columns = window.keyset.columns
    if window.after is not None:
        here = sa.tuple_(*columns)
        there = sa.tuple_(
            *(sa.bindparam(None, value, type_=column.type) for column, value in zip(columns, window.after, strict=True))
        )
        query = query.where(here < there if window.keyset.descending else here > there)
    order = [column.desc() if window.keyset.descending else column.asc() for column in columns]
    query = query.add_columns(*columns).order_by(*order).limit(window.first + 1)
    return page_of((await uow.session.execute(query)).all(), window, make, total=total)


def page_of(
    found: Sequence[Sequence[Any]], window: Window, make: Callable[[Any], T], *, total: int | None = None
) -> Page[T]:
    """The page of these rows, one more than was asked for if there is one, which end with their key."""
    shown = found[: window.first]
    return Page(
        nodes=[make(row) for row in shown],
        cursors=Cursors(window, shown),
        has_next=len(found) > window.first,
        total=total,
    )


def _fingerprint(name: str, scope: Sequence[object]) -> str:
    text = json.dumps([name, *scope], separators=(",", ":"), default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"not part of a list's scope: {type(value).__name__}")


def _padded(cursor: str) -> bytes:
    if len(cursor) > _MAX_CURSOR:
        raise ValueError("longer than any cursor")
    return (cursor + "=" * (-len(cursor) % 4)).encode("ascii")


def _value(column: sa.ColumnElement[Any], part: Any) -> Any:
    """``part`` as a value that the column's type takes: a made-up cursor must not reach the database's own checks."""
    match column.type:
        case PublicId(prefix=prefix) if isinstance(part, str) and ids.is_id(prefix, part):
            return part
        case sa.Uuid() if isinstance(part, str) and ids.is_id("any", f"any_{part}"):
            return UUID(hex=part)
        case sa.Integer() if type(part) is int and abs(part) <= _MAX_INTEGER:
            return part
        case sa.String() if isinstance(part, str) and storable(part) == part:
            return part
    raise _bad_cursor()


def _bad_cursor() -> BadInputError:
    return BadInputError(
        "This cursor does not belong to this list. Take endCursor of the same list with the same filters, or leave it out.",
        field="after",
    )
