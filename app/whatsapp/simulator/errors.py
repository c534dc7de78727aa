"""Meta's error codes as the simulator speaks them: HTTP status, title, and both error shapes.

Written from Meta's error page alone, and on purpose not shared with the client's code table: a wrong row on one side
shows up as a disagreement instead of being wrong on both.
"""

import secrets
from http import HTTPStatus
from typing import Any

JsonObject = dict[str, Any]

AUTH_EXCEPTION = 0
INVALID_ID = 33
INVALID_PARAMETER = 100
TOKEN_INVALID = 190
SERVICE_DOWN = 2
THROUGHPUT = 130429
UNKNOWN_FAILURE = 131000
PARAMETER_MISSING = 131008
PARAMETER_VALUE = 131009
SENDER_IS_RECIPIENT = 131021
UNSUPPORTED_TYPE = 131051
BAD_CURSOR = 131059
PARAMETER_COUNT = 132000
TEMPLATE_MISSING = 132001
TEXT_TOO_LONG = 132005
PARAMETER_FORMAT = 132012
TEMPLATE_PAUSED = 132015
TEMPLATE_DISABLED = 132016
PARAMETER_RULES = 132018
GENERIC_REQUEST = 135000

HREF = "/documentation/business-messaging/whatsapp/support/error-codes"

# HTTP status and title per code. The odd ones are Meta's: a missing permission is a 500, throttling is a 400.
CODES: dict[int, tuple[int, str]] = {
    AUTH_EXCEPTION: (401, "AuthException"),
    1: (400, "API Unknown"),
    SERVICE_DOWN: (503, "API Service"),
    3: (500, "API Method"),
    4: (400, "API Too Many Calls"),
    10: (403, "API Permission Denied"),
    INVALID_ID: (400, "Parameter value is not valid"),
    INVALID_PARAMETER: (400, "Invalid parameter"),
    TOKEN_INVALID: (401, "Access token has expired"),
    200: (403, "API Permission"),
    368: (403, "Temporarily blocked for policies violations"),
    80007: (400, "Rate limit issues"),
    130403: (403, "Business has blocked this user"),
    THROUGHPUT: (400, "Rate limit hit"),
    130472: (400, "User's number is part of an experiment"),
    130497: (403, "Business account is restricted from messaging users in this country"),
    UNKNOWN_FAILURE: (500, "Something went wrong"),
    131005: (403, "Access denied"),
    PARAMETER_MISSING: (400, "Required parameter is missing"),
    PARAMETER_VALUE: (400, "Parameter value is not valid"),
    131016: (500, "Service unavailable"),
    SENDER_IS_RECIPIENT: (400, "Recipient cannot be sender"),
    131026: (400, "Message undeliverable"),
    131030: (400, "Recipient phone number not in allowed list"),
    131031: (403, "Account has been locked"),
    131037: (400, "Display name approval is needed"),
    131042: (400, "Business eligibility payment issue"),
    131045: (500, "Phone number registration error"),
    131047: (400, "Re-engagement message"),
    131048: (400, "Spam rate limit hit"),
    131049: (400, "This message was not delivered to maintain healthy ecosystem engagement."),
    131050: (400, "User has stopped marketing messages from this business"),
    UNSUPPORTED_TYPE: (400, "Unsupported message type"),
    131053: (400, "Media upload error"),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit"),
    131057: (500, "Account in maintenance mode"),
    BAD_CURSOR: (400, "Invalid cursor"),
    131063: (403, "Marketing templates are disabled on Cloud API"),
    131064: (403, "Messaging limited because of template misclassification"),
    PARAMETER_COUNT: (400, "Number of parameters does not match the expected number of params"),
    TEMPLATE_MISSING: (404, "Template name does not exist in the translation"),
    TEXT_TOO_LONG: (400, "Translated text too long"),
    132007: (400, "Template format character policy violated"),
    132008: (400, "Template parameter value invalid"),
    PARAMETER_FORMAT: (400, "Parameter format does not match format in the created template"),
    TEMPLATE_PAUSED: (400, "Template is paused"),
    TEMPLATE_DISABLED: (400, "Template is disabled"),
    PARAMETER_RULES: (400, "Template parameters validation failed"),
    133000: (500, "Incomplete deregistration"),
    133004: (503, "Server temporarily unavailable"),
    133010: (400, "Phone number not registered"),
    GENERIC_REQUEST: (400, "Generic user error"),
}


class GraphError(Exception):
    """A synchronous refusal: nothing was accepted and no status will follow."""

    def __init__(self, code: int, details: str, *, http_status: int | None = None) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.http_status = http_status or CODES.get(code, (HTTPStatus.BAD_REQUEST, ""))[0]


def title(code: int) -> str:
    return CODES.get(code, (0, "Unknown error"))[1]


def envelope(error: GraphError) -> JsonObject:
    """The body of a synchronous refusal."""
    return {
        "error": {
            "message": f"(#{error.code}) {title(error.code)}",
            "type": "OAuthException",
            "code": error.code,
            "error_data": {"messaging_product": "whatsapp", "details": error.details},
            "fbtrace_id": trace_id(),
        }
    }


def status_error(code: int) -> JsonObject:
    """One element of ``errors[]`` in a ``failed`` status."""
    text = title(code)
    return {"code": code, "title": text, "message": text, "error_data": {"details": f"{text}."}, "href": HREF}


def trace_id() -> str:
    return "A" + secrets.token_urlsafe(16)
