"""Statements of the hot paths: written with SQLAlchemy once, compiled once per database, then run as text.

An ordinary statement is put together, hashed, looked up and its values coerced each time; for the small groups of a webhook
storm that was most of what a status cost. What is given up: nothing of the ORM, no defaults, and values are taken as they
are, so that only values of our own making belong here.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine.interfaces import Dialect

from app.db.engine import UnitOfWork
from app.db.types import PublicId, UtcDateTime

Convert = Callable[[Any], Any]
Build = Callable[[sa.FromClause, bool], "sa.Select[*tuple[Any, ...]] | sa.Insert | sa.Update"]
"""The statement over a row set; the flag is true for SQLite."""


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
        """Run it; returns the rows that it returns, if any, with values of the columns' Python types."""
        connection = await uow.session.connection()
        compiled = self._compiled.get(connection.dialect.name) or self._compile(connection.dialect)
        values = {**compiled.fixed, **{name: _apply(compiled.given[name], value) for name, value in given.items()}}
        parts = [
            part if bind is None else [None if value is None else bind(value) for value in part]
            for part, bind in zip(_transposed(rows, len(self._columns)), compiled.columns, strict=True)
        ]
        if compiled.one_by_one:
            await connection.exec_driver_sql(compiled.text, list(zip(*parts, strict=True)))
            return []
        if uow.sqlite:
            values["rows"] = json.dumps(list(zip(*parts, strict=True)), ensure_ascii=False, separators=(",", ":"))
        else:
            values |= {f"rows_{place}": part for place, part in enumerate(parts)}
        done = await connection.exec_driver_sql(compiled.text, tuple(values[name] for name in compiled.parameters))
        if not compiled.results:
            return []
        found = done.cursor.fetchall() if done.cursor is not None else []
        done.close()
        return _converted(found, compiled.results)

    def _compile(self, dialect: Dialect) -> _Compiled:
        sqlite = dialect.name == "sqlite"
        one_by_one = sqlite and any(isinstance(kind, sa.LargeBinary) for kind in self._columns.values())
        rows = _one_row if one_by_one else _json_rows if sqlite else _array_rows
        statement = self._build(rows(self._columns), sqlite)
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        binds, fixed = compiled.binds, {}
        given: dict[str, Convert | None] = {}
        for name in dict.fromkeys(compiled.positiontup or ()):
            bind = binds[name]
            if name.partition("_")[0] == "rows":
                continue
            if bind.required:
                given[name] = _bind(bind.type, dialect)
            else:
                fixed[name] = _apply(_bind(bind.type, dialect), bind.value)
        self._compiled[dialect.name] = made = _Compiled(
            text=str(compiled),
            parameters=tuple(compiled.positiontup or ()),
            given=given,
            fixed=fixed,
            columns=tuple(_bind(kind, dialect) for kind in self._columns.values()),
            results=tuple(_result(column.type, dialect) for column in statement.exported_columns),
            one_by_one=one_by_one,
        )
        return made


def _array_rows(columns: Mapping[str, Any]) -> sa.FromClause:
    """PostgreSQL: one array per column."""
    arrays = [
        sa.bindparam(f"rows_{place}", type_=ARRAY(kind, dimensions=1), required=True)
        for place, kind in enumerate(columns.values())
    ]
    out = [sa.column(name, kind) for name, kind in columns.items()]
    return sa.func.unnest(*arrays).table_valued(*out, name="given").render_derived()


def _json_rows(columns: Mapping[str, Any]) -> sa.FromClause:
    """SQLite: one text with all rows."""
    text = sa.bindparam("rows", type_=sa.Text(), required=True)
    each = sa.func.json_each(text).table_valued("value", name="given_json")
    return sa.select(
        *(
            sa.type_coerce(sa.func.json_extract(each.c.value, f"$[{place}]"), kind).label(name)
            for place, (name, kind) in enumerate(columns.items())
        )
    ).subquery("given")


def _one_row(columns: Mapping[str, Any]) -> sa.FromClause:
    values = [
        sa.bindparam(f"rows_{place}", type_=kind, required=True).label(name)
        for place, (name, kind) in enumerate(columns.items())
    ]
    return sa.select(*values).subquery("given")


def _transposed(rows: Iterable[Sequence[Any]], width: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) or [()] * width


def _apply(convert: Convert | None, value: Any) -> Any:
    return value if convert is None or value is None else convert(value)


def _bind(kind: sa.types.TypeEngine[Any], dialect: Dialect) -> Convert | None:
    """What the driver wants for a value of this type; None for the value as it is."""
    if isinstance(kind, PublicId):
        start = len(kind.prefix) + 1
        return lambda value: value[start:]
    if isinstance(kind, sa.Enum):
        return lambda member: member.name
    if isinstance(kind, UtcDateTime) and dialect.name != "sqlite":
        return None
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _result(kind: sa.types.TypeEngine[Any], dialect: Dialect) -> Convert | None:
    if isinstance(kind, PublicId):
        lead = f"{kind.prefix}_"
        return (lambda value: lead + value) if dialect.name == "sqlite" else (lambda value: lead + value.hex)
    if isinstance(kind, sa.Enum) and kind.enum_class is not None:
        return dict(kind.enum_class.__members__).__getitem__
    if isinstance(kind, UtcDateTime) and dialect.name != "sqlite":
        return None
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _converted(rows: Sequence[Sequence[Any]], converts: Sequence[Convert | None]) -> list[tuple[Any, ...]]:
    columns = (
        [
            column if convert is None else [None if value is None else convert(value) for value in column]
            for column, convert in zip(zip(*rows, strict=True), converts, strict=True)
        ]
        if rows
        else []
    )
    return list(zip(*columns, strict=True))
