"""Take in webhooks: what Meta posted is durable, and has had its effect, before anybody answers 200.

One transaction for a batch of bodies, set-based over all their items: receipts (bytes), redacted status items, facts,
states, counters, blocks. When a batch cannot be written it is halved until the one item that cannot is alone; that one is
kept as unrecognised and the others are applied.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import StatementError

from app import logs
from app.checkpoints import WEBHOOK_RECEIVED, reached
from app.db.bulk import inserting
from app.db.engine import Database, UnitOfWork
from app.db.tables import NumberRow, ReceiptRow
from app.domain import ids
from app.services.base import utc_now
from app.services.failures import values_are_at_fault
from app.services.notices import Notices, nameless, notices_of
from app.services.statuses import Entry, Receipt, StatusEffect, Statuses
from app.whatsapp import webhook
from app.whatsapp.items import StatusItem, Unrecognised

log = logging.getLogger(__name__)

LONG_AGO = datetime.min.replace(tzinfo=UTC)
TOUCH = timedelta(seconds=20)
"""How exact ``last_webhook_at`` is: a row that every webhook wrote would make them wait for each other."""


def _uncounted(_effects: Mapping[StatusEffect, int]) -> None:
    """Nobody measures."""


class Webhooks:
    """``stop_words`` are the texts that, alone in a message, block its sender; ``counted`` hears what statuses did."""

    def __init__(
        self,
        db: Database,
        *,
        stop_words: frozenset[str] = frozenset(),
        counted: Callable[[Mapping[StatusEffect, int]], None] = _uncounted,
    ) -> None:
        self._db = db
        self._stop_words = stop_words
        self._counted = counted
        self._touched: dict[str, datetime] = {}
        self._numbers: dict[str, str] = {}
        """Our numbers by Meta's ids, as far as they were asked for: neither ever changes."""

    async def ingest(self, bodies: Sequence[bytes]) -> None:
        """Keep and apply bodies whose signature has been checked. Returns only when all of it is committed.

        Raises when the database is away; then nothing may be answered 200, and Meta will post again.
        """
        await reached(WEBHOOK_RECEIVED)
        now = utc_now()
        receipts = [Receipt(ids.new_id(ids.RECEIPT), body, now, webhook.parse(body)) for body in bodies]
        entries: list[Entry] = []
        for receipt in receipts:
            entries += [Entry(receipt, status) for status in receipt.parsed.statuses]
            pieces = (*receipt.parsed.unrecognised, *nameless(receipt.parsed, self._stop_words))
            entries += [Entry(receipt, piece) for piece in pieces]
        with logs.about(delivery=" ".join(receipt.id for receipt in receipts)):
            try:
                await self._apply(receipts, entries, receipts, "webhook")
            except StatementError as error:
                if not values_are_at_fault(error):
                    raise
                log.exception("a webhook batch could not be written; halving it")
                await self._halve(receipts, entries)
            log.debug("taken in, with %d items", len(entries))

    async def _apply(
        self,
        receipts: Sequence[Receipt],
        entries: Sequence[Entry],
        noticed: Sequence[Receipt],
        name: str | None = None,
    ) -> None:
        """One unit of work; what must only be believed once it is committed follows it."""
        touched, effects = await self._db.write(lambda uow: self._take(uow, receipts, entries, noticed), name)
        self._touched.update(touched)
        self._counted(effects)

    async def _halve(self, receipts: list[Receipt], entries: list[Entry]) -> None:
        """Receipts first, then the items in ever smaller parts, then the notices one receipt at a time."""
        await self._apply(receipts, [], [])
        await self._apply_halved(entries)
        for receipt in receipts:
            for notice in notices_of(receipt.parsed):
                await self._apply_notice(replace(receipt, parsed=notice))

    async def _apply_notice(self, receipt: Receipt) -> None:
        """One notice alone, so that one that cannot be applied loses no other guest's stop."""
        try:
            await self._apply([], [], [receipt])
        except StatementError as error:
            if not values_are_at_fault(error):
                raise
            log.exception("a notice of a webhook could not be applied; its receipt has it (%s)", receipt.id)

    async def _apply_halved(self, entries: list[Entry]) -> None:
        if not entries:
            return
        try:
            await self._apply([], entries, [])
        except StatementError as error:
            if not values_are_at_fault(error):
                raise
            if len(entries) > 1:
                middle = len(entries) // 2
                await self._apply_halved(entries[:middle])
                await self._apply_halved(entries[middle:])
            elif isinstance(entries[0].item, StatusItem):
                explanation = f"This status could not be applied ({type(error).__name__})."
                kept = Unrecognised(None, None, explanation, entries[0].item.item)
                await self._apply_halved([replace(entries[0], item=kept)])
            else:
                log.warning("an item could not be kept at all; its receipt has it (%s)", entries[0].receipt.id)

    async def _take(
        self, uow: UnitOfWork, receipts: Sequence[Receipt], entries: Sequence[Entry], noticed: Sequence[Receipt]
    ) -> tuple[dict[str, datetime], Mapping[StatusEffect, int]]:
        """Locks: numbers (alone if somebody is blocked), their rows, runs, messages, counters."""
        named = {
            number for receipt in (*receipts, *noticed, *(entry.receipt for entry in entries))
            for number in receipt.parsed.phone_number_ids
        }  # fmt: skip
        numbers = await self._numbers_of(uow, named)
        notices = Notices(uow, numbers, self._stop_words)
        for receipt in noticed:
            notices.read(receipt.id, receipt.parsed, receipt.at)
        await notices.lock()
        touched = await self._touch(uow, numbers, receipts)
        await _insert_receipts(uow, receipts, numbers)
        waiting = await notices.apply()
        statuses = Statuses(uow, numbers, utc_now())
        await statuses.take(entries, waiting)
        return touched, statuses.effects

    async def _numbers_of(self, uow: UnitOfWork, phone_number_ids: set[str]) -> dict[str, str]:
        """By Meta's ids; a body may speak of numbers that we do not have."""
        unknown = phone_number_ids - self._numbers.keys()
        if unknown:
            query = sa.select(NumberRow.phone_number_id, NumberRow.id).where(
                NumberRow.phone_number_id.in_(sorted(unknown))
            )
            self._numbers |= {row.phone_number_id: row.id for row in await uow.session.execute(query)}
        return {each: self._numbers[each] for each in phone_number_ids if each in self._numbers}

    async def _touch(
        self, uow: UnitOfWork, numbers: dict[str, str], receipts: Sequence[Receipt]
    ) -> dict[str, datetime]:
        """Note now and then when a number's last webhook came; returns what was noted, true once it is committed."""
        at = max((receipt.at for receipt in receipts), default=None)
        if at is None:
            return {}
        stale = [each for each in sorted(numbers.values()) if at - self._touched.get(each, LONG_AGO) > TOUCH]
        if stale:
            await uow.session.execute(
                sa.update(NumberRow)
                .where(NumberRow.id.in_(stale))
                .values(last_webhook_at=at)
                .execution_options(synchronize_session=False)
            )
        return dict.fromkeys(stale, at)


async def _insert_receipts(uow: UnitOfWork, receipts: Sequence[Receipt], numbers: dict[str, str]) -> None:
    rows = []
    for receipt in receipts:
        ours = [numbers[number] for number in receipt.parsed.phone_number_ids if number in numbers]
        digest = hashlib.sha256(receipt.body).hexdigest()
        row = (receipt.id, ours[0] if ours else None, receipt.at, digest, receipt.body, receipt.parsed.problem)
        rows.append(row)
    if rows:
        await _INSERT(uow, rows)


_INSERT = inserting(ReceiptRow, ("id", "number_id", "received_at", "digest", "body", "problem"))
