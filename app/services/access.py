"""Who may see and do what: the one gate that every use case passes.

Two answers only. Somebody who is not an active member of the workspace gets NOT_FOUND, as for an id that does not exist;
a member without the permission gets FORBIDDEN. Both are audited, the first without a workspace, so that nobody there
learns of strangers and no stranger writes into a family's audit.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import MemberRow, WorkspaceRow
from app.domain import ids
from app.domain.enums import AuditAction, Permission, Role
from app.domain.errors import AppError, ForbiddenError, NotFoundError
from app.domain.roles import permissions
from app.services import audit
from app.services.base import Actor

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Access:
    """An actor in one workspace."""

    actor: Actor
    member: MemberRow
    workspace: WorkspaceRow

    @property
    def permissions(self) -> frozenset[Permission]:
        return permissions(self.member.role, [Role(role) for role in self.workspace.roles_that_send])

    def allows(self, permission: Permission) -> bool:
        return permission in self.permissions


def visible_workspaces(actor: Actor) -> sa.Select[str]:
    """The ids of the workspaces that ``actor`` is an active member of, as a subquery: tenancy in the same statement."""
    return workspaces_of(actor.subject)


def workspaces_of(subject: str | sa.BindParameter[str]) -> sa.Select[str]:
    """The same by the actor's subject, which a prepared statement is given later."""
    return sa.select(MemberRow.workspace_id).where(MemberRow.subject == subject, MemberRow.active)


async def enter(uow: UnitOfWork, actor: Actor, workspace_id: str | None) -> Access | None:
    """The actor's standing in a workspace; None for strangers and for ids that are none."""
    if workspace_id is None or not ids.is_id(ids.WORKSPACE, workspace_id):
        return None
    found = (
        await uow.session.execute(
            sa.select(MemberRow, WorkspaceRow)
            .join(WorkspaceRow, WorkspaceRow.id == MemberRow.workspace_id)
            .where(MemberRow.workspace_id == workspace_id, MemberRow.subject == actor.subject, MemberRow.active)
        )
    ).first()
    return Access(actor, found[0], found[1]) if found else None


async def require(
    uow: UnitOfWork,
    actor: Actor,
    workspace_id: str | None,
    permission: Permission | None,
    *,
    doing: str,
    target_id: str | None = None,
    refused_as: AuditAction = AuditAction.ACCESS_REFUSED,
) -> Access:
    """The actor's standing, or a refusal. ``permission`` None asks for membership alone.

    ``doing`` names the act in the audit ("send invites"). Raises NotFoundError for strangers, ForbiddenError for members
    without the permission.
    """
    access = await enter(uow, actor, workspace_id)
    if access is None:
        raise not_found(actor, doing=doing, target_id=target_id or workspace_id)
    if permission is not None and not access.allows(permission):
        raise forbidden(access, doing=doing, target_id=target_id or workspace_id, refused_as=refused_as)
    return access


def forbidden(
    access: Access, *, doing: str, target_id: str | None, refused_as: AuditAction = AuditAction.ACCESS_REFUSED
) -> AppError:
    """A refusal of a member, with its audit entry."""
    return audit.refuse(
        ForbiddenError(),
        refused_as,
        f"Refused: {doing}",
        actor=access.actor,
        workspace_id=access.workspace.id,
        member=access.member,
        target_id=target_id,
    )


def not_found(actor: Actor, *, doing: str, target_id: str | None) -> AppError:
    """The answer to strangers and to unknown ids alike, with an audit entry that no workspace shows."""
    return audit.refuse(
        NotFoundError(),
        AuditAction.ACCESS_REFUSED,
        f"Refused or unknown: {doing}",
        actor=actor,
        workspace_id=None,
        member=None,
        target_id=target_id,
    )


async def find(
    uow: UnitOfWork, actor: Actor, kind: type[R], prefix: str, row_id: str, *, lock: bool = False
) -> R | None:
    """The row with this public id; None for malformed ids, unknown ones and those of other people's workspaces.

    Tenancy is in the statement, so that a foreign id takes the very way of an unknown one, and a stranger locks nothing.
    """
    if not ids.is_id(prefix, row_id):
        return None
    columns: Any = sa.inspect(kind).all_orm_descriptors
    query: sa.Select[Any] = sa.select(kind).where(
        columns["id"] == row_id, columns["workspace_id"].in_(visible_workspaces(actor))
    )
    if lock:
        # A row that this session has read before must be read again: what it was before the wait is not what it is.
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    found: R | None = (await uow.session.execute(query)).scalar_one_or_none()
    return found
