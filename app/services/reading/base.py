"""What all parts of the reader share: the settings, and how ids from outside become part of a statement."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.keyset import Page
from app.domain import ids
from app.services.base import UseCases, utc_now

K = TypeVar("K")
V = TypeVar("V")


class Reading(UseCases):
    """Base of the parts. Every public method takes the actor first and sees what this actor may see, nothing else.

    Ids that are malformed, unknown or of another workspace are left out of an answer, without an error.
    """

    def __init__(self, db: Database, *, unconfirmed_after: timedelta, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(db)
        self._unconfirmed_after = unconfirmed_after
        self._clock = clock

    @property
    def _overdue_before(self) -> datetime:
        """What has been UNCONFIRMED since then or longer is overdue."""
        return self._clock() - self._unconfirmed_after


def known(prefix: str, row_ids: Iterable[str]) -> list[str]:
    """The well-formed ones, each once: nothing else can be bound to an id column."""
    return [row_id for row_id in dict.fromkeys(row_ids) if ids.is_id(prefix, row_id)]


def listed(
    uow: UnitOfWork, column: sa.orm.InstrumentedAttribute[str], row_ids: Sequence[str]
) -> sa.ColumnElement[bool]:
    """``column IN row_ids`` as one parameter, so that the statement is the same for any number of ids."""
    return column.in_(sa.select(uow.rows({"id": column.type}, [(row_id,) for row_id in row_ids]).c.id))


def grouped(pairs: Iterable[Sequence[Any]]) -> dict[Any, list[Any]]:
    """Values by key, both in their order."""
    groups: defaultdict[Any, list[Any]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return dict(groups)


def first_column(row: Any) -> Any:
    return row[0]


def empty(*, total: int | None = None) -> Page[Any]:
    """The page of a list whose parent's id is none."""
    return Page([], [], has_next=False, total=total)
