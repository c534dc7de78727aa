"""Send runs in lists, and how fast they go."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.keyset import Keyset, Page, page
from app.db.tables import AttemptRow, MessageRow, RunCountersRow, SendRunRow
from app.domain import ids
from app.domain.enums import SendRunStatus
from app.services.base import Actor
from app.services.reading.base import Reading, empty, known, listed
from app.services.reading.rows import RunView, select_runs
from app.services.reading.visibility import visible
from app.whatsapp.port import Behaviour

_RUNS = Keyset("sendRuns", (SendRunRow.id,), descending=True)
_RATE_WINDOW = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a run goes. ``estimated_completion_at`` is None unless it is running and moving."""

    per_second: float
    estimated_completion_at: datetime | None


class RunReading(Reading):
    async def workspace_runs(
        self,
        actor: Actor,
        workspace_id: str,
        *,
        statuses: Sequence[SendRunStatus] = (),
        first: int,
        after: str | None = None,
    ) -> Page[RunView]:
        """Newest first; an empty list of statuses is no filter."""
        window = _RUNS.window(first, after, workspace_id, set(statuses))
        if not ids.is_id(ids.WORKSPACE, workspace_id):
            return empty()
        query = self._runs().where(SendRunRow.workspace_id == workspace_id, SendRunRow.workspace_id.in_(visible(actor)))
        if statuses:
            query = query.where(sa.or_(*(_has_status(status) for status in set(statuses))))
        return await self._read(lambda uow: page(uow, query, window, _view))

    async def event_runs(self, actor: Actor, event_id: str, *, first: int, after: str | None = None) -> Page[RunView]:
        """Newest first, test runs too."""
        window = _RUNS.window(first, after, event_id)
        if not ids.is_id(ids.EVENT, event_id):
            return empty()
        query = self._runs().where(SendRunRow.event_id == event_id, SendRunRow.workspace_id.in_(visible(actor)))
        return await self._read(lambda uow: page(uow, query, window, _view))

    async def rates(self, actor: Actor, run_ids: Sequence[str]) -> dict[str, Rate]:
        """By run id: messages a second that left the queue for good, over the last 10 s or since the run began."""
        wanted = known(ids.SEND_RUN, run_ids)
        now = self._clock()

        async def unit(uow: UnitOfWork) -> dict[str, Rate]:
            left = left_queue(now)
            query = (
                self._runs()
                .add_columns(sa.func.coalesce(left.c.count, 0))
                .outerjoin(left, left.c.run_id == SendRunRow.id)
                .where(listed(uow, SendRunRow.id, wanted), SendRunRow.workspace_id.in_(visible(actor)))
            )
            found = await uow.session.execute(query)
            return {view[0].id: rate_of(RunView(*view), count, now) for *view, count in found}

        return await self._read(unit)

    def _runs(self) -> sa.Select[Any]:
        return select_runs(self._overdue_before, on_sqlite=self._db.sqlite)


# A passing refusal, and a call that never left this machine, put the message back into the queue.
_LEFT_THE_QUEUE = AttemptRow.outcome.in_(["ACCEPTED", "UNKNOWN"]) | (AttemptRow.behaviour == Behaviour.FINAL.value)


def _view(row: Any) -> RunView:
    return RunView(*row[:4])


def _has_status(status: SendRunStatus) -> sa.ColumnElement[bool]:
    """``lifecycle.run_status`` as a condition."""
    stored, completed = SendRunRow.status, RunCountersRow.completed_at.is_not(None)
    if status is SendRunStatus.COMPLETED:
        return completed & (stored != SendRunStatus.CANCELLED)
    if status is SendRunStatus.CANCELLED:
        return stored == SendRunStatus.CANCELLED
    return (stored == status) & ~completed


def left_queue(now: datetime) -> sa.Subquery:
    """How many messages of each run left the queue within the window of a rate: ``run_id`` and ``count``."""
    # Materialized, so that the few recent attempts are found by their time, not by the many messages of a run.
    recent = (
        sa.select(AttemptRow.message_id)
        .where(AttemptRow.finished_at > now - _RATE_WINDOW, _LEFT_THE_QUEUE)
        .cte("recent")
        .prefix_with("MATERIALIZED")
    )
    return (
        sa.select(MessageRow.run_id, sa.func.count().label("count"))
        .join(recent, recent.c.message_id == MessageRow.id)
        .group_by(MessageRow.run_id)
        .subquery("left_queue")
    )


def rate_of(run: RunView, count: int, now: datetime) -> Rate:
    """``count`` is that of ``left_queue``."""
    seconds = min(max((now - run.row.created_at).total_seconds(), 1.0), _RATE_WINDOW.total_seconds())
    rate = count / seconds
    left = run.counters.queued + run.counters.sending
    moving = rate > 0 and left > 0 and run.status is SendRunStatus.RUNNING
    return Rate(rate, now + timedelta(seconds=left / rate) if moving else None)
