"""Erasing a guest: personal data goes, counts and audit stay true, and a keyed hash of the phone still blocks.

Bodies and import reports are searched before, page by page in short snapshots; what is found, and whatever came in since
the search began, is emptied in the one transaction that erases. Why it is so: decision 0014.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from app.db import erasing, erasing_guests, erasing_search, messages
from app.db.blocks import require_keys
from app.db.engine import Database, UnitOfWork
from app.db.erasing_search import Subject, Traces
from app.db.messages import Changes
from app.db.tables import EventRow, GuestUnitRow, PersonRow, ReceiptRow, StatusItemRow
from app.domain import ids
from app.domain.enums import AuditAction, ErasureReason, MessageState, Permission
from app.domain.errors import ConflictError
from app.services import audit
from app.services.access import Access, find, not_found, require
from app.services.base import Actor, UseCases, utc_now
from app.services.blocking import turn_away
from app.services.tenancy import require_alone, workspace_of

log = logging.getLogger(__name__)

PAGE = 1_000
_EPOCH = datetime.fromtimestamp(0, UTC)
CLOCKS = timedelta(minutes=10)
"""How far the clocks of the machines that make ids may be apart, with the longest transaction."""

_DOING = "erase a guest"
_MOVED = "This guest or the list was changed at the same moment. Try again."


@dataclass(frozen=True, slots=True)
class Erased:
    id: str
    at: datetime
    replayed: bool
    """It had been erased before."""


class Erasures(UseCases):
    async def erase_guest(self, actor: Actor, *, id: str, reason: ErasureReason) -> Erased:  # noqa: A002 - the public name
        """Erase a person, or a household with all its people. One that is erased already stays as it is.

        Raises ConflictError while a message to the guest is on its way to Meta: nobody can say yet what becomes of it.
        """
        began = utc_now() - CLOCKS
        subject = await self._read(lambda uow: _look(uow, actor, id))
        if isinstance(subject, Erased):
            return subject
        traces = await self._search(subject)
        traces.import_rows, traces.newest_import = await self._search_imports(subject)

        async def erase(uow: UnitOfWork) -> Erased:
            access = await _lock(uow, actor, subject, id)
            now = await _look(uow, actor, id)
            if isinstance(now, Erased):
                return now
            if (now.phones, now.names, now.numbers) != (subject.phones, subject.names, subject.numbers):
                raise ConflictError(_MOVED)
            if await erasing_search.newest_import(uow, now.workspace_id) != traces.newest_import:
                raise ConflictError(_MOVED)
            return await _erase(uow, access, id, now, traces, reason, began)

        erased = await self._write(erase, "erasure")
        if not await self._db.settle_log():
            log.info("the log of the database still holds what was just erased, until its next checkpoint")
        return erased

    async def _search(self, subject: Subject) -> Traces:
        traces = Traces()
        if not subject.phones:
            return traces
        traces.receipts = await self._search_all(ReceiptRow, ids.first_at(ids.RECEIPT, _EPOCH), subject)
        traces.items = await self._search_all(StatusItemRow, ids.first_at(ids.STATUS_ITEM, _EPOCH), subject)
        return traces

    async def _search_all(
        self, kind: type[ReceiptRow | StatusItemRow], after: str | None, subject: Subject
    ) -> set[str]:
        found: set[str] = set()
        while after is not None:
            async with self._db.snapshot() as uow:
                after, page = await erasing_search.search_page(uow, kind, subject, after, PAGE)
            found |= page
        return found

    async def _search_imports(self, subject: Subject) -> tuple[set[tuple[str, int]], str | None]:
        found: set[tuple[str, int]] = set()
        async with self._db.snapshot() as uow:
            imports = await erasing_search.imports_of(uow, subject.workspace_id)
        for import_id in imports:
            after: int | None = 0
            while after is not None:
                async with self._db.snapshot() as uow:
                    after, page = await erasing_search.search_import(uow, subject, import_id, after, PAGE)
                found |= page
        return found, max(imports, default=None)


async def require_all_keys(db: Database) -> None:
    """At the start, so that a forgotten key is found then. Raises UnavailableError, see ``db.blocks.require_keys``."""
    await db.read(require_keys)


async def _look(uow: UnitOfWork, actor: Actor, row_id: str) -> Subject | Erased:
    """Who that is and whether the actor may; the whole subject, or that it is erased."""
    kind: type[PersonRow | GuestUnitRow]
    kind, prefix = (PersonRow, ids.PERSON) if ids.is_id(ids.PERSON, row_id) else (GuestUnitRow, ids.GUEST_UNIT)
    workspace_id = await workspace_of(uow, actor, kind, prefix, row_id)
    await require(uow, actor, workspace_id, Permission.GUEST_ERASE, doing=_DOING, target_id=row_id)
    row = await find(uow, actor, kind, prefix, row_id)
    if row is None or workspace_id is None:
        raise not_found(actor, doing=_DOING, target_id=row_id)
    await uow.session.refresh(row)
    if row.erased_at is not None:
        return Erased(row_id, row.erased_at, replayed=True)
    if kind is PersonRow:
        return await erasing_search.subject_of(uow, workspace_id, person_id=row_id)
    return await erasing_search.subject_of(uow, workspace_id, unit_id=row_id)


async def _lock(uow: UnitOfWork, actor: Actor, subject: Subject, row_id: str) -> Access:
    """Numbers, alone: no claim is under way. The workspace: no import. Its events: no send is being planned."""
    for number_id in sorted(subject.numbers):
        await uow.lock_number(number_id, exclusive=True)
    access = await require_alone(
        uow, actor, subject.workspace_id, Permission.GUEST_ERASE, doing=_DOING, target_id=row_id
    )
    events = sa.select(EventRow.id).where(EventRow.workspace_id == subject.workspace_id).order_by(EventRow.id)
    await uow.session.execute(events.with_for_update(key_share=True))
    return access


async def _erase(
    uow: UnitOfWork,
    access: Access,
    row_id: str,
    subject: Subject,
    traces: Traces,
    reason: ErasureReason,
    began: datetime,
) -> Erased:
    at = await uow.now()
    await erasing_guests.erase_searches(uow, subject)
    standings = await messages.lock(uow, subject.messages)
    if any(standing.state is MessageState.SENDING for standing in standings.values()):
        raise ConflictError("A message to this guest is on its way to WhatsApp. Try again in a minute.")
    changes = Changes()
    turn_away(changes, standings, standings.keys(), at)
    receipts, items = set(traces.receipts), set(traces.items)
    if subject.phones:
        receipts |= await _since(uow, ReceiptRow, subject, ids.first_at(ids.RECEIPT, began))
        items |= await _since(uow, StatusItemRow, subject, ids.first_at(ids.STATUS_ITEM, began))
    receipts |= await erasing.erase_messages(uow, subject.messages, at)
    receipts |= await erasing.erase_items(uow, items)
    await erasing.drop_bodies(uow, receipts)
    await erasing.erase_import_rows(uow, sorted(traces.import_rows))
    blocks = await erasing_guests.erase_blocks(uow, subject, access.member.id, at)
    await erasing_guests.erase_guests(uow, subject, at)
    # Without the bodies: those of the number may be another family's, and so is their count.
    counted = {
        "people": len(subject.people), "households": len(subject.units), "messages": len(subject.messages),
        "importRows": len(traces.import_rows), "blocks": blocks,
    }  # fmt: skip
    audit.record(
        uow, AuditAction.GUEST_ERASE, f"Erased a guest ({reason.value})", workspace_id=subject.workspace_id,
        actor=access.actor, member=access.member, after={"reason": reason.value} | counted, target_id=row_id,
    )  # fmt: skip
    await uow.session.flush()
    await changes.save(uow, at)
    return Erased(row_id, at, replayed=False)


async def _since(
    uow: UnitOfWork, kind: type[ReceiptRow | StatusItemRow], subject: Subject, after: str | None
) -> set[str]:
    """What came in while the search went on."""
    found: set[str] = set()
    while after is not None:
        after, page = await erasing_search.search_page(uow, kind, subject, after, PAGE)
        found |= page
    return found
