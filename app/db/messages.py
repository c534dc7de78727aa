"""Invite messages as the lifecycle sees them: lock by id, change in Python with the one reducer, write back in one statement.

``Standing`` is the part of a row that a transition or a fact can change. Every path that moves a message (claim, outcome,
webhook, sweep, block) goes through ``lock`` and ``Changes``, so the counters cannot be forgotten.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, cast

import sqlalchemy as sa

from app.db.bulk import updating
from app.db.counters import CounterMoves, Place
from app.db.engine import UnitOfWork
from app.db.prepared import Prepared
from app.db.tables import MessageRow, is_state
from app.domain.enums import MessageState, RejectionReason
from app.domain.lifecycle import DISPATCH, NOTHING_KNOWN, Dispatch, Failure, Progress, join, settle

M = MessageRow


class Standing(NamedTuple):
    """Where one message stands. A change makes a new one, so that old and new can be counted.

    A tuple, as everything that is made for each status: a frozen data class takes three times as long to make.
    """

    id: str
    run_id: str
    state: MessageState
    state_since: datetime
    rejection_reason: RejectionReason | None
    rejected_at: datetime | None
    cancelled_at: datetime | None
    retry_count: int
    attempt_count: int
    not_before: datetime
    claim_id: str | None
    lease_until: datetime | None
    provider_message_id: str | None
    second_message_id: str | None
    held: bool
    progress: Progress
    phone: str | None
    number_id: str
    erased: bool = False
    """Whom it was for is not known any more; Meta's ids are pseudonyms."""

    def told(self, progress: Progress, at: datetime) -> "Standing":
        """After facts: they join into any state; a claim or lease ends with the first of them."""
        if progress == NOTHING_KNOWN:
            return self
        joined = join(self.progress, progress)
        state = settle(self.state, joined)
        return self._replace(
            progress=joined,
            state=state,
            state_since=self.state_since if state is self.state else at,
            claim_id=None,
            lease_until=None,
            held=self.held and state is MessageState.ACCEPTED,
        )

    def bound_to(self, provider_message_id: str) -> "Standing":
        """With Meta's id. A second one for the same message must never be: it is kept for the alarm, the first one stays."""
        if self.provider_message_id is None:
            return self._replace(provider_message_id=provider_message_id)
        if self.provider_message_id != provider_message_id:
            return self._replace(second_message_id=provider_message_id)
        return self

    def dispatched(self, event: Dispatch, at: datetime, **changes: Any) -> "Standing":
        """After one of our own transitions. Raises KeyError for one that the table does not have."""
        return self._replace(state=DISPATCH[self.state, event], state_since=at, **changes)

    def holds(self, claim_id: str) -> bool:
        """The fence: true while this claim still owns the message."""
        return self.state is MessageState.SENDING and self.claim_id == claim_id

    @property
    def place(self) -> Place:
        """What this message adds to its run's counters."""
        accepted_at, sent_at, delivered_at, read_at, failure = self.progress
        read = read_at is not None
        delivered = read or delivered_at is not None
        return Place(
            self.state,
            self.rejection_reason,
            failure.code if failure else None,
            accepted=self.provider_message_id is not None or accepted_at is not None,
            sent=delivered or sent_at is not None,
            delivered=delivered,
            read=read,
        )


STANDING_COLUMNS = (
    M.id, M.run_id, M.state, M.state_since, M.rejection_reason, M.rejected_at, M.cancelled_at, M.retry_count,
    M.attempt_count, M.not_before, M.claim_id, M.lease_until, M.provider_message_id, M.second_message_id, M.held,
    M.accepted_at, M.sent_at, M.delivered_at, M.read_at, M.failed_at, M.failure_code, M.failure_digest,
    M.failure_title, M.failure_details, M.phone, M.number_id, M.erased_at,
)  # fmt: skip


def standing_of(row: Sequence[Any]) -> Standing:
    """From a row that begins with ``STANDING_COLUMNS``."""
    accepted_at, sent_at, delivered_at, read_at, failed_at, code, digest, title, details = row[15:24]
    phone, number_id, erased_at = row[24:27]
    failure = None if failed_at is None else Failure(failed_at, code, digest, title or "", details)
    progress = Progress(accepted_at, sent_at, delivered_at, read_at, failure)
    return Standing._make((*row[:15], progress, phone, number_id, erased_at is not None))


async def read(uow: UnitOfWork, message_ids: Collection[str]) -> dict[str, Standing]:
    """The messages as they stand, not locked; those that do not exist are left out."""
    if not message_ids:
        return {}
    return {row[0]: standing_of(row) for row in await _READ(uow, [(message_id,) for message_id in message_ids])}


async def lock(uow: UnitOfWork, message_ids: Collection[str]) -> dict[str, Standing]:
    """The messages, locked in the order of their ids (the lock order); those that do not exist are left out."""
    if not message_ids:
        return {}
    return {row[0]: standing_of(row) for row in await _LOCK(uow, [(message_id,) for message_id in sorted(message_ids)])}


def _named(wanted: sa.FromClause) -> sa.Select[*tuple[Any, ...]]:
    return sa.select(*STANDING_COLUMNS).join(wanted, wanted.c.id == M.id)


_READ = Prepared({"id": M.id.type}, lambda wanted, _: _named(wanted))
_LOCK = Prepared({"id": M.id.type}, lambda wanted, _: _named(wanted).order_by(M.id).with_for_update(of=M))


async def lock_expired(uow: UnitOfWork, now: datetime, limit: int) -> list[Standing]:
    """Up to ``limit`` messages that are SENDING with a lease that has run out, locked, the longest ago first.

    Those that somebody else has locked are left out: this waits for nobody, and so cannot deadlock.
    """
    expired = sa.and_(is_state(M.state, MessageState.SENDING), M.lease_until < now)
    query = sa.select(*STANDING_COLUMNS).where(expired).order_by(M.lease_until).limit(limit)
    return [standing_of(row) for row in await uow.session.execute(query.with_for_update(of=M, skip_locked=True))]


async def read_page(
    uow: UnitOfWork, run_id: str, after: int, limit: int, *conditions: sa.ColumnElement[bool]
) -> list[tuple[int, Standing]]:
    """A run's messages behind this position, each with its own, in their order; nothing is locked."""
    query = sa.select(*STANDING_COLUMNS, M.position).where(M.run_id == run_id, M.position > after, *conditions)
    found = await uow.session.execute(query.order_by(M.position).limit(limit))
    return [(row.position, standing_of(row)) for row in found]


async def bound(uow: UnitOfWork, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Which message has which of Meta's ids, by (number, Meta's id). An erased message has it as a pseudonym."""
    if not pairs:
        return {}
    found = {(number, wamid): owner for number, wamid, owner in await _BOUND(uow, sorted(set(pairs)))}
    stored = {
        (number, key): (number, wamid)
        for number, wamid in pairs
        if (number, wamid) not in found
        for key in uow.pseudonyms.keys_of(wamid)
        if key != wamid
    }
    if stored:
        erased = await _BOUND(uow, sorted(stored))
        found |= {stored[number, key]: owner for number, key, owner in erased}
    return found


_BOUND = Prepared(
    {"number_id": M.number_id.type, "provider_message_id": sa.Text()},
    lambda wanted, _: sa.select(M.number_id, M.provider_message_id, M.id).join(
        wanted, sa.and_(M.number_id == wanted.c.number_id, M.provider_message_id == wanted.c.provider_message_id)
    ),
)


class Addressee(NamedTuple):
    """To whom a message goes, and from which number."""

    number_id: str
    phone: str | None
    erased: bool


async def addressees(uow: UnitOfWork, message_ids: Collection[str]) -> dict[str, Addressee]:
    """Of each of these messages that exists; not locked: an erasure under way is seen by who holds its number's lock."""
    if not message_ids:
        return {}
    wanted = uow.rows({"id": M.id.type}, [(message_id,) for message_id in sorted(message_ids)], "wanted")
    query = sa.select(M.id, M.number_id, M.phone, M.erased_at.is_not(None)).join(wanted, wanted.c.id == M.id)
    return {row[0]: Addressee(*row[1:]) for row in await uow.session.execute(query)}


_WRITTEN = (
    "id", "state", "state_since", "rejection_reason", "rejected_at", "cancelled_at", "retry_count", "attempt_count",
    "not_before", "claim_id", "lease_until", "provider_message_id", "second_message_id", "held", "accepted_at",
    "sent_at", "delivered_at", "read_at", "failed_at", "failure_code", "failure_digest", "failure_title",
    "failure_details", "updated_at",
)  # fmt: skip


@dataclass(slots=True)
class Changes:
    """What a unit of work does to messages: collected, then written with the counters in a fixed number of statements."""

    moves: CounterMoves = field(default_factory=CounterMoves)
    _after: dict[str, Standing] = field(default_factory=dict)

    def put(self, before: Standing, after: Standing) -> None:
        """Remember a change; several to one message in one unit are told one after the other."""
        if before != after:
            self.moves.move(before.run_id, before.place, after.place)
            self._after[after.id] = after

    async def save(self, uow: UnitOfWork, at: datetime) -> None:
        """Write messages, then counters (always last in the lock order)."""
        if self._after:
            rows = [_values(standing, at) for standing in self._after.values()]
            await updating(MessageRow, _WRITTEN)(uow, rows)
        await self.moves.apply(uow, at)


def _values(standing: Standing, at: datetime) -> tuple[Any, ...]:
    known, failure = standing.progress, standing.progress.failure
    return (
        standing.id, standing.state, standing.state_since, standing.rejection_reason, standing.rejected_at,
        standing.cancelled_at, standing.retry_count, standing.attempt_count, standing.not_before, standing.claim_id,
        standing.lease_until, standing.provider_message_id, standing.second_message_id, standing.held,
        known.accepted_at, known.sent_at, known.delivered_at, known.read_at,
        failure and failure.at, failure and failure.code, failure and failure.digest, failure and failure.title,
        failure and failure.details, at,
    )  # fmt: skip


async def cancel_queued(uow: UnitOfWork, run_id: str, at: datetime) -> None:
    """Cancel all that is QUEUED of a run whose row the caller holds; one statement, since all of them stand alike."""
    queued = sa.select(M.id).where(M.run_id == run_id, is_state(M.state, MessageState.QUEUED)).order_by(M.id)
    cancelled = DISPATCH[MessageState.QUEUED, Dispatch.CANCEL]
    done = await uow.session.execute(
        sa.update(M)
        .where(M.id.in_(queued.with_for_update()))
        .values(state=cancelled, state_since=at, cancelled_at=at, updated_at=at)
        .execution_options(synchronize_session=False)
    )
    moves = CounterMoves()
    moves.move(run_id, Place(MessageState.QUEUED), Place(cancelled), cast("sa.CursorResult[Any]", done).rowcount)
    await moves.apply(uow, at)


def reject(changes: Changes, standings: Iterable[Standing], reason: RejectionReason, at: datetime) -> list[Standing]:
    """Policy says no to messages that were queued; returns them as they stand then."""
    rejected = []
    for standing in standings:
        after = standing.dispatched(Dispatch.BLOCK, at, rejection_reason=reason, rejected_at=at)
        changes.put(standing, after)
        rejected.append(after)
    return rejected
