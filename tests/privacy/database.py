"""A whole database as text, to look for what must not be in it."""

import base64
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.tables import Base


async def dump(db: Database) -> dict[str, list[str]]:
    """By table and column, every value of every row that is there, as the database has it."""

    async def unit(uow: UnitOfWork) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for table in Base.metadata.sorted_tables:
            # Without the types of the columns, which would read them: what counts is what is stored.
            columns: list[sa.ColumnClause[Any]] = [sa.column(column.name) for column in table.columns]
            for row in await uow.session.execute(sa.select(*columns).select_from(sa.table(table.name))):
                for column, value in zip(columns, row, strict=True):
                    found.setdefault(f"{table.name}.{column.name}", []).append(_text(value))
        return found

    return await db.read(unit)


async def places(db: Database, needles: Iterable[str]) -> set[tuple[str, str]]:
    """Where any of the needles stands, and which, without regard to case."""
    content = await dump(db)
    return {
        (place, needle)
        for needle in needles
        for place, values in content.items()
        if any(needle.casefold() in value.casefold() for value in values)
    }


def needles_of(*, phones: Iterable[str], names: Iterable[str], message_ids: Iterable[str]) -> list[str]:
    """All that could tell of a guest: digits in any notation, names, Meta's ids and the parts of their base64."""
    found = [*names]
    for phone in phones:
        digits = phone.removeprefix("+")
        found += [digits, digits[-10:], f"{digits[-10:-5]} {digits[-5:]}"]
        found += [base64.b64encode(bytes(lead) + digits.encode()).decode()[lead + 2 : lead + 14] for lead in range(3)]
    for message_id in message_ids:
        body = message_id.removeprefix("wamid.")
        found += [message_id, body, body[4:20]]
    return found


def _text(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("latin-1")
    return str(value)
