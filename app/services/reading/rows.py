"""Rows by id, in batches, and what the actor is in a workspace."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.entities import Entities
from app.db.prepared import Prepared
from app.db.tables import Base, MemberRow, MessageRow, RunBreakdownRow, RunCountersRow, SendRunRow, WorkspaceRow
from app.db.types import JsonText
from app.domain import ids
from app.domain.enums import SendRunStatus
from app.domain.lifecycle import run_status
from app.services.access import Access
from app.services.base import Actor
from app.services.reading.base import Reading, known, listed
from app.services.reading.summaries import Summary, is_overdue, run_summary
from app.services.reading.visibility import SEEN, VISIBLE

R = TypeVar("R", bound=Base)


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with all of its counters, which alone know whether it is completed. One statement reads it: it is of one moment."""

    row: SendRunRow
    counters: RunCountersRow
    parts: Sequence[tuple[str, str, int]] | None
    """Its breakdowns: state, key and count; None when it has none."""
    unconfirmed_overdue: int

    @property
    def status(self) -> SendRunStatus:
        return run_status(self.row.status, self.counters.completed_at)

    @property
    def status_reason(self) -> str | None:
        """Why it does not run; of a completed run nothing, for there is nothing to resume."""
        return None if self.status is SendRunStatus.COMPLETED else self.row.status_reason

    @property
    def next_step(self) -> str | None:
        return None if self.status is SendRunStatus.COMPLETED else self.row.next_step

    @property
    def completed_at(self) -> datetime | None:
        return self.counters.completed_at

    @property
    def summary(self) -> Summary:
        return run_summary(self.counters, self.parts or (), self.unconfirmed_overdue)


class RowReading(Reading):
    """Batches answer with a dict by id; what is not there cannot be seen."""

    async def memberships(self, actor: Actor) -> list[MemberRow]:
        """The actor's active memberships, oldest workspace first."""

        async def unit(uow: UnitOfWork) -> list[MemberRow]:
            query = (
                sa.select(MemberRow)
                .where(MemberRow.subject == actor.subject, MemberRow.active)
                .order_by(MemberRow.workspace_id)
            )
            return list((await uow.session.execute(query)).scalars())

        return await self._read(unit)

    async def accesses(self, actor: Actor, workspace_ids: Sequence[str]) -> dict[str, Access]:
        """The actor's role and permissions, with the workspace, by workspace id."""
        wanted = known(ids.WORKSPACE, workspace_ids)

        async def unit(uow: UnitOfWork) -> dict[str, Access]:
            query = (
                sa.select(MemberRow, WorkspaceRow)
                .join(WorkspaceRow, WorkspaceRow.id == MemberRow.workspace_id)
                .where(MemberRow.subject == actor.subject, MemberRow.active)
                .where(listed(uow, MemberRow.workspace_id, wanted))
            )
            found = (await uow.session.execute(query)).all()
            return {workspace.id: Access(actor, member, workspace) for member, workspace in found}

        return await self._read(unit)

    async def rows(self, actor: Actor, kind: type[R], row_ids: Sequence[str]) -> dict[str, R]:
        """Rows of one of the kinds in ``visibility.SEEN``."""
        prefix, seen = SEEN[kind]
        wanted = known(prefix, row_ids)
        key: Any = sa.inspect(kind).all_orm_descriptors["id"]

        async def unit(uow: UnitOfWork) -> dict[str, R]:
            query = sa.select(key, kind).where(listed(uow, key, wanted), seen(actor))
            return dict((await uow.session.execute(query)).all())

        return await self._read(unit)

    async def runs(self, actor: Actor, run_ids: Sequence[str]) -> dict[str, RunView]:
        """``rows`` of runs, with their counters."""
        wanted = [(run_id,) for run_id in known(ids.SEND_RUN, run_ids)]
        found = await self._db.glance(
            lambda uow: _BY_ID(uow, wanted, subject=actor.subject, before=self._overdue_before)
        )
        views = (
            RunView(_RUN.made(values[: len(_RUN)]), _COUNTERS.made(values[len(_RUN) : -2]), *values[-2:])
            for values in found
        )
        return {view.row.id: view for view in views}

    async def node(self, actor: Actor, node_id: str) -> Base | RunView | None:
        """Anything of ``visibility.SEEN`` by its id; a run as a ``RunView``."""
        prefix = ids.prefix_of(node_id)
        if prefix == ids.SEND_RUN:
            return (await self.runs(actor, [node_id])).get(node_id)
        for kind, (kind_prefix, _seen) in SEEN.items():
            if kind_prefix == prefix:
                return (await self.rows(actor, kind, [node_id])).get(node_id)
        return None


def select_runs(before: datetime, *, on_sqlite: bool) -> sa.Select[Any]:
    """The fields of ``RunView`` in their order; ``before`` is when what is UNCONFIRMED and overdue became so."""
    return _with_counters(sa.select(SendRunRow, RunCountersRow, *_figures(before, on_sqlite=on_sqlite)))


def json_list(columns: Sequence[Any], *, on_sqlite: bool) -> sa.Select[Any]:
    """The rows of a subquery in one value: a list of lists; None when there are none."""
    build, collect = (
        (sa.func.json_array, sa.func.json_group_array) if on_sqlite else (sa.func.json_build_array, sa.func.json_agg)
    )
    return sa.select(sa.type_coerce(sa.cast(collect(build(*columns)), sa.Text()), JsonText))


def _with_counters(query: sa.Select[Any]) -> sa.Select[Any]:
    return query.join_from(SendRunRow, RunCountersRow, RunCountersRow.run_id == SendRunRow.id)


def _figures(before: datetime | sa.BindParameter[datetime], *, on_sqlite: bool) -> tuple[Any, Any]:
    parts = (
        json_list((RunBreakdownRow.state, RunBreakdownRow.key, RunBreakdownRow.count), on_sqlite=on_sqlite)
        .where(RunBreakdownRow.run_id == SendRunRow.id, RunBreakdownRow.count > 0)
        .scalar_subquery()
    )
    overdue = sa.select(sa.func.count()).where(MessageRow.run_id == SendRunRow.id, is_overdue(before)).scalar_subquery()
    return parts, overdue


def _by_id(wanted: sa.FromClause, on_sqlite: bool) -> sa.Select[Any]:
    before = sa.bindparam("before", type_=MessageRow.state_since.type)
    columns = (*_RUN.columns, *_COUNTERS.columns, *_figures(before, on_sqlite=on_sqlite))
    query = _with_counters(sa.select(*columns))
    return query.where(SendRunRow.id.in_(sa.select(wanted.c.id)), SendRunRow.workspace_id.in_(VISIBLE))


_RUN, _COUNTERS = Entities(SendRunRow), Entities(RunCountersRow)
_BY_ID = Prepared({"id": SendRunRow.id.type}, _by_id)
