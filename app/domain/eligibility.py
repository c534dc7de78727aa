"""Who may be messaged: one table of rules in the order in which they are told. The first that applies is the reason.

Do-Not-Message stands first and has no exception; nothing else in the product decides who is eligible. A second table has
what should be known before a send and stops nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass

from app.domain.audience import Source
from app.domain.enums import PhoneStatus, RejectionReason, Verdict, WarningCode


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known about one recipient target at the moment of judging."""

    phone_status: PhoneStatus
    blocked: bool
    """An active Do-Not-Message entry matches a spelling of the phone."""
    inviteable: bool
    live: bool
    """There is a live invite to this event, other than those whose repetition the operator accepted."""
    repeat_accepted: bool
    """The operator asked in so many words to invite again (``includeAlreadyInvited``)."""
    cooling: bool
    """Meta answered 131049 for this phone within the last 24 hours."""
    reachable: bool
    """The country can be reached with this category of template."""
    consent_required: bool
    consents: bool
    values_complete: bool
    """Every placeholder has a value that Meta accepts."""


RULES: tuple[tuple[RejectionReason, Callable[[Situation], bool]], ...] = (
    (RejectionReason.DO_NOT_MESSAGE, lambda s: s.blocked),
    (RejectionReason.MISSING_PHONE, lambda s: s.phone_status is PhoneStatus.MISSING),
    (RejectionReason.MALFORMED_PHONE, lambda s: s.phone_status is PhoneStatus.MALFORMED),
    (RejectionReason.NOT_INVITEABLE, lambda s: not s.inviteable),
    (RejectionReason.ALREADY_INVITED, lambda s: s.live and not s.repeat_accepted),
    (RejectionReason.CONSENT_MISSING, lambda s: s.consent_required and not s.consents),
    (RejectionReason.COUNTRY_NOT_REACHABLE, lambda s: not s.reachable),
    (RejectionReason.RECIPIENT_COOLING_DOWN, lambda s: s.cooling),
    (RejectionReason.MISSING_TEMPLATE_VALUE, lambda s: not s.values_complete),
)


def judge(situation: Situation) -> RejectionReason | None:
    """Why this recipient must not be messaged; None when it may be."""
    for reason, applies in RULES:
        if applies(situation):
            return reason
    return None


@dataclass(frozen=True, slots=True)
class Undertaking:
    """What is known about a send as a whole at the moment of judging."""

    new: int
    """Eligible phones to which this workspace has no conversation that Meta counts today."""
    started: int
    """Phones to which it has one, or has a message under way that will start one."""
    limit: int | None
    """Conversations that Meta lets the account start within 24 hours; None for unlimited or unknown."""
    quality: str | None
    """Meta's rating of the number: GREEN, YELLOW, RED …"""
    category: str | None
    changing_to: str | None
    """The category that Meta is about to give the template."""
    shared: int
    """Phones that stand for more than one household."""


CAUTIONS: tuple[tuple[WarningCode, Callable[[Undertaking], bool]], ...] = (
    (WarningCode.QUALITY_LOW, lambda u: u.quality == "RED"),
    (WarningCode.MESSAGING_LIMIT, lambda u: u.limit is not None and u.new > 0 and u.started + u.new > u.limit),
    (WarningCode.TEMPLATE_CATEGORY_CHANGED, lambda u: u.changing_to is not None and u.changing_to != u.category),
    (WarningCode.SHARED_PHONE, lambda u: u.shared > 0),
)


def cautions(undertaking: Undertaking) -> list[WarningCode]:
    """Everything that should be known before sending."""
    return [code for code, applies in CAUTIONS if applies(undertaking)]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recipient target with its verdict and everything that would be sent: what a precheck shows and a run freezes."""

    recipient_name: str
    phone: str | None
    sources: tuple[Source, ...]
    reason: RejectionReason | None
    values: tuple[str, ...]
    text: str
    media_url: str | None
    last_live_id: str | None
    """The newest live message of this event to this phone, so that a second precheck made before the first send is stale."""
    prior_message_id: str | None
    """The earlier message that this one retries."""

    @property
    def verdict(self) -> Verdict:
        return Verdict.ELIGIBLE if self.reason is None else Verdict.REJECTED
