"""Many rows as one FROM element with one parameter per column, so that a statement's text does not grow with its rows.

PostgreSQL unnests one array per column; SQLite unpacks one JSON text. The columns carry their SQLAlchemy types, so that
ids and times are bound exactly as in any other statement.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.dialects.postgresql import ARRAY

Rowset = sa.FromClause

_SQLITE = sqlite_dialect.dialect()


def rowset(
    columns: Mapping[str, sa.types.TypeEngine[Any]], values: Sequence[Sequence[Any]], name: str, *, sqlite: bool
) -> Rowset:
    """``values`` (rows of equal length, in the order of ``columns``) as a named FROM element with typed columns."""
    return _sqlite_rows(columns, values, name) if sqlite else _unnest(columns, values, name)


def _unnest(columns: Mapping[str, sa.types.TypeEngine[Any]], values: Sequence[Sequence[Any]], name: str) -> Rowset:
    parts = list(zip(*values, strict=True)) or [()] * len(columns)
    arrays = [
        sa.cast(sa.bindparam(None, list(part), type_=ARRAY(kind, dimensions=1)), ARRAY(kind, dimensions=1))
        for part, kind in zip(parts, columns.values(), strict=True)
    ]
    columns_out = [sa.column(column, kind) for column, kind in columns.items()]
    return sa.func.unnest(*arrays).table_valued(*columns_out, name=name).render_derived()


def _sqlite_rows(columns: Mapping[str, sa.types.TypeEngine[Any]], values: Sequence[Sequence[Any]], name: str) -> Rowset:
    binders = [kind.dialect_impl(_SQLITE).bind_processor(_SQLITE) for kind in columns.values()]
    text = json.dumps(
        [[bind(value) if bind else value for bind, value in zip(binders, row, strict=True)] for row in values],
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return sqlite_json_rows(columns, sa.bindparam(None, text, type_=sa.Text), name)


def sqlite_json_rows(columns: Mapping[str, Any], text: sa.ColumnElement[str], name: str) -> Rowset:
    """The rows of a JSON text (a list of lists of values as SQLite keeps them) as a FROM element."""
    value = sa.func.json_each(text).table_valued("value", name=f"{name}_json").c.value
    return typed(columns, name, lambda place, _: sa.func.json_extract(value, sa.literal_column(f"'$[{place}]'")))


def typed(
    columns: Mapping[str, Any], name: str, read: Callable[[int, sa.types.TypeEngine[Any]], sa.ColumnElement[Any]]
) -> Rowset:
    """A FROM element of what ``read`` gives for each column's place and type."""
    return sa.select(
        *(sa.type_coerce(read(place, kind), kind).label(column) for place, (column, kind) in enumerate(columns.items()))
    ).subquery(name)
