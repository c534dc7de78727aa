"""Which exceptions mean that the database is away, and not that something is wrong with the request or with us."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.db.engine import is_retryable

_CONNECTION_SQLSTATES = ("08", "53", "57P", "25006")
"""PostgreSQL, appendix A: connection exceptions, out of resources, operator intervention (shutdown), read-only standby."""


def database_is_away(error: BaseException | None) -> bool:
    """True for lost or refused connections, an exhausted pool, a full or locked database; the same call may work later."""
    if isinstance(error, PoolTimeoutError | OSError | TimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if isinstance(state, str):
        return state.startswith(_CONNECTION_SQLSTATES)
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def values_are_at_fault(error: StatementError) -> bool:
    """True when a statement's values are to blame (also those that no driver can bind), not the database or its state."""
    return not database_is_away(error) and not (isinstance(error, DBAPIError) and is_retryable(error))
