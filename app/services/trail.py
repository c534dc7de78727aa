"""The audit trail of all workspaces, for whoever runs the service: the command line alone asks here.

It is the only place that shows the entries without a workspace: attempts on what the actor could not even see. Members read
their own trail through the reader.
"""

from typing import Final

import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.tables import AuditRow, WorkspaceRow
from app.domain import ids
from app.domain.enums import AuditAction
from app.domain.errors import NotFoundError

REFUSALS: Final = (AuditAction.ACCESS_REFUSED, AuditAction.INVITE_SEND_REFUSED)


async def newest_entries(db: Database, *, workspace_id: str | None, refused: bool, limit: int) -> list[AuditRow]:
    """Newest first; of one workspace or of all, ``refused`` only what was turned away.

    Raises NotFoundError when there is no such workspace.
    """

    async def unit(uow: UnitOfWork) -> list[AuditRow]:
        query = sa.select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
        if workspace_id is not None:
            if not ids.is_id(ids.WORKSPACE, workspace_id) or await uow.session.get(WorkspaceRow, workspace_id) is None:
                raise NotFoundError
            query = query.where(AuditRow.workspace_id == workspace_id)
        if refused:
            query = query.where(AuditRow.action.in_(REFUSALS))
        return list((await uow.session.execute(query)).scalars())

    return await db.read(unit)
