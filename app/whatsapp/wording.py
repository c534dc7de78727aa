"""The sentences of the code table: what happened, and what to do. Written for parents, not for engineers."""

from typing import Final

Advice = tuple[str, str]
"""Operator text, next step."""

NOT_REACHABLE: Final[Advice] = (
    "WhatsApp cannot reach this phone. It may not be on WhatsApp, or its app is too old; WhatsApp does not say which.",
    "Call the guest, check the number and correct it in the guest list. Then retry the failed invites.",
)
STOPPED_BY_GUEST: Final[Advice] = (
    "This guest told WhatsApp to stop such messages from your number.",
    "Nothing to do here: the phone is now on the Do-Not-Message list. Invite the guest in person or by a call.",
)
COOLING: Final[Advice] = (
    "WhatsApp held the invite back: the guest has had many such messages lately, or has a United States number.",
    "Wait at least 24 hours before you try again. To a United States number WhatsApp never delivers such messages.",
)
EXPERIMENT: Final[Advice] = (
    "WhatsApp delivers no marketing messages to this guest at present. It chose the guest by lot.",
    "Sending again gives the same answer. Invite the guest in another way.",
)
COUNTRY: Final[Advice] = (
    "WhatsApp does not let your account message the country of this phone.",
    "Invite guests in this country in another way.",
)
OWN_NUMBER: Final[Advice] = (
    "The phone of this guest is the very number that sends the invites.",
    "Correct the phone in the guest list.",
)
BLOCKED_BY_US: Final[Advice] = (
    "Your WhatsApp number has blocked this guest.",
    "Unblock the guest in WhatsApp Manager, then retry the failed invites.",
)
TEST_NUMBER: Final[Advice] = (
    "The sending number is in test mode and may message a few listed phones only. This phone is not one of them.",
    "Add the phone to the test list in Meta's dashboard, or ask whoever set up the service to go live.",
)
FREE_FORM: Final[Advice] = (
    "WhatsApp took the invite for an ordinary chat message, which it allows only within 24 hours of a guest's message.",
    "Retry with an approved template. If it happens again, tell whoever set up the service.",
)
IDENTITY_CHANGED: Final[Advice] = (
    "The WhatsApp account behind this phone has changed since the last message.",
    "Call the guest and make sure that the number is still theirs before you invite again.",
)
MALFORMED: Final[Advice] = (
    "WhatsApp did not understand this invite: a value in it is missing, too long or of the wrong kind.",
    "Check the guest's name and the template values, then retry. If all fail, tell whoever set up the service.",
)
TEXT_TOO_LONG: Final[Advice] = (
    "With the values of this guest the invite is longer than WhatsApp allows.",
    "Shorten the guest's name or the texts in the template values, then retry the failed invites.",
)
TEXT_NOT_ALLOWED: Final[Advice] = (
    "A value in this invite has something that WhatsApp does not allow: a new line, a tab or many spaces in a row.",
    "Correct the guest's name or the template values, then retry the failed invites.",
)
MEDIA: Final[Advice] = (
    "WhatsApp could not load the picture, video or document of the invite.",
    "Open its link in a private browser window. It must open there without signing in. Then retry.",
)
TEMPLATE_MISMATCH: Final[Advice] = (
    "The values that were sent do not fit the template that WhatsApp approved.",
    "Synchronise the templates, check the template values of the event, then resume the run.",
)
TEMPLATE_MISSING: Final[Advice] = (
    "WhatsApp has no approved template of this name in this language.",
    "Synchronise the templates and choose an approved one for the event. Then start a new run.",
)
TEMPLATE_POLICY: Final[Advice] = (
    "WhatsApp says that the text of the template breaks its rules.",
    "Change the template in WhatsApp Manager and wait for its approval, or choose another one.",
)
TEMPLATE_PAUSED: Final[Advice] = (
    "WhatsApp has paused this template because too many people blocked or reported it.",
    "Wait until WhatsApp Manager shows it as approved again, then resume the run, or choose another template.",
)
TEMPLATE_DISABLED: Final[Advice] = (
    "WhatsApp has switched this template off for good.",
    "Choose another approved template for the event and start a new run.",
)
TEMPLATE_SYNCING: Final[Advice] = (
    "WhatsApp is still preparing this template.",
    "Wait ten minutes; the service tries again by itself.",
)
FLOW: Final[Advice] = (
    "The form inside this template is blocked or used too often at present.",
    "Check the form in WhatsApp Manager, or choose a template without a form. Then resume the run.",
)
MARKETING_OFF: Final[Advice] = (
    "Your WhatsApp account does not allow marketing templates this way.",
    "Ask whoever set up the service to allow marketing messages on the Cloud API, then resume the run.",
)
NOT_SUPPORTED: Final[Advice] = (
    "WhatsApp does not take this kind of message from your account.",
    "Choose another template. If it happens again, tell whoever set up the service.",
)
NOT_ONBOARDED: Final[Advice] = (
    "Your WhatsApp account is not set up for marketing messages.",
    "Ask whoever set up the service to finish the set-up in WhatsApp Manager, then resume.",
)
FAULT: Final[Advice] = (
    "WhatsApp had a technical fault and did not deliver the invite.",
    "Wait some minutes, then retry the failed invites.",
)
MAINTENANCE: Final[Advice] = (
    "WhatsApp was working on your sending number at that moment.",
    "Wait some minutes, then retry the failed invites.",
)
TOO_FAST: Final[Advice] = (
    "More was sent at once than WhatsApp allows.",
    "The service slows down by itself. Retry later what is still shown as failed.",
)
PAIR_LIMIT: Final[Advice] = (
    "This guest got too many messages from your number within a short time.",
    "Wait an hour, then retry the failed invites.",
)
TOKEN: Final[Advice] = (
    "WhatsApp no longer accepts the access token of the service.",
    "Ask whoever set up the service to put in a valid access token, then resume.",
)
PERMISSION: Final[Advice] = (
    "The access token of the service may not send from this number.",
    "Ask whoever set up the service to grant the permission whatsapp_business_messaging, then resume.",
)
NUMBER_NOT_FOUND: Final[Advice] = (
    "WhatsApp does not know the sending number any more.",
    "Ask whoever set up the service to check the number's id in WhatsApp Manager, then resume.",
)
RESTRICTED: Final[Advice] = (
    "WhatsApp has restricted or locked your account.",
    "Open WhatsApp Manager, read what is asked there and appeal if needed. Resume when the account is free again.",
)
SPAM_LIMIT: Final[Advice] = (
    "WhatsApp does not let your number send more for now: its limit is used up, or too many people blocked it.",
    "Look at the number's quality and limit in WhatsApp Manager. Resume tomorrow, with fewer guests at once.",
)
MISCLASSIFIED: Final[Advice] = (
    "WhatsApp limits your account for a while because templates were in the wrong category.",
    "Correct the category of the templates in WhatsApp Manager. Resume when the limit has gone.",
)
PAYMENT: Final[Advice] = (
    "WhatsApp has no valid payment method or accepted payment terms for your account.",
    "Put the payment settings of the account in order in WhatsApp Manager, then resume.",
)
DISPLAY_NAME: Final[Advice] = (
    "WhatsApp has not approved the display name of your sending number yet.",
    "Have the display name approved in WhatsApp Manager, then resume.",
)
REGISTRATION: Final[Advice] = (
    "Your sending number is not properly registered with WhatsApp.",
    "Ask whoever set up the service to register the number again, then resume.",
)
REPORT_LOST: Final[Advice] = (
    "WhatsApp could not hand over a status report in time.",
    "The state of some invites may be out of date. Ask the guests if it matters.",
)
INBOUND_MEDIA: Final[Advice] = (
    "A picture or file that a guest sent could not be loaded.",
    "Nothing to do: invites are not affected.",
)
TEMPLATE_LIST: Final[Advice] = (
    "WhatsApp could not list or add templates.",
    "Nothing was sent or lost. Synchronise the templates again.",
)
NO_CODE: Final[Advice] = (
    "WhatsApp did not deliver this invite and gave no reason.",
    "Check the number with the guest, then retry the failed invites.",
)


def unknown_code(code: int) -> Advice:
    return (
        f"WhatsApp did not deliver this invite. Its reason, number {code}, is not known to this service.",
        "Retry the failed invites once. If it fails again, tell whoever set up the service that number.",
    )
