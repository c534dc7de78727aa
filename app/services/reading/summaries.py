"""Counts of runs and events: sums of the run counters, which equal the rows; nothing here counts messages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import EventRow, MessageRow, RunBreakdownRow, RunCountersRow, SendRunRow, is_state
from app.domain import ids
from app.domain.enums import MessageState, RejectionReason, SendRunKind
from app.services.base import Actor
from app.services.reading.base import Reading, known, listed
from app.services.reading.visibility import visible

COUNTERS = {state: getattr(RunCountersRow, state.value.lower()) for state in MessageState}
"""The counter of each state, in the order in which summaries list them."""


@dataclass(frozen=True, slots=True)
class Summary:
    """How many messages stand where."""

    states: dict[MessageState, int]
    """All ten in their order, zeros too."""
    reached_accepted: int
    reached_sent: int
    reached_delivered: int
    reached_read: int
    unconfirmed_overdue: int
    """UNCONFIRMED for longer than the setting ``UNCONFIRMED_AFTER``."""
    rejections: dict[RejectionReason, int] = field(default_factory=dict)
    """REJECTED by reason, in the enum's order, only those that occur."""
    failures: dict[int | None, int] = field(default_factory=dict)
    """FAILED by Meta's code, the most frequent first; None is "without a code"."""

    @property
    def candidates(self) -> int:
        return sum(self.states.values())

    @property
    def eligible(self) -> int:
        return self.candidates - self.states[MessageState.REJECTED]


def is_overdue(before: datetime | sa.BindParameter[datetime]) -> sa.ColumnElement[bool]:
    """Of a message: that it has been UNCONFIRMED for so long that a person should look. By an index of these alone."""
    return is_state(MessageRow.state, MessageState.UNCONFIRMED) & (MessageRow.state_since < before)


def run_summary(counters: RunCountersRow, parts: Iterable[tuple[str, str, int]], unconfirmed_overdue: int) -> Summary:
    """Of one run; ``parts`` are its breakdowns as state, key and count."""
    summary = Summary(
        {state: getattr(counters, column.key) for state, column in COUNTERS.items()},
        counters.reached_accepted,
        counters.reached_sent,
        counters.reached_delivered,
        counters.reached_read,
        unconfirmed_overdue,
    )
    for state, key, count in parts:
        _add(summary, MessageState(state), key, count)
    return _ordered(summary)


class SummaryReading(Reading):
    async def event_summaries(self, actor: Actor, event_ids: Sequence[str]) -> dict[str, Summary]:
        """By event id, over all its invite runs: who was invited twice counts twice. Test runs count nowhere.

        One statement: all figures of one summary are of one moment.
        """
        wanted = known(ids.EVENT, event_ids)

        async def unit(uow: UnitOfWork) -> dict[str, Summary]:
            runs = (
                sa.select(EventRow.id.label("event_id"), SendRunRow.id.label("run_id"))
                .outerjoin(SendRunRow, (SendRunRow.event_id == EventRow.id) & (SendRunRow.kind == SendRunKind.INVITE))
                .where(listed(uow, EventRow.id, wanted), EventRow.workspace_id.in_(visible(actor)))
                .cte("runs")
            )
            summaries: dict[str, Summary] = {}
            for row in await uow.session.execute(_summaries_of(runs, is_overdue(self._overdue_before))):
                summary = summaries.get(row.event_id)
                if summary is None:
                    summary = summaries[row.event_id] = Summary(
                        {state: row._mapping[state.value] for state in MessageState},  # noqa: SLF001 - SQLAlchemy's public name
                        row.reached_accepted,
                        row.reached_sent,
                        row.reached_delivered,
                        row.reached_read,
                        row.overdue,
                    )
                _add(summary, row.state, row.key, row.count)
            return {event_id: _ordered(summary) for event_id, summary in summaries.items()}

        return await self._read(unit)


def _add(summary: Summary, state: MessageState | None, key: str, count: int) -> None:
    if state is MessageState.REJECTED:
        summary.rejections[RejectionReason(key)] = count
    elif state is MessageState.FAILED:
        summary.failures[int(key) or None] = count


def _ordered(summary: Summary) -> Summary:
    return replace(
        summary,
        rejections={reason: summary.rejections[reason] for reason in RejectionReason if reason in summary.rejections},
        failures=dict(sorted(summary.failures.items(), key=lambda item: (-item[1], item[0] or 0))),
    )


def _summaries_of(runs: sa.CTE, overdue_when: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """One row per event and part (by reason or code), the event's own figures repeated in each."""
    counters, breakdown = RunCountersRow, RunBreakdownRow
    reached = ("reached_accepted", "reached_sent", "reached_delivered", "reached_read")
    header = (
        sa.select(
            runs.c.event_id,
            *(sa.func.coalesce(sa.func.sum(column), 0).label(state.value) for state, column in COUNTERS.items()),
            *(sa.func.coalesce(sa.func.sum(getattr(counters, name)), 0).label(name) for name in reached),
        )
        .outerjoin(counters, counters.run_id == runs.c.run_id)
        .group_by(runs.c.event_id)
        .subquery("header")
    )
    parts = (
        sa.select(runs.c.event_id, breakdown.state, breakdown.key, sa.func.sum(breakdown.count).label("count"))
        .join(breakdown, breakdown.run_id == runs.c.run_id)
        .where(breakdown.count > 0)
        .group_by(runs.c.event_id, breakdown.state, breakdown.key)
        .subquery("parts")
    )
    overdue = (
        sa.select(runs.c.event_id, sa.func.count().label("count"))
        .join(MessageRow, MessageRow.run_id == runs.c.run_id)
        .where(overdue_when)
        .group_by(runs.c.event_id)
        .subquery("overdue")
    )
    return (
        sa.select(
            header,
            parts.c.state,
            parts.c.key,
            parts.c.count,
            sa.func.coalesce(overdue.c.count, 0).label("overdue"),
        )
        .outerjoin(parts, parts.c.event_id == header.c.event_id)
        .outerjoin(overdue, overdue.c.event_id == header.c.event_id)
    )
