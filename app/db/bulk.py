"""Many rows written with few statements: the number of statements depends on the number of batches alone."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.prepared import Prepared
from app.db.tables import Base

T = TypeVar("T")

BATCH = 2_000
"""Rows per statement: packing more at once would hold the event loop for too long."""


def batches(values: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Lists of at most ``size``; what makes the values is asked for one batch at a time."""
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch


async def insert_rows(
    uow: UnitOfWork, kind: type[Base], values: Iterable[Mapping[str, Any]], size: int = BATCH
) -> None:
    """Insert rows that all name the same columns. Python-side defaults are not applied: give every column without one
    in the database.
    """
    for batch in batches(values, size):
        names = tuple(batch[0])
        await inserting(kind, names)(uow, [[value[name] for name in names] for value in batch])


@functools.cache
def inserting(kind: type[Base], names: tuple[str, ...]) -> Prepared:
    """Inserts rows of these columns."""

    def insert(rows: sa.FromClause, _: bool) -> sa.Insert:
        return sa.insert(kind).from_select(list(names), sa.select(*rows.c), include_defaults=False)

    return Prepared(_columns(kind, names), insert)


async def update_rows(uow: UnitOfWork, kind: type[Base], values: Iterable[Mapping[str, Any]]) -> None:
    """Set the named columns of each row that ``id`` points to. Rows loaded in the session are not refreshed."""
    for batch in batches(values):
        names = tuple(batch[0])
        await updating(kind, names)(uow, [[value[name] for name in names] for value in batch])


@functools.cache
def updating(kind: type[Base], names: tuple[str, ...]) -> Prepared:
    """Sets these columns of the rows that ``id``, which is one of them, points to."""
    table = sa.inspect(kind).local_table

    def update(rows: sa.FromClause, _: bool) -> sa.Update:
        return (
            sa.update(kind)
            .where(table.c.id == rows.c.id)
            .values({name: rows.c[name] for name in names if name != "id"})
        )

    return Prepared(_columns(kind, names), update)


async def write(uow: UnitOfWork, statement: sa.Update | sa.Delete) -> None:
    """One statement over many rows. Rows loaded in the session are not refreshed."""
    await uow.session.execute(statement.execution_options(synchronize_session=False))


def _columns(kind: type[Base], names: Iterable[str]) -> dict[str, sa.types.TypeEngine[Any]]:
    table = sa.inspect(kind).local_table
    return {name: table.c[name].type for name in names}
