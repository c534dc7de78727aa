"""What operators read: one table of sentences and next steps for every reason, blocker and state.

Meta's failures have theirs beside their codes, in ``app.whatsapp.codes``.
"""

from dataclasses import dataclass

from app.domain.enums import BlockerCode, MessageState, RejectionReason, StaleReason, WarningCode


@dataclass(frozen=True, slots=True)
class Advice:
    operator_text: str
    next_step: str


REJECTIONS: dict[RejectionReason, Advice] = {
    RejectionReason.DO_NOT_MESSAGE: Advice(
        "This phone is on the Do-Not-Message list.",
        "Invite them in another way. Only if they ask for it themselves, a Parent Admin can take the entry back.",
    ),
    RejectionReason.MISSING_PHONE: Advice(
        "This household has no phone number.",
        "Add a phone to the household or to one of its people, then precheck again.",
    ),
    RejectionReason.MALFORMED_PHONE: Advice(
        "The phone number of this household is not a valid one.",
        "Correct it (with the country code, such as +91 98200 12345), then precheck again.",
    ),
    RejectionReason.NOT_INVITEABLE: Advice(
        "This household is marked as not to be invited.",
        "Set it to inviteable if that has changed, then precheck again.",
    ),
    RejectionReason.ALREADY_INVITED: Advice(
        "This phone already has an invite to this event.",
        "Nothing to do. To send a second one on purpose, choose to include those already invited (includeAlreadyInvited).",
    ),
    RejectionReason.MISSING_TEMPLATE_VALUE: Advice(
        "A value of the template is missing or too long for this guest.",
        "Complete the guest's or the event's details, then precheck again.",
    ),
    RejectionReason.COUNTRY_NOT_REACHABLE: Advice(
        "WhatsApp does not deliver this kind of message to this country.", "Invite them in another way."
    ),
    RejectionReason.RECIPIENT_COOLING_DOWN: Advice(
        "WhatsApp held back a message to this phone within the last 24 hours.",
        "Wait for a day, then send to them again. Sooner makes it worse.",
    ),
    RejectionReason.CONSENT_MISSING: Advice(
        "This workspace asks for consent, and none is on record for this guest.",
        "Ask the guest and record the consent, then precheck again.",
    ),
}

BLOCKERS: dict[BlockerCode, Advice] = {
    BlockerCode.EVENT_NOT_PUBLISHED: Advice("The event is not published.", "Publish the event, then precheck again."),
    BlockerCode.TEMPLATE_MISSING: Advice(
        "There is no template of this name and language.",
        "Sync the templates and choose one of the list; the language must be the template's own.",
    ),
    BlockerCode.TEMPLATE_NOT_APPROVED: Advice(
        "WhatsApp has not approved this template, or has paused it.",
        "Wait for the approval or choose another template, then sync the templates.",
    ),
    BlockerCode.TEMPLATE_NOT_SUPPORTED: Advice(
        "This service cannot fill this kind of template.",
        "Choose a template with text, a picture, a document or links.",
    ),
    BlockerCode.PARAMETERS_INCOMPLETE: Advice(
        "The template's placeholders and the given values do not match.", "Give exactly one value for each placeholder."
    ),
    BlockerCode.PROVIDER_NOT_CONFIGURED: Advice(
        "This service has no WhatsApp number to send from.",
        "Whoever runs the service must set the Meta settings; `invites doctor` says which.",
    ),
    BlockerCode.NUMBER_PAUSED: Advice(
        "Sending from this WhatsApp number is paused.",
        "Mend what the provider status says, then sync the templates or resume the stopped run.",
    ),
    BlockerCode.NOBODY_ELIGIBLE: Advice(
        "Nobody in this selection can be messaged.",
        "Choose other households, or look at the rejections: each says what can be done.",
    ),
}

STALE: dict[StaleReason, Advice] = {
    StaleReason.CANDIDATES_CHANGED: Advice(
        "The recipients have changed since the precheck. Nothing was sent.",
        "Look at the new counts and confirm again.",
    ),
    StaleReason.EVENT_CHANGED: Advice(
        "The event has changed since the precheck. Nothing was sent.", "Look at the new preview and confirm again."
    ),
    StaleReason.TEMPLATE_CHANGED: Advice(
        "The template has changed since the precheck. Nothing was sent.", "Look at the new preview and confirm again."
    ),
    StaleReason.EXPIRED: Advice(
        "The precheck is older than 15 minutes. Nothing was sent.", "Look at the fresh precheck and confirm again."
    ),
}

WARNINGS: dict[WarningCode, str] = {
    WarningCode.QUALITY_LOW: "WhatsApp rates this number's quality as low. Send to few people and wait for it to recover.",
    WarningCode.MESSAGING_LIMIT: (
        "{new:,} of these would be new conversations today, beside the {started:,} that this workspace has; the limit is "
        "{limit:,} within 24 hours for all numbers of the account. What is beyond it fails: send to a part now and to the "
        "rest tomorrow."
    ),
    WarningCode.TEMPLATE_CATEGORY_CHANGED: (
        "WhatsApp is about to change this template's category from {category} to {changing_to}, and with it price and reach."
    ),
    WarningCode.SHARED_PHONE: "{shared:,} of these phones stand for several households: each gets one invite for all of them.",
}
"""With the figures of ``eligibility.Undertaking`` to be filled in."""

STATES: dict[MessageState, tuple[str, str | None]] = {
    MessageState.REJECTED: ("Not sent: the rules of this workspace forbid it.", "See the reason of the rejection."),
    MessageState.CANCELLED: (
        "Not sent: the run was cancelled first.",
        "Retry it from this run if it should go out after all.",
    ),
    MessageState.QUEUED: ("Waiting to be sent.", None),
    MessageState.SENDING: ("Being handed to WhatsApp right now.", None),
    MessageState.UNCONFIRMED: (
        "Handed to WhatsApp, but no answer came: it may or may not have arrived.",
        "Wait: a status from WhatsApp settles it. If none comes within a day, ask the guest, or retry it and accept that they may get it twice.",
    ),
    MessageState.ACCEPTED: ("WhatsApp has taken it and is delivering.", None),
    MessageState.SENT: (
        "On its way: WhatsApp has sent it to the guest's phone.",
        "If it stays so for days, the phone is off or the guest has blocked the number.",
    ),
    MessageState.FAILED: ("WhatsApp could not deliver it.", "See the failure for what can be done."),
    MessageState.DELIVERED: ("It is on the guest's phone.", None),
    MessageState.READ: ("The guest has read it.", None),
}
"""Sentence and, where an operator can do something, the next step."""

OVERDUE = Advice(
    "Nobody knows whether WhatsApp has these messages, and it has said nothing for longer than it should take.",
    "Ask these guests whether the invite came. Retry only those who did not get it, and accept that they may get it twice.",
)
"""Messages UNCONFIRMED for longer than the setting ``UNCONFIRMED_AFTER``."""

TAKEN_TWICE = Advice(
    "WhatsApp took these messages twice, so some guests may have got the invite two times.",
    "Whoever runs the service must run `invites verify`, and find out in the log what sent them again.",
)
"""Messages with a second id of Meta's: must never be."""

HELD_TEXT = (
    "WhatsApp holds it back while it checks how guests receive this template; it is released or dropped by itself."
)
