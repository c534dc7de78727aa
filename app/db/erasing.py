"""What an erasure writes in the rows of messages, of Meta's words and of imports: texts and names go, set by set."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.db.bulk import update_rows, write
from app.db.engine import UnitOfWork
from app.db.erasing_search import ERASED_NAME
from app.db.messages import Standing
from app.db.renaming import Pair, rename
from app.db.tables import AttemptRow, FactRow, ImportRowRow, MessageRow, ReceiptRow, StatusItemRow
from app.domain import ids

A = AttemptRow
F = FactRow
M = MessageRow
S = StatusItemRow


async def drop_bodies(uow: UnitOfWork, receipt_ids: Collection[str]) -> None:
    """The facts that were read in them, and their digests, stay."""
    wanted = uow.rows({"id": ReceiptRow.id.type}, [(each,) for each in sorted(receipt_ids)], "dropped")
    await write(uow, sa.update(ReceiptRow).where(ReceiptRow.id.in_(sa.select(wanted.c.id))).values(body=None))


async def conceal(uow: UnitOfWork, standing: Standing, wamid: str) -> str:
    """The pseudonym of one of Meta's ids, told late, of an erased message; what came under the id before gets it too."""
    pseudonym = uow.pseudonyms.of(wamid, standing.provider_message_id, standing.second_message_id)
    names = {(standing.number_id, key): pseudonym for key in uow.pseudonyms.keys_of(wamid)}
    await drop_bodies(uow, await rename(uow, names))
    return pseudonym


async def erase_messages(uow: UnitOfWork, message_ids: Collection[str], at: datetime) -> set[str]:
    """State, times and counts stay, and of a failure its code and digest. The caller has locked them.

    Returns the receipts that told of them.
    """
    if not message_ids:
        return set()
    wanted = uow.rows({"id": M.id.type}, [(each,) for each in sorted(message_ids)], "erased")
    ours = sa.select(wanted.c.id)
    query = sa.select(M.id, M.number_id, M.provider_message_id, M.second_message_id).where(M.id.in_(ours))
    rows = (await uow.session.execute(query)).all()
    nothing: dict[str, Any] = {
        "recipient_name": ERASED_NAME, "phone": None, "search_key": "", "values": [], "text": "",
        "failure_title": None, "failure_details": None, "erased_at": at,
    }  # fmt: skip
    await update_rows(
        uow,
        M,
        [
            {
                "id": row.id,
                **nothing,
                "provider_message_id": _pseudonym(uow, row.provider_message_id),
                "second_message_id": _pseudonym(uow, row.second_message_id),
            }
            for row in rows
        ],
    )
    pairs = {(row.number_id, each) for row in rows for each in row[2:] if each is not None}
    for kind in (F, S):
        named = sa.select(kind.number_id, kind.provider_message_id).where(kind.message_id.in_(ours)).distinct()
        pairs |= {(row[0] or "", row[1]) for row in await uow.session.execute(named) if row[1] is not None}
    told = set(await uow.session.scalars(sa.select(S.receipt_id).where(S.message_id.in_(ours))))
    told |= await rename(uow, _names(uow, pairs), message_ids)
    await write(uow, sa.update(F).where(F.message_id.in_(ours)).values(title=None, details=None))
    await write(uow, sa.update(S).where(S.message_id.in_(ours)).values(item=None))
    await _erase_answers(uow, ours)
    return told


def _names(uow: UnitOfWork, pairs: Collection[Pair]) -> dict[Pair, str]:
    return {pair: _pseudonym(uow, pair[1]) or "" for pair in pairs}


def _pseudonym(uow: UnitOfWork, value: str | None) -> str | None:
    """Of one of Meta's ids. A refusal has our attempt's name in its place, which tells nothing."""
    return value if value is None or ids.parse_attempt_id(value) else uow.pseudonyms.of(value)


async def _erase_answers(uow: UnitOfWork, ours: sa.Select[Any]) -> None:
    query = sa.select(A.message_id, A.n, A.provider_message_id).where(A.message_id.in_(ours))
    rows = (await uow.session.execute(query)).all()
    columns = {"message_id": A.message_id.type, "n": A.n.type, "wamid": sa.Text()}
    given = uow.rows(columns, [(row.message_id, row.n, _pseudonym(uow, row[2])) for row in rows], "answered")
    await write(
        uow,
        sa.update(A)
        .where(A.message_id == given.c.message_id, A.n == given.c.n)
        .values(provider_message_id=given.c.wamid, answer=None, title=None, details=None),
    )


async def erase_items(uow: UnitOfWork, item_ids: Collection[str]) -> set[str]:
    """Of items that belong to no message: texts go, ids become pseudonyms, also in their facts. Returns their receipts."""
    if not item_ids:
        return set()
    wanted = uow.rows({"id": S.id.type}, [(each,) for each in sorted(item_ids)], "found")
    of_them = S.id.in_(sa.select(wanted.c.id))
    query = sa.select(S.number_id, S.provider_message_id, S.receipt_id).where(of_them)
    rows = (await uow.session.execute(query)).all()
    await write(uow, sa.update(S).where(of_them).values(item=None))
    pairs = {(row[0], row[1]) for row in rows if row[0] is not None and row[1] is not None}
    return {row.receipt_id for row in rows} | await rename(uow, _names(uow, pairs))


async def erase_import_rows(uow: UnitOfWork, rows: Sequence[tuple[str, int]]) -> None:
    """What became of them stays, so that a report's counts are still those of its rows."""
    columns = {"import_id": ImportRowRow.import_id.type, "row": ImportRowRow.row.type}
    given = uow.rows(columns, rows, "spoken")
    await write(
        uow,
        sa.update(ImportRowRow)
        .where(ImportRowRow.import_id == given.c.import_id, ImportRowRow.row == given.c.row)
        .values(name=None, phone=None, message=None),
    )
