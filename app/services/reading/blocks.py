"""The Do-Not-Message list as a workspace sees it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.db.blocks import on_their_way
from app.db.engine import UnitOfWork
from app.db.keyset import Keyset, Page, page
from app.db.tables import DoNotMessageRow, DoNotMessageSpellingRow, GuestUnitRow, MessageRow, PersonRow, WorkspaceRow
from app.domain import ids
from app.domain.phone import normalise
from app.domain.pseudonyms import LEAD
from app.domain.search import ESCAPE, needle
from app.services.base import Actor
from app.services.reading.base import Reading, empty, first_column, known, listed
from app.services.reading.visibility import blocks_proven, blocks_seen, visible

_ENTRIES = Keyset("doNotMessage", (DoNotMessageRow.id,), descending=True)


@dataclass(frozen=True, slots=True)
class BlockEvidence:
    raw: Any
    """The one webhook item, Meta's answer, or the row of the imported list; None for what a member added."""
    receipt_id: str | None


class BlockReading(Reading):
    async def do_not_message(
        self,
        actor: Actor,
        workspace_id: str,
        *,
        search: str | None = None,
        active: bool | None = True,
        first: int,
        after: str | None = None,
    ) -> Page[DoNotMessageRow]:
        """Newest first; ``active`` None lists revoked ones too. Entries of the number only where they match a guest.

        ``search`` is a part of the phone, or of the name of a guest with this phone. A whole phone, in any spelling, finds
        the entry of an erased guest too, of whom nothing else is left.
        """
        window = _ENTRIES.window(first, after, workspace_id, search, active)
        if not ids.is_id(ids.WORKSPACE, workspace_id):
            return empty()
        query = sa.select(DoNotMessageRow).where(blocks_seen(actor, workspace_id))
        if active is not None:
            query = query.where(DoNotMessageRow.active == active)
        pattern = needle(search)

        async def unit(uow: UnitOfWork) -> Page[DoNotMessageRow]:
            if search is None or pattern is None:
                return await page(uow, query, window, first_column)
            found = _found(workspace_id, pattern) | await _spelled(uow, workspace_id, search)
            return await page(uow, query.where(found), window, first_column)

        return await self._read(unit)

    async def block_evidence(self, actor: Actor, entry_ids: Sequence[str]) -> dict[str, BlockEvidence]:
        """By entry; without those whose evidence this actor may not read."""
        wanted = known(ids.DO_NOT_MESSAGE, entry_ids)

        async def unit(uow: UnitOfWork) -> dict[str, BlockEvidence]:
            query = sa.select(DoNotMessageRow.id, DoNotMessageRow.evidence, DoNotMessageRow.receipt_id).where(
                listed(uow, DoNotMessageRow.id, wanted), blocks_proven(actor)
            )
            return {
                # Items of webhooks are kept as the text that can be read again.
                entry_id: BlockEvidence(json.loads(raw) if isinstance(raw, str) else raw, receipt_id)
                for entry_id, raw, receipt_id in await uow.session.execute(query)
            }

        return await self._read(unit)

    async def on_their_way(self, actor: Actor, entry_ids: Sequence[str]) -> dict[str, list[MessageRow]]:
        """Messages of the actor's workspaces to the phone of each entry that may still arrive, by entry."""
        wanted = known(ids.DO_NOT_MESSAGE, entry_ids)

        async def unit(uow: UnitOfWork) -> dict[str, list[MessageRow]]:
            query = sa.select(DoNotMessageRow.id).where(listed(uow, DoNotMessageRow.id, wanted), blocks_seen(actor))
            seen = list((await uow.session.execute(query)).scalars())
            found = await on_their_way(uow, seen, visible(actor)) if seen else {}
            return {entry_id: found.get(entry_id, []) for entry_id in seen}

        return await self._read(unit)


async def _spelled(uow: UnitOfWork, workspace_id: str, search: str) -> sa.ColumnElement[bool]:
    """Entries of the phone that ``search`` is, if it is one. They keep all their spellings, an erased one's as pseudonyms."""
    region = await uow.session.scalar(sa.select(WorkspaceRow.default_region).where(WorkspaceRow.id == workspace_id))
    phone = normalise(search, region or "").e164
    if phone is None:
        return sa.false()
    stored = [phone, *uow.pseudonyms.all_of(phone)]
    return DoNotMessageRow.id.in_(
        sa.select(DoNotMessageSpellingRow.entry_id).where(DoNotMessageSpellingRow.spelling.in_(stored))
    )


def _found(workspace_id: str, pattern: str) -> sa.ColumnElement[bool]:
    def like(column: Any) -> sa.ColumnElement[bool]:
        found: sa.ColumnElement[bool] = column.like(pattern, escape=ESCAPE)
        return found

    def named(guest: type[PersonRow | GuestUnitRow], phone: Any) -> sa.ColumnElement[bool]:
        return DoNotMessageRow.id.in_(
            sa.select(DoNotMessageSpellingRow.entry_id)
            .join(guest, phone == DoNotMessageSpellingRow.spelling)
            .where(guest.workspace_id == workspace_id, like(guest.name_key))
        )

    return sa.or_(
        # As it is shown: a part of a number may well stand in a hash.
        like(sa.case((DoNotMessageRow.phone.startswith(LEAD), LEAD), else_=DoNotMessageRow.phone)),
        named(PersonRow, PersonRow.phone),
        named(GuestUnitRow, GuestUnitRow.delivery_phone),
    )
