"""What PostgreSQL does for a use case: the plan of each statement that it really sends, and what that reads."""

import functools
import json
import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from app.db.engine import Database
from tests.statements import listening


@dataclass(frozen=True, slots=True)
class Scan:
    """One visit of a table within a plan."""

    table: str
    kind: str
    """``Seq Scan``, ``Index Scan`` …"""
    rows: int
    """Rows that were looked at, over all loops, those that a filter threw away too."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a statement."""

    sql: str
    scans: list[Scan]
    whole: set[str]
    """Tables that are read from end to end, by this plan or by the one that must do for any parameters."""

    def rows(self, tables: AbstractSet[str]) -> int:
        """Rows of these tables that were looked at."""
        return sum(scan.rows for scan in self.scans if scan.table in tables)


@dataclass(slots=True)
class Plans:
    executions: list[Execution] = field(default_factory=list)
    generic: dict[str, set[str]] = field(default_factory=dict)
    """What the plan for any parameters reads from end to end, by statement."""


@contextmanager
def explained(db: Database) -> Iterator[Plans]:
    """Have every statement explained just before it runs, within its transaction, if it has one, which is left as it was.

    Planned as on large tables: a Seq Scan that is left has no index to take its place.
    """
    plans = Plans()

    def explain(connection: Any, _cursor: Any, sql: str, parameters: Any, _context: Any, many: bool) -> None:
        cursor = connection.connection.cursor()
        alone = connection.connection.dbapi_connection.isolation_level == "autocommit"
        cursor.execute("BEGIN" if alone else "SAVEPOINT explained")
        for choice in ("seqscan", "bitmapscan"):
            cursor.execute(f"SET LOCAL enable_{choice} = off")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {sql}", parameters[0] if many else parameters)
        plan = _plan(cursor.fetchone())
        if sql not in plans.generic:
            (row,) = connection.connection.run_async(functools.partial(_for_any_parameters, sql=sql))
            plans.generic[sql] = _whole(_scans(_plan(row)))
        cursor.execute("ROLLBACK" if alone else "ROLLBACK TO SAVEPOINT explained")
        cursor.close()
        scans = list(_scans(plan))
        plans.executions.append(Execution(sql, scans, _whole(scans) | plans.generic[sql]))

    with listening(db, explain):
        yield plans


async def _for_any_parameters(driver: Any, sql: str) -> list[Any]:
    """The plan that a prepared statement gets once it has been called a few times."""
    count = max((int(n) for n in re.findall(r"\$(\d+)", sql)), default=0)
    call = f"explained({','.join(['NULL'] * count)})" if count else "explained"
    await driver.execute(f"SET LOCAL plan_cache_mode = force_generic_plan; PREPARE explained AS {sql}")
    rows: list[Any] = await driver.fetch(f"EXPLAIN (FORMAT JSON) EXECUTE {call}")
    await driver.execute("DEALLOCATE explained")
    return rows


def _plan(row: Sequence[Any]) -> dict[str, Any]:
    found: Any = json.loads(row[0]) if isinstance(row[0], str) else row[0]
    plan: dict[str, Any] = found[0]["Plan"]
    return plan


def _scans(node: dict[str, Any]) -> Iterator[Scan]:
    if node["Node Type"].endswith("Scan") and "Relation Name" in node:
        looked_at = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
        rows = sum(node.get(name, 0) for name in looked_at) * node.get("Actual Loops", 1)
        yield Scan(node["Relation Name"], node["Node Type"], round(rows))
    for child in node.get("Plans", ()):
        yield from _scans(child)


def _whole(scans: Iterator[Scan] | list[Scan]) -> set[str]:
    return {scan.table for scan in scans if scan.kind == "Seq Scan"}
