"""The audit trail. Every member sees what is routine; governance needs its permission."""

from dataclasses import astuple, dataclass
from datetime import datetime

import sqlalchemy as sa

from app.db.keyset import Keyset, Page, page
from app.db.tables import AuditRow
from app.domain import ids
from app.domain.enums import AuditAction
from app.services.base import Actor
from app.services.reading.base import Reading, empty, first_column
from app.services.reading.visibility import audit_seen

_ENTRIES = Keyset("audit", (AuditRow.id,), descending=True)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """All that is given holds together; empty or None is no filter."""

    actions: tuple[AuditAction, ...] = ()
    actor_id: str | None = None
    """A member's id."""
    target_id: str | None = None
    after: datetime | None = None
    """Later than."""
    before: datetime | None = None
    """Earlier than."""


class TrailReading(Reading):
    async def audit(
        self, actor: Actor, workspace_id: str, where: AuditFilter, *, first: int, after: str | None = None
    ) -> Page[AuditRow]:
        """Newest first."""
        window = _ENTRIES.window(first, after, workspace_id, astuple(where))
        actor_known = where.actor_id is None or ids.is_id(ids.MEMBER, where.actor_id)
        target_known = where.target_id is None or ids.prefix_of(where.target_id) is not None
        if not (ids.is_id(ids.WORKSPACE, workspace_id) and actor_known and target_known):
            return empty()
        query = sa.select(AuditRow).where(AuditRow.workspace_id == workspace_id, audit_seen(actor))
        if where.actions:
            query = query.where(AuditRow.action.in_(where.actions))
        if where.actor_id is not None:
            query = query.where(AuditRow.actor_id == where.actor_id)
        if where.target_id is not None:
            query = query.where(AuditRow.target_id == where.target_id)
        if where.after is not None:
            query = query.where(AuditRow.at > where.after)
        if where.before is not None:
            query = query.where(AuditRow.at < where.before)
        return await self._read(lambda uow: page(uow, query, window, first_column))

    async def run_audit(self, actor: Actor, run_id: str, *, first: int, after: str | None = None) -> Page[AuditRow]:
        """Newest first: what was done to one run."""
        window = _ENTRIES.window(first, after, run_id)
        if not ids.is_id(ids.SEND_RUN, run_id):
            return empty()
        query = sa.select(AuditRow).where(AuditRow.run_id == run_id, audit_seen(actor))
        return await self._read(lambda uow: page(uow, query, window, first_column))
