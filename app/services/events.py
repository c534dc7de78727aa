"""The celebrations of a wedding, in the workspace's own order."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import EventRow, RunCountersRow, SendRunRow, is_state
from app.domain import ids
from app.domain.enums import AuditAction, EventStatus, EventVisibility, Permission, SendRunStatus
from app.domain.errors import BadInputError, ConflictError, TooLargeError
from app.domain.patch import UNSET, UnsetType
from app.services import audit, inputs
from app.services.access import Access, find, forbidden, not_found, require
from app.services.base import Actor, UseCases, utc_now
from app.services.tenancy import require_alone, workspace_of

MAX_TITLE = 200
MAX_VENUE = 300
MAX_EVENTS = 100
"""Of one wedding, archived ones too: they are read as a list that has no pages."""

NEXT_STATUSES: dict[EventStatus, frozenset[EventStatus]] = {
    EventStatus.DRAFT: frozenset({EventStatus.PUBLISHED, EventStatus.ARCHIVED}),
    EventStatus.PUBLISHED: frozenset({EventStatus.DRAFT, EventStatus.ARCHIVED}),
    EventStatus.ARCHIVED: frozenset({EventStatus.DRAFT}),
}
"""An archived event is looked at again as a draft before it can be sent for."""


class Events(UseCases):
    async def create_event(
        self, actor: Actor, *, workspace_id: str, title: str, starts_at: datetime, venue: str | None
    ) -> EventRow:
        """A new event comes last, as an invite-only draft: nothing is seen or sent by accident."""
        title = inputs.line(title, "title", limit=MAX_TITLE)
        venue = _venue(venue)
        starts_at = _moment(starts_at)

        async def create(uow: UnitOfWork) -> EventRow:
            access = await require_alone(uow, actor, workspace_id, Permission.EVENT_EDIT, doing="create an event")
            count = await _count(uow, workspace_id)
            if count >= MAX_EVENTS:
                raise TooLargeError(f"A wedding has at most {MAX_EVENTS} events. Change one that you no longer need.")
            now = utc_now()
            event = EventRow(
                id=ids.new_id(ids.EVENT),
                workspace_id=workspace_id,
                title=title,
                starts_at=starts_at,
                venue=venue,
                status=EventStatus.DRAFT,
                visibility=EventVisibility.INVITE_ONLY,
                position=count + 1,
                created_at=now,
                updated_at=now,
            )
            uow.session.add(event)
            after = {name: show(event) for name, show in _SHOWN.items()}
            _record(uow, AuditAction.EVENT_EDIT, f"Created event “{title}”", access, event, None, after)
            await uow.session.flush()
            return event

        return await self._write(create)

    async def update_event(
        self,
        actor: Actor,
        *,
        id: str,  # noqa: A002 - the public name of the argument
        title: str | UnsetType | None = UNSET,
        starts_at: datetime | UnsetType | None = UNSET,
        venue: str | UnsetType | None = UNSET,
        status: EventStatus | UnsetType | None = UNSET,
        visibility: EventVisibility | UnsetType | None = UNSET,
        position: int | UnsetType | None = UNSET,
    ) -> EventRow:
        """Change what is given. Who may not change the visibility may still send it as it is."""
        if (title := inputs.not_null(title, "title")) is not UNSET:
            title = inputs.line(title, "title", limit=MAX_TITLE)
        if (starts_at := inputs.not_null(starts_at, "startsAt")) is not UNSET:
            starts_at = _moment(starts_at)
        if venue is not UNSET:
            venue = _venue(venue)
        status = inputs.not_null(status, "status")
        visibility = inputs.not_null(visibility, "visibility")
        place = inputs.not_null(position, "position")
        given = inputs.changes(title=title, starts_at=starts_at, venue=venue, status=status, visibility=visibility)

        async def change(uow: UnitOfWork) -> EventRow:
            doing = "edit an event"
            workspace_id = await workspace_of(uow, actor, EventRow, ids.EVENT, id)
            # The order is a matter of all events, hence of the workspace, whose lock comes before the event's.
            enter = require if place is UNSET else require_alone
            access = await enter(uow, actor, workspace_id, Permission.EVENT_EDIT, doing=doing, target_id=id)
            event = await find(uow, actor, EventRow, ids.EVENT, id, lock=True)
            if event is None:
                raise not_found(actor, doing=doing, target_id=id)
            if visibility not in {UNSET, event.visibility} and not access.allows(Permission.EVENT_VISIBILITY):
                raise forbidden(access, doing="change who may see an event", target_id=id)
            if isinstance(status, EventStatus):
                await _check_status(uow, event, status)
            before = {name: show(event) for name, show in _SHOWN.items()}
            for name, value in given.items():
                setattr(event, name, value)
            if place is not UNSET:
                await _move(uow, event, place)
            _record_changes(uow, access, event, before)
            await uow.session.flush()
            return event

        return await self._write(change)


async def _check_status(uow: UnitOfWork, event: EventRow, status: EventStatus) -> None:
    """Raises ConflictError for a step that is none, and while a run of the event is not finished: guests would go on being
    invited to what is no longer on. The event's lock keeps new runs away; a run that waits to be resumed counts too, as
    nothing would look at the event again.
    """
    if status is event.status:
        return
    if status not in NEXT_STATUSES[event.status]:
        raise ConflictError(f"An event that is {event.status} cannot become {status}. Set it to DRAFT first.")
    if event.status is not EventStatus.PUBLISHED:
        return
    unfinished = (
        sa.select(sa.func.count())
        .select_from(SendRunRow)
        .join(RunCountersRow, RunCountersRow.run_id == SendRunRow.id)
        .where(
            SendRunRow.event_id == event.id,
            ~is_state(SendRunRow.status, SendRunStatus.CANCELLED),
            RunCountersRow.completed_at.is_(None),
        )
    )
    count = (await uow.session.execute(unfinished)).scalar_one()
    if count:
        runs = "A send run of this event is" if count == 1 else f"{count} send runs of this event are"
        raise ConflictError(
            f"{runs} not finished. Cancel what has not been sent yet, or let it finish first.", field="status"
        )


async def _count(uow: UnitOfWork, workspace_id: str) -> int:
    counted = sa.select(sa.func.count()).where(EventRow.workspace_id == workspace_id)
    return (await uow.session.execute(counted)).scalar_one()


async def _move(uow: UnitOfWork, event: EventRow, position: int) -> None:
    """Give ``event`` its new place; those between the old and the new one move up or down by one."""
    last = await _count(uow, event.workspace_id)
    if not 1 <= position <= last:
        raise BadInputError(f"Give a place from 1 to {last}.", field="position")
    old = event.position
    step, between = (1, (position, old - 1)) if position < old else (-1, (old + 1, position))
    await uow.session.execute(
        sa.update(EventRow)
        .where(EventRow.workspace_id == event.workspace_id, EventRow.position.between(*between))
        .values(position=EventRow.position + step)
        .execution_options(synchronize_session=False)
    )
    event.position = position


def _record_changes(uow: UnitOfWork, access: Access, event: EventRow, before: dict[str, Any]) -> None:
    """One entry for the visibility, one for all else; none for what is as it was."""
    changed = {name for name, show in _SHOWN.items() if show(event) != before[name]}
    if changed:
        event.updated_at = utc_now()
    for action, text, names in (
        (AuditAction.EVENT_VISIBILITY_CHANGE, f"Changed who may see event “{event.title}”", changed & {"visibility"}),
        (AuditAction.EVENT_EDIT, f"Edited event “{event.title}”", changed - {"visibility"}),
    ):
        if names:
            after = {name: _SHOWN[name](event) for name in sorted(names)}
            _record(uow, action, text, access, event, {name: before[name] for name in after}, after)


def _record(
    uow: UnitOfWork, action: AuditAction, text: str, access: Access, event: EventRow, before: Any, after: Any
) -> None:
    audit.record(
        uow, action, text, workspace_id=event.workspace_id, actor=access.actor, member=access.member,
        before=before, after=after, target_id=event.id,
    )  # fmt: skip


_SHOWN: dict[str, Callable[[EventRow], Any]] = {
    "title": lambda event: event.title,
    "startsAt": lambda event: event.starts_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    "venue": lambda event: event.venue,
    "status": lambda event: event.status.value,
    "visibility": lambda event: event.visibility.value,
    "position": lambda event: event.position,
}
"""What the audit shows of an event, by the public names."""


def _venue(text: str | None) -> str | None:
    """None also for a venue of nothing but spaces."""
    return inputs.line(text, "venue", limit=MAX_VENUE) if text and text.strip() else None


def _moment(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise BadInputError("Give the time with its offset, such as 2026-12-01T19:00:00+05:30.", field="startsAt")
    if not 2000 <= moment.year < 2200:  # also: a guest reads it in another zone, and the calendar ends at year 9999
        raise BadInputError("Give the time of a wedding: the year must be from 2000 to 2199.", field="startsAt")
    return moment.astimezone(UTC)
