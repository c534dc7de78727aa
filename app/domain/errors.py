"""Errors that a caller is meant to see. The code is the contract, the sentence is for a person.

GraphQL shows the code in ``extensions.code``, the command line prints the sentence and exits 1.
"""

from enum import StrEnum
from typing import ClassVar


class ErrorCode(StrEnum):
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    BAD_INPUT = "BAD_INPUT"
    CONFLICT = "CONFLICT"
    TOO_LARGE = "TOO_LARGE"
    RATE_LIMITED = "RATE_LIMITED"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


class AppError(Exception):
    """Base of every error that may reach a caller as it is."""

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class UnauthenticatedError(AppError):
    """There is no valid token. One sentence for every cause, so that a caller learns nothing about which part was wrong."""

    code = ErrorCode.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("Sign in first: send a valid token as 'Authorization: Bearer <token>'.")


class ForbiddenError(AppError):
    """The caller is a member of the workspace, but may not do this. Names neither the role nor the rule."""

    code = ErrorCode.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("You may not do this here. Ask an owner or a parent admin of this workspace.")


class NotFoundError(AppError):
    """Unknown, malformed, or of another workspace: the caller cannot tell which."""

    code = ErrorCode.NOT_FOUND

    def __init__(self, message: str = "There is nothing with this id that you can see.") -> None:
        super().__init__(message)


class BadInputError(AppError):
    """The input itself is wrong; ``field`` names the part and the sentence says what to do."""

    code = ErrorCode.BAD_INPUT

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message, field=field)


class ConflictError(AppError):
    """The input is fine, but the present state does not allow it."""

    code = ErrorCode.CONFLICT


class TooLargeError(AppError):
    """Past a stated limit; the sentence names the limit."""

    code = ErrorCode.TOO_LARGE


class RateLimitedError(AppError):
    """Too much at once; try again after ``retry_after`` seconds, at least one."""

    code = ErrorCode.RATE_LIMITED

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnavailableError(AppError):
    """Something that we depend on is away; the same call may work later."""

    code = ErrorCode.UNAVAILABLE
