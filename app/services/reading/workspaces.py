"""What a workspace consists of: members, events, tags, templates, its number and its imports."""

from collections.abc import Sequence

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.keyset import Keyset, Page, page
from app.db.tables import (
    EventRow,
    GuestImportRow,
    GuestUnitRow,
    GuestUnitTagRow,
    ImportRowRow,
    MemberRow,
    NumberRow,
    TagRow,
    TemplateRow,
    WorkspaceRow,
)
from app.domain import ids
from app.domain.enums import EventStatus, ImportOutcome, Side, TemplateStatus
from app.services.base import Actor
from app.services.reading.base import Reading, empty, first_column, grouped, known, listed
from app.services.reading.visibility import visible

_IMPORTS = Keyset("imports", (GuestImportRow.id,), descending=True)
_IMPORT_ROWS = Keyset("importRows", (ImportRowRow.row,))


class WorkspaceReading(Reading):
    """Batches answer with a dict by workspace id; a workspace with none of what is asked for is left out too.

    An empty list of statuses or outcomes is no filter.
    """

    async def members(self, actor: Actor, workspace_ids: Sequence[str]) -> dict[str, list[MemberRow]]:
        """All members, those who are no longer active too, in order of joining."""
        wanted = known(ids.WORKSPACE, workspace_ids)

        async def unit(uow: UnitOfWork) -> dict[str, list[MemberRow]]:
            query = (
                sa.select(MemberRow.workspace_id, MemberRow)
                .where(listed(uow, MemberRow.workspace_id, wanted), MemberRow.workspace_id.in_(visible(actor)))
                .order_by(MemberRow.id)
            )
            return grouped(await uow.session.execute(query))

        return await self._read(unit)

    async def events(
        self, actor: Actor, workspace_ids: Sequence[str], statuses: Sequence[EventStatus] = ()
    ) -> dict[str, list[EventRow]]:
        """In the workspace's own order."""
        wanted = known(ids.WORKSPACE, workspace_ids)

        async def unit(uow: UnitOfWork) -> dict[str, list[EventRow]]:
            query = (
                sa.select(EventRow.workspace_id, EventRow)
                .where(listed(uow, EventRow.workspace_id, wanted), EventRow.workspace_id.in_(visible(actor)))
                .order_by(EventRow.position, EventRow.id)
            )
            if statuses:
                query = query.where(EventRow.status.in_(statuses))
            return grouped(await uow.session.execute(query))

        return await self._read(unit)

    async def sides(self, actor: Actor, workspace_ids: Sequence[str]) -> dict[str, dict[Side, int]]:
        """Households that are not archived, by side; zeros too."""
        wanted = known(ids.WORKSPACE, workspace_ids)

        async def unit(uow: UnitOfWork) -> dict[str, dict[Side, int]]:
            query = (
                sa.select(WorkspaceRow.id, GuestUnitRow.side, sa.func.count(GuestUnitRow.id))
                .outerjoin(GuestUnitRow, (GuestUnitRow.workspace_id == WorkspaceRow.id) & ~GuestUnitRow.archived)
                .where(listed(uow, WorkspaceRow.id, wanted), WorkspaceRow.id.in_(visible(actor)))
                .group_by(WorkspaceRow.id, GuestUnitRow.side)
            )
            counts: dict[str, dict[Side, int]] = {}
            for workspace_id, side, count in await uow.session.execute(query):
                of_workspace = counts.setdefault(workspace_id, dict.fromkeys(Side, 0))
                if side is not None:
                    of_workspace[side] = count
            return counts

        return await self._read(unit)

    async def tags(self, actor: Actor, workspace_ids: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
        """Names with the number of their households that are not archived, by name; tags of no such household are out."""
        wanted = known(ids.WORKSPACE, workspace_ids)

        async def unit(uow: UnitOfWork) -> dict[str, list[tuple[str, int]]]:
            query = (
                sa.select(TagRow.workspace_id, TagRow.name, sa.func.count())
                .join(GuestUnitTagRow, GuestUnitTagRow.tag_id == TagRow.id)
                .join(GuestUnitRow, (GuestUnitRow.id == GuestUnitTagRow.guest_unit_id) & ~GuestUnitRow.archived)
                .where(listed(uow, TagRow.workspace_id, wanted), TagRow.workspace_id.in_(visible(actor)))
                .group_by(TagRow.id)
                .order_by(TagRow.key)
            )
            found = await uow.session.execute(query)
            return grouped((workspace_id, (name, count)) for workspace_id, name, count in found)

        return await self._read(unit)

    async def templates(
        self, actor: Actor, workspace_ids: Sequence[str], statuses: Sequence[TemplateStatus] = ()
    ) -> dict[str, list[TemplateRow]]:
        """The templates of each workspace's number, by name and language."""
        wanted = known(ids.WORKSPACE, workspace_ids)

        async def unit(uow: UnitOfWork) -> dict[str, list[TemplateRow]]:
            query = (
                sa.select(WorkspaceRow.id, TemplateRow)
                .join(TemplateRow, TemplateRow.number_id == WorkspaceRow.number_id)
                .where(listed(uow, WorkspaceRow.id, wanted), WorkspaceRow.id.in_(visible(actor)))
                .order_by(TemplateRow.name, TemplateRow.language)
            )
            if statuses:
                query = query.where(TemplateRow.status.in_(statuses))
            return grouped(await uow.session.execute(query))

        return await self._read(unit)

    async def numbers(self, actor: Actor, workspace_ids: Sequence[str]) -> dict[str, NumberRow]:
        """The number that each workspace sends from; a workspace without one is left out."""
        wanted = known(ids.WORKSPACE, workspace_ids)

        async def unit(uow: UnitOfWork) -> dict[str, NumberRow]:
            query = (
                sa.select(WorkspaceRow.id, NumberRow)
                .join(NumberRow, NumberRow.id == WorkspaceRow.number_id)
                .where(listed(uow, WorkspaceRow.id, wanted), WorkspaceRow.id.in_(visible(actor)))
            )
            return dict((await uow.session.execute(query)).all())

        return await self._read(unit)

    async def imports(
        self, actor: Actor, workspace_id: str, *, first: int, after: str | None = None
    ) -> Page[GuestImportRow]:
        """Newest first."""
        window = _IMPORTS.window(first, after, workspace_id)
        if not ids.is_id(ids.WORKSPACE, workspace_id):
            return empty()
        query = sa.select(GuestImportRow).where(
            GuestImportRow.workspace_id == workspace_id, GuestImportRow.workspace_id.in_(visible(actor))
        )
        return await self._read(lambda uow: page(uow, query, window, first_column))

    async def import_rows(
        self,
        actor: Actor,
        import_id: str,
        *,
        outcomes: Sequence[ImportOutcome] = (),
        first: int,
        after: str | None = None,
    ) -> Page[ImportRowRow]:
        """In the order of the list."""
        window = _IMPORT_ROWS.window(first, after, import_id, set(outcomes))
        if not ids.is_id(ids.GUEST_IMPORT, import_id):
            return empty()
        query = (
            sa.select(ImportRowRow)
            .join(GuestImportRow, GuestImportRow.id == ImportRowRow.import_id)
            .where(ImportRowRow.import_id == import_id, GuestImportRow.workspace_id.in_(visible(actor)))
        )
        if outcomes:
            query = query.where(ImportRowRow.outcome.in_(outcomes))
        return await self._read(lambda uow: page(uow, query, window, first_column))
