"""A large database in seconds, on PostgreSQL: a run that is there, multiplied by set-based SQL.

Every row of the copy is its pattern's, except for what names it, and counters and the author's entry are multiplied along:
what was true of the pattern is true of the copy, so ``invites verify`` has nothing to say against either.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import sqlalchemy as sa

from app.db.counters import COLUMNS
from app.db.engine import UnitOfWork
from app.db.tables import (
    AttemptRow,
    AuditRow,
    Base,
    FactRow,
    GuestUnitRow,
    MessageRow,
    MessageSourceRow,
    PersonRow,
    ReceiptRow,
    RunBreakdownRow,
    RunCountersRow,
    SendRunRow,
    StatusItemRow,
)
from app.domain import ids
from app.domain.enums import SendRunStatus

Expression = sa.ColumnElement[Any]

BIG: tuple[type[Base], ...] = (
    AttemptRow, AuditRow, FactRow, GuestUnitRow, MessageRow, MessageSourceRow, PersonRow, ReceiptRow, StatusItemRow,
)  # fmt: skip
"""What grows with every message that is sent."""


async def multiply(uow: UnitOfWork, run_id: str, times: int, status: SendRunStatus = SendRunStatus.RUNNING) -> str:
    """A run of its own with ``times`` messages for each of the pattern's, each to a household of its own.

    Takes along attempts, receipts, status items and facts. Returns the new run's id.
    """
    runs = await uow.session.scalar(sa.select(sa.func.count()).select_from(SendRunRow)) or 0
    made = _Copy(uow, run_id, times, serial=runs)
    await made.write(status)
    return made.new_run_id


async def analyze(uow: UnitOfWork) -> None:
    """What autovacuum does a minute after a large change: let the planner know of it."""
    for name in names((*BIG, RunCountersRow, SendRunRow)):
        await uow.session.execute(sa.text(f"ANALYZE {name}"))


@dataclass(slots=True)
class _Copy:
    uow: UnitOfWork
    run_id: str
    times: int
    serial: int
    """Of no other copy."""
    new_run_id: str = field(default_factory=lambda: ids.new_id(ids.SEND_RUN))

    async def write(self, status: SendRunStatus) -> None:
        run = sa.literal(self.new_run_id, SendRunRow.id.type)
        await self._copy(
            SendRunRow, SendRunRow.id == self.run_id, once=True, id=run, idempotency_key=sa.literal(self.new_run_id),
            status=sa.literal(status, SendRunRow.status.type),
        )  # fmt: skip
        multiplied = {name: getattr(RunCountersRow, name) * self.times for name in COLUMNS}
        await self._copy(RunCountersRow, RunCountersRow.run_id == self.run_id, once=True, run_id=run, **multiplied)
        await self._copy(
            RunBreakdownRow, RunBreakdownRow.run_id == self.run_id, once=True, run_id=run,
            count=RunBreakdownRow.count * self.times,
        )  # fmt: skip
        await self._audit()
        await self._households()
        await self._messages(run)
        await self._evidence()

    async def _audit(self) -> None:
        query = sa.select(AuditRow).where(AuditRow.run_id == self.run_id).order_by(AuditRow.id)
        for entry in (await self.uow.session.scalars(query)).all():
            after = {
                name: value * self.times if type(value) is int else value for name, value in (entry.after or {}).items()
            }
            await self._copy(
                AuditRow, AuditRow.id == entry.id, once=True, id=sa.literal(ids.new_id(ids.AUDIT), AuditRow.id.type),
                run_id=sa.literal(self.new_run_id, AuditRow.run_id.type), after=sa.literal(json.dumps(after), sa.Text),
            )  # fmt: skip

    async def _households(self) -> None:
        sources = sa.select(MessageSourceRow.guest_unit_id).join(
            MessageRow, MessageRow.id == MessageSourceRow.message_id
        )
        of_run = sources.where(MessageRow.run_id == self.run_id)
        unit, person = GuestUnitRow, PersonRow
        await self._copy(
            unit, unit.id.in_(of_run), id=self._id(unit.id), name=self._named(unit.name),
            name_key=self._named(unit.name_key), delivery_phone=self._phone(unit.delivery_phone),
        )  # fmt: skip
        await self._copy(
            person, person.guest_unit_id.in_(of_run), id=self._id(person.id), name=self._named(person.name),
            name_key=self._named(person.name_key), guest_unit_id=self._id(person.guest_unit_id),
            phone=self._phone(person.phone),
        )  # fmt: skip

    async def _messages(self, run: Expression) -> None:
        message, source, attempt = MessageRow, MessageSourceRow, AttemptRow
        count = sa.select(sa.func.count()).where(message.run_id == self.run_id).scalar_subquery()
        await self._copy(
            message, message.run_id == self.run_id, id=self._id(message.id), run_id=run,
            position=(_N - 1) * count + message.position, recipient_name=self._named(message.recipient_name),
            search_key=self._named(message.search_key), phone=self._phone(message.phone),
            provider_message_id=self._called(message.provider_message_id, message.id),
        )  # fmt: skip
        of_run = sa.select(message.id).where(message.run_id == self.run_id)
        await self._copy(
            source, source.message_id.in_(of_run), message_id=self._id(source.message_id),
            guest_unit_id=self._id(source.guest_unit_id), person_id=self._id(source.person_id),
        )  # fmt: skip
        await self._copy(
            attempt, attempt.message_id.in_(of_run), message_id=self._id(attempt.message_id),
            provider_message_id=self._called(attempt.provider_message_id, attempt.message_id),
        )  # fmt: skip

    async def _evidence(self) -> None:
        item, fact, receipt = StatusItemRow, FactRow, ReceiptRow
        of_run = sa.select(MessageRow.id).where(MessageRow.run_id == self.run_id)
        receipts = sa.select(item.receipt_id).where(item.message_id.in_(of_run))
        await self._copy(receipt, receipt.id.in_(receipts), id=self._id(receipt.id))
        called = self._called(item.provider_message_id, item.message_id)
        await self._copy(
            item, item.message_id.in_(of_run), id=self._id(item.id), receipt_id=self._id(item.receipt_id),
            message_id=self._id(item.message_id), provider_message_id=called,
            attempt=self._called(item.attempt, item.message_id),
            item=sa.func.replace(item.item, item.provider_message_id, called),
        )  # fmt: skip
        await self._copy(
            fact, fact.message_id.in_(of_run), id=self._id(fact.id), message_id=self._id(fact.message_id),
            provider_message_id=self._called(fact.provider_message_id, fact.message_id),
            attempt=self._called(fact.attempt, fact.message_id),
        )  # fmt: skip

    async def _copy(self, kind: type[Base], where: Expression, *, once: bool = False, **changed: Expression) -> None:
        """Insert the rows that are so again, each ``times`` times or ``once``, with other values in these columns."""
        table = cast("sa.Table", kind.__table__)
        columns = list(table.c)
        query = sa.select(*(changed.get(column.key, column).label(column.key) for column in columns)).where(where)
        if not once:
            query = query.join(_SERIES, sa.true()).order_by(_N)
        await self.uow.session.execute(
            sa.insert(table).from_select([column.key for column in columns], query, include_defaults=False),
            {"times": self.times} if not once else {},
        )

    def _id(self, column: Any) -> Expression:
        """An id of the same moment; the same one wherever the same id stands."""
        moment = sa.func.substr(_hex(column), 1, 16)
        tail = sa.func.lpad(sa.func.to_hex(_N), 8, "0")
        return sa.cast(moment.op("||")(f"8{self.serial:07x}").op("||")(tail), sa.Uuid)

    def _called(self, column: Any, message_id: Any) -> Expression:
        """Meta's id of a message, or an attempt's name, which has the id of the message in it."""
        old, new = _hex(message_id), _hex(self._id(message_id))
        return sa.case((column.contains(old), sa.func.replace(column, old, new)), else_=self._named(column))

    def _named(self, column: Any) -> Expression:
        return cast("Expression", column + f".{self.serial}." + sa.cast(_N, sa.Text))

    def _phone(self, column: Any) -> Expression:
        """A phone that nobody has; none where the pattern has none."""
        digits = sa.func.lpad(sa.cast(_N, sa.Text), 7, "0")
        return f"+{self.serial:04d}" + digits + sa.func.right(column, 4)


def _hex(column: Any) -> Any:
    return sa.func.replace(sa.cast(column, sa.Text), "-", "")


_SERIES = (
    sa.func.generate_series(1, sa.bindparam("times", type_=sa.Integer))
    .table_valued("n", name="series")
    .render_derived()
)
_N: Any = sa.type_coerce(_SERIES.c.n, sa.Integer)


def names(kinds: Sequence[type[Base]] = BIG) -> set[str]:
    """The tables' names."""
    return {kind.__tablename__ for kind in kinds}
