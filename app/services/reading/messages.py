"""Invite messages in lists: of a run, of an event, of a household."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.entities import Entities
from app.db.keyset import Keyset, Page, Window, page, page_of
from app.db.prepared import Prepared
from app.db.tables import MessageRow, MessageSourceRow, RunBreakdownRow, RunCountersRow, SendRunRow
from app.domain import ids
from app.domain.enums import LifecycleState, MessageState, RejectionReason, SendRunKind
from app.domain.errors import BadInputError
from app.domain.search import ESCAPE, needle
from app.services.base import Actor
from app.services.reading.base import Reading, empty, first_column, grouped, known, listed
from app.services.reading.summaries import COUNTERS
from app.services.reading.visibility import VISIBLE, visible

_OF_RUN = Keyset("runMessages", (MessageRow.position,))
_OF_EVENT = Keyset("eventMessages", (MessageRow.run_id, MessageRow.position), descending=True)
_OF_UNIT = Keyset("unitMessages", (MessageRow.id,), descending=True)

_MAX_CODES = 100
_MAX_CODE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """All that is given holds together; empty or None is no filter."""

    states: tuple[MessageState, ...] = ()
    lifecycle: tuple[LifecycleState, ...] = ()
    reasons: tuple[RejectionReason, ...] = ()
    """Messages that are REJECTED for one of these, as ``Summary.rejections`` counts them."""
    failure_codes: tuple[int, ...] = ()
    """Messages that are FAILED with one of these, as ``Summary.failures`` counts them; 0 is "without a code"."""
    search: str | None = None
    """Part of a name or of a phone."""

    @property
    def possible(self) -> set[MessageState]:
        """The states that the filters leave."""
        left = set(self.states or MessageState)
        if self.lifecycle:
            left &= {MessageState(state.value) for state in self.lifecycle}
        if self.reasons:
            left &= {MessageState.REJECTED}
        if self.failure_codes:
            left &= {MessageState.FAILED}
        return left


class MessageReading(Reading):
    """``total`` comes from the counters; it is None with ``search``, where it would have to be counted."""

    async def run_messages(
        self, actor: Actor, run_id: str, where: MessageFilter, *, first: int, after: str | None = None
    ) -> Page[MessageRow]:
        """In the order of sending. Raises ``BadInputError`` for more failure codes than anybody chooses by hand."""
        if len(where.failure_codes) > _MAX_CODES:
            raise BadInputError(f"failureCodes must be at most {_MAX_CODES}", field="failureCodes")
        window = _OF_RUN.window(first, after, run_id, astuple(where))
        if not ids.is_id(ids.SEND_RUN, run_id):
            return empty()
        if where == MessageFilter():
            return await self._all_of_run(actor, run_id, window)
        query = _filtered(where).where(MessageRow.run_id == run_id, MessageRow.workspace_id.in_(visible(actor)))
        total = _total(where).where(SendRunRow.id == run_id, SendRunRow.workspace_id.in_(visible(actor)))
        return await self._read(lambda uow: _page(uow, query, window, None if needle(where.search) else total))

    async def _all_of_run(self, actor: Actor, run_id: str, window: Window) -> Page[MessageRow]:
        (after,) = window.after or (-1,)
        limit = window.first + 1
        found = await self._db.glance(
            lambda uow: _ALL_OF_RUN(uow, (), run_id=run_id, subject=actor.subject, after=after, limit=limit)
        )
        # A run without messages there is one row all the same, for its total.
        rows = [_MESSAGE.made(values) for _, *values in found if values[0] is not None]
        return page_of([(row, row.position) for row in rows], window, first_column, total=found[0][0] if found else 0)

    async def event_messages(
        self, actor: Actor, event_id: str, where: MessageFilter, *, first: int, after: str | None = None
    ) -> Page[MessageRow]:
        """Of all invite runs, the newest run first and within a run from its end."""
        window = _OF_EVENT.window(first, after, event_id, astuple(where))
        if not ids.is_id(ids.EVENT, event_id):
            return empty()
        query = _filtered(where).where(
            MessageRow.event_id == event_id,
            MessageRow.kind == SendRunKind.INVITE,
            MessageRow.workspace_id.in_(visible(actor)),
        )
        if where.possible != set(MessageState):
            # What is rare among an event's messages is found by the index of each run's states.
            runs = sa.select(SendRunRow.id).where(SendRunRow.event_id == event_id)
            query = query.where(MessageRow.run_id.in_(runs))
        total = _total(where).where(
            SendRunRow.event_id == event_id,
            SendRunRow.kind == SendRunKind.INVITE,
            SendRunRow.workspace_id.in_(visible(actor)),
        )
        return await self._read(lambda uow: _page(uow, query, window, None if needle(where.search) else total))

    async def unit_messages(
        self, actor: Actor, unit_id: str, *, first: int, after: str | None = None
    ) -> Page[MessageRow]:
        """Everything that was ever planned for a household, newest first; ``total`` is None."""
        window = _OF_UNIT.window(first, after, unit_id)
        if not ids.is_id(ids.GUEST_UNIT, unit_id):
            return empty()
        of_unit = sa.select(MessageSourceRow.message_id).where(MessageSourceRow.guest_unit_id == unit_id)
        query = sa.select(MessageRow).where(MessageRow.id.in_(of_unit), MessageRow.workspace_id.in_(visible(actor)))
        return await self._read(lambda uow: page(uow, query, window, first_column))

    async def sources(self, actor: Actor, message_ids: Sequence[str]) -> dict[str, list[MessageSourceRow]]:
        """The households and people that each message stands for, by message id."""
        wanted = known(ids.MESSAGE, message_ids)

        async def unit(uow: UnitOfWork) -> dict[str, list[MessageSourceRow]]:
            query = (
                sa.select(MessageSourceRow.message_id, MessageSourceRow)
                .join(MessageRow, MessageRow.id == MessageSourceRow.message_id)
                .where(listed(uow, MessageRow.id, wanted), MessageRow.workspace_id.in_(visible(actor)))
                .order_by(MessageSourceRow.message_id, MessageSourceRow.ordinal)
            )
            return grouped(await uow.session.execute(query))

        return await self._read(unit)


def _all_of_run(_rows: sa.FromClause, _on_sqlite: bool) -> sa.Select[Any]:
    run_id = sa.bindparam("run_id", type_=MessageRow.run_id.type)
    shown = (
        sa.select(*_MESSAGE.columns)
        .where(MessageRow.run_id == run_id, MessageRow.position > sa.bindparam("after", type_=sa.Integer()))
        .order_by(MessageRow.position)
        .limit(sa.bindparam("limit", type_=sa.Integer()))
        .subquery("shown")
    )
    total: Any = sum(COUNTERS.values())
    return (
        sa.select(total, *shown.c)
        .select_from(SendRunRow)
        .join(RunCountersRow, RunCountersRow.run_id == SendRunRow.id)
        .outerjoin(shown, sa.true())
        .where(SendRunRow.id == run_id, SendRunRow.workspace_id.in_(VISIBLE))
        .order_by(shown.c.position)
    )


_MESSAGE = Entities(MessageRow)
_ALL_OF_RUN = Prepared({}, _all_of_run)
"""The page that is asked for most, with its total: run by the driver, since the ORM takes twice as long over the rows."""


async def _page(uow: UnitOfWork, query: sa.Select[Any], window: Any, total: sa.Select[Any] | None) -> Page[MessageRow]:
    count = None if total is None else (await uow.session.execute(total)).scalar_one()
    return await page(uow, query, window, first_column, total=count)


def _filtered(where: MessageFilter) -> sa.Select[Any]:
    query = sa.select(MessageRow)
    if where.possible != set(MessageState):
        query = query.where(MessageRow.state.in_(sorted(where.possible)))
    if where.reasons:
        query = query.where(MessageRow.rejection_reason.in_(where.reasons))
    if where.failure_codes:
        query = query.where(sa.func.coalesce(MessageRow.failure_code, 0).in_(_codes(where)))
    if (pattern := needle(where.search)) is not None:
        query = query.where(MessageRow.search_key.like(pattern, escape=ESCAPE))
    return query


def _total(where: MessageFilter) -> sa.Select[Any]:
    """What the counters of the runs say; the same messages that ``_filtered`` finds, without its search."""
    parts = [reason.value for reason in where.reasons] + [str(code) for code in _codes(where)]
    if where.reasons or where.failure_codes:
        return (
            sa.select(sa.func.coalesce(sa.func.sum(RunBreakdownRow.count), 0))
            .join(SendRunRow, SendRunRow.id == RunBreakdownRow.run_id)
            .where(RunBreakdownRow.state.in_(sorted(where.possible)), RunBreakdownRow.key.in_(parts))
        )
    counted = sum((COUNTERS[state] for state in sorted(where.possible)), start=sa.literal(0))
    return (
        sa.select(sa.func.coalesce(sa.func.sum(counted), 0))
        .select_from(SendRunRow)
        .join(RunCountersRow, RunCountersRow.run_id == SendRunRow.id)
    )


def _codes(where: MessageFilter) -> list[int]:
    """Those that a row can have."""
    return [code for code in where.failure_codes if 0 <= code <= _MAX_CODE]
