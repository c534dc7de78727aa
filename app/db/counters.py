"""Run counters: moved by the same unit of work that moves the messages, from a message's old and new place alone."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from app.db.engine import UnitOfWork
from app.db.prepared import Prepared
from app.db.tables import RunBreakdownRow, RunCountersRow
from app.domain.enums import MessageState, RejectionReason

C = RunCountersRow
B = RunBreakdownRow


class Place(NamedTuple):
    """All that a message's counters depend on. ``sent`` and so on say that it got at least so far, implied or told."""

    state: MessageState
    reason: RejectionReason | None = None
    failure_code: int | None = None
    accepted: bool = False
    sent: bool = False
    delivered: bool = False
    read: bool = False

    def columns(self) -> Iterable[str]:
        yield self.state.value.lower()
        for name, reached in (
            ("reached_accepted", self.accepted),
            ("reached_sent", self.sent),
            ("reached_delivered", self.delivered),
            ("reached_read", self.read),
        ):
            if reached:
                yield name

    def breakdown(self) -> tuple[MessageState, str] | None:
        """The part of a divided counter: REJECTED by reason, FAILED by Meta's code."""
        if self.state is MessageState.REJECTED:
            return self.state, str(self.reason)
        if self.state is MessageState.FAILED:
            return self.state, str(self.failure_code or 0)
        return None


COLUMNS = (
    *(state.value.lower() for state in MessageState),
    "reached_accepted",
    "reached_sent",
    "reached_delivered",
    "reached_read",
)


@dataclass(slots=True)
class CounterMoves:
    """Collects moves; ``apply`` writes the sum of them in three statements, whatever their number."""

    _columns: dict[str, Counter[str]] = field(default_factory=dict)
    _breakdowns: Counter[tuple[str, MessageState, str]] = field(default_factory=Counter)

    def move(self, run_id: str, before: Place | None, after: Place | None, times: int = 1) -> None:
        """``times`` messages of a run went from one place to another; None is "not there"."""
        counter = self._columns.setdefault(run_id, Counter())
        for place, step in ((before, -times), (after, times)):
            if place is None:
                continue
            for column in place.columns():
                counter[column] += step
            part = place.breakdown()
            if part is not None:
                self._breakdowns[run_id, *part] += step

    def of_run(self, run_id: str) -> tuple[Counter[str], Counter[tuple[MessageState, str]]]:
        """What is collected for one run: columns, and the parts of the divided ones."""
        parts = Counter({(state, key): count for (run, state, key), count in self._breakdowns.items() if run == run_id})
        return self._columns.get(run_id, Counter()), parts

    @property
    def run_ids(self) -> list[str]:
        return sorted(self._columns)

    async def apply(self, uow: UnitOfWork, at: datetime) -> None:
        """Lock the counters in the order of run ids, then add. The last lock of any unit of work.

        A run whose QUEUED and SENDING come to nothing is complete from this moment.
        """
        if not self._columns:
            return
        uow.changed_runs.update(self._columns)
        rows = [(run_id, *(moved[name] for name in COLUMNS)) for run_id, moved in sorted(self._columns.items())]
        if len(rows) > 1:  # a single row has no order to keep: adding locks it
            await _LOCK(uow, [row[:1] for row in rows])
        await _ADD(uow, rows, at=at)
        parts = sorted((run_id, state, key, count) for (run_id, state, key), count in self._breakdowns.items() if count)
        if parts:
            await _ADD_PARTS(uow, parts)


def _add(delta: sa.FromClause, _: bool) -> sa.Update:
    at = sa.bindparam("at", type_=C.changed_at.type)
    added = {name: getattr(C, name) + delta.c[name] for name in COLUMNS}
    completed = sa.case(
        (added["queued"] + added["sending"] == 0, sa.func.coalesce(C.completed_at, at)), else_=C.completed_at
    )
    return sa.update(C).where(C.run_id == delta.c.run_id).values(**added, changed_at=at, completed_at=completed)


def _add_parts(parts: sa.FromClause, on_sqlite: bool) -> sa.Insert:
    insert = (sqlite if on_sqlite else postgresql).insert(B)
    upsert = insert.from_select(list(_PART), sa.select(*parts.c).where(sa.true()))
    made: sa.Insert = upsert.on_conflict_do_update(
        index_elements=["run_id", "state", "key"], set_={"count": B.count + upsert.excluded.count}
    )
    return made


_RUN: dict[str, Any] = {"run_id": C.run_id.type}
_PART: dict[str, Any] = {name: getattr(B, name).type for name in ("run_id", "state", "key", "count")}
_LOCK = Prepared(
    _RUN,
    lambda asked, _: (
        sa.select(C.run_id).join(asked, asked.c.run_id == C.run_id).order_by(C.run_id).with_for_update(of=C)
    ),
)
_ADD = Prepared(_RUN | {name: sa.Integer() for name in COLUMNS}, _add)
_ADD_PARTS = Prepared(_PART, _add_parts)
