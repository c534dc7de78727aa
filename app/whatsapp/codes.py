"""Meta's error codes: what each one means, what it asks of us, and what a parent can do about it. The one table.

Codes and meanings: Meta, "Cloud API error codes". Branch on ``code`` alone: Meta changes titles, subcodes and HTTP
statuses at will (a missing permission comes as HTTP 500, a rate limit as HTTP 400).
"""

from dataclasses import dataclass
from typing import Final

from app.whatsapp import wording as say
from app.whatsapp.port import Behaviour

CODE_USER_STOPPED: Final = 131050
"""The guest pressed "Stop" in WhatsApp: the phone goes on the Do-Not-Message list."""

CODE_COOLING: Final = 131049
"""Held back "to maintain healthy ecosystem engagement": trying again sooner makes it worse (Meta, per-user limits)."""

COOLING_HOURS: Final = 24

_UNDECIDED: Final = frozenset({1, 131000})
"""Meta's two "something went wrong": with HTTP 5xx they may come after the message was taken."""

_MINUTE: Final = 60.0
_LATER, _STOP_RUN, _STOP_NUMBER, _FINAL = (
    Behaviour.LATER,
    Behaviour.STOP_RUN,
    Behaviour.STOP_NUMBER,
    Behaviour.FINAL,
)


@dataclass(frozen=True, slots=True)
class CodeRule:
    code: int
    behaviour: Behaviour
    title: str
    operator_text: str
    """What happened, for somebody who has never heard of an API."""
    next_step: str
    """What this person can do now."""
    slows_number: bool = False
    """The number as a whole sends too fast."""
    retry_after: float = 0.0
    """Seconds before the same message may be tried again, at the least; means something only for LATER."""


_RULES: Final = (
    # The token, the account, the number: nobody can be messaged until a person acts.
    CodeRule(0, _STOP_NUMBER, "Access token not accepted", *say.TOKEN),
    CodeRule(102, _STOP_NUMBER, "Access token not accepted", *say.TOKEN),
    CodeRule(104, _STOP_NUMBER, "Access token missing", *say.TOKEN),
    CodeRule(190, _STOP_NUMBER, "Access token expired", *say.TOKEN),
    CodeRule(2500, _STOP_NUMBER, "Access token missing", *say.TOKEN),
    CodeRule(3, _STOP_NUMBER, "Permission missing", *say.PERMISSION),
    CodeRule(10, _STOP_NUMBER, "Permission missing", *say.PERMISSION),
    CodeRule(131005, _STOP_NUMBER, "Access denied", *say.PERMISSION),
    CodeRule(33, _STOP_NUMBER, "Sending number not found", *say.NUMBER_NOT_FOUND),
    CodeRule(803, _STOP_NUMBER, "Sending number not found", *say.NUMBER_NOT_FOUND),
    CodeRule(368, _STOP_NUMBER, "Account restricted", *say.RESTRICTED),
    CodeRule(131031, _STOP_NUMBER, "Account locked", *say.RESTRICTED),
    CodeRule(131048, _STOP_NUMBER, "Sending limit for this number", *say.SPAM_LIMIT),
    CodeRule(131064, _STOP_NUMBER, "Limited for template misuse", *say.MISCLASSIFIED),
    CodeRule(131042, _STOP_NUMBER, "Payment problem", *say.PAYMENT),
    CodeRule(134011, _STOP_NUMBER, "Payment terms not accepted", *say.PAYMENT),
    CodeRule(131037, _STOP_NUMBER, "Display name not approved", *say.DISPLAY_NAME),
    CodeRule(131045, _STOP_NUMBER, "Number not registered", *say.REGISTRATION),
    CodeRule(133000, _STOP_NUMBER, "Number not registered", *say.REGISTRATION),
    CodeRule(133005, _STOP_NUMBER, "Registration PIN wrong", *say.REGISTRATION),
    CodeRule(133006, _STOP_NUMBER, "Number not verified", *say.REGISTRATION),
    CodeRule(133008, _STOP_NUMBER, "Registration PIN locked", *say.REGISTRATION),
    CodeRule(133009, _STOP_NUMBER, "Registration PIN locked", *say.REGISTRATION),
    CodeRule(133010, _STOP_NUMBER, "Number not registered", *say.REGISTRATION),
    CodeRule(133015, _STOP_NUMBER, "Number just deleted", *say.REGISTRATION),
    CodeRule(133016, _STOP_NUMBER, "Registration tried too often", *say.REGISTRATION),
    CodeRule(134102, _STOP_NUMBER, "Marketing messages not set up", *say.NOT_ONBOARDED),
    # Passing trouble: the same message again, later.
    CodeRule(1, _LATER, "Technical fault at WhatsApp", *say.FAULT, retry_after=_MINUTE),
    CodeRule(2, _LATER, "WhatsApp is not available", *say.FAULT, retry_after=5 * _MINUTE),
    CodeRule(131000, _LATER, "Technical fault at WhatsApp", *say.FAULT, retry_after=_MINUTE),
    CodeRule(131016, _LATER, "WhatsApp is not available", *say.FAULT, retry_after=_MINUTE),
    CodeRule(133004, _LATER, "WhatsApp is not available", *say.FAULT, retry_after=_MINUTE),
    CodeRule(131057, _LATER, "Number in maintenance", *say.MAINTENANCE, retry_after=2 * _MINUTE),
    CodeRule(2494100, _LATER, "Number in maintenance", *say.MAINTENANCE, retry_after=2 * _MINUTE),
    CodeRule(134101, _LATER, "Template not ready yet", *say.TEMPLATE_SYNCING, retry_after=10 * _MINUTE),
    CodeRule(131053, _LATER, "Picture or document not loaded", *say.MEDIA, retry_after=_MINUTE),
    CodeRule(131056, _LATER, "Too many messages to this guest", *say.PAIR_LIMIT, retry_after=4.0),
    CodeRule(4, _LATER, "Sending too fast", *say.TOO_FAST, slows_number=True, retry_after=_MINUTE),
    CodeRule(17, _LATER, "Sending too fast", *say.TOO_FAST, slows_number=True, retry_after=_MINUTE),
    CodeRule(613, _LATER, "Sending too fast", *say.TOO_FAST, slows_number=True, retry_after=_MINUTE),
    CodeRule(80007, _LATER, "Sending too fast", *say.TOO_FAST, slows_number=True, retry_after=_MINUTE),
    CodeRule(130429, _LATER, "Sending too fast", *say.TOO_FAST, slows_number=True, retry_after=4.0),
    # The template or the whole request: wrong for everybody in the run.
    CodeRule(131051, _STOP_RUN, "Kind of message not supported", *say.NOT_SUPPORTED),
    CodeRule(131055, _STOP_RUN, "Kind of message not supported", *say.NOT_SUPPORTED),
    CodeRule(134100, _STOP_RUN, "Template is not for marketing", *say.NOT_SUPPORTED),
    CodeRule(131063, _STOP_RUN, "Marketing templates switched off", *say.MARKETING_OFF),
    CodeRule(132000, _STOP_RUN, "Values do not fit the template", *say.TEMPLATE_MISMATCH),
    CodeRule(132008, _STOP_RUN, "Values do not fit the template", *say.TEMPLATE_MISMATCH),
    CodeRule(132012, _STOP_RUN, "Values do not fit the template", *say.TEMPLATE_MISMATCH),
    CodeRule(132001, _STOP_RUN, "Template not found", *say.TEMPLATE_MISSING),
    CodeRule(132007, _STOP_RUN, "Template against WhatsApp's rules", *say.TEMPLATE_POLICY),
    CodeRule(132015, _STOP_RUN, "Template paused", *say.TEMPLATE_PAUSED),
    CodeRule(132016, _STOP_RUN, "Template switched off for good", *say.TEMPLATE_DISABLED),
    CodeRule(132068, _STOP_RUN, "Form in the template blocked", *say.FLOW),
    CodeRule(132069, _STOP_RUN, "Form in the template held back", *say.FLOW),
    # This guest, this message.
    CodeRule(100, _FINAL, "Invite not understood", *say.MALFORMED),
    CodeRule(131008, _FINAL, "A value is missing", *say.MALFORMED),
    CodeRule(131009, _FINAL, "A value is not valid", *say.MALFORMED),
    CodeRule(135000, _FINAL, "Invite not understood", *say.MALFORMED),
    CodeRule(132005, _FINAL, "Text too long", *say.TEXT_TOO_LONG),
    CodeRule(132018, _FINAL, "A value is not allowed", *say.TEXT_NOT_ALLOWED),
    CodeRule(130403, _FINAL, "Guest blocked by your number", *say.BLOCKED_BY_US),
    CodeRule(130472, _FINAL, "Held back by WhatsApp", *say.EXPERIMENT),
    CodeRule(130497, _FINAL, "Country not allowed", *say.COUNTRY),
    CodeRule(131021, _FINAL, "Guest has the sending number", *say.OWN_NUMBER),
    CodeRule(131026, _FINAL, "Not reachable on WhatsApp", *say.NOT_REACHABLE),
    CodeRule(131036, _FINAL, "Not reachable on WhatsApp", *say.NOT_REACHABLE),
    CodeRule(131062, _FINAL, "Not reachable on WhatsApp", *say.NOT_REACHABLE),
    CodeRule(131030, _FINAL, "Phone not on the test list", *say.TEST_NUMBER),
    CodeRule(131047, _FINAL, "More than 24 hours since the last chat", *say.FREE_FORM),
    CodeRule(CODE_COOLING, _FINAL, "Held back by WhatsApp", *say.COOLING),
    CodeRule(CODE_USER_STOPPED, _FINAL, "Guest stopped such messages", *say.STOPPED_BY_GUEST),
    CodeRule(137000, _FINAL, "Guest's phone has changed hands", *say.IDENTITY_CHANGED),
    # Never an answer to a send; here because Meta lists them and a webhook or a listing may name them.
    CodeRule(131035, _FINAL, "Status report lost", *say.REPORT_LOST),
    CodeRule(131052, _FINAL, "Guest's picture not loaded", *say.INBOUND_MEDIA),
    CodeRule(131059, _FINAL, "Template list out of step", *say.TEMPLATE_LIST),
    CodeRule(2388019, _FINAL, "Too many templates", *say.TEMPLATE_LIST),
)

CODES: Final[dict[int, CodeRule]] = {rule.code: rule for rule in _RULES}


def rule_for(code: int | None) -> CodeRule | None:
    """The rule of a code; None for a code that neither the table nor one of Meta's code ranges knows."""
    if code is None:
        return None
    if code in CODES:
        return CODES[code]
    if 200 <= code <= 299:
        return CodeRule(code, _STOP_NUMBER, "Permission missing", *say.PERMISSION)
    if 132000 <= code <= 132999:
        return CodeRule(code, _STOP_RUN, "Problem with the template", *say.TEMPLATE_MISMATCH)
    if 133000 <= code <= 133999:
        return CodeRule(code, _STOP_NUMBER, "Number not registered", *say.REGISTRATION)
    return None


def rule_for_refusal(code: int | None, http_status: int) -> CodeRule | None:
    """What an error answer to a send asks of us; None when it does not prove that Meta refused the message.

    Only a parsed code can prove a refusal: an HTML page or an empty body may come from a gateway that had already
    passed the message on. A code that is not in the table is believed with HTTP 4xx only.
    """
    if code is None or http_status < 400:
        return None
    server_fault = http_status >= 500
    if server_fault and code in _UNDECIDED:
        return None
    rule = rule_for(code)
    if rule is not None or server_fault:
        return rule
    if http_status == 429:
        return CodeRule(code, _LATER, "Sending too fast", *say.TOO_FAST, slows_number=True, retry_after=_MINUTE)
    return CodeRule(code, _FINAL, "Refused by WhatsApp", *say.unknown_code(code))


def describe_failure(code: int | None) -> tuple[str, str, str]:
    """Title, operator text and next step of a failed message, whatever the code.

    0 counts as "no code", as in the key of a fact: Meta's real code 0 is a refused token, which stops the number and
    fails no message.
    """
    if not code:
        return "Not delivered", *say.NO_CODE
    rule = rule_for(code)
    if rule is None:
        return "Not delivered", *say.unknown_code(code)
    return rule.title, rule.operator_text, rule.next_step
