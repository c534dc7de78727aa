"""What can be seen of watched runs: one statement, however many they are and whoever watches them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import MemberRow, SendRunRow
from app.domain.enums import SendRunStatus
from app.services.base import Actor
from app.services.reading.base import listed
from app.services.reading.rows import RunView, json_list, select_runs
from app.services.reading.runs import Rate, left_queue, rate_of


@dataclass(frozen=True, slots=True)
class Look:
    """One run at one moment. Shared by all who watch it, so each asks first whether they still ``may`` see it."""

    view: RunView
    rate: Rate
    subjects: frozenset[str]
    """The active members of its workspace."""

    def may(self, actor: Actor) -> bool:
        return actor.subject in self.subjects

    @property
    def figures(self) -> object:
        """All that is news when it changes. How fast it goes is not: that changes with the time alone."""
        view, counters = self.view, self.view.counters
        told = (view.status, view.status_reason, view.next_step)
        return *told, *(getattr(counters, column.key) for column in counters.__table__.columns), view.summary

    @property
    def nothing_left(self) -> bool:
        """To send: what may still come are deliveries."""
        return self.view.completed_at is not None or self.view.status is SendRunStatus.CANCELLED


async def looks(
    uow: UnitOfWork, run_ids: Collection[str], now: datetime, unconfirmed_after: timedelta
) -> dict[str, Look]:
    """By run id, whoever may see it: for callers who let each look through to those who ``may``."""
    left = left_queue(now)
    query = (
        select_runs(now - unconfirmed_after, on_sqlite=uow.sqlite)
        .add_columns(
            json_list((MemberRow.subject,), on_sqlite=uow.sqlite)
            .where(MemberRow.workspace_id == SendRunRow.workspace_id, MemberRow.active)
            .scalar_subquery(),
            sa.func.coalesce(left.c.count, 0),
        )
        .outerjoin(left, left.c.run_id == SendRunRow.id)
        .where(listed(uow, SendRunRow.id, sorted(run_ids)))
    )
    found = {}
    for *fields, members, count in await uow.session.execute(query):
        view = RunView(*fields)
        subjects = frozenset(subject for (subject,) in members or ())
        found[view.row.id] = Look(view, rate_of(view, count, now), subjects)
    return found
