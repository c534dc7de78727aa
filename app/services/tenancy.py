"""Whose row is it, and holding a workspace still while one of its lists changes.

The workspace's row is the lock of everything that must be consistent over several rows of a workspace: the last owner,
the order of events, one person per phone. It comes after the number's advisory lock and before the event's row.
"""

from typing import Any

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import WorkspaceRow
from app.domain import ids
from app.domain.enums import Permission
from app.services.access import Access, require, visible_workspaces
from app.services.base import Actor


async def workspace_of(uow: UnitOfWork, actor: Actor, kind: type[Any], prefix: str, row_id: str) -> str | None:
    """The workspace of a row; None for ids of nothing and of other people's workspaces, as in ``access.find``.

    Reads the column alone: a row loaded before a lock was waited for would stay as it was before the wait.
    """
    if not ids.is_id(prefix, row_id):
        return None
    query = sa.select(kind.workspace_id).where(
        kind.id == row_id, kind.workspace_id.in_(visible_workspaces(actor).correlate(None))
    )
    found: str | None = (await uow.session.execute(query)).scalar()
    return found


async def require_alone(
    uow: UnitOfWork,
    actor: Actor,
    workspace_id: str | None,
    permission: Permission,
    *,
    doing: str,
    target_id: str | None = None,
) -> Access:
    """``access.require`` with the workspace's row locked until the end of the transaction.

    The lock comes first, so that the actor's rights are those after whatever was waited for. FOR NO KEY UPDATE lets
    messages and runs go on referring to the workspace. Strangers lock nothing.
    """
    if workspace_id is not None and ids.is_id(ids.WORKSPACE, workspace_id):
        await uow.session.execute(
            sa.select(WorkspaceRow.id)
            .where(WorkspaceRow.id == workspace_id, WorkspaceRow.id.in_(visible_workspaces(actor)))
            .with_for_update(key_share=True)
        )
    return await require(uow, actor, workspace_id, permission, doing=doing, target_id=target_id)
