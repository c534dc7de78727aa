"""A refusal outside GraphQL, in GraphQL's form, which every client of this service can read."""

from typing import Any, Final

from app.domain.errors import AppError, ErrorCode, RateLimitedError

STATUS: Final = {
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.UNAVAILABLE: 503,
}
"""Of HTTP; 400 for every other code."""


def refused(error: AppError) -> tuple[int, dict[str, Any]]:
    """HTTP's status, and the body."""
    extensions: dict[str, Any] = {"code": error.code}
    if isinstance(error, RateLimitedError):
        extensions["retryAfter"] = error.retry_after
    return STATUS.get(error.code, 400), {
        "data": None,
        "errors": [{"message": error.message, "extensions": extensions}],
    }
