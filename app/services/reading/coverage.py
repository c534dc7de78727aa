"""How an event stands with households: each by its best message over all invite runs, decided in the statement."""

from collections.abc import Sequence

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import EventRow, GuestUnitRow, MessageRow, MessageSourceRow
from app.domain import ids
from app.domain.enums import InviteCoverage, SendRunKind
from app.domain.lifecycle import COVERAGE_OF_STATE, COVERAGE_RANK
from app.services.base import Actor
from app.services.reading.base import Reading, known, listed
from app.services.reading.visibility import visible

_STATE_RANK = sa.case(
    {state: COVERAGE_RANK[coverage] for state, coverage in COVERAGE_OF_STATE.items()}, value=MessageRow.state
)
_BY_RANK = {rank: coverage for coverage, rank in COVERAGE_RANK.items()}


def best_ranks(*conditions: sa.ColumnElement[bool]) -> sa.Subquery:
    """``event_id``, ``guest_unit_id`` and the best ``rank`` of the invite messages that meet ``conditions``."""
    return (
        sa.select(MessageRow.event_id, MessageSourceRow.guest_unit_id, sa.func.max(_STATE_RANK).label("rank"))
        .join(MessageSourceRow, MessageSourceRow.message_id == MessageRow.id)
        .where(MessageRow.kind == SendRunKind.INVITE, *conditions)
        .group_by(MessageRow.event_id, MessageSourceRow.guest_unit_id)
        .subquery("best")
    )


def rank_of(best: sa.Subquery) -> sa.ColumnElement[int]:
    """The rank in an outer join with ``best_ranks``: no message at all is NOT_TRIED."""
    return sa.func.coalesce(best.c.rank, COVERAGE_RANK[InviteCoverage.NOT_TRIED])


class CoverageReading(Reading):
    async def coverage(self, actor: Actor, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], InviteCoverage]:
        """By (guest unit id, event id); pairs of two workspaces are left out."""
        wanted = [
            (unit_id, event_id)
            for unit_id, event_id in dict.fromkeys(pairs)
            if ids.is_id(ids.GUEST_UNIT, unit_id) and ids.is_id(ids.EVENT, event_id)
        ]

        async def unit(uow: UnitOfWork) -> dict[tuple[str, str], InviteCoverage]:
            asked = uow.rows({"unit_id": GuestUnitRow.id.type, "event_id": EventRow.id.type}, wanted, "asked")
            best = best_ranks(
                MessageRow.event_id.in_(sa.select(asked.c.event_id)),
                MessageSourceRow.guest_unit_id.in_(sa.select(asked.c.unit_id)),
            )
            query = (
                sa.select(GuestUnitRow.id, EventRow.id, rank_of(best))
                .join(asked, asked.c.unit_id == GuestUnitRow.id)
                .join(
                    EventRow, (EventRow.id == asked.c.event_id) & (EventRow.workspace_id == GuestUnitRow.workspace_id)
                )
                .outerjoin(best, (best.c.guest_unit_id == GuestUnitRow.id) & (best.c.event_id == EventRow.id))
                .where(GuestUnitRow.workspace_id.in_(visible(actor)))
            )
            found = await uow.session.execute(query)
            return {(unit_id, event_id): _BY_RANK[rank] for unit_id, event_id, rank in found}

        return await self._read(unit)

    async def coverage_summaries(self, actor: Actor, event_ids: Sequence[str]) -> dict[str, dict[InviteCoverage, int]]:
        """Households that are not archived, each once, by event; all eight, zeros too. Their sum is the households."""
        wanted = known(ids.EVENT, event_ids)

        async def unit(uow: UnitOfWork) -> dict[str, dict[InviteCoverage, int]]:
            best = best_ranks(listed(uow, MessageRow.event_id, wanted), MessageRow.workspace_id.in_(visible(actor)))
            query = (
                sa.select(EventRow.id, rank_of(best), sa.func.count(GuestUnitRow.id))
                .outerjoin(GuestUnitRow, (GuestUnitRow.workspace_id == EventRow.workspace_id) & ~GuestUnitRow.archived)
                .outerjoin(best, (best.c.event_id == EventRow.id) & (best.c.guest_unit_id == GuestUnitRow.id))
                .where(listed(uow, EventRow.id, wanted), EventRow.workspace_id.in_(visible(actor)))
                .group_by(EventRow.id, best.c.rank)
            )
            counts: dict[str, dict[InviteCoverage, int]] = {}
            for event_id, rank, count in await uow.session.execute(query):
                counts.setdefault(event_id, dict.fromkeys(InviteCoverage, 0))[_BY_RANK[rank]] += count
            return counts

        return await self._read(unit)
