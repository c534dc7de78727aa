"""The life of one invite message, as data and pure functions.

Two mechanisms decide a state, and they never mix:

* **Facts** are what Meta told us. They form a set; ``join`` folds the set into a ``Progress`` by taking minima, so it is
  associative, commutative and idempotent: no order, repetition or batching of facts can change the result. Send answers,
  webhooks, replay and verification all use this one reducer.
* **Dispatch transitions** are what we do ourselves before there is a fact. The table ``DISPATCH`` is complete: a pair that
  is not in it does not happen.

A fact wins over every dispatch state, because it is evidence about the world and not about our intentions.
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from app.domain.enums import InviteCoverage, LifecycleState, MessageState, SendRunStatus


class FactStatus(StrEnum):
    """What Meta can tell about an attempt; Meta's own words, but ``accepted``, which is the answer to the request."""

    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


RANK: dict[MessageState, int] = {
    MessageState.ACCEPTED: 1,
    MessageState.SENT: 2,
    MessageState.FAILED: 3,
    MessageState.DELIVERED: 4,
    MessageState.READ: 5,
}
"""Fact states by strength. Delivery outranks failure: with several devices Meta may report both, in either order, and one
device that has the message is proof (Meta, "Conflicting message delivery status")."""

FACT_STATES = frozenset(RANK)
DISPATCH_STATES = frozenset(MessageState) - FACT_STATES

LIVE_STATES = frozenset(MessageState) - {MessageState.REJECTED, MessageState.CANCELLED, MessageState.FAILED}
"""A live invite: this person has, may have, or will have a message of the event; a second one needs an operator's word."""


class Failure(NamedTuple):
    """One refusal or ``failed`` status. The shown failure of a message is the least by (time, code, digest)."""

    at: datetime
    code: int
    """Meta's code; 0 when Meta gave none."""
    digest: str = ""
    """Tells two failures with the same second and code apart, so that the choice between them is not an accident."""
    title: str = ""
    details: str | None = None

    @property
    def order(self) -> tuple[datetime, int, str]:
        return (self.at, self.code, self.digest)


class Progress(NamedTuple):
    """What a set of facts says about one message: the earliest Meta time of each, and the shown failure."""

    accepted_at: datetime | None = None
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    read_at: datetime | None = None
    failure: Failure | None = None

    @property
    def state(self) -> MessageState | None:
        """The strongest fact; None when there is none yet."""
        if self.read_at:
            return MessageState.READ
        if self.delivered_at:
            return MessageState.DELIVERED
        if self.failure:
            return MessageState.FAILED
        if self.sent_at:
            return MessageState.SENT
        if self.accepted_at:
            return MessageState.ACCEPTED
        return None


NOTHING_KNOWN = Progress()


class Fact(NamedTuple):
    """One thing that Meta told about one message. ``failure`` goes with ``FAILED`` and with nothing else."""

    status: FactStatus
    at: datetime
    failure: Failure | None = None

    @property
    def progress(self) -> Progress:
        match self.status:
            case FactStatus.ACCEPTED:
                return Progress(accepted_at=self.at)
            case FactStatus.SENT:
                return Progress(sent_at=self.at)
            case FactStatus.DELIVERED:
                return Progress(delivered_at=self.at)
            case FactStatus.READ:
                return Progress(read_at=self.at)
            case FactStatus.FAILED:
                return Progress(failure=self.failure or Failure(self.at, 0))


def join(one: Progress, other: Progress) -> Progress:
    """The reducer: what both together say. Associative, commutative, idempotent."""
    return Progress(
        accepted_at=_earlier(one.accepted_at, other.accepted_at),
        sent_at=_earlier(one.sent_at, other.sent_at),
        delivered_at=_earlier(one.delivered_at, other.delivered_at),
        read_at=_earlier(one.read_at, other.read_at),
        failure=_first_failure(one.failure, other.failure),
    )


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)


def _first_failure(one: Failure | None, other: Failure | None) -> Failure | None:
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda failure: failure.order)


def settle(state: MessageState, progress: Progress) -> MessageState:
    """The state of a row that stood in ``state`` once ``progress`` is known of it: a fact joins into any state."""
    return progress.state or state


class Dispatch(StrEnum):
    """What we do with a message before Meta has told us anything about it."""

    CLAIM = "CLAIM"
    """A worker takes it: fenced by a claim id, leased."""
    CANCEL = "CANCEL"
    """An operator cancelled the run."""
    BLOCK = "BLOCK"
    """Policy says no after all: Do-Not-Message, or the earlier message of a retry turned out to be live."""
    REQUEUE = "REQUEUE"
    """Definitely not sent (no byte left, or refused for a passing reason)."""
    DROP = "DROP"
    """The same, but the run has been cancelled meanwhile."""
    LOSE = "LOSE"
    """Nobody knows: the answer is unclear, or the worker's lease ran out."""


DISPATCH: dict[tuple[MessageState, Dispatch], MessageState] = {
    (MessageState.QUEUED, Dispatch.CLAIM): MessageState.SENDING,
    (MessageState.QUEUED, Dispatch.CANCEL): MessageState.CANCELLED,
    (MessageState.QUEUED, Dispatch.BLOCK): MessageState.REJECTED,
    (MessageState.SENDING, Dispatch.REQUEUE): MessageState.QUEUED,
    (MessageState.SENDING, Dispatch.DROP): MessageState.CANCELLED,
    (MessageState.SENDING, Dispatch.LOSE): MessageState.UNCONFIRMED,
}
"""Each is guarded in the database: from ``QUEUED`` by the state, from ``SENDING`` by the state and the claim id."""


def lifecycle_of(state: MessageState) -> LifecycleState | None:
    """The four states that operators know; None before them, because acceptance is not delivery."""
    return _LIFECYCLE.get(state)


_LIFECYCLE = {MessageState(state.value): state for state in LifecycleState}


def run_status(stored: SendRunStatus, completed_at: datetime | None) -> SendRunStatus:
    """COMPLETED is derived from the run's counters, so that the last outcome of a run never needs the run's own lock."""
    if completed_at is not None and stored is not SendRunStatus.CANCELLED:
        return SendRunStatus.COMPLETED
    return stored


COVERAGE_OF_STATE: dict[MessageState, InviteCoverage] = {
    MessageState.REJECTED: InviteCoverage.BLOCKED,
    MessageState.CANCELLED: InviteCoverage.NOT_TRIED,
    MessageState.QUEUED: InviteCoverage.PENDING,
    MessageState.SENDING: InviteCoverage.PENDING,
    MessageState.UNCONFIRMED: InviteCoverage.PENDING,
    MessageState.ACCEPTED: InviteCoverage.ACCEPTED,
    MessageState.SENT: InviteCoverage.SENT,
    MessageState.FAILED: InviteCoverage.FAILED,
    MessageState.DELIVERED: InviteCoverage.DELIVERED,
    MessageState.READ: InviteCoverage.READ,
}
COVERAGE_RANK: dict[InviteCoverage, int] = {
    coverage: rank
    for rank, coverage in enumerate(
        (
            InviteCoverage.NOT_TRIED,
            InviteCoverage.BLOCKED,
            InviteCoverage.FAILED,
            InviteCoverage.PENDING,
            InviteCoverage.ACCEPTED,
            InviteCoverage.SENT,
            InviteCoverage.DELIVERED,
            InviteCoverage.READ,
        )
    )
}
"""Best last. A pending retry is better news than the failure that it retries."""


def coverage_of(states: "set[MessageState] | frozenset[MessageState]") -> InviteCoverage:
    """How an event stands with a household whose messages are in ``states``."""
    return max(
        (COVERAGE_OF_STATE[state] for state in states), key=COVERAGE_RANK.__getitem__, default=InviteCoverage.NOT_TRIED
    )
