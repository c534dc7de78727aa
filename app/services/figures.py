"""The figures of the whole database that whoever runs the service watches: what waits, for how long, and what is odd.

Of all processes together, so one scrape of any of them tells about ``invites worker`` too, which serves nothing itself.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from app.db.engine import Database, UnitOfWork
from app.db.messages import M
from app.db.tables import AttemptRow, FactRow, NumberRow, RunCountersRow, SendRunRow, is_state
from app.domain.enums import MessageState, SendRunStatus
from app.services.health import Concerns, concerns
from app.services.sweeping import RECENT

log = logging.getLogger(__name__)

FRESH_SECONDS: Final = 2.0
"""A figure may be so old: however often somebody scrapes, the database is asked no more often than this."""
PATIENCE_SECONDS: Final = 5.0
LAST: Final = timedelta(minutes=1)
"""The stretch of time in which ended attempts are counted."""

OPEN: Final = (SendRunStatus.RUNNING, SendRunStatus.PAUSED, SendRunStatus.STOPPED)
"""What a run can be while it has something left to send."""


@dataclass(frozen=True, slots=True)
class NumberFigures:
    """One sending number."""

    paused: bool
    rate_share: float
    """The part of SEND_RATE that Meta's brakes leave."""
    last_webhook_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenRuns:
    """The runs of one number and status that are not over."""

    runs: int
    queued: int
    oldest_due_seconds: float
    """How long the longest waiting message of running runs has been due; 0 when none is."""


@dataclass(frozen=True, slots=True)
class Figures:
    """All of one snapshot. Numbers go by Meta's id of them, ``META_PHONE_NUMBER_ID``, which is no phone."""

    numbers: dict[str, NumberFigures]
    open_runs: dict[tuple[str, SendRunStatus], OpenRuns]
    """By number and status, only those that occur."""
    sending: int
    unconfirmed: int
    unconfirmed_oldest_seconds: float
    concerns: Concerns
    unmatched_facts: int
    """Of the last ten minutes: the sweep would have matched what is older, if it were ours."""
    attempts: dict[tuple[str, str | None], int]
    """Ended within the last minute, by the attempt's outcome and behaviour."""


async def figures(uow: UnitOfWork, unconfirmed_after: timedelta) -> Figures:
    """Read by indexes that hold only what is under way or odd: their size does not grow with what was ever sent."""
    now = await uow.now()
    sending, unconfirmed, since, unmatched = (await uow.session.execute(_counts(now))).one()
    numbers = await uow.session.execute(
        sa.select(NumberRow.phone_number_id, NumberRow.paused, NumberRow.rate_share, NumberRow.last_webhook_at)
    )
    return Figures(
        numbers={number: NumberFigures(paused, share, at) for number, paused, share, at in numbers},
        open_runs={
            (number, status): OpenRuns(runs, queued, _seconds(oldest, now))
            for number, status, runs, queued, oldest in await uow.session.execute(_open_runs(now))
        },
        sending=sending,
        unconfirmed=unconfirmed,
        unconfirmed_oldest_seconds=_seconds(since, now),
        concerns=await concerns(uow, unconfirmed_after),
        unmatched_facts=unmatched,
        attempts={
            (outcome, behaviour): count
            for outcome, behaviour, count in await uow.session.execute(_attempts(now))
            if outcome is not None
        },
    )


def _counts(now: datetime) -> sa.Select[int, int, datetime | None, int]:
    unconfirmed = is_state(M.state, MessageState.UNCONFIRMED)
    unmatched = sa.and_(FactRow.message_id.is_(None), FactRow.received_at > now - RECENT)
    count = sa.func.count()
    return sa.select(
        sa.select(count).select_from(M).where(is_state(M.state, MessageState.SENDING)).scalar_subquery(),
        sa.select(count).select_from(M).where(unconfirmed).scalar_subquery(),
        sa.select(sa.func.min(M.state_since)).where(unconfirmed).scalar_subquery(),
        sa.select(count).select_from(FactRow).where(unmatched).scalar_subquery(),
    )


def _open_runs(now: datetime) -> sa.Select[str, SendRunStatus, int, int, datetime | None]:
    oldest_due = (
        sa.select(sa.func.min(M.not_before))
        .where(M.run_id == SendRunRow.id, is_state(M.state, MessageState.QUEUED), M.not_before <= now)
        .scalar_subquery()
    )
    return (
        sa.select(
            NumberRow.phone_number_id,
            SendRunRow.status,
            sa.func.count(),
            sa.func.sum(RunCountersRow.queued),
            sa.func.min(sa.case((is_state(SendRunRow.status, SendRunStatus.RUNNING), oldest_due))),
        )
        .select_from(SendRunRow)
        .join(RunCountersRow, RunCountersRow.run_id == SendRunRow.id)
        .join(NumberRow, NumberRow.id == SendRunRow.number_id)
        .where(is_state(SendRunRow.status, *OPEN), RunCountersRow.completed_at.is_(None))
        .group_by(NumberRow.phone_number_id, SendRunRow.status)
    )


def _attempts(now: datetime) -> sa.Select[str | None, str | None, int]:
    return (
        sa.select(AttemptRow.outcome, AttemptRow.behaviour, sa.func.count())
        .where(AttemptRow.finished_at > now - LAST)
        .group_by(AttemptRow.outcome, AttemptRow.behaviour)
    )


def _seconds(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0


class Watch:
    """The latest figures, read at most every two seconds however often they are asked for."""

    def __init__(self, db: Database, unconfirmed_after: timedelta) -> None:
        self._db = db
        self._unconfirmed_after = unconfirmed_after
        self._one_at_a_time = asyncio.Lock()
        self._kept: Figures | None = None
        self._stale_at = 0.0

    async def latest(self) -> Figures | None:
        """None while the database is away or not migrated: whoever watches must be told so, not be turned away."""
        async with self._one_at_a_time:
            if time.monotonic() >= self._stale_at:
                self._kept = await self._read()
                self._stale_at = time.monotonic() + FRESH_SECONDS
            return self._kept

    async def _read(self) -> Figures | None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._db.read(lambda uow: figures(uow, self._unconfirmed_after))
        except (SQLAlchemyError, OSError) as error:  # a timeout is an OSError
            log.warning("the figures of the database could not be read: %s", type(error).__name__)
            return None
