"""Prechecks: what a send would do."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Annotated

import strawberry

from app.db.keyset import MAX_FIRST
from app.domain import audience as domain
from app.domain.eligibility import Candidate as DomainCandidate
from app.domain.enums import BlockerCode, Verdict, WarningCode
from app.domain.search import fold
from app.schema.described import described
from app.schema.pagination import After, Connection, First, slice_of
from app.schema.types.events import Event
from app.schema.types.guests import RecipientSource
from app.schema.types.summaries import Rejection, RejectionCount
from app.schema.types.templates import MessageTemplate
from app.services import prechecks, setting

DEFAULT_PREVIEWS = 3


@described
@strawberry.type
class AudienceTrace:
    """How many households are left after each step of a selection, and how many phones they come to."""

    units: int
    """Households that are not archived."""
    after_side: int
    """Left by the family side."""
    after_tags: int
    """Left by the tags."""
    after_search: int
    """Left by the search."""
    after_coverage: int
    """Left by how they stand with the event."""
    included: int
    """Added by name."""
    excluded: int
    """Taken away by name."""
    selected_units: int
    """Households selected in the end."""
    recipients: int
    """Phones that they come to."""
    without_phone: int
    """Households without a usable phone."""
    shared_phones: int
    """Phones that several of these households share: each gets one message."""

    @classmethod
    def of(cls, trace: domain.AudienceTrace) -> "AudienceTrace":
        return cls(
            units=trace.units,
            after_side=trace.after_side,
            after_tags=trace.after_tags,
            after_search=trace.after_search,
            after_coverage=trace.after_coverage,
            included=trace.included,
            excluded=trace.excluded,
            selected_units=trace.selected_units,
            recipients=trace.recipients,
            without_phone=trace.without_phone,
            shared_phones=trace.shared_phones,
        )


@described
@strawberry.type
class Candidate:
    """A phone that the selection comes to, or a household with none, and whether it gets the invite."""

    candidate: strawberry.Private[DomainCandidate]
    recipient_name: str
    """As the invite would call the recipient."""
    phone: str | None
    """With its country code, such as +919820012345; null when the household has no usable one."""
    verdict: Verdict
    """Whether it would be messaged."""
    rejection: Rejection | None
    """Why not."""

    @classmethod
    def of(cls, candidate: DomainCandidate, at: datetime) -> "Candidate":
        return cls(
            candidate=candidate,
            recipient_name=candidate.recipient_name,
            phone=candidate.phone,
            verdict=candidate.verdict,
            rejection=None if candidate.reason is None else Rejection.of(candidate.reason, at),
        )

    @strawberry.field
    def sources(self) -> list[RecipientSource]:
        """The households and people that this recipient stands for."""
        return [
            RecipientSource(unit_id=each.guest_unit_id, person_id=each.person_id) for each in self.candidate.sources
        ]


@described
@strawberry.type
class CandidateConnection(Connection[Candidate]):
    """One page of a precheck's candidates."""

    @strawberry.field
    def total_count(self) -> int:
        """Candidates of the whole list, with this verdict and search."""
        return self.page.total or 0


@described
@strawberry.type
class MessagePreview:
    """What one guest would read."""

    recipient_name: str
    """Whose message it is."""
    text: str
    """Exactly what would be sent."""
    media_url: str | None
    """The header's picture, video or document."""


@described
@strawberry.type
class Blocker:
    """Why nothing can be sent at all, and what can be done."""

    code: BlockerCode
    """The reason."""
    message: str
    """The same in a sentence."""
    next_step: str
    """What can be done now."""

    @classmethod
    def of(cls, blocker: setting.Blocker) -> "Blocker":
        return cls(code=blocker.code, message=blocker.message, next_step=blocker.next_step)


@described
@strawberry.type
class Warning:  # noqa: A001 - the contract's name
    """What should be known before sending, but stops nobody."""

    code: WarningCode
    """The reason."""
    message: str
    """The same in a sentence."""


@described
@strawberry.type
class Precheck:
    """Who would get an invite and who not, and a token that stands for exactly this."""

    result: strawberry.Private[prechecks.Precheck]
    token: str | None
    """Null when not ready; the idempotency key of the send."""
    expires_at: datetime | None
    """Until when the token can be sent."""
    candidate_count: int
    """Everybody whom the send would be about."""
    eligible_count: int
    """Those who would be messaged."""
    rejected_count: int
    """Those who would not."""

    @classmethod
    def of(cls, result: prechecks.Precheck) -> "Precheck":
        return cls(
            result=result,
            token=result.token,
            expires_at=result.expires_at,
            candidate_count=result.candidate_count,
            eligible_count=result.eligible_count,
            rejected_count=result.rejected_count,
        )

    @strawberry.field
    def event(self) -> Event:
        """What it would invite to."""
        return Event.from_row(self.result.event)

    @strawberry.field
    def template(self) -> MessageTemplate | None:
        """What would be sent; null when there is no such template."""
        template = self.result.template
        return None if template is None else MessageTemplate.from_row(template)

    @strawberry.field
    def ready_to_send(self) -> bool:
        """True: nothing blocks the send, and there is a token for it."""
        return self.result.token is not None

    @strawberry.field
    def blockers(self) -> list[Blocker]:
        """Everything that has to be mended before anything can be sent."""
        return [Blocker.of(blocker) for blocker in self.result.blockers]

    @strawberry.field
    def warnings(self) -> list[Warning]:
        """What should be known before sending."""
        return [Warning(code=warning.code, message=warning.message) for warning in self.result.warnings]

    @strawberry.field
    def rejections(self) -> list[RejectionCount]:
        """The rejected by reason, only reasons that occur."""
        return [RejectionCount.of(reason, count) for reason, count in self.result.rejections.items()]

    @strawberry.field
    def trace(self) -> AudienceTrace | None:
        """Null for fromRun."""
        return None if self.result.trace is None else AudienceTrace.of(self.result.trace)

    @strawberry.field
    async def candidates(
        self,
        first: First = 50,
        after: After = None,
        verdict: Annotated[
            Verdict | None, strawberry.argument(description="Only the eligible, or only the rejected.")
        ] = None,
        search: Annotated[str | None, strawberry.argument(description="Part of a name or of a phone.")] = None,
    ) -> CandidateConnection:
        """A cursor holds for one candidate list; when the list has changed it is CONFLICT."""
        # Folding 100,000 names takes a second, in which the loop that answers webhooks must not wait.
        found = await asyncio.to_thread(list, _matching(self.result.candidates, verdict, fold(search or "")))
        page = slice_of(
            found, first, after, version=self.result.candidates_digest, scope=f"{verdict}:{fold(search or '')}"
        )
        return CandidateConnection.of(page, after, lambda candidate: Candidate.of(candidate, self.result.at))

    @strawberry.field
    def previews(
        self, first: Annotated[int | None, strawberry.argument(description="How many, 1 to 100.")] = DEFAULT_PREVIEWS
    ) -> list[MessagePreview]:
        """What the first eligible recipients would read."""
        readable = (each for each in _matching(self.result.candidates, Verdict.ELIGIBLE, "") if each.text)
        # Without a template, or without what fills it, there is nothing to read.
        eligible = list(islice(readable, MAX_FIRST))
        page = slice_of(eligible, DEFAULT_PREVIEWS if first is None else first, None, version="", scope="")
        return [
            MessagePreview(recipient_name=each.recipient_name, text=each.text, media_url=each.media_url)
            for each in page.nodes
        ]


def _matching(candidates: list[DomainCandidate], verdict: Verdict | None, folded: str) -> Iterator[DomainCandidate]:
    def found(candidate: DomainCandidate) -> bool:
        return not folded or folded in fold(candidate.recipient_name) or folded in (candidate.phone or "")

    return (each for each in candidates if (verdict is None or each.verdict is verdict) and found(each))
