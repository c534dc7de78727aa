"""From exceptions to what a caller sees: a sentence and ``extensions.code``, for every error that leaves this service.

What a caller is meant to see is an ``AppError``, or graphql-core's own complaint about the document. Everything else is
a fault of ours: the caller gets an error id, the log gets the fault under that id.
"""

import logging
import secrets
from typing import Any, Final

from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import MaskErrors
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from app.domain.errors import AppError, ErrorCode, RateLimitedError
from app.services.failures import database_is_away

_log = logging.getLogger(__name__)

AWAY: Final = "The service cannot reach its database at the moment. Try again in a few seconds."
INTERNAL: Final = "Internal error"


# What Strawberry raises, on a websocket only, for documents that ask for no operation, or for one they do not have.
OF_THE_DOCUMENT: Final = (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)


class CodedError(GraphQLError):
    """An error of the GraphQL layer itself, which knows its code."""

    def __init__(self, message: str, code: ErrorCode, *, nodes: Any = None) -> None:
        super().__init__(message, nodes, extensions={"code": code.value})


class ErrorMapping(MaskErrors):
    """Gives every error its code and hides what is none of the caller's business.

    ``suggestions`` off takes "Did you mean" away, which would tell the names that introspection keeps.
    """

    def __init__(self, *, suggestions: bool = True) -> None:
        super().__init__(should_mask_error=lambda _: True)
        self._suggestions = suggestions

    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        found = coded(error)
        if not self._suggestions:
            found.message = found.message.partition(" Did you mean ")[0]
        return found


def coded(error: GraphQLError) -> GraphQLError:
    """``error`` as the caller sees it; logs it once."""
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if cause is None or isinstance(cause, OF_THE_DOCUMENT):
        return _of_the_document(error)
    if isinstance(cause, AppError):
        _log.info("refused: %s %s", cause.code.value, cause.message)
        more: dict[str, Any] = {"field": cause.field} if cause.field else {}
        if isinstance(cause, RateLimitedError):
            more = {"retryAfter": cause.retry_after}
        return _replaced(error, cause.message, {"code": cause.code.value, **more})
    if database_is_away(cause):
        _log.warning("the database is away: %s", type(cause).__name__)
        return _replaced(error, AWAY, {"code": ErrorCode.UNAVAILABLE.value})
    error_id = secrets.token_hex(8)
    _log.error("internal error %s at %s", error_id, error.path, exc_info=cause)
    return _replaced(error, INTERNAL, {"code": ErrorCode.INTERNAL.value, "errorId": error_id})


def _of_the_document(error: GraphQLError) -> GraphQLError:
    """Syntax, validation and variables: the caller's own words, so they may be quoted back."""
    return _replaced(error, error.message, {"code": ErrorCode.BAD_INPUT.value, **(error.extensions or {})})


def _replaced(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )
