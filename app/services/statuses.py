"""The statuses of one unit of work: matched to messages, kept as facts, folded into states and counters."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from app.db import erasing, facts, messages
from app.db.bulk import inserting
from app.db.engine import UnitOfWork
from app.db.facts import NewFact
from app.db.messages import Changes, Standing
from app.db.tables import StatusItemRow
from app.domain import ids
from app.domain.enums import ReceiptFinding
from app.services.blocking import turn_away
from app.services.matching import fact_of, owners_of
from app.whatsapp.items import ParsedWebhook, StatusItem, Unrecognised
from app.whatsapp.port import ProviderError

log = logging.getLogger(__name__)


class StatusEffect(StrEnum):
    """What one status did; for the metrics."""

    APPLIED = "applied"
    """It moved its message, or named its failure."""
    LATE = "late"
    """New, but its message stood further already."""
    REPEATED = "repeated"
    """Known already: Meta posts some things twice."""
    UNMATCHED = "unmatched"
    """About no message of ours."""
    UNRECOGNISED = "unrecognised"
    """Kept, but of no status that we know, or no status at all."""


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
    erased: bool = False
    """It is about an erased guest, so its text is not kept."""


@dataclass(slots=True)
class Statuses:
    """Statuses of one unit: matched, kept as facts, folded into their messages."""

    uow: UnitOfWork
    numbers: dict[str, str]
    now: datetime
    standings: dict[str, Standing] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)
    effects: Counter[StatusEffect] = field(default_factory=Counter)

    async def take(self, entries: Sequence[Entry], waiting: set[str]) -> None:
        """Apply the entries, and turn away the messages that wait for somebody who is blocked now."""
        statuses = [entry for entry in entries if isinstance(entry.item, StatusItem)]
        owner = await self._match(statuses)
        self.standings = await messages.lock(self.uow, set(owner.values()) | waiting)
        turn_away(self.changes, self.standings, waiting, self.now)
        entries, statuses = await self._without_the_erased(entries, statuses, owner)
        told: dict[int, NewFact] = {}
        for index, entry in enumerate(statuses):
            fact = self._fact(entry, owner.get(index))
            if fact is not None:
                told[index] = fact
        fresh = await facts.insert(self.uow, told.values())
        moving: set[int] = set()
        bindings = self._join(told, moving)
        for message_id, progress in (await facts.attach(self.uow, bindings)).items():
            self._put(self.standings[message_id].told(progress, self.now))
        await self._insert_items(entries, statuses, owner, told, fresh, moving)
        await self.changes.save(self.uow, self.now)

    async def _without_the_erased(
        self, entries: Sequence[Entry], statuses: Sequence[Entry], owner: dict[int, str]
    ) -> tuple[list[Entry], list[Entry]]:
        """A status of an erased guest counts like any other; its text, its id and the body that it came in do not stay.

        Only known for certain once the messages are locked: an erasure may have been under way.
        """
        erased = {
            id(statuses[index]): index
            for index, message_id in owner.items()
            if message_id in self.standings and self.standings[message_id].erased
        }
        if not erased:
            return [*entries], [*statuses]
        nameless = {key: await self._nameless(statuses[index], owner[index]) for key, index in erased.items()}
        await erasing.drop_bodies(self.uow, {entry.receipt.id for entry in nameless.values()})
        return (
            [nameless.get(id(entry), entry) for entry in entries],
            [nameless.get(id(entry), entry) for entry in statuses],
        )

    async def _nameless(self, entry: Entry, owner: str) -> Entry:
        assert isinstance(entry.item, StatusItem)
        message_id = await erasing.conceal(self.uow, self.standings[owner], entry.item.message_id)
        errors = tuple(ProviderError(error.code) for error in entry.item.errors)
        return replace(entry, item=replace(entry.item, message_id=message_id, phone=None, errors=errors), erased=True)

    async def _match(self, statuses: Sequence[Entry]) -> dict[int, str]:
        """Which message each status is about, by its place."""
        items = [entry.item for entry in statuses if isinstance(entry.item, StatusItem)]
        owners = await owners_of(self.uow, [(self.numbers.get(item.phone_number_id), item) for item in items])
        return {index: owner for index, owner in enumerate(owners) if owner is not None}

    def _fact(self, entry: Entry, message_id: str | None) -> NewFact | None:
        assert isinstance(entry.item, StatusItem)
        return fact_of(entry.item, self.numbers.get(entry.item.phone_number_id), entry.receipt.at, message_id)

    def _join(self, told: dict[int, NewFact], moving: set[int]) -> list[tuple[str, str, str]]:
        """Fold the facts into their messages; returns the ids that were bound by it. ``moving`` gets those that moved one."""
        bindings: set[tuple[str, str, str]] = set()
        for index, fact in told.items():
            standing = self.standings.get(fact.message_id) if fact.message_id else None
            if standing is None:
                continue
            if standing.provider_message_id != fact.provider_message_id:
                standing = self._bind(standing, fact.provider_message_id)
                bindings.add((fact.number_id, fact.provider_message_id, standing.id))
            after = standing.told(fact.progress, self.now)
            if (after.state, after.progress.failure) != (standing.state, standing.progress.failure):
                moving.add(index)
            self._put(after)
        return sorted(bindings)

    def _bind(self, standing: Standing, provider_message_id: str) -> Standing:
        after = standing.bound_to(provider_message_id)
        if after.second_message_id is not None:
            log.error(
                "Meta took message %s twice, under two ids",
                standing.id,
                extra={"about": {"run": standing.run_id, "message": standing.id}},
            )
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
        moving: set[int],
    ) -> None:
        index_of = {id(entry): index for index, entry in enumerate(statuses)}
        seen: set[facts.Key] = set()
        rows: list[_Item] = []
        for entry in entries:
            index = index_of.get(id(entry))
            fact = told.get(index) if index is not None else None
            repeated = fact is not None and (fact.key not in fresh or fact.key in seen)
            if fact is not None:
                seen.add(fact.key)
            row = self._item(entry, owner.get(index) if index is not None else None, repeated=repeated)
            self.effects[_effect(row, moved=index in moving)] += 1
            rows.append(row)
        if rows:
            await _INSERT(self.uow, rows)

    def _item(self, entry: Entry, message_id: str | None, *, repeated: bool) -> "_Item":
        item = entry.item
        finding, explanation = _finding(item, message_id, known=item.phone_number_id in self.numbers)
        status = item if isinstance(item, StatusItem) else None
        return _Item(
            id=ids.new_id(ids.STATUS_ITEM),
            receipt_id=entry.receipt.id,
            number_id=self.numbers.get(item.phone_number_id or ""),
            received_at=entry.receipt.at,
            provider_message_id=item.message_id,
            attempt=status.attempt if status else None,
            status=status.status_text if status else None,
            at=status.at if status else None,
            error_code=status.errors[0].code if status and status.errors else None,
            message_id=message_id,
            repeated=repeated,
            finding=finding,
            explanation=explanation,
            item=None if entry.erased else item.item,
        )


class _Item(NamedTuple):
    """A new row of status_items."""

    id: str
    receipt_id: str
    number_id: str | None
    received_at: datetime
    provider_message_id: str | None
    attempt: str | None
    status: str | None
    at: datetime | None
    error_code: int | None
    message_id: str | None
    repeated: bool
    finding: ReceiptFinding | None
    explanation: str | None
    item: str | None


_INSERT = inserting(StatusItemRow, _Item._fields)


def _effect(row: _Item, *, moved: bool) -> StatusEffect:
    if row.finding is not None:
        return StatusEffect(row.finding.value.lower())
    if row.repeated:
        return StatusEffect.REPEATED
    return StatusEffect.APPLIED if moved else StatusEffect.LATE


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
