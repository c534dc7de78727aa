"""Texts and entries whose time is over, batch by batch. Ids are made when a row is, so their range says a row's age."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import AttemptRow, AuditRow, ImportRowRow, ReceiptRow, StatusItemRow
from app.domain import ids


@dataclass(frozen=True, slots=True)
class Old:
    """Rows of one kind that are due: by ``key`` in the order in which they are worked off."""

    what: str
    key: tuple[Any, ...]
    """The primary key."""
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
            (AttemptRow.message_id, AttemptRow.n),
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
    return Old("Audit entries", (AuditRow.id,), AuditRow.at < before, None)


async def count(uow: UnitOfWork, old: Old) -> int:
    query = sa.select(sa.func.count()).select_from(old.key[0].class_).where(old.due)
    return (await uow.session.execute(query)).scalar_one()


async def clear(
    uow: UnitOfWork, old: Old, after: tuple[Any, ...] | None, limit: int
) -> tuple[tuple[Any, ...] | None, int]:
    """The next rows behind ``after``: the last one's key, None when there are no more, and how many they were.

    Rows that somebody has just locked are left for the next time.
    """
    query = sa.select(*old.key).where(old.due).order_by(*old.key).limit(limit)
    if after is not None:
        query = query.where(sa.tuple_(*old.key) > sa.tuple_(*map(_typed, after, old.key)))
    keys = [tuple(row) for row in await uow.session.execute(query.with_for_update(skip_locked=True))]
    if not keys:
        return None, 0
    given = uow.rows({column.key: column.type for column in old.key}, keys, "old")
    these = sa.tuple_(*old.key).in_(sa.select(*given.c))
    kind = old.key[0].class_
    statement = sa.delete(kind) if old.cleared is None else sa.update(kind).values(old.cleared)
    await uow.session.execute(statement.where(these).execution_options(synchronize_session=False))
    return keys[-1], len(keys)


def _typed(value: Any, column: Any) -> sa.ColumnElement[Any]:
    return sa.literal(value, column.type)
