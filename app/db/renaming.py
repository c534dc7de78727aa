"""Give facts and status items another of a message's names: Meta's id in the clear, or the pseudonym of an erased guest's."""

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from app.db.bulk import write
from app.db.engine import UnitOfWork
from app.db.rowset import Rowset
from app.db.tables import FactRow, StatusItemRow

F = FactRow
S = StatusItemRow

Pair = tuple[str, str]
"""A number and one of Meta's message ids, or what stands for it."""


async def rename(uow: UnitOfWork, names: Mapping[Pair, str], message_ids: Collection[str] = ()) -> set[str]:
    """Rename what belongs to no message yet, or to these. Its texts go: of one of the two names the guest was erased.

    Returns the receipts in which it came.
    """
    changes = sorted((*pair, new) for pair, new in names.items() if pair[1] != new)
    if not changes:
        return set()
    renamed = uow.rows({"number_id": F.number_id.type, "old": sa.Text(), "new": sa.Text()}, changes, "renamed")
    ours = uow.rows({"id": F.message_id.type}, [(each,) for each in sorted(message_ids)], "ours")
    receipts: set[str] = set()
    kind: type[FactRow | StatusItemRow]
    for kind, no_texts in ((F, {"title": None, "details": None}), (S, {"item": None})):
        # One after the other, as each has an index of its own.
        for whose in (kind.message_id.is_(None), *([kind.message_id.in_(sa.select(ours.c.id))] if message_ids else [])):
            old = sa.and_(kind.number_id == renamed.c.number_id, kind.provider_message_id == renamed.c.old, whose)
            if kind is F:
                await _merge(uow, renamed, old)
            else:
                receipts |= set(await uow.session.scalars(sa.select(S.receipt_id).join(renamed, old)))
            values: dict[str, Any] = {"provider_message_id": renamed.c.new, **no_texts}
            await write(uow, sa.update(kind).where(old).values(values))
    return receipts


async def _merge(uow: UnitOfWork, renamed: Rowset, old: sa.ColumnElement[bool]) -> None:
    """Of a fact that is kept under both names one goes, since a fact's key is unique.

    What a message has been told stays; else the least digest, as wherever one fact is told twice.
    """
    twin = aliased(F)
    same = sa.and_(
        twin.number_id == F.number_id,
        twin.provider_message_id == renamed.c.new,
        twin.status == F.status,
        twin.at == F.at,
        twin.error_code == F.error_code,
    )
    query = sa.select(F.id, F.message_id, F.digest, twin.id, twin.message_id, twin.digest)
    surplus = []
    for row in await uow.session.execute(query.select_from(F).join(renamed, old).join(twin, same)):
        both = [(message_id is None, digest, fact_id) for fact_id, message_id, digest in (row[:3], row[3:])]
        surplus.append(max(both)[2])
    if surplus:
        dropped = uow.rows({"id": F.id.type}, [(each,) for each in sorted(surplus)], "surplus")
        await write(uow, sa.delete(F).where(F.id.in_(sa.select(dropped.c.id))))
