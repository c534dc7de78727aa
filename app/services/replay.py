"""``invites replay``: read the stored evidence again with today's rules, and bring in the facts that are missing.

Status items go through the same door as a webhook, answers through the same reducer as an outcome. Nothing is taken away:
facts are a set, and what is in it already changes nothing. Each page is a transaction of its own, so a replay may be
broken off and run again.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.exc import StatementError

from app.db import evidence, facts, messages
from app.db.engine import Database, UnitOfWork
from app.db.facts import NewFact
from app.db.messages import Changes, Standing
from app.db.tables import SendRunRow
from app.domain import ids
from app.domain.enums import AuditAction
from app.domain.lifecycle import FactStatus
from app.services import audit
from app.services.evidence import PAGE, ReadAnswer, Untold, fact_of_answer, run_pages, untold
from app.services.failures import values_are_at_fault
from app.services.notices import Notices
from app.services.statuses import Entry, Receipt, Statuses
from app.whatsapp.items import ParsedWebhook

log = logging.getLogger(__name__)

Pair = tuple[Standing, Standing]
"""A message as it stands and as its evidence makes it."""


@dataclass(slots=True)
class Replayed:
    """What a replay found and, when it was applied, did."""

    pieces: int = 0
    answers: int = 0
    pruned: int = 0
    """Status items whose text is gone, so that they cannot be read again."""
    missing: int = 0
    """Facts that the evidence proves and that were not kept."""
    unplaced: int = 0
    """Those of them that are about no message of ours."""
    refused: int = 0
    """Status items that the database could not take; they stay as they are."""
    changes: dict[str, Pair] = field(default_factory=dict)
    """By message, only those that change."""

    def note(self, before: Standing, after: Standing) -> None:
        """A message may change on several pages: how it stood at first and how it ends counts."""
        if before != after:
            first = self.changes.get(before.id, (before, after))[0]
            self.changes[before.id] = (first, after)

    def seen(self, standing: Standing) -> Standing:
        """The message as it stands after what a trial has found before."""
        return self.changes.get(standing.id, (standing, standing))[1]


class Replay:
    """No actor: whoever can open the database may have it read its own evidence."""

    def __init__(self, db: Database, read_answer: ReadAnswer) -> None:
        self._db = db
        self._read_answer = read_answer

    async def replay(self, run_id: str | None = None, *, apply: bool = False) -> Replayed:
        """All runs, or one; without ``apply`` nothing is written. Raises NotFoundError when there is no such run.

        Answers first, since they bind the ids by which statuses find their messages.
        """
        done = Replayed()
        async for page in run_pages(self._db, run_id):
            for each in page:
                await self._run(done, each, apply=apply)
        await self._pieces(done, run_id, apply=apply)
        if apply:
            log.info("replay: %d facts were missing, %d messages changed", done.missing, len(done.changes))
        return done

    async def _run(self, done: Replayed, run_id: str, *, apply: bool) -> None:
        position = -1
        while True:
            async with self._db.snapshot() as uow:
                page = await messages.read_page(uow, run_id, position, PAGE)
                rebuilt = await self._rebuild(uow, {standing.id: standing for _, standing in page})
            if not page:
                return
            done.answers += rebuilt.answers
            done.missing += len(rebuilt.missing)
            pairs = rebuilt.changed
            if apply and rebuilt.touched:
                pairs = await self._join(rebuilt.touched)
            for before, after in pairs:
                done.note(before, after)
            position = page[-1][0]

    async def _join(self, message_ids: Collection[str]) -> list[Pair]:
        async def unit(uow: UnitOfWork) -> list[Pair]:
            """Locks: messages, facts, counters."""
            now = await uow.now()
            rebuilt = await self._rebuild(uow, await messages.lock(uow, message_ids))
            await facts.insert(uow, rebuilt.missing)
            bound = [each for each in rebuilt.after.values() if each.provider_message_id is not None]
            bindings = [(each.number_id, each.provider_message_id or "", each.id) for each in bound]
            for message_id, progress in (await facts.attach(uow, bindings)).items():
                rebuilt.after[message_id] = rebuilt.after[message_id].told(progress, now)
            changes = Changes()
            for before, after in rebuilt.changed:
                changes.put(before, after)
            await changes.save(uow, now)
            await _audit(uow, rebuilt.changed)
            return rebuilt.changed

        return await self._db.write(unit)

    async def _rebuild(self, uow: UnitOfWork, standings: Mapping[str, Standing]) -> "_Rebuilt":
        """The messages as their facts, the unmatched too, and their answers say together."""
        rebuilt = _Rebuilt(standings, dict(standings))
        if not standings:
            return rebuilt
        now = await uow.now()
        attempts = await evidence.attempts(uow, standings.keys())
        proven: list[NewFact] = []
        for attempt in (attempt for calls in attempts.values() for attempt in calls):
            fact = fact_of_answer(attempt, standings[attempt.message_id].number_id, self._read_answer, now)
            proven += [fact] if fact else []
        known = await facts.known(uow, [fact.key for fact in proven])
        rebuilt.answers = len(proven)
        rebuilt.missing = [fact for fact in proven if fact.key not in known]
        await _bind(uow, rebuilt)
        told = [*(await facts.of_messages(uow, standings.keys())).items()]
        told += [(fact.message_id, fact.progress) for fact in await facts.matchable(uow, standings.keys())]
        told += [(fact.message_id, fact.progress) for fact in rebuilt.missing if fact.message_id is not None]
        for message_id, progress in told:
            rebuilt.after[message_id] = rebuilt.after[message_id].told(progress, now)
        return rebuilt

    async def _pieces(self, done: Replayed, run_id: str | None, *, apply: bool) -> None:
        # Made now, so later than all that is there: what comes in meanwhile, also by this replay, is not looked at.
        until = ids.new_id(ids.STATUS_ITEM)
        after: str | None = None
        while True:
            async with self._db.snapshot() as uow:
                page = await evidence.pieces(uow, after, until, PAGE, run_id)
                missing = await untold(uow, page, run_id)
                if not apply:
                    await _foresee(uow, done, missing)
            if not page:
                return
            pruned = sum(piece.text is None for piece in page)
            done.pruned += pruned
            done.pieces += len(page) - pruned
            placed = {each.fact.key: each.fact.message_id for each in missing if not each.kept}
            done.missing += len(placed)
            done.unplaced += sum(owner is None for owner in placed.values())
            if apply:
                await self._take_halved(done, sorted({each.piece.id for each in missing}))
            after = page[-1].id

    async def _take_halved(self, done: Replayed, piece_ids: list[str]) -> None:
        """As a webhook does it: the one item that the database cannot take must not stop the others."""
        if not piece_ids:
            return
        try:
            pairs = await self._db.write(lambda uow: _take(uow, piece_ids))
        except StatementError as error:
            if not values_are_at_fault(error):
                raise
            if len(piece_ids) == 1:
                log.warning("status item %s cannot be applied (%s)", piece_ids[0], type(error).__name__)
                done.refused += 1
                return
            middle = len(piece_ids) // 2
            await self._take_halved(done, piece_ids[:middle])
            await self._take_halved(done, piece_ids[middle:])
        else:
            for before, after in pairs:
                done.note(before, after)


@dataclass(slots=True)
class _Rebuilt:
    """Some messages as they stand and as they should."""

    before: Mapping[str, Standing]
    after: dict[str, Standing]
    answers: int = 0
    missing: list[NewFact] = field(default_factory=list)
    """Facts that answers prove and that are not kept."""

    @property
    def changed(self) -> list[Pair]:
        return [(before, self.after[before.id]) for before in self.before.values() if before != self.after[before.id]]

    @property
    def touched(self) -> set[str]:
        owners = {fact.message_id for fact in self.missing if fact.message_id is not None}
        return owners | {before.id for before, _ in self.changed}


async def _bind(uow: UnitOfWork, rebuilt: _Rebuilt) -> None:
    """Give the messages the ids that their answers name; one id is never bound twice."""
    taken = [fact for fact in rebuilt.missing if fact.status is FactStatus.ACCEPTED and fact.message_id is not None]
    owners = await messages.bound(uow, [(fact.number_id, fact.provider_message_id) for fact in taken])
    for fact in taken:
        owner = fact.message_id or ""
        if owners.setdefault((fact.number_id, fact.provider_message_id), owner) == owner:
            rebuilt.after[owner] = rebuilt.after[owner].bound_to(fact.provider_message_id)


async def _foresee(uow: UnitOfWork, done: Replayed, missing: Sequence[Untold]) -> None:
    """What ``_take`` would make of the messages."""
    standings = await messages.read(uow, {each.fact.message_id for each in missing if each.fact.message_id is not None})
    now = await uow.now()
    for fact in (each.fact for each in missing):
        if fact.message_id in standings:
            before = done.seen(standings[fact.message_id])
            done.note(before, before.bound_to(fact.provider_message_id).told(fact.progress, now))


async def _take(uow: UnitOfWork, piece_ids: Collection[str]) -> list[Pair]:
    """Take status items in as if they came now, and put what is kept of them then in their place.

    Locks: numbers (alone if somebody is blocked by it), messages, status items, facts, counters.
    """
    numbers = await evidence.numbers(uow)
    missing = await untold(uow, await evidence.pieces_of(uow, piece_ids))
    notices = Notices(uow, numbers, frozenset())
    entries = {each.piece.id: _entry(each) for each in missing}
    for entry in entries.values():
        notices.read(entry.receipt.id, entry.receipt.parsed, entry.receipt.at)
    await notices.lock()
    waiting = await notices.apply()
    owners = {each.fact.message_id for each in missing if each.fact.message_id is not None}
    before = await messages.lock(uow, owners | waiting)
    free = [piece.id for piece in await evidence.pieces_of(uow, entries.keys(), lock=True)]
    statuses = Statuses(uow, numbers, await uow.now())
    await statuses.take([entries[piece_id] for piece_id in free], waiting)
    await evidence.drop_pieces(uow, free)
    pairs = [(before[each.id], each) for each in statuses.standings.values() if each.id in before]
    await _audit(uow, pairs)
    return pairs


def _entry(each: Untold) -> Entry:
    alone = ParsedWebhook(phone_number_ids=(each.status.phone_number_id,))
    alone.add(each.status)
    return Entry(Receipt(each.piece.receipt_id, b"", each.piece.received_at, alone), each.status)


async def _audit(uow: UnitOfWork, pairs: Iterable[Pair]) -> None:
    """One entry per run of which a message's state changed. There is no action of its own for it in the contract."""
    moved: defaultdict[str, list[Pair]] = defaultdict(list)
    for before, after in pairs:
        if before.state is not after.state:
            moved[before.run_id].append((before, after))
    query = sa.select(SendRunRow.id, SendRunRow.workspace_id).where(SendRunRow.id.in_(sorted(moved)))
    for run_id, workspace_id in (await uow.session.execute(query)).all() if moved else ():
        audit.record(
            uow,
            AuditAction.RUN_RESUME,
            f"Read WhatsApp's stored words again: {len(moved[run_id])} messages changed their state",
            workspace_id=workspace_id,
            actor_text="the service",
            target_id=run_id,
            run_id=run_id,
            before={"states": dict(Counter(before.state for before, _ in moved[run_id]))},
            after={"states": dict(Counter(after.state for _, after in moved[run_id]))},
        )
