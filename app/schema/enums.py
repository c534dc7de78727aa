"""The domain's vocabularies as GraphQL enums: what each word means to an operator, in one table.

The enums themselves are the domain's; nothing is doubled but the sentences.
"""

from enum import EnumMeta, StrEnum

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from app.domain import enums as e

DESCRIPTIONS: dict[type[StrEnum], tuple[str, dict[str, str]]] = {
    e.Role: (
        "What a member is in a workspace.",
        {
            "OWNER": "May do everything, manages all, says who may send.",
            "PARENT_ADMIN": "Sends, blocks, unblocks, manages coordinators, sees all audit.",
            "FAMILY_COORDINATOR": "Prepares events and guests, prechecks, blocks; cannot send, unblock or see governance.",
        },
    ),
    e.Permission: (
        "What the viewer may do here; a console shows a button only if its permission is listed.",
        {
            "EVENT_EDIT": "Create and change events.",
            "EVENT_VISIBILITY": "Say who may see an event outside this service.",
            "GUEST_EDIT": "Import and change households and people.",
            "PRECHECK": "See who would get an invite, and prepare a send.",
            "INVITE_SEND": "Send invites and test messages.",
            "RUN_CONTROL": "Pause, resume and cancel send runs.",
            "BLOCK_ADD": "Put a phone on the Do-Not-Message list.",
            "BLOCK_REVOKE": "Take an entry off the Do-Not-Message list.",
            "MEMBER_MANAGE": "Add members, change roles; a Parent Admin only those of coordinators.",
            "SEND_POLICY": "Say which roles may send, and whether consent is required.",
            "AUDIT_GOVERNANCE": "See who changed roles, events and policies, and what was refused.",
            "RECEIPT_READ": "See what Meta posted, word for word.",
            "EXPORT": "Download a run or an event as CSV.",
            "TEMPLATE_SYNC": "Read the templates anew from Meta.",
            "GUEST_ERASE": "Erase a guest's personal data.",
        },
    ),
    e.Side: (
        "Family side.",
        {"BRIDE": "The bride's family.", "GROOM": "The groom's family.", "NEUTRAL": "Both, or neither."},
    ),
    e.EventStatus: (
        "Only PUBLISHED events can be sent for; ARCHIVED can be set back to DRAFT.",
        {
            "DRAFT": "In preparation; no invites yet.",
            "PUBLISHED": "Settled; invites can go out.",
            "ARCHIVED": "Over or called off; kept for its history.",
        },
    ),
    e.EventVisibility: (
        "Who may see the event outside this service.",
        {"PUBLIC": "Everybody.", "INVITE_ONLY": "Only those who are invited."},
    ),
    e.MessageState: (
        "Where one message stands; see docs/lifecycle.md.",
        {
            "REJECTED": "Kept back by a rule, such as Do-Not-Message or no phone; the reason is kept.",
            "CANCELLED": "Stopped before it was sent.",
            "QUEUED": "Planned, or refused for a passing reason and due again.",
            "SENDING": "Being handed to Meta right now.",
            "UNCONFIRMED": "Handed over, but nobody knows whether Meta took it; never sent again by itself.",
            "ACCEPTED": "Meta took it. Not yet a delivery.",
            "SENT": "Meta has sent it to the phone.",
            "FAILED": "Meta refused it for good, or could not deliver it.",
            "DELIVERED": "It is on the phone.",
            "READ": "The guest has opened it.",
        },
    ),
    e.LifecycleState: (
        "The four states that Meta's evidence gives; null before: ACCEPTED is not yet delivery.",
        {
            "SENT": "Meta has sent it to the phone.",
            "DELIVERED": "It is on the phone.",
            "READ": "The guest has opened it.",
            "FAILED": "Meta refused it for good, or could not deliver it.",
        },
    ),
    e.SendRunStatus: (
        "RUNNING: sending. PAUSED: by a member. STOPPED: by Meta or a breaker, see statusReason. COMPLETED: nothing left to send (deliveries may still come in).",
        {
            "RUNNING": "Sending, as fast as the number may.",
            "PAUSED": "Held by a member until resumed.",
            "STOPPED": "Held by Meta, or by the service itself after too many failures; statusReason says why, nextStep what to do.",
            "CANCELLED": "Ended by a member; what was not yet sent never will be.",
            "COMPLETED": "Nothing is left to send; deliveries may still come in.",
        },
    ),
    e.SendRunKind: (
        "TEST runs count in no event figure and never make a guest ALREADY_INVITED.",
        {"INVITE": "Invites to guests.", "TEST": "One message to one's own phone."},
    ),
    e.Verdict: (
        "Whether one recipient gets the invite.",
        {"ELIGIBLE": "Will be messaged.", "REJECTED": "Will not be messaged; see the rejection."},
    ),
    e.RejectionReason: (
        "Why policy said no.",
        {
            "DO_NOT_MESSAGE": "The phone is on the Do-Not-Message list.",
            "MISSING_PHONE": "The household has no phone.",
            "MALFORMED_PHONE": "The household has a phone, but not a valid one.",
            "NOT_INVITEABLE": "The household is marked as not to be invited.",
            "ALREADY_INVITED": "The phone already has a live invite to this event.",
            "MISSING_TEMPLATE_VALUE": "A placeholder has no value, or one too long, for this guest.",
            "COUNTRY_NOT_REACHABLE": "Meta does not deliver this kind of template to this country.",
            "RECIPIENT_COOLING_DOWN": "Meta held back a message to this phone within the last 24 hours.",
            "CONSENT_MISSING": "The workspace requires consent and none is on record.",
        },
    ),
    e.BlockerCode: (
        "Why nothing can be sent at all.",
        {
            "EVENT_NOT_PUBLISHED": "The event is a draft or archived.",
            "TEMPLATE_MISSING": "There is no template of this name and language.",
            "TEMPLATE_NOT_APPROVED": "Meta has not approved the template, or has paused or disabled it.",
            "TEMPLATE_NOT_SUPPORTED": "The template has a part that this service cannot fill.",
            "PARAMETERS_INCOMPLETE": "Placeholders and given values do not match.",
            "PROVIDER_NOT_CONFIGURED": "The service has no number to send from.",
            "NUMBER_PAUSED": "The number cannot send at the moment; see the provider status.",
            "NOBODY_ELIGIBLE": "Everybody is left out, or there is nobody.",
        },
    ),
    e.WarningCode: (
        "What should be known before sending, but stops nobody.",
        {
            "QUALITY_LOW": "Meta rates the number's quality as low.",
            "MESSAGING_LIMIT": "More recipients than Meta lets the number reach in 24 hours.",
            "TEMPLATE_CATEGORY_CHANGED": "Meta is about to change the template's category.",
            "SHARED_PHONE": "Some households share a phone, which gets one message.",
        },
    ),
    e.StaleReason: (
        "Why a precheck token no longer holds.",
        {
            "CANDIDATES_CHANGED": "Recipients, their verdicts or what they would read have changed.",
            "EVENT_CHANGED": "The event has been edited.",
            "TEMPLATE_CHANGED": "The template is another one now.",
            "EXPIRED": "The precheck is older than 15 minutes.",
        },
    ),
    e.ImportOutcome: (
        "What became of one row of an import.",
        {
            "CREATED": "A new person.",
            "UPDATED": "A known person, changed.",
            "UNCHANGED": "A known person, nothing new.",
            "REACTIVATED": "An archived person or household, back again.",
            "WARNING_MALFORMED_PHONE": "Taken in, but the phone is not a valid one.",
            "SKIPPED_NO_PHONE": "Left out: neither a phone nor a household to belong to.",
        },
    ),
    e.PhoneStatus: (
        "What a phone field holds.",
        {
            "VALID": "A number that can be messaged.",
            "MALFORMED": "Something, but not a valid number.",
            "MISSING": "Nothing.",
        },
    ),
    e.DoNotMessageSource: (
        "Who asked for a Do-Not-Message entry.",
        {
            "MEMBER": "A member of this workspace.",
            "IMPORT": "An imported list.",
            "META_STOP": "The guest pressed Stop in WhatsApp.",
            "META_CODE_131050": "Meta refused a message because the guest had stopped such messages.",
            "INBOUND_STOP_WORD": "The guest replied with a stop word.",
            "ERASURE": "The guest's data was erased; the phone stays blocked, though nobody can read it any more.",
        },
    ),
    e.ErasureReason: (
        "Why a guest is erased; kept in the audit trail, hence no free text.",
        {
            "GUEST_REQUEST": "The guest asked for it.",
            "FAMILY_REQUEST": "The family that invites decided it.",
            "PURPOSE_ENDED": "The wedding is over, or the guest is not invited any more.",
            "NO_CONSENT": "The guest never agreed, or took the consent back.",
        },
    ),
    e.TemplateStatus: (
        "APPROVED can be sent; the others are Meta's own names.",
        {
            "APPROVED": "Can be sent.",
            "PENDING": "In Meta's review.",
            "REJECTED": "Refused in Meta's review.",
            "PAUSED": "Paused by Meta after bad feedback.",
            "DISABLED": "Switched off by Meta.",
            "IN_APPEAL": "Refused, and under appeal.",
            "ARCHIVED": "No longer listed by Meta, or archived there.",
            "UNKNOWN": "A status that this service does not know.",
        },
    ),
    e.TemplateCategory: (
        "Meta's category, which sets price and reach.",
        {
            "MARKETING": "Offers and invitations.",
            "UTILITY": "About something the guest asked for.",
            "AUTHENTICATION": "One-time passwords.",
            "UNKNOWN": "A category that this service does not know.",
        },
    ),
    e.TemplateComponent: (
        "The part of a template that holds a placeholder.",
        {"HEADER": "The header: text or a picture.", "BODY": "The text.", "BUTTON": "A button's link."},
    ),
    e.ParameterSource: (
        "What fills a placeholder: fixed text, or a field of guest or event.",
        {
            "TEXT": "The same text for everybody.",
            "GUEST_NAME": "The recipient's name.",
            "HOUSEHOLD_NAME": "The household's name.",
            "EVENT_TITLE": "The event's title.",
            "EVENT_DATE": "The event's date in the workspace's time zone.",
            "EVENT_TIME": "The event's time in the workspace's time zone.",
            "EVENT_VENUE": "The event's venue.",
            "MEDIA_URL": "An https link to the header's picture, video or document.",
            "MEDIA_ID": "Meta's id of an uploaded picture, video or document.",
        },
    ),
    e.InviteCoverage: (
        "How an event stands with a household: best message over all invite runs. PENDING = QUEUED, SENDING or UNCONFIRMED; BLOCKED = only REJECTED; CANCELLED counts as NOT_TRIED.",
        {
            "NOT_TRIED": "No invite yet, or only cancelled ones.",
            "BLOCKED": "Only rejected ones.",
            "PENDING": "One is queued, being sent or unconfirmed.",
            "FAILED": "None got through.",
            "ACCEPTED": "Meta took one.",
            "SENT": "Meta has sent one to the phone.",
            "DELIVERED": "One is on the phone.",
            "READ": "One has been opened.",
        },
    ),
    e.TimelineKind: (
        "What kind of thing happened to a message.",
        {
            "PLANNED": "The run that holds it was started.",
            "CLAIMED": "The service began to hand it to WhatsApp.",
            "PROVIDER_ANSWER": "Meta answered the request.",
            "STATUS": "WhatsApp told how it stands: sent, delivered, read or failed.",
            "BLOCKED": "A rule such as Do-Not-Message stopped it, or the phone was put on that list or taken off it.",
            "CANCELLED": "It was cancelled.",
            "LEASE_EXPIRED": "Whatever was handing it over went silent: nobody knows whether it went out.",
            "FENCED": "An answer that came too late to count; kept as evidence.",
            "AUDIT": "A member did something to its run.",
        },
    ),
    e.TimelineSource: (
        "Who says so.",
        {
            "SERVICE": "This service itself.",
            "META": "WhatsApp, in an answer or a status.",
            "MEMBER": "A member of the workspace, who did it.",
            "GUEST": "The guest, with a word or a switch in WhatsApp.",
        },
    ),
    e.ReceiptFinding: (
        "Why something that Meta told us could not be placed.",
        {
            "UNMATCHED": "A status of a message that this service does not know.",
            "UNRECOGNISED": "A kind of item or status that this service does not know.",
            "UNPARSED": "It could not be read at all.",
        },
    ),
    e.AuditAction: (
        "What was done, or refused.",
        {
            "INVITE_SEND": "Invites or a test were sent.",
            "INVITE_SEND_REFUSED": "Somebody tried to send who may not.",
            "RUN_PAUSE": "A run was paused.",
            "RUN_RESUME": "A run was resumed.",
            "RUN_CANCEL": "A run was cancelled.",
            "ROLE_CHANGE": "A member was added, changed or deactivated.",
            "EVENT_EDIT": "An event was created or changed.",
            "EVENT_VISIBILITY_CHANGE": "It was changed who may see an event.",
            "GUEST_EDIT": "A household or person was changed.",
            "GUEST_IMPORT": "A guest list was imported.",
            "GUEST_ERASE": "A guest's personal data was erased.",
            "BLOCK_ADD": "A phone was put on the Do-Not-Message list.",
            "BLOCK_REVOKE": "An entry was taken off the Do-Not-Message list.",
            "TEMPLATE_SYNC": "Templates were read anew from Meta.",
            "ACCESS_REFUSED": "Somebody tried what they may not do.",
            "EXPORT": "A run or an event was downloaded.",
            "SEND_POLICY_CHANGE": "It was changed who may send, or whether consent is required.",
        },
    ),
}


def register() -> None:
    """Make the domain's enums known to Strawberry, with a sentence for every value."""
    for kind, (description, meanings) in DESCRIPTIONS.items():
        _register(kind, description, meanings)


def _register(kind: EnumMeta, description: str, meanings: dict[str, str]) -> None:
    strawberry.enum(kind, description=description)
    definition: StrawberryEnumDefinition = kind.__strawberry_definition__  # type: ignore[attr-defined]  # set by strawberry.enum
    for value in definition.values:
        value.description = meanings[value.name]


register()
