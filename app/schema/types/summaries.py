"""Counts, and the sentences that explain them: rejections, failures, states."""

from datetime import datetime

import strawberry

from app.domain.enums import InviteCoverage, MessageState, RejectionReason
from app.domain.texts import OVERDUE, REJECTIONS, STATES
from app.schema.described import described
from app.services.reading import Summary
from app.whatsapp.codes import describe_failure


@described
@strawberry.type
class Rejection:
    """Why one recipient does not get the invite, and what can be done."""

    reason: RejectionReason
    """The reason."""
    operator_text: str
    """What it means, in a sentence."""
    next_step: str
    """What can be done now."""
    at: datetime
    """When it was judged."""

    @classmethod
    def of(cls, reason: RejectionReason, at: datetime) -> "Rejection":
        advice = REJECTIONS[reason]
        return cls(reason=reason, operator_text=advice.operator_text, next_step=advice.next_step, at=at)


@described
@strawberry.type
class RejectionCount:
    """How many do not get the invite for one reason."""

    reason: RejectionReason
    """The reason."""
    operator_text: str
    """What it means, in a sentence."""
    next_step: str
    """What can be done now."""
    count: int
    """Candidates."""

    @classmethod
    def of(cls, reason: RejectionReason, count: int) -> "RejectionCount":
        advice = REJECTIONS[reason]
        return cls(reason=reason, operator_text=advice.operator_text, next_step=advice.next_step, count=count)


@described
@strawberry.type
class Failure:
    """Why Meta could not deliver a message, and what can be done."""

    code: int | None
    """Meta's code; null when Meta gave none."""
    title: str
    """The same in a few words."""
    details: str | None
    """Meta's own words."""
    operator_text: str
    """What it means, in a sentence."""
    next_step: str
    """What can be done now."""
    at: datetime
    """When, by Meta's clock."""

    @classmethod
    def of(cls, code: int | None, details: str | None, at: datetime) -> "Failure":
        title, operator_text, next_step = describe_failure(code)
        return cls(
            code=code or None, title=title, details=details, operator_text=operator_text, next_step=next_step, at=at
        )


@described
@strawberry.type
class FailureCount:
    """How many messages failed with one of Meta's codes."""

    code: int | None
    """Meta's code; null when Meta gave none."""
    title: str
    """The same in a few words."""
    operator_text: str
    """What it means, in a sentence."""
    next_step: str
    """What can be done now."""
    count: int
    """Messages."""

    @classmethod
    def of(cls, code: int | None, count: int) -> "FailureCount":
        title, operator_text, next_step = describe_failure(code)
        return cls(code=code, title=title, operator_text=operator_text, next_step=next_step, count=count)


@described
@strawberry.type
class StateCount:
    """How many messages stand in one state."""

    state: MessageState
    """The state."""
    operator_text: str
    """What it means, in a sentence."""
    count: int
    """Messages."""


@described
@strawberry.type
class Overdue:
    """Messages of which nobody has known for too long whether Meta took them, and what can be done."""

    operator_text: str
    """What it means, in a sentence."""
    next_step: str
    """What can be done now."""
    count: int
    """Messages."""


@described
@strawberry.type
class SendSummary:
    """candidates = the ten states added up; eligible = candidates - rejected."""

    summary: strawberry.Private[Summary]
    candidates: int
    """Everybody whom a send was about."""
    eligible: int
    """Those who may get it."""
    rejected: int
    """Those who may not get it; see the rejections."""
    cancelled: int
    """Stopped before they were sent."""
    queued: int
    """Waiting."""
    sending: int
    """Being handed to Meta right now."""
    unconfirmed: int
    """Handed over, but nobody knows whether Meta took them."""
    accepted: int
    """Meta took them; not yet a delivery."""
    sent: int
    """Sent to the phone, not yet there."""
    failed: int
    """Refused for good, or not deliverable."""
    delivered: int
    """On the phone, not yet opened."""
    read: int
    """Opened."""
    reached_accepted: int
    """Taken by Meta, whatever came later."""
    reached_sent: int
    """Sent to the phone, whatever came later."""
    reached_delivered: int
    """On the phone, opened or not."""
    reached_read: int
    """Opened."""
    unconfirmed_overdue: int
    """Waiting longer than UNCONFIRMED_AFTER."""

    @classmethod
    def of(cls, summary: Summary) -> "SendSummary":
        return cls(
            summary=summary,
            candidates=summary.candidates,
            eligible=summary.eligible,
            **{state.value.lower(): count for state, count in summary.states.items()},
            reached_accepted=summary.reached_accepted,
            reached_sent=summary.reached_sent,
            reached_delivered=summary.reached_delivered,
            reached_read=summary.reached_read,
            unconfirmed_overdue=summary.unconfirmed_overdue,
        )

    @strawberry.field
    def by_state(self) -> list[StateCount]:
        """All ten, in this order, zeros too."""
        return [
            StateCount(state=state, operator_text=STATES[state][0], count=count)
            for state, count in self.summary.states.items()
        ]

    @strawberry.field
    def overdue(self) -> Overdue | None:
        """The unconfirmedOverdue, and what can be done about them; null when there are none."""
        count = self.summary.unconfirmed_overdue
        if not count:
            return None
        return Overdue(operator_text=OVERDUE.operator_text, next_step=OVERDUE.next_step, count=count)

    @strawberry.field
    def rejections(self) -> list[RejectionCount]:
        """The rejected by reason, only reasons that occur."""
        return [RejectionCount.of(reason, count) for reason, count in self.summary.rejections.items()]

    @strawberry.field
    def failures(self) -> list[FailureCount]:
        """The failed by Meta's code, the most frequent first."""
        return [FailureCount.of(code, count) for code, count in self.summary.failures.items()]


@described
@strawberry.type
class CoverageSummary:
    """households = the other eight added up."""

    households: int
    """Households that are not archived."""
    not_tried: int
    """No invite yet, or only cancelled ones."""
    blocked: int
    """Only rejected ones."""
    pending: int
    """One is queued, being sent or unconfirmed."""
    failed: int
    """None got through."""
    accepted: int
    """Meta took one."""
    sent: int
    """Meta has sent one to the phone."""
    delivered: int
    """One is on the phone."""
    read: int
    """One has been opened."""

    @classmethod
    def of(cls, counts: dict[InviteCoverage, int]) -> "CoverageSummary":
        each = {coverage.value.lower(): counts.get(coverage, 0) for coverage in InviteCoverage}
        return cls(households=sum(each.values()), **each)
