"""Take in webhooks: what Meta posted is durable, and has had its effect, before anybody answers 200.

One transaction for a batch of bodies, set-based over all their items: receipts (bytes), redacted status items, facts,
states, counters, blocks. When a batch cannot be written it is halved until the one item that cannot is alone; that one is
kept as unrecognised and the others are applied.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError, IntegrityError, StatementError

from app.db import facts, messages
from app.db.bulk import insert_rows
from app.db.engine import Database, UnitOfWork
from app.db.facts import NewFact
from app.db.messages import Changes, Standing
from app.db.tables import NumberRow, ReceiptRow, StatusItemRow
from app.domain import ids
from app.domain.enums import ReceiptFinding
from app.domain.lifecycle import FactStatus
from app.services.base import utc_now
from app.services.notices import Notices
from app.whatsapp import webhook
from app.whatsapp.items import ParsedWebhook, StatusItem, Unrecognised

log = logging.getLogger(__name__)

TOUCH = timedelta(seconds=20)
"""How exact ``last_webhook_at`` is: a row that every webhook wrote would make them wait for each other."""


@dataclass(slots=True)
class Receipt:
    """One body with what was read in it."""

    id: str
    body: bytes
    at: datetime
    parsed: ParsedWebhook


@dataclass(frozen=True, slots=True)
class Entry:
    """One status or unrecognised piece, with the receipt that it came in: the unit of halving."""

    receipt: Receipt
    item: StatusItem | Unrecognised


class Webhooks:
    """``stop_words`` are the texts that, alone in a message, block its sender."""

    def __init__(self, db: Database, *, stop_words: frozenset[str] = frozenset()) -> None:
        self._db = db
        self._stop_words = stop_words
        self._touched: dict[str, datetime] = {}

    async def ingest(self, bodies: Sequence[bytes]) -> None:
        """Keep and apply bodies whose signature has been checked. Returns only when all of it is committed.

        Raises when the database is away; then nothing may be answered 200, and Meta will post again.
        """
        now = utc_now()
        receipts = [Receipt(ids.new_id(ids.RECEIPT), body, now, webhook.parse(body)) for body in bodies]
        entries: list[Entry] = []
        for receipt in receipts:
            entries += [Entry(receipt, status) for status in receipt.parsed.statuses]
            entries += [Entry(receipt, piece) for piece in receipt.parsed.unrecognised]
        try:
            await self._db.write(lambda uow: self._take(uow, receipts, entries, receipts))
        except (DataError, IntegrityError, StatementError) as error:
            if getattr(error, "connection_invalidated", False):
                raise
            log.exception("a webhook batch could not be written; halving it")
            await self._halve(receipts, entries)

    async def _halve(self, receipts: list[Receipt], entries: list[Entry]) -> None:
        """Receipts first, then the items in ever smaller parts, then the notices one receipt at a time."""
        await self._db.write(lambda uow: self._take(uow, receipts, [], []))
        await self._apply_halved(entries)
        for receipt in receipts:
            await self._db.write(lambda uow, receipt=receipt: self._take(uow, [], [], [receipt]))  # type: ignore[misc]

    async def _apply_halved(self, entries: list[Entry]) -> None:
        if not entries:
            return
        try:
            await self._db.write(lambda uow: self._take(uow, [], entries, []))
        except (DataError, IntegrityError, StatementError) as error:
            if getattr(error, "connection_invalidated", False):
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
    ) -> None:
        """One unit of work. Locks: numbers (alone if somebody is blocked), their rows, runs, messages, counters."""
        named = {
            number for receipt in (*receipts, *noticed, *(entry.receipt for entry in entries))
            for number in receipt.parsed.phone_number_ids
        }  # fmt: skip
        numbers = await _numbers(uow, named)
        notices = Notices(uow, numbers, self._stop_words)
        for receipt in noticed:
            notices.read(receipt.id, receipt.parsed, receipt.at)
        await notices.lock()
        await self._touch(uow, numbers, receipts)
        await _insert_receipts(uow, receipts, numbers)
        await notices.apply()
        await _Statuses(uow, numbers, utc_now()).take(entries)

    async def _touch(self, uow: UnitOfWork, numbers: dict[str, str], receipts: Sequence[Receipt]) -> None:
        """Note now and then when a number's last webhook came."""
        for number_id in sorted(numbers.values()):
            at = max((receipt.at for receipt in receipts), default=None)
            last = self._touched.get(number_id)
            if at is not None and (last is None or at - last > TOUCH):
                self._touched[number_id] = at
                await uow.session.execute(
                    sa.update(NumberRow).where(NumberRow.id == number_id).values(last_webhook_at=at)
                )


async def _numbers(uow: UnitOfWork, phone_number_ids: set[str]) -> dict[str, str]:
    """Our numbers by Meta's ids; a body may speak of numbers that we do not have."""
    if not phone_number_ids:
        return {}
    query = sa.select(NumberRow.phone_number_id, NumberRow.id).where(
        NumberRow.phone_number_id.in_(sorted(phone_number_ids))
    )
    return {row.phone_number_id: row.id for row in await uow.session.execute(query)}


async def _insert_receipts(uow: UnitOfWork, receipts: Sequence[Receipt], numbers: dict[str, str]) -> None:
    rows = []
    for receipt in receipts:
        ours = [numbers[number] for number in receipt.parsed.phone_number_ids if number in numbers]
        rows.append(
            {
                "id": receipt.id,
                "number_id": ours[0] if ours else None,
                "received_at": receipt.at,
                "digest": hashlib.sha256(receipt.body).hexdigest(),
                "body": receipt.body,
                "problem": receipt.parsed.problem,
            }
        )
    # By the ORM, not as a row set: bytes have no place in SQLite's JSON, and a batch has few receipts.
    if rows:
        await uow.session.execute(sa.insert(ReceiptRow), rows)


@dataclass(slots=True)
class _Statuses:
    """Statuses of one unit: matched, kept as facts, folded into their messages."""

    uow: UnitOfWork
    numbers: dict[str, str]
    now: datetime
    standings: dict[str, Standing] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)

    async def take(self, entries: Sequence[Entry]) -> None:
        statuses = [entry for entry in entries if isinstance(entry.item, StatusItem)]
        owner = await self._match(statuses)
        self.standings = await messages.lock(self.uow, set(owner.values()))
        told: dict[int, NewFact] = {}
        for index, entry in enumerate(statuses):
            fact = self._fact(entry, owner.get(index))
            if fact is not None:
                told[index] = fact
        fresh = await facts.insert(self.uow, told.values())
        bindings = self._join(told)
        for message_id, progress in (await facts.attach(self.uow, bindings)).items():
            self._put(self.standings[message_id].told(progress, self.now))
        await self._insert_items(entries, statuses, owner, told, fresh)
        await self.changes.save(self.uow, self.now)

    async def _match(self, statuses: Sequence[Entry]) -> dict[int, str]:
        """Which message each status is about: by (number, Meta's id), else by our attempt id, never by phone."""
        pairs: dict[int, tuple[str, str]] = {}
        named: dict[int, str] = {}
        for index, entry in enumerate(statuses):
            assert isinstance(entry.item, StatusItem)
            number_id = self.numbers.get(entry.item.phone_number_id)
            if number_id is None:
                continue
            pairs[index] = (number_id, entry.item.message_id)
            attempt = ids.parse_attempt_id(entry.item.attempt) if entry.item.attempt else None
            if attempt is not None:
                named[index] = attempt[0]
        bound = await messages.bound(self.uow, list(pairs.values()))
        missing = {named[index] for index, pair in pairs.items() if pair not in bound and index in named}
        known = await messages.existing(self.uow, missing)
        owner: dict[int, str] = {}
        for index, pair in pairs.items():
            if pair in bound:
                owner[index] = bound[pair]
            elif index in named and known.get(named[index]) == pair[0]:
                owner[index] = named[index]
        return owner

    def _fact(self, entry: Entry, message_id: str | None) -> NewFact | None:
        item = entry.item
        assert isinstance(item, StatusItem)
        number_id = self.numbers.get(item.phone_number_id)
        if number_id is None or item.status is None:
            return None
        error = item.errors[0] if item.errors and item.status is FactStatus.FAILED else None
        return NewFact(
            number_id=number_id,
            provider_message_id=item.message_id,
            status=item.status,
            at=item.at,
            error_code=error.code if error else 0,
            attempt=item.attempt,
            message_id=message_id,
            title=error.title if error else None,
            details=error.details if error else None,
            received_at=entry.receipt.at,
        )

    def _join(self, told: dict[int, NewFact]) -> list[tuple[str, str, str]]:
        """Fold the facts into their messages; returns the ids that were bound by it."""
        bindings: set[tuple[str, str, str]] = set()
        for fact in told.values():
            standing = self.standings.get(fact.message_id) if fact.message_id else None
            if standing is None:
                continue
            if standing.provider_message_id != fact.provider_message_id:
                standing = self._bind(standing, fact.provider_message_id)
                bindings.add((fact.number_id, fact.provider_message_id, standing.id))
            self._put(standing.told(fact.progress, self.now))
        return sorted(bindings)

    def _bind(self, standing: Standing, provider_message_id: str) -> Standing:
        after = standing.bound_to(provider_message_id)
        self._put(after)
        return after

    def _put(self, after: Standing) -> None:
        self.changes.put(self.standings[after.id], after)
        self.standings[after.id] = after

    async def _insert_items(
        self,
        entries: Sequence[Entry],
        statuses: Sequence[Entry],
        owner: dict[int, str],
        told: dict[int, NewFact],
        fresh: set[facts.Key],
    ) -> None:
        index_of = {id(entry): index for index, entry in enumerate(statuses)}
        seen: set[facts.Key] = set()
        rows: list[dict[str, Any]] = []
        for entry in entries:
            index = index_of.get(id(entry))
            fact = told.get(index) if index is not None else None
            repeated = fact is not None and (fact.key not in fresh or fact.key in seen)
            if fact is not None:
                seen.add(fact.key)
            rows.append(self._item(entry, owner.get(index) if index is not None else None, repeated=repeated))
        await insert_rows(self.uow, StatusItemRow, rows)

    def _item(self, entry: Entry, message_id: str | None, *, repeated: bool) -> dict[str, Any]:
        item = entry.item
        finding, explanation = _finding(item, message_id, known=item.phone_number_id in self.numbers)
        status = item if isinstance(item, StatusItem) else None
        return {
            "id": ids.new_id(ids.STATUS_ITEM),
            "receipt_id": entry.receipt.id,
            "number_id": self.numbers.get(item.phone_number_id or ""),
            "received_at": entry.receipt.at,
            "provider_message_id": item.message_id,
            "attempt": status and status.attempt,
            "status": status and status.status_text,
            "at": status and status.at,
            "error_code": status.errors[0].code if status and status.errors else None,
            "message_id": message_id,
            "repeated": repeated,
            "finding": finding,
            "explanation": explanation,
            "item": item.item,
        }


def _finding(
    item: StatusItem | Unrecognised, message_id: str | None, *, known: bool
) -> tuple[ReceiptFinding | None, str | None]:
    """Whether an item needs a person's eye, and why."""
    if isinstance(item, Unrecognised):
        return ReceiptFinding.UNRECOGNISED, item.explanation
    if item.status is None:
        return ReceiptFinding.UNRECOGNISED, f"“{item.status_text}” is no status that changes a message."
    if message_id is None and not known:
        return ReceiptFinding.UNMATCHED, "It is about a phone number that this service does not send from."
    if message_id is None:
        return (
            ReceiptFinding.UNMATCHED,
            "No message of this service has this id: probably sent from elsewhere with the same number.",
        )
    return None, None
