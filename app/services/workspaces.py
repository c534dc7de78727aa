"""Workspaces, their members and who may send."""

from functools import cache
from typing import Any
from zoneinfo import available_timezones

import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.tables import MemberRow, WorkspaceRow
from app.domain import ids
from app.domain.enums import AuditAction, Permission, Role
from app.domain.errors import BadInputError, ConflictError, TooLargeError
from app.domain.patch import UNSET, UnsetType
from app.domain.phone import is_region
from app.domain.roles import DEFAULT_ROLES_THAT_SEND, MANAGES
from app.domain.text import MAX_SUBJECT
from app.services import audit, inputs
from app.services.access import Access, forbidden
from app.services.base import Actor, UseCases, utc_now
from app.services.tenancy import require_alone

MAX_NAME = 200
MAX_NOTE = 500
MAX_MEMBERS = 100
"""Of one wedding, those that have left too: they are read as a list that has no pages."""


class Workspaces(UseCases):
    """``number_id`` is the number that new workspaces send from; None where none is configured."""

    def __init__(self, db: Database, number_id: str | None) -> None:
        super().__init__(db)
        self._number_id = number_id

    async def create_workspace(self, actor: Actor, *, name: str, default_region: str, timezone: str) -> WorkspaceRow:
        """Anybody who is signed in may; the caller becomes its OWNER."""
        name = inputs.line(name, "name", limit=MAX_NAME)
        if not is_region(default_region):
            raise BadInputError("Give the two capital letters of a country, such as IN.", field="defaultRegion")
        _check_timezone(timezone)

        async def create(uow: UnitOfWork) -> WorkspaceRow:
            now = utc_now()
            workspace = WorkspaceRow(
                id=ids.new_id(ids.WORKSPACE),
                name=name,
                default_region=default_region,
                timezone=timezone,
                number_id=self._number_id,
                roles_that_send=_ordered(DEFAULT_ROLES_THAT_SEND),
                created_at=now,
            )
            uow.session.add(workspace)
            await uow.session.flush()
            owner = MemberRow(
                id=ids.new_id(ids.MEMBER),
                workspace_id=workspace.id,
                subject=actor.subject,
                display_name=actor.display_name,
                role=Role.OWNER,
                created_at=now,
            )
            uow.session.add(owner)
            audit.record(
                uow, AuditAction.ROLE_CHANGE, "Created the workspace and became its OWNER", workspace_id=workspace.id,
                actor=actor, member=owner, after=_shown(owner, active=True), target_id=owner.id,
            )  # fmt: skip
            await uow.session.flush()
            return workspace

        return await self._write(create)

    async def set_member(
        self,
        actor: Actor,
        *,
        workspace_id: str,
        subject: str,
        role: Role,
        active: bool = True,
        display_name: str | UnsetType | None = UNSET,
        note: str | None = None,
    ) -> MemberRow:
        """Add a member, or change one. The last active OWNER stays: ConflictError."""
        subject = inputs.identifier(subject, "subject", limit=MAX_SUBJECT)
        name = inputs.not_null(display_name, "displayName")
        if name is not UNSET:
            name = inputs.line(name, "displayName", limit=MAX_NAME)
        note = inputs.paragraph(note, "note", limit=MAX_NOTE) if note else None

        async def change(uow: UnitOfWork) -> MemberRow:
            doing = "change a member"
            access = await require_alone(uow, actor, workspace_id, Permission.MEMBER_MANAGE, doing=doing)
            member = await _member(uow, workspace_id, subject)
            touched = {role, member.role} if member else {role}
            if not touched <= MANAGES[access.member.role]:
                raise forbidden(access, doing=doing, target_id=member.id if member else workspace_id)
            before = _shown(member, active=member.active) if member else None
            if member is None:
                await _require_room(uow, workspace_id)
                member = MemberRow(
                    id=ids.new_id(ids.MEMBER),
                    workspace_id=workspace_id,
                    subject=subject,
                    display_name=subject[:MAX_NAME] if name is UNSET else name,
                    role=role,
                    active=active,
                    created_at=utc_now(),
                )
                uow.session.add(member)
            else:
                if not (role is Role.OWNER and active):
                    await _keep_an_owner(uow, member)
                member.role, member.active = role, active
                if name is not UNSET:
                    member.display_name = name
            after = _shown(member, active=active)
            if before != after:
                _record_member(uow, access, member, before, after, note)
            await uow.session.flush()
            return member

        return await self._write(change)

    async def set_send_policy(
        self, actor: Actor, *, workspace_id: str, roles_that_send: list[Role], require_consent: bool
    ) -> WorkspaceRow:
        """Which roles send invites, and whether guests without consent are left out."""
        if Role.OWNER not in roles_that_send:
            raise BadInputError("OWNER always sends: add it to the roles.", field="rolesThatSend")
        roles = _ordered(roles_that_send)

        async def change(uow: UnitOfWork) -> WorkspaceRow:
            access = await require_alone(
                uow, actor, workspace_id, Permission.SEND_POLICY, doing="change who may send invites"
            )
            workspace = access.workspace
            before = _policy(workspace)
            workspace.roles_that_send, workspace.require_consent = roles, require_consent
            if (after := _policy(workspace)) != before:
                audit.record(
                    uow, AuditAction.SEND_POLICY_CHANGE, "Changed who may send invites", workspace_id=workspace.id,
                    actor=actor, member=access.member, before=before, after=after, target_id=workspace.id,
                )  # fmt: skip
            await uow.session.flush()
            return workspace

        return await self._write(change)


def _check_timezone(name: str) -> None:
    if name not in _timezones():
        raise BadInputError("Give an IANA time zone, such as Asia/Kolkata.", field="timezone")


@cache
def _timezones() -> frozenset[str]:
    """The names of IANA's zones; ``ZoneInfo`` itself opens whatever else lies beside them (posix/…, right/…)."""
    # No places: the one says "not set", the other is wherever this machine stands.
    return frozenset(available_timezones() - {"Factory", "localtime"})


def _ordered(roles: frozenset[Role] | list[Role]) -> list[str]:
    """Each role once, in the order of the vocabulary, so that equal policies are equal rows."""
    return [role.value for role in Role if role in roles]


async def _require_room(uow: UnitOfWork, workspace_id: str) -> None:
    members = sa.select(sa.func.count()).where(MemberRow.workspace_id == workspace_id)
    if (await uow.session.execute(members)).scalar_one() >= MAX_MEMBERS:
        raise TooLargeError(f"A wedding has at most {MAX_MEMBERS} members, those that have left too.")


async def _member(uow: UnitOfWork, workspace_id: str, subject: str) -> MemberRow | None:
    found: MemberRow | None = (
        await uow.session.execute(
            sa.select(MemberRow).where(MemberRow.workspace_id == workspace_id, MemberRow.subject == subject)
        )
    ).scalar_one_or_none()
    return found


async def _keep_an_owner(uow: UnitOfWork, member: MemberRow) -> None:
    """Refuse to take away the last active OWNER; the caller holds the workspace, so nobody else does it meanwhile."""
    if not (member.role is Role.OWNER and member.active):
        return
    others = await uow.session.scalar(
        sa.select(sa.func.count()).where(
            MemberRow.workspace_id == member.workspace_id,
            MemberRow.role == Role.OWNER,
            MemberRow.active,
            MemberRow.id != member.id,
        )
    )
    if not others:
        raise ConflictError("A workspace keeps at least one active OWNER. Make somebody else OWNER first.")


def _record_member(
    uow: UnitOfWork, access: Access, member: MemberRow, before: Any, after: dict[str, Any], note: str | None
) -> None:
    text = f"{'Changed' if before else 'Added'} member {member.display_name}"
    audit.record(
        uow, AuditAction.ROLE_CHANGE, f"{text}: {note}" if note else text, workspace_id=member.workspace_id,
        actor=access.actor, member=access.member, before=before, after=after, target_id=member.id,
    )  # fmt: skip


def _shown(member: MemberRow, *, active: bool) -> dict[str, Any]:
    return {
        "subject": member.subject,
        "displayName": member.display_name,
        "role": member.role.value,
        "active": active,
    }


def _policy(workspace: WorkspaceRow) -> dict[str, Any]:
    return {"rolesThatSend": workspace.roles_that_send, "requireConsent": workspace.require_consent}
