"""Texts and entries whose time is over, batch by batch. Ids are made when a row is, so their range says a row's age."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import AttemptRow, AuditRow, ImportRowRow, ReceiptRow, StatusItemRow
from app.domain import ids

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Old:
    """Rows of one kind that are due: by ``key`` in the order in which they are worked off."""

    what: str
    key: Key
    """Columns that together name a row: the primary key, behind what an index orders by where that is another column."""
    due: sa.ColumnElement[bool]
    cleared: dict[str, Any] | None
    """What takes the place of the texts; None deletes the rows."""


def texts(before: datetime) -> list[Old]:
    """What Meta wrote and what imported lists said. Facts, digests, states and outcomes stay."""
    item, receipt, report = StatusItemRow, ReceiptRow, ImportRowRow
    kept = sa.or_(report.name.is_not(None), report.phone.is_not(None), report.message.is_not(None))
    return [
        Old(
            "Webhook bodies",
            (receipt.id,),
            (receipt.id < ids.first_at(ids.RECEIPT, before)) & receipt.body.is_not(None),
            {"body": None},
        ),
        Old(
            "Statuses' texts",
            (item.id,),
            (item.id < ids.first_at(ids.STATUS_ITEM, before)) & item.item.is_not(None),
            {"item": None},
        ),
        Old(
            "Answers to requests",
            (AttemptRow.finished_at, AttemptRow.message_id, AttemptRow.n),
            (AttemptRow.finished_at < before) & AttemptRow.answer.is_not(None),
            {"answer": None},
        ),
        Old(
            "Rows of import reports",
            (report.import_id, report.row),
            (report.import_id < ids.first_at(ids.GUEST_IMPORT, before)) & kept,
            {"name": None, "phone": None, "message": None},
        ),
    ]


def audit(before: datetime) -> Old:
    """The database refuses to delete any that is younger than twelve months."""
    # The id alone would do, but it is the time that the database looks at.
    due = (AuditRow.id < ids.first_at(ids.AUDIT, before)) & (AuditRow.at < before)
    return Old("Audit entries", (AuditRow.id,), due, None)


async def count(uow: UnitOfWork, old: Old) -> int:
    query = sa.select(sa.func.count()).select_from(old.key[0].class_).where(old.due)
    return (await uow.session.execute(query)).scalar_one()


async def following(uow: UnitOfWork, old: Old, after: Sequence[Key], limit: int) -> list[Key]:
    """The keys of the next rows that are due: the first ones, or those behind the one in ``after``."""
    query = sa.select(*old.key).where(old.due).order_by(*old.key).limit(limit)
    for last in after:
        values = [sa.literal(value, column.type) for value, column in zip(last, old.key, strict=True)]
        query = query.where(sa.tuple_(*old.key) > sa.tuple_(*values))
    return [tuple(row) for row in await uow.session.execute(query)]


async def clear(uow: UnitOfWork, old: Old, keys: Sequence[Key]) -> int:
    """How many of these rows were still due and are cleared now; what somebody has locked is left for the next time."""
    kind = old.key[0].class_
    given = uow.rows({column.key: column.type for column in old.key}, keys, "old")
    primary = sa.inspect(kind).primary_key
    these = sa.tuple_(*primary).in_(
        sa.select(*primary)
        .where(sa.tuple_(*primary).in_(sa.select(*(given.c[column.key] for column in primary))), old.due)
        .with_for_update(skip_locked=True)
    )
    statement = sa.delete(kind) if old.cleared is None else sa.update(kind).values(old.cleared)
    done = await uow.session.execute(statement.where(these).execution_options(synchronize_session=False))
    return cast("sa.CursorResult[Any]", done).rowcount
