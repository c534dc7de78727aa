"""Statements of the hot paths: written with SQLAlchemy once, compiled once per database, then run by the driver.

An ordinary statement is put together, hashed, looked up and its values coerced each time; for the small groups of a webhook
storm that was most of what a status cost. What is given up: nothing of the ORM, no defaults, and values are taken as they
are, so that only values of our own making belong here.

Rows go as one JSON text: the driver would take five to ten times as long over an array per column; PostgreSQL takes twice
as long to read the text, in a process of its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import StatementError

from app.db.engine import UnitOfWork
from app.db.rowset import sqlite_json_rows, typed
from app.db.types import PublicId, UtcDateTime

Convert = Callable[[Any], Any]
Build = Callable[[sa.FromClause, bool], "sa.Select[*tuple[Any, ...]] | sa.Insert | sa.Update"]
"""The statement over a row set; the flag is true for SQLite."""

_ROWS, _NAME = "rows", "given"
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Compiled:
    """``text`` with positional parameters, each named in ``parameters``."""

    text: str
    parameters: tuple[str, ...]
    given: dict[str, Convert | None]
    fixed: dict[str, Any]
    columns: tuple[Convert | None, ...]
    """How a value of each column of the row set is bound."""
    results: tuple[Convert | None, ...]
    one_by_one: bool
    """Bytes have no place in SQLite's JSON: its driver is given the rows, and runs the statement for each."""


class Prepared:
    """``build`` is asked once per database for a statement over rows of ``columns``; other values of it are
    ``sa.bindparam(name, type_=…)`` and given by name.
    """

    def __init__(self, columns: Mapping[str, Any], build: Build) -> None:
        self._columns = dict(columns)
        self._build = build
        self._compiled: dict[str, _Compiled] = {}

    async def __call__(self, uow: UnitOfWork, rows: Iterable[Sequence[Any]], **given: Any) -> list[tuple[Any, ...]]:
        """Run it; returns the rows that it returns, if any, with values of the columns' Python types.

        Raises SQLAlchemy's StatementError, also for values that cannot be bound.
        """
        compiled = self._compiled.get(uow.dialect.name) or self._compile(uow.dialect)
        try:
            parameters = _parameters(compiled, rows, given)
        except ValueError as error:  # lone surrogates
            raise StatementError(str(error), compiled.text, None, error, hide_parameters=True) from error
        found = await uow.driver.run(compiled.text, parameters, returns=bool(compiled.results))
        return _converted(found, compiled.results) if compiled.results else []

    def _compile(self, dialect: Dialect) -> _Compiled:
        on_sqlite = dialect.name == "sqlite"
        one_by_one = on_sqlite and any(_is_bytes(kind) for kind in self._columns.values())
        rows = _one_row if one_by_one else _sqlite_rows if on_sqlite else _postgres_rows
        statement = self._build(rows(self._columns), on_sqlite)
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        parameters = tuple(compiled.positiontup or ())
        others = {name: compiled.binds[name] for name in parameters if not name.startswith(_ROWS)}
        self._compiled[dialect.name] = made = _Compiled(
            text=str(compiled),
            parameters=parameters,
            given={name: _bind(bind.type, dialect) for name, bind in others.items() if bind.required},
            fixed={
                name: _apply(_bind(bind.type, dialect), bind.value)
                for name, bind in others.items()
                if not bind.required
            },
            columns=tuple(_bind(kind, dialect) for kind in self._columns.values()),
            results=tuple(_result(column.type, dialect) for column in statement.exported_columns),
            one_by_one=one_by_one,
        )
        return made


def _parameters(compiled: _Compiled, rows: Iterable[Sequence[Any]], given: Mapping[str, Any]) -> Any:
    bound = _converted(rows, compiled.columns)
    if compiled.one_by_one:
        return bound
    values = {name: _apply(compiled.given[name], value) for name, value in given.items()}
    values |= compiled.fixed | {_ROWS: _encode(bound).decode()}
    return tuple(values[name] for name in compiled.parameters)


def _postgres_rows(columns: Mapping[str, Any]) -> sa.FromClause:
    text = sa.cast(sa.bindparam(_ROWS, type_=sa.Text(), required=True), JSONB)
    each = sa.func.jsonb_array_elements(text).table_valued("value", name=f"{_NAME}_json")

    def read(place: int, kind: sa.types.TypeEngine[Any]) -> sa.ColumnElement[Any]:
        value = each.c.value.op("->>")(sa.literal_column(str(place)))
        return sa.func.decode(value, sa.literal_column("'base64'")) if _is_bytes(kind) else sa.cast(value, kind)

    return typed(columns, _NAME, read)


def _sqlite_rows(columns: Mapping[str, Any]) -> sa.FromClause:
    return sqlite_json_rows(columns, sa.bindparam(_ROWS, type_=sa.Text(), required=True), _NAME)


def _one_row(columns: Mapping[str, Any]) -> sa.FromClause:
    return typed(columns, _NAME, lambda place, kind: sa.bindparam(f"{_ROWS}_{place}", type_=kind, required=True))


def _is_bytes(kind: sa.types.TypeEngine[Any]) -> bool:
    return isinstance(kind, sa.LargeBinary)


def _apply(convert: Convert | None, value: Any) -> Any:
    return value if convert is None or value is None else convert(value)


def _bind(kind: sa.types.TypeEngine[Any], dialect: Dialect) -> Convert | None:
    """What the driver, or JSON, wants for a value of this type; None for the value as it is."""
    if isinstance(kind, PublicId):
        start = len(kind.prefix) + 1
        return lambda value: value[start:]
    if isinstance(kind, sa.Enum):
        return lambda member: member.name
    if isinstance(kind, UtcDateTime | sa.LargeBinary) and dialect.name != "sqlite":
        return None
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _result(kind: sa.types.TypeEngine[Any], dialect: Dialect) -> Convert | None:
    if isinstance(kind, PublicId):
        lead = f"{kind.prefix}_"
        return (lambda value: lead + value) if dialect.name == "sqlite" else (lambda value: lead + value.hex)
    if isinstance(kind, sa.Enum) and kind.enum_class is not None:
        return dict(kind.enum_class.__members__).__getitem__
    if isinstance(kind, sa.Float) or (isinstance(kind, UtcDateTime) and dialect.name != "sqlite"):
        return None
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _converted(rows: Iterable[Sequence[Any]], converts: Sequence[Convert | None]) -> list[tuple[Any, ...]]:
    """By column, which is faster than by row."""
    given = list(zip(*rows, strict=True))
    if not given:
        return []
    columns = [
        column if convert is None else [None if value is None else convert(value) for value in column]
        for column, convert in zip(given, converts, strict=True)
    ]
    return list(zip(*columns, strict=True))
