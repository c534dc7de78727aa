"""Do-Not-Message: who is blocked, and the one way to block. Spellings make the check an equality on an index."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.db.bulk import insert_rows, update_rows
from app.db.engine import UnitOfWork
from app.db.tables import DoNotMessageRow, DoNotMessageSpellingRow
from app.domain import ids
from app.domain.enums import DoNotMessageSource
from app.domain.errors import UnavailableError
from app.domain.phone import spellings
from app.domain.pseudonyms import Pseudonyms, is_pseudonym

D = DoNotMessageRow
S = DoNotMessageSpellingRow


class Blocked(dict[str, str]):
    """Spelling → the oldest entry that blocks it. Ask with ``in``: a phone is found under its pseudonyms too."""

    def __init__(self, entries: Iterable[tuple[str, str]], pseudonyms: Pseudonyms) -> None:
        super().__init__()
        for spelling, entry_id in entries:
            self.setdefault(spelling, entry_id)
        self._pseudonyms = pseudonyms
        self._erased = any(map(is_pseudonym, self))

    def __contains__(self, phone: object) -> bool:
        if super().__contains__(phone):
            return True
        if not self._erased or not isinstance(phone, str):
            return False
        return not self.keys().isdisjoint(self._pseudonyms.all_of(phone))


async def require_keys(uow: UnitOfWork) -> None:
    """Raises UnavailableError when a phone is blocked by a pseudonym of a key that is not set any more.

    Such an entry would match nobody, and the erased guest would be messaged again: better nothing is sent.
    """
    known = [D.phone.startswith(lead, autoescape=True) for lead in uow.pseudonyms.leads]
    # Written out, as only then a partial index is used.
    erased = D.phone.like(sa.literal_column("'erased:%'"))
    query = sa.select(D.id).where(erased, D.active, ~sa.or_(sa.false(), *known)).limit(1)
    if (await uow.session.execute(query)).first() is not None:
        raise UnavailableError(
            "Guests were erased with a key that is not set now, so they would not be recognised. Put the key used then "
            "(ERASURE_SECRET, or AUTH_SECRET where that was not set) behind the first in ERASURE_SECRET."
        )


async def blocked_phones(
    uow: UnitOfWork, *, workspace_id: str | None, number_id: str | None, phones: Collection[str] | None
) -> Blocked:
    """Which of ``phones`` are blocked in this workspace or for its number. Raises UnavailableError, see ``require_keys``.

    None for ``phones`` reads all active spellings: for audiences so large that asking for each would be dearer.
    """
    await require_keys(uow)
    scope = D.workspace_id == workspace_id
    if number_id is not None:  # "= NULL" would be "IS NULL", which every entry of every workspace meets
        scope |= D.number_id == number_id
    query = sa.select(S.spelling, D.id).join(D, D.id == S.entry_id).where(D.active, scope).order_by(D.id)
    if phones is not None:
        keys = {key for phone in set(phones) for key in (phone, *uow.pseudonyms.all_of(phone))}
        asked = uow.rows({"phone": sa.Text()}, [[key] for key in sorted(keys)])
        query = query.join(asked, asked.c.phone == S.spelling)
    return Blocked(((row.spelling, row.id) for row in await uow.session.execute(query)), uow.pseudonyms)


async def insert_block(
    uow: UnitOfWork,
    *,
    workspace_id: str | None = None,
    number_id: str | None = None,
    phone: str,
    reason: str,
    source: DoNotMessageSource,
    created_by: str | None,
    at: datetime,
    evidence: Any = None,
    receipt_id: str | None = None,
) -> tuple[DoNotMessageRow, bool]:
    """Block an E.164 phone for a workspace or (from Meta) for a number; give exactly one of the two.

    An active entry of the same scope and phone is returned as it is, with False. The caller holds the number's exclusive
    advisory lock (``uow.lock_number(number_id, exclusive=True)``; without a number, the workspace's row): otherwise a
    claim could commit that has not seen the entry, or two callers could insert it.
    """
    scope = D.workspace_id == workspace_id if workspace_id else D.number_id == number_id
    found: DoNotMessageRow | None = await uow.session.scalar(
        sa.select(D).join(S, S.entry_id == D.id).where(S.spelling == phone, D.phone == phone, D.active, scope).limit(1)
    )
    if found:
        return found, False
    entry = DoNotMessageRow(
        id=ids.new_id(ids.DO_NOT_MESSAGE),
        workspace_id=workspace_id,
        number_id=number_id,
        phone=phone,
        reason=reason,
        source=source,
        active=True,
        evidence=evidence,
        receipt_id=receipt_id,
        created_at=at,
        created_by=created_by,
    )
    uow.session.add(entry)
    await uow.session.flush()
    await insert_rows(uow, S, [{"entry_id": entry.id, "spelling": key} for key in sorted(spellings(phone))])
    return entry, True


@dataclass(frozen=True, slots=True)
class NumberBlock:
    """A guest's own stop, told by Meta: holds in every workspace of the number."""

    number_id: str
    phone: str
    source: DoNotMessageSource
    reason: str
    at: datetime
    """When the guest said it, by Meta's clock."""
    evidence: Any
    receipt_id: str | None

    @property
    def key(self) -> tuple[str, str]:
        return (self.number_id, self.phone)


async def insert_number_blocks(uow: UnitOfWork, blocks: Sequence[NumberBlock]) -> None:
    """Block many phones at once, each once. The caller holds the exclusive advisory locks of their numbers.

    Of one that is active already only the time moves on, so that an older "resume" that comes late cannot win.
    """
    newest = {block.key: block for block in sorted(blocks, key=lambda block: block.at)}
    if not newest:
        return
    stored = {
        (number_id, key): (number_id, phone)
        for number_id, phone in newest
        for key in (phone, *uow.pseudonyms.all_of(phone))
    }
    asked = uow.rows({"number_id": D.number_id.type, "phone": sa.Text()}, sorted(stored), "asked")
    active = {
        stored[row.number_id, row.phone]: row
        for row in await uow.session.execute(
            sa.select(D.id, D.number_id, D.phone, D.created_at)
            .join(asked, sa.and_(asked.c.number_id == D.number_id, asked.c.phone == D.phone))
            .where(D.active)
        )
    }
    again = [
        {"id": row.id, "created_at": newest[key].at} for key, row in active.items() if newest[key].at > row.created_at
    ]
    await update_rows(uow, D, again)
    fresh = [(ids.new_id(ids.DO_NOT_MESSAGE), block) for key, block in newest.items() if key not in active]
    await insert_rows(uow, D, [_row(entry_id, block) for entry_id, block in fresh])
    keys = [
        {"entry_id": entry_id, "spelling": spelling}
        for entry_id, block in fresh
        for spelling in sorted(spellings(block.phone))
    ]
    await insert_rows(uow, S, keys)


def _row(entry_id: str, block: NumberBlock) -> dict[str, Any]:
    return {
        "id": entry_id,
        "number_id": block.number_id,
        "phone": block.phone,
        "reason": block.reason,
        "source": block.source,
        "active": True,
        "evidence": block.evidence,
        "receipt_id": block.receipt_id,
        "created_at": block.at,
    }
