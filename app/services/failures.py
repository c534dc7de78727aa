"""Which exceptions mean that the database is away, and not that something is wrong with the request or with us."""

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.db.engine import is_retryable

_CONNECTION_SQLSTATES = ("08", "28", "3D", "53", "57P", "25006")
"""PostgreSQL, appendix A: connection exceptions, wrong user or password, no such database, out of resources, operator
intervention (shutdown), read-only standby."""
_UNREADABLE_FILE = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}


def database_is_away(error: BaseException | None) -> bool:
    """True for lost or refused connections, an exhausted pool, a full, locked or unreadable database.

    The same call may work later, at the latest when the operator has mended the database or its address.
    """
    if isinstance(error, PoolTimeoutError | OSError | TimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if isinstance(state, str):
        return state.startswith(_CONNECTION_SQLSTATES)
    if getattr(error.orig, "sqlite_errorcode", None) in _UNREADABLE_FILE:
        return True
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def values_are_at_fault(error: StatementError) -> bool:
    """True when a statement's values are to blame (also those that no driver can bind), not the database or its state."""
    return not database_is_away(error) and not (isinstance(error, DBAPIError) and is_retryable(error))
