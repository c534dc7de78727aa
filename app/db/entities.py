"""Rows of mapped classes out of prepared statements: what the ORM would have made of them, without its time.

They are complete and belong to no session: to be shown, not to be changed.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from app.db.tables import Base

B = TypeVar("B", bound=Base)


class Entities(Generic[B]):
    """All columns of one mapped class, which is mapped by the names of its columns."""

    def __init__(self, kind: type[B]) -> None:
        self.columns: Sequence[Any] = tuple(kind.__table__.columns)
        self._names = [column.key for column in self.columns]
        self._new = sa.inspect(kind).class_manager.new_instance

    def __len__(self) -> int:
        return len(self._names)

    def made(self, values: Iterable[Any]) -> B:
        """The row with these values, which go along with ``columns``."""
        row: Any = self._new()
        vars(row).update(zip(self._names, values, strict=True))
        made: B = row
        return made
