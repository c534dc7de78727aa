"""The Do-Not-Message list as a workspace sees it."""

from typing import Any

import sqlalchemy as sa

from app.db.keyset import Keyset, Page, page
from app.db.tables import DoNotMessageRow, DoNotMessageSpellingRow, GuestUnitRow, PersonRow
from app.domain import ids
from app.domain.search import ESCAPE, needle
from app.services.base import Actor
from app.services.reading.base import Reading, empty, first_column
from app.services.reading.visibility import blocks_seen

_ENTRIES = Keyset("doNotMessage", (DoNotMessageRow.id,), descending=True)


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

        ``search`` is a part of the phone, or of the name of a guest with this phone.
        """
        window = _ENTRIES.window(first, after, workspace_id, search, active)
        if not ids.is_id(ids.WORKSPACE, workspace_id):
            return empty()
        query = sa.select(DoNotMessageRow).where(blocks_seen(actor, workspace_id))
        if active is not None:
            query = query.where(DoNotMessageRow.active == active)
        if (pattern := needle(search)) is not None:
            query = query.where(_found(workspace_id, pattern))
        return await self._read(lambda uow: page(uow, query, window, first_column))


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
        like(DoNotMessageRow.phone),
        named(PersonRow, PersonRow.phone),
        named(GuestUnitRow, GuestUnitRow.delivery_phone),
    )
