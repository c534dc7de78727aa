"""Run counters: moved by the same unit of work that moves the messages, from a message's old and new place alone."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from app.db.engine import UnitOfWork
from app.db.tables import RunBreakdownRow, RunCountersRow
from app.domain.enums import MessageState, RejectionReason

C = RunCountersRow
B = RunBreakdownRow


@dataclass(frozen=True, slots=True)
class Place:
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
        columns: dict[str, Any] = {"run_id": C.run_id.type} | {name: sa.Integer() for name in COLUMNS}
        rows = [(run_id, *(moved[name] for name in COLUMNS)) for run_id, moved in sorted(self._columns.items())]
        delta = uow.rows(columns, rows, "delta")
        await uow.session.execute(
            sa.select(C.run_id).join(delta, delta.c.run_id == C.run_id).order_by(C.run_id).with_for_update(of=C)
        )
        added = {name: getattr(C, name) + delta.c[name] for name in COLUMNS}
        await uow.session.execute(
            sa.update(C)
            .where(C.run_id == delta.c.run_id)
            .values(
                **added,
                changed_at=at,
                completed_at=sa.case(
                    (added["queued"] + added["sending"] == 0, sa.func.coalesce(C.completed_at, at)),
                    else_=C.completed_at,
                ),
            )
            .execution_options(synchronize_session=False)
        )
        await self._apply_breakdowns(uow)

    async def _apply_breakdowns(self, uow: UnitOfWork) -> None:
        parts = sorted((run_id, state, key, count) for (run_id, state, key), count in self._breakdowns.items() if count)
        if not parts:
            return
        columns: dict[str, Any] = {name: getattr(B, name).type for name in ("run_id", "state", "key", "count")}
        rows = uow.rows(columns, parts, "part")
        insert = (sqlite if uow.sqlite else postgresql).insert(B)
        upsert = insert.from_select(list(columns), sa.select(*rows.c).where(sa.true()))
        await uow.session.execute(
            upsert.on_conflict_do_update(
                index_elements=["run_id", "state", "key"], set_={"count": B.count + upsert.excluded.count}
            )
        )
