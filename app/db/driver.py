"""Past SQLAlchemy, within its transaction: for compiled statements on a path where its own time counts.

By SQLAlchemy a statement of this kind takes three times as long on PostgreSQL, and four changes of thread instead of one
on SQLite. Errors come out as SQLAlchemy's, so that whoever handles them need not know by which way a statement went.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

Rows = Sequence[Sequence[Any]]


class Driver:
    """The driver's connection under one of SQLAlchemy's, for as long as a transaction lasts."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._driver: Any = _driver_of(connection) if _is_autocommit(connection) else None
        self._sqlite = connection.dialect.name == "sqlite"

    async def run(self, text: str, parameters: Any, *, returns: bool) -> Rows:
        """Run ``text`` with positional parameters, on SQLite once for each of a list of them.

        Raises SQLAlchemy's StatementError: its DBAPIError for what the database refuses, itself for what no driver can bind.
        """
        try:
            # The first one makes SQLAlchemy begin the transaction in the driver too; later ones, where somebody listens to
            # statements.
            if self._driver is None or self._connection.sync_engine.dispatch.before_cursor_execute:
                rows = await self._by_sqlalchemy(text, parameters, returns=returns)
                self._driver = _driver_of(self._connection)
                return rows
            return await self._directly(text, parameters)
        except ValueError as error:  # lone surrogates
            raise StatementError(str(error), text, None, error, hide_parameters=True) from error
        except sqlite3.Error as error:
            base: Any = sqlite3.Error
            raise DBAPIError.instance(
                text, None, error, base, hide_parameters=True, dialect=self._connection.dialect
            ) from error
        except asyncpg.IntegrityConstraintViolationError as error:
            raise IntegrityError(text, None, error, hide_parameters=True) from error
        except asyncpg.PostgresError as error:
            raise DBAPIError(text, None, error, hide_parameters=True) from error
        # The connection is gone; the pool sees that itself. In the middle between the server's last word and its hanging up
        # asyncpg finds itself in a state that it does not know.
        except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            raise InterfaceError(text, None, error, hide_parameters=True) from error

    async def _directly(self, text: str, parameters: Any) -> Rows:
        if not self._sqlite:
            rows: Rows = await self._driver.fetch(text, *parameters)
        elif isinstance(parameters, list):
            await self._driver.executemany(text, parameters)
            return []
        else:
            rows = await self._driver.execute_fetchall(text, parameters)
        return rows

    async def _by_sqlalchemy(self, text: str, parameters: Any, *, returns: bool) -> Rows:
        done = await self._connection.exec_driver_sql(text, parameters)
        if not returns:
            return []
        rows: Rows = done.cursor.fetchall() if done.cursor is not None else []
        done.close()
        return rows


def _driver_of(connection: AsyncConnection) -> Any:
    assert connection.sync_connection is not None, "it is open"
    return connection.sync_connection.connection.driver_connection


def _is_autocommit(connection: AsyncConnection) -> bool:
    """Each statement is a transaction of its own: there is none to begin."""
    adapted: Any = connection.sync_connection and connection.sync_connection.connection.dbapi_connection
    return getattr(adapted, "isolation_level", None) == "autocommit"
