"""The declarative base: constraint names that migrations can rely on, and the column shapes that repeat."""

from datetime import datetime
from typing import Annotated

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


Count = Annotated[int, mapped_column(sa.Integer, default=0, server_default="0")]
"""A number of rows, never null."""
