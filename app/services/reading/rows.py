"""Rows by id, in batches, and what the actor is in a workspace."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import Base, MemberRow, RunCountersRow, SendRunRow, WorkspaceRow
from app.domain import ids
from app.domain.enums import SendRunStatus
from app.domain.lifecycle import run_status
from app.services.access import Access
from app.services.base import Actor
from app.services.reading.base import Reading, known, listed
from app.services.reading.visibility import SEEN, visible

R = TypeVar("R", bound=Base)


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with its counters, which alone know whether it is completed."""

    row: SendRunRow
    counters: RunCountersRow

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
        wanted = known(ids.SEND_RUN, run_ids)

        async def unit(uow: UnitOfWork) -> dict[str, RunView]:
            query = select_runs().where(listed(uow, SendRunRow.id, wanted), SendRunRow.workspace_id.in_(visible(actor)))
            return {row.id: RunView(row, counters) for row, counters in await uow.session.execute(query)}

        return await self._read(unit)

    async def node(self, actor: Actor, node_id: str) -> Base | RunView | None:
        """Anything of ``visibility.SEEN`` by its id; a run as a ``RunView``."""
        prefix = ids.prefix_of(node_id)
        if prefix == ids.SEND_RUN:
            return (await self.runs(actor, [node_id])).get(node_id)
        for kind, (kind_prefix, _seen) in SEEN.items():
            if kind_prefix == prefix:
                return (await self.rows(actor, kind, [node_id])).get(node_id)
        return None


def select_runs() -> sa.Select[SendRunRow, RunCountersRow]:
    return sa.select(SendRunRow, RunCountersRow).join(RunCountersRow, RunCountersRow.run_id == SendRunRow.id)
