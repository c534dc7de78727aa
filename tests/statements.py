"""What a database is asked while a test looks on, and how it would go about it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork


class Statement(NamedTuple):
    sql: str
    parameters: Any
    """As the driver gets them."""

    @property
    def reads(self) -> bool:
        return self.sql.lstrip().startswith(("SELECT", "WITH"))


@contextmanager
def listening(db: Database, heard: Callable[..., None]) -> Iterator[None]:
    """Have ``heard`` called before each statement, with what SQLAlchemy gives ``before_cursor_execute``."""
    engines = (db.writer.sync_engine, db.reader.sync_engine)
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", heard)
    try:
        yield
    finally:
        for engine in engines:
            sa.event.remove(engine, "before_cursor_execute", heard)


@contextmanager
def statements(db: Database) -> Iterator[list[Statement]]:
    """Every statement that is sent, in order."""
    seen: list[Statement] = []

    def note(_connection: Any, _cursor: Any, sql: str, parameters: Any, *_: Any) -> None:
        seen.append(Statement(sql, parameters))

    with listening(db, note):
        yield seen


async def plans(db: Database, asked: Sequence[Statement]) -> str:
    """How the database would run what reads and changes rows, in its own words."""
    explain = "EXPLAIN QUERY PLAN " if db.sqlite else "EXPLAIN "

    async def unit(uow: UnitOfWork) -> str:
        connection = await uow.session.connection()
        lines: list[str] = []
        for each in asked:
            if each.reads or each.sql.startswith(("UPDATE", "DELETE")):
                lines += map(str, await connection.exec_driver_sql(explain + each.sql, each.parameters))
        return "\n".join(lines)

    return await db.write(unit)
