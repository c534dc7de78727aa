"""``invites verify``: do the promises hold on this database, as it stands now?

Reads only. Each run is looked at in one snapshot, so that one that is just being sent gives no false alarm; within it
messages come in pages, and of what is wrong only the count and a few ids are kept.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.db import evidence, facts, messages
from app.db.counters import COLUMNS, CounterMoves
from app.db.duplicates import same_phone_twice, second_live_invites
from app.db.engine import Database, UnitOfWork
from app.db.messages import M, Standing
from app.db.tables import AuditRow, RunBreakdownRow, RunCountersRow, SendRunRow
from app.domain import ids, requests
from app.domain.enums import AuditAction, MessageState, SendRunKind
from app.domain.lifecycle import NOTHING_KNOWN
from app.domain.requests import SendRequest
from app.services import consistency
from app.services.audit import AUDIT_MONTHS, months_before
from app.services.checks import EXAMPLES, Check, Report
from app.services.evidence import PAGE, ReadAnswer, fact_of_answer, refusal_key, run_pages, untold

CLOCKS = timedelta(minutes=1)
"""How far the clocks of our machines may be apart; also more than enough for a sweep to come by."""


class Verification:
    """No actor: whoever can open the database may look whether it is true."""

    def __init__(self, db: Database, read_answer: ReadAnswer) -> None:
        self._db = db
        self._read_answer = read_answer

    async def verify(self, run_id: str | None = None) -> Report:
        """All runs, or one. Raises NotFoundError when there is no such run."""
        report = Report()
        async for page in run_pages(self._db, run_id):
            for each in page:
                async with self._db.snapshot() as uow:
                    await _RunVerification(uow, each, report, self._read_answer, await uow.now()).verify()
        await self._pieces(report, run_id)
        return report

    async def _pieces(self, report: Report, run_id: str | None) -> None:
        """Every status item, page by page: an item and its fact are written together, so any snapshot will do."""
        check = report.checks["told"]
        # Made now, so later than all that is there: what comes in meanwhile is not looked at.
        until = ids.new_id(ids.STATUS_ITEM)
        after: str | None = None
        while True:
            async with self._db.snapshot() as uow:
                page = await evidence.pieces(uow, after, until, PAGE, run_id)
                missing = [each for each in await untold(uow, page, run_id) if not each.kept]
            if not page:
                return
            pruned = sum(piece.text is None for piece in page)
            report.pruned += pruned
            check.looked_at += len(page) - pruned
            for each in missing:
                check.blame(
                    each.piece.id, f"it says {each.status.status_text}, which is no fact yet; see invites replay"
                )
            after = page[-1].id


@dataclass(slots=True)
class _RunVerification:
    """One run in one snapshot."""

    uow: UnitOfWork
    run_id: str
    report: Report
    read_answer: ReadAnswer
    now: datetime
    moves: CounterMoves = field(default_factory=CounterMoves)
    rows: int = 0

    def check(self, name: str, looked_at: int) -> Check:
        check = self.report.checks[name]
        check.looked_at += looked_at
        return check

    async def verify(self) -> None:
        self.report.runs += 1
        await self._states()
        after = -1
        while page := await messages.read_page(self.uow, self.run_id, after, PAGE, _IN_A_STATE):
            await self._messages([standing for _, standing in page])
            after = page[-1][0]
        await self._second_messages()
        await self._counters()

    async def _states(self) -> None:
        of_run = M.run_id == self.run_id
        self.rows = await self.uow.session.scalar(sa.select(sa.func.count()).select_from(M).where(of_run)) or 0
        check = self.check("states", self.rows)
        await self._blame_all(check, sa.select(M.id).where(of_run, ~_IN_A_STATE), "it stands in no state that there is")

    async def _blame_all(self, check: Check, query: sa.Select[Any], what: str) -> None:
        """Blame every message that the query gives, with the ids of a few."""
        counted = query.add_columns(sa.func.count().over().label("times")).limit(EXAMPLES)
        found = (await self.uow.session.execute(counted)).all()
        if found:
            check.blame_all([row[0] for row in found], what, found[0].times)

    async def _messages(self, standings: list[Standing]) -> None:
        message_ids = [standing.id for standing in standings]
        folded = await facts.of_messages(self.uow, message_ids)
        attempts = await evidence.attempts(self.uow, message_ids)
        stored = await facts.stored_of(self.uow, message_ids)
        named: dict[str, set[str]] = {}
        for fact in stored:
            named.setdefault(fact.message_id, set()).add(fact.key[1])
        looked_at = len(standings)
        progress, dispatch = self.check("progress", looked_at), self.check("dispatch", looked_at)
        identity, unasked = self.check("identity", looked_at), self.check("unasked", looked_at)
        for standing in standings:
            self.moves.move(self.run_id, None, standing.place)
            calls = attempts.get(standing.id, [])
            progress.blame(standing.id, consistency.progress_problem(standing, folded.get(standing.id, NOTHING_KNOWN)))
            dispatch.blame(standing.id, consistency.dispatch_problem(standing, calls))
            identity.blame(standing.id, consistency.identity_problem(standing, sorted(named.get(standing.id, ()))))
            unasked.blame(standing.id, consistency.unasked_problem(standing, calls))
        await self._evidence(standings, attempts, stored)
        await self._unmatched(message_ids)

    async def _evidence(
        self,
        standings: list[Standing],
        attempts: dict[str, list[evidence.Attempt]],
        stored: list[facts.StoredFact],
    ) -> None:
        """Facts and evidence, both ways round."""
        pairs = {(fact.key[0], fact.key[1]) for fact in stored}
        vouched = await evidence.statuses_told(self.uow, [standing.id for standing in standings], pairs)
        proven: dict[facts.Key, str] = {}
        for standing in standings:
            for attempt in attempts.get(standing.id, []):
                fact = fact_of_answer(attempt, standing.number_id, self.read_answer, self.now)
                if fact is not None:
                    proven[fact.key] = attempt.name
                refusal = refusal_key(attempt, standing.number_id)
                if refusal is not None:
                    vouched.add(refusal)
            lost = {attempt.finished_at for attempt in attempts.get(standing.id, []) if attempt.answer_dropped}
            # What a replay once read in an answer that has been pruned or erased since.
            vouched |= {fact.key for fact in stored if fact.message_id == standing.id and fact.key[3] in lost}
        check = self.check("proven", len(stored))
        for each in stored:
            if each.key not in vouched and each.key not in proven:
                check.blame(each.id, f"nothing that is kept says {each.key[2]} of {each.message_id}")
        known = await facts.known(self.uow, list(proven))
        check = self.check("told", len(proven))
        for key, name in proven.items():
            if key not in known:
                check.blame(name, f"its answer says {key[2]}, which is no fact yet; see invites replay")

    async def _unmatched(self, message_ids: list[str]) -> None:
        waiting = await facts.matchable(self.uow, message_ids)
        check = self.check("matched", len(waiting))
        for fact in waiting:
            if fact.received_at < self.now - CLOCKS:
                check.blame(fact.id, f"it is about {fact.message_id}; a dispatcher or invites replay matches it")

    async def _second_messages(self) -> None:
        twice = same_phone_twice(self.run_id)
        await self._blame_all(self.check("phones", self.rows), twice, "another message of its run has its phone")
        run = (await self.uow.session.execute(_RUN.where(SendRunRow.id == self.run_id))).one()
        if run.kind is SendRunKind.INVITE and not _asked_for_a_second(requests.from_json(run.request)):
            second = second_live_invites(self.run_id, run.created_at, run.created_at + CLOCKS)
            what = "its guest had a live invite to the event already"
            await self._blame_all(self.check("live", self.rows), second, what)

    async def _counters(self) -> None:
        counters = await self.uow.session.get(RunCountersRow, self.run_id)
        candidates, check = self.check("candidates", 1), self.check("counters", 1)
        entries = (
            await self.uow.session.execute(
                sa.select(AuditRow.after).where(
                    AuditRow.run_id == self.run_id, AuditRow.action == AuditAction.INVITE_SEND
                )
            )
        ).scalars()
        sent = next(iter(entries), None)
        run_at = await self.uow.session.scalar(sa.select(SendRunRow.created_at).where(SendRunRow.id == self.run_id))
        if sent is None and run_at is not None and run_at < months_before(self.now, AUDIT_MONTHS):
            self.report.unaudited += 1
        else:
            self.check("author", 1).blame(self.run_id, None if sent else "no entry says who sent it")
        if counters is None:
            check.blame(self.run_id, "it has no counters")
            return
        self.uow.session.expunge(counters)
        stored = {name: getattr(counters, name) for name in COLUMNS}
        ten = sum(stored[state.value.lower()] for state in MessageState)
        planned = sent["candidates"] if sent else ten
        if not self.rows == ten == planned:
            what = f"{planned} candidates were sent, the ten states add up to {ten}, there are {self.rows} rows"
            candidates.blame(self.run_id, what)
        check.blame(self.run_id, await self._counter_problem(stored, complete=counters.completed_at is not None))

    async def _counter_problem(self, stored: dict[str, int], *, complete: bool) -> str | None:
        counted, parts = self.moves.of_run(self.run_id)
        wrong = [
            f"{name} is {stored[name]}, rows say {counted[name]}" for name in COLUMNS if stored[name] != counted[name]
        ]
        query = sa.select(RunBreakdownRow.state, RunBreakdownRow.key, RunBreakdownRow.count).where(
            RunBreakdownRow.run_id == self.run_id
        )
        kept = {(state, key): count for state, key, count in await self.uow.session.execute(query)}
        wrong += [
            f"{' '.join(part)} is {kept.get(part, 0)}, rows say {parts[part]}"
            for part in sorted(parts.keys() | kept.keys())
            if kept.get(part, 0) != parts[part]
        ]
        if complete == bool(counted["queued"] + counted["sending"]):
            wrong.append("it counts as completed" if complete else "it does not count as completed")
        return "; ".join(wrong) or None


_IN_A_STATE: sa.ColumnElement[bool] = sa.type_coerce(M.state, sa.Text()).in_([state.name for state in MessageState])

_RUN = sa.select(SendRunRow.kind, SendRunRow.request, SendRunRow.created_at)


def _asked_for_a_second(request: SendRequest) -> bool:
    """The operator asked for it in so many words."""
    repeats = request.from_run is not None and MessageState.UNCONFIRMED in request.from_run.states
    return request.include_already_invited or repeats
