"""Many rows of one kind out of one that the product wrote, in one statement; fast also for a million."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import Base

MANY = 50_000
"""From so many rows on, PostgreSQL's indexes are dropped and made anew: that takes a fraction of the time."""


@dataclass(frozen=True, slots=True)
class Copier:
    """``changed`` columns get an SQL expression over ``n``, which counts the copies; all others stay as they are."""

    uow: UnitOfWork

    def padded(self, number: str, digits: int) -> str:
        """SQL for a decimal number with leading zeros."""
        return f"printf('%0{digits}d', {number})" if self.uow.sqlite else f"lpad(({number})::text, {digits}, '0')"

    def hexadecimal(self, number: str, digits: int) -> str:
        return f"printf('%0{digits}x', {number})" if self.uow.sqlite else f"lpad(to_hex({number}), {digits}, '0')"

    def uuid(self, text: str) -> str:
        """SQL for an id from its 32 hex digits."""
        return f"({text})" if self.uow.sqlite else f"({text})::uuid"

    async def copy(
        self, kind: type[Base], original: sa.ColumnElement[bool], numbers: range, changed: Mapping[str, str]
    ) -> None:
        """Copy the one row that ``original`` finds, once for each number."""
        columns = [column.name for column in kind.__table__.columns]
        quoted = ", ".join(f'"{column}"' for column in columns)
        picked = ", ".join(changed.get(column) or f'original."{column}"' for column in columns)
        first, last = numbers[0], numbers[-1]
        head, source = "", f"(SELECT generate_series({first}, {last})::bigint AS n) AS numbers"
        if self.uow.sqlite:
            source = "numbers"
            head = (
                f"WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}) "  # noqa: S608 - numbers of ours
            )
        found = str(original.compile(self.uow.session.get_bind(), compile_kwargs={"literal_binds": True}))
        table = kind.__tablename__
        async with self._unindexed(table, many=len(numbers) >= MANY):
            connection = await self.uow.session.connection()
            await connection.exec_driver_sql(
                f"INSERT INTO {table} ({quoted}) {head}SELECT {picked} FROM {source}, "  # noqa: S608 - names and numbers of ours
                f"(SELECT * FROM {table} WHERE {found}) AS original"
            )

    @asynccontextmanager
    async def _unindexed(self, table: str, *, many: bool) -> AsyncIterator[None]:
        if self.uow.sqlite or not many:
            yield
            return
        connection = await self.uow.session.connection()
        indexes = (
            await connection.exec_driver_sql(
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = $1 "
                "AND indexname NOT IN (SELECT conname FROM pg_constraint)",
                (table,),
            )
        ).all()
        for index in indexes:
            await connection.exec_driver_sql(f'DROP INDEX "{index.indexname}"')
        await connection.exec_driver_sql(
            "SET LOCAL session_replication_role = replica"
        )  # foreign keys are ours to keep
        await connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '256MB'")
        yield
        for index in indexes:
            await connection.exec_driver_sql(index.indexdef)
