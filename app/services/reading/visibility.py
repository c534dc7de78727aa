"""Who sees which row, as conditions: tenancy is part of the statement that reads, never a check before or after it."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from app.db.tables import (
    AuditRow,
    Base,
    DoNotMessageRow,
    DoNotMessageSpellingRow,
    EventRow,
    GuestImportRow,
    GuestUnitRow,
    MemberRow,
    MessageRow,
    PersonRow,
    SendRunRow,
    TemplateRow,
    WorkspaceRow,
)
from app.domain import ids
from app.domain.enums import DoNotMessageSource, Permission, Role
from app.domain.roles import GOVERNANCE_ACTIONS, GRANTS
from app.services.access import visible_workspaces, workspaces_of
from app.services.base import Actor

Condition = Callable[[Actor], sa.ColumnElement[bool]]


def visible(actor: Actor) -> sa.Select[Any]:
    """``visible_workspaces`` for use inside any statement, also one that itself reads members."""
    return visible_workspaces(actor).correlate(None)


VISIBLE = workspaces_of(sa.bindparam("subject", type_=MemberRow.subject.type)).correlate(None)
"""``visible`` in prepared statements, which are given the actor's subject as ``subject``."""


def allowed(actor: Actor, permission: Permission) -> sa.Select[Any]:
    """The workspaces in which the actor has a permission that roles alone decide (not one of the send policy)."""
    roles = [role for role in Role if permission in GRANTS[role]]
    return visible(actor).where(MemberRow.role.in_(roles))


def audit_seen(actor: Actor) -> sa.ColumnElement[bool]:
    """Routine entries for every member, governance with the permission; entries without a workspace for nobody."""
    return sa.and_(
        AuditRow.workspace_id.in_(visible(actor)),
        sa.or_(
            AuditRow.action.not_in(sorted(GOVERNANCE_ACTIONS)),
            AuditRow.workspace_id.in_(allowed(actor, Permission.AUDIT_GOVERNANCE)),
        ),
    )


def blocks_seen(actor: Actor, workspace_id: str | None = None) -> sa.ColumnElement[bool]:
    """Entries of the workspace (None: of all that the actor sees), and those of its number that match a guest of it."""
    workspaces = visible(actor)
    if workspace_id is not None:
        workspaces = workspaces.where(MemberRow.workspace_id == workspace_id)
    return sa.or_(DoNotMessageRow.workspace_id.in_(workspaces), _matches_guest(workspaces))


def blocks_proven(actor: Actor) -> sa.ColumnElement[bool]:
    """Entries whose evidence the actor may read: the workspace's own with nothing more than their sight; Meta's with
    RECEIPT_READ where they match a guest, those of code 131050 only where also the message is of such a workspace.
    """
    receipts = allowed(actor, Permission.RECEIPT_READ)
    # For each entry its one message: as "one of all my messages" PostgreSQL would read them all first.
    about_own = sa.exists().where(
        MessageRow.id == DoNotMessageRow.message_id, MessageRow.workspace_id.in_(receipts.correlate(None))
    )
    tellable = sa.or_(DoNotMessageRow.source != DoNotMessageSource.META_CODE_131050, about_own)
    return sa.or_(DoNotMessageRow.workspace_id.in_(visible(actor)), sa.and_(_matches_guest(receipts), tellable))


def _matches_guest(workspaces: sa.Select[Any]) -> sa.ColumnElement[bool]:
    """Entries of a number that match a guest of one of its workspaces.

    Without the match a family would read who of other families has stopped messages.
    """

    # Starts from the guests, who are few, and not from the entries of a number that serves many families.
    def matches(guest: type[PersonRow | GuestUnitRow], phone: Any) -> sa.ColumnElement[bool]:
        return sa.tuple_(DoNotMessageRow.id, DoNotMessageRow.number_id).in_(
            sa.select(DoNotMessageSpellingRow.entry_id, WorkspaceRow.number_id)
            .join(guest, phone == DoNotMessageSpellingRow.spelling)
            .join(WorkspaceRow, WorkspaceRow.id == guest.workspace_id)
            .where(guest.workspace_id.in_(workspaces))
        )

    return sa.or_(matches(PersonRow, PersonRow.phone), matches(GuestUnitRow, GuestUnitRow.delivery_phone))


def template_seen(actor: Actor) -> sa.ColumnElement[bool]:
    """Templates of the workspace's number, and those that its runs were sent with, should the number have changed."""
    numbers = sa.select(WorkspaceRow.number_id).where(WorkspaceRow.id.in_(visible(actor)))
    used = sa.select(SendRunRow.template_id).where(SendRunRow.workspace_id.in_(visible(actor)))
    return sa.or_(TemplateRow.number_id.in_(numbers.correlate(None)), TemplateRow.id.in_(used.correlate(None)))


def _in_workspace(column: Any) -> Condition:
    return lambda actor: column.in_(visible(actor))


SEEN: dict[type[Base], tuple[str, Condition]] = {
    WorkspaceRow: (ids.WORKSPACE, _in_workspace(WorkspaceRow.id)),
    MemberRow: (ids.MEMBER, _in_workspace(MemberRow.workspace_id)),
    EventRow: (ids.EVENT, _in_workspace(EventRow.workspace_id)),
    GuestUnitRow: (ids.GUEST_UNIT, _in_workspace(GuestUnitRow.workspace_id)),
    PersonRow: (ids.PERSON, _in_workspace(PersonRow.workspace_id)),
    GuestImportRow: (ids.GUEST_IMPORT, _in_workspace(GuestImportRow.workspace_id)),
    TemplateRow: (ids.TEMPLATE, template_seen),
    SendRunRow: (ids.SEND_RUN, _in_workspace(SendRunRow.workspace_id)),
    MessageRow: (ids.MESSAGE, _in_workspace(MessageRow.workspace_id)),
    DoNotMessageRow: (ids.DO_NOT_MESSAGE, blocks_seen),
    AuditRow: (ids.AUDIT, audit_seen),
}
"""Everything that has a public face of its own: the prefix of its ids, and who sees it."""
