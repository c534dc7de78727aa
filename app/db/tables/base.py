"""The declarative base: constraint names that migrations can rely on, and the column shapes that repeat."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, mapped_column

from app.db.types import UtcDateTime


class Base(DeclarativeBase):
    """No relationships anywhere: a query says what it reads, and nothing loads behind a caller's back."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, str: sa.Text, bytes: sa.LargeBinary}  # noqa: RUF012 - SQLAlchemy reads it as a class attribute


def is_state(column: Any, *states: StrEnum) -> sa.ColumnElement[bool]:
    """``column IN (states)`` with the states written out: a partial index on them is only used when the planner sees
    the constants, not when they are parameters (SQLite never looks at those, PostgreSQL's generic plans do not either).
    """
    literals: list[sa.ColumnClause[Any]] = [sa.literal_column(f"'{state.name}'") for state in sorted(states)]
    return cast("sa.ColumnElement[bool]", column == literals[0] if len(literals) == 1 else column.in_(literals))


def only_where(condition: str) -> dict[str, Any]:
    """Of an index: only the rows of which this is true, on both databases."""
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


Count = Annotated[int, mapped_column(sa.Integer, default=0, server_default="0")]
"""A number of rows, never null."""
