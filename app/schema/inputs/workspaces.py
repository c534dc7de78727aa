"""Inputs about workspaces, members and events, and the filter of the audit."""

from datetime import datetime
from typing import Any

import strawberry

from app.domain.enums import AuditAction, EventStatus, EventVisibility, Role
from app.domain.patch import UNSET
from app.schema.described import described
from app.schema.inputs.patch import given
from app.services import reading


@described
@strawberry.input
class CreateWorkspaceInput:
    """A new wedding."""

    name: str
    """As its members call it."""
    default_region: str
    """Region of phones without country code, e.g. IN."""
    timezone: str
    """IANA, e.g. Asia/Kolkata."""


@described
@strawberry.input
class SetMemberInput:
    """A member, new or changed."""

    workspace_id: strawberry.ID
    """Where."""
    subject: str
    """Who it is, as the sign-in knows them: the subject of the token."""
    display_name: str | None = strawberry.UNSET
    """Kept as it was when left out."""
    role: Role
    """What the user shall be here."""
    active: bool = True
    """False: no longer let in."""
    note: str | None = None
    """Why; goes into the audit."""

    @property
    def new_display_name(self) -> Any:
        """Null is as good as left out: a member always has a name."""
        return UNSET if self.display_name is None else given(self.display_name)


@described
@strawberry.input
class SetSendPolicyInput:
    """Who may send, and to whom."""

    workspace_id: strawberry.ID
    """Where."""
    roles_that_send: list[Role]
    """Always contains OWNER."""
    require_consent: bool = False
    """True: only guests whose consent is on record can be invited."""


@described
@strawberry.input
class CreateEventInput:
    """A new event: a draft, at the end of the workspace's order."""

    workspace_id: strawberry.ID
    """Where."""
    title: str
    """As invites call it."""
    starts_at: datetime
    """When it begins."""
    venue: str | None = None
    """Where it is."""


@described
@strawberry.input
class UpdateEventInput:
    """What is to change; left out stays."""

    id: strawberry.ID
    """The event."""
    title: str | None = strawberry.UNSET
    """As invites call it."""
    starts_at: datetime | None = strawberry.UNSET
    """When it begins."""
    venue: str | None = strawberry.UNSET
    """Where it is."""
    status: EventStatus | None = strawberry.UNSET
    """Whether invites can go out."""
    visibility: EventVisibility | None = strawberry.UNSET
    """Who may see it outside this service."""
    position: int | None = strawberry.UNSET
    """1-based place in the workspace's order."""

    def changes(self) -> dict[str, Any]:
        names = ("title", "starts_at", "venue", "status", "visibility", "position")
        return {name: given(getattr(self, name)) for name in names}


@described
@strawberry.input
class AuditFilter:
    """All given filters hold together."""

    actions: list[AuditAction] | None = None
    """Only these."""
    actor_id: strawberry.ID | None = None
    """Only what this member did."""
    target_id: strawberry.ID | None = None
    """Only what was done to this."""
    after: datetime | None = None
    """Only later than this."""
    before: datetime | None = None
    """Only earlier than this."""

    def to_domain(self) -> reading.AuditFilter:
        return reading.AuditFilter(
            actions=tuple(self.actions or ()),
            actor_id=self.actor_id,
            target_id=self.target_id,
            after=self.after,
            before=self.before,
        )
