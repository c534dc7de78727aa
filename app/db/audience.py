"""What the audience resolver and the eligibility rules need to know, each in one statement however large the workspace."""

from collections import defaultdict
from datetime import datetime

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import (
    GuestUnitRow,
    GuestUnitTagRow,
    MessageRow,
    MessageSourceRow,
    PersonRow,
    RunCountersRow,
    SendRunRow,
    TagRow,
    is_state,
)
from app.domain.audience import Person, Source, Unit
from app.domain.enums import InviteCoverage, MessageState, SendRunKind, SendRunStatus
from app.domain.lifecycle import LIVE_STATES, coverage_of

M = MessageRow


async def load_units(uow: UnitOfWork, workspace_id: str) -> list[Unit]:
    """Every household that is not archived, with its tags and its people that are not archived."""
    people: defaultdict[str, list[Person]] = defaultdict(list)
    for row in await uow.session.execute(
        sa.select(
            PersonRow.guest_unit_id,
            PersonRow.id,
            PersonRow.name,
            PersonRow.name_key,
            PersonRow.phone,
            PersonRow.phone_status,
            PersonRow.consent_at,
        )
        .where(PersonRow.workspace_id == workspace_id, ~PersonRow.archived, PersonRow.guest_unit_id.is_not(None))
        .order_by(PersonRow.id)
    ):
        people[row.guest_unit_id].append(Person(*row[1:6], consents=row.consent_at is not None))
    tags: defaultdict[str, set[str]] = defaultdict(set)
    for unit_id, key in await uow.session.execute(
        sa.select(GuestUnitTagRow.guest_unit_id, TagRow.key)
        .join(TagRow, TagRow.id == GuestUnitTagRow.tag_id)
        .where(TagRow.workspace_id == workspace_id)
    ):
        tags[unit_id].add(key)
    units = await uow.session.execute(
        sa.select(
            GuestUnitRow.id,
            GuestUnitRow.name,
            GuestUnitRow.name_key,
            GuestUnitRow.side,
            GuestUnitRow.delivery_phone,
            GuestUnitRow.inviteable,
            GuestUnitRow.consent_at,
        ).where(GuestUnitRow.workspace_id == workspace_id, ~GuestUnitRow.archived)
    )
    return [
        Unit(*row[:6], tags=frozenset(tags[row.id]), people=tuple(people[row.id]), consents=row.consent_at is not None)
        for row in units
    ]


async def coverage_by_unit(uow: UnitOfWork, event_id: str) -> dict[str, InviteCoverage]:
    """How the event stands with every household that any invite run of it has touched."""
    states: defaultdict[str, set[MessageState]] = defaultdict(set)
    for unit_id, state in await uow.session.execute(
        sa.select(MessageSourceRow.guest_unit_id, M.state)
        .join(M, M.id == MessageSourceRow.message_id)
        .where(M.event_id == event_id, M.kind == SendRunKind.INVITE)
        .distinct()
    ):
        states[unit_id].add(state)
    return {unit_id: coverage_of(found) for unit_id, found in states.items()}


async def live_invites(uow: UnitOfWork, event_id: str, repeat_of_run: str | None) -> tuple[dict[str, str], set[str]]:
    """The newest live invite to the event by phone, and the phones whose live invite forbids another.

    ``repeat_of_run`` names the run whose UNCONFIRMED messages the operator accepted to repeat: those forbid nothing, nor
    do those of the runs that it retried itself.
    """
    repeated = await _retried_runs(uow, repeat_of_run) if repeat_of_run else set()
    newest: dict[str, str] = {}
    forbidding: set[str] = set()
    query = sa.select(M.phone, M.id, M.run_id, M.state).where(
        M.event_id == event_id,
        is_state(M.kind, SendRunKind.INVITE),
        is_state(M.state, *LIVE_STATES),
        M.phone.is_not(None),
    )
    for phone, message_id, run_id, state in await uow.session.execute(query):
        assert phone is not None
        newest[phone] = max(newest.get(phone, ""), message_id)
        if not (run_id in repeated and state is MessageState.UNCONFIRMED):
            forbidding.add(phone)
    return newest, forbidding


async def _retried_runs(uow: UnitOfWork, run_id: str) -> set[str]:
    """A run and those that it retries, back to the first."""
    chain = sa.select(SendRunRow.id, SendRunRow.retry_of_id).where(SendRunRow.id == run_id).cte("chain", recursive=True)
    earlier = sa.select(SendRunRow.id, SendRunRow.retry_of_id).join(chain, SendRunRow.id == chain.c.retry_of_id)
    return set((await uow.session.execute(sa.select(chain.union(earlier).c.id))).scalars())


async def cooling_phones(uow: UnitOfWork, number_id: str, since: datetime) -> set[str]:
    """Phones for which Meta answered 131049 since then: trying again sooner makes it worse."""
    query = sa.select(M.phone).where(
        M.number_id == number_id, M.failure_code == sa.literal_column("131049"), M.failed_at > since
    )
    return {phone for phone in (await uow.session.execute(query)).scalars() if phone is not None}


async def conversations(uow: UnitOfWork, workspace_id: str, since: datetime) -> set[str]:
    """Phones to which this workspace has written since then, or is writing: Meta counts each as one conversation.

    Of this workspace alone: what others send from the same account is not its business to know.
    """
    under_way = sa.and_(is_state(M.state, MessageState.QUEUED), is_state(SendRunRow.status, SendRunStatus.RUNNING))
    asked = sa.and_(is_state(M.state, MessageState.SENDING, MessageState.UNCONFIRMED), M.state_since > since)
    query = (
        sa.select(M.phone)
        .distinct()
        .join(SendRunRow, SendRunRow.id == M.run_id)
        .join(RunCountersRow, RunCountersRow.run_id == M.run_id)
        .where(
            SendRunRow.workspace_id == workspace_id,
            # Only runs of which something has moved since: the others, however many, are not looked into.
            sa.or_(RunCountersRow.changed_at > since, RunCountersRow.queued > 0),
            sa.or_(M.accepted_at > since, M.sent_at > since, asked, under_way),
            M.phone.is_not(None),
        )
    )
    return {phone for phone in (await uow.session.execute(query)).scalars() if phone is not None}


async def sources_of_run(
    uow: UnitOfWork, run_id: str, states: tuple[MessageState, ...]
) -> dict[Source, tuple[str, str | None]]:
    """The households and people of a run's messages in ``states``, each with its message's id and phone."""
    query = (
        sa.select(MessageSourceRow.guest_unit_id, MessageSourceRow.person_id, M.id, M.phone)
        .join(M, M.id == MessageSourceRow.message_id)
        .where(M.run_id == run_id, M.state.in_(states))
        .order_by(M.position)
    )
    return {
        Source(unit_id, person_id): (message_id, phone)
        for unit_id, person_id, message_id, phone in await uow.session.execute(query)
    }
