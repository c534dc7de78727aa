"""Record what became of provider calls, in batches: attempts, facts, states, counters, and the breakers.

A fence guards our own transitions only. What Meta told us is a fact and joins into any state, however late it comes.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.db import erasing, facts, messages
from app.db.engine import UnitOfWork
from app.db.facts import NewFact
from app.db.messages import Changes, Standing
from app.db.number_blocks import NumberBlock, insert_number_blocks
from app.db.prepared import Prepared
from app.db.tables import AttemptRow, NumberRow, RunCountersRow, SendRunRow
from app.domain.enums import DoNotMessageSource, MessageState, SendRunStatus
from app.domain.lifecycle import Dispatch, FactStatus
from app.services.blocking import turn_away, waiting_for
from app.services.breakers import Finished, judge_number, judge_runs
from app.services.runs import STILL_RUNNING, pause_number
from app.whatsapp.codes import CODE_USER_STOPPED
from app.whatsapp.port import Accepted, Behaviour, Evidence, NotSent, Outcome, ProviderError, Refused, Unknown

log = logging.getLogger(__name__)

A = AttemptRow

MAX_RETRIES = 5
"""Passing refusals of one message before it counts as failed."""

LONGEST_WAIT = 3600.0

WAIT_FACTOR = 4
"""Each passing refusal waits four times as long as the one before (Meta on pair rate limits: 4^X seconds)."""


async def record(uow: UnitOfWork, number_id: str, finished: Sequence[Finished]) -> None:
    """Write a batch of outcomes of one number. Running it again after a lost answer of the commit changes nothing.

    Locks, in this order: the number (alone when a guest has to be blocked), its row, runs, messages, counters.
    """
    stopped = [each for each in finished if _refusal_code(each.outcome) == CODE_USER_STOPPED]
    if stopped:
        await uow.lock_number(number_id, exclusive=True)
    now = await uow.now()
    finished = await _unrecorded(uow, finished)
    if not finished:
        return
    calm = all(isinstance(each.outcome, Accepted) for each in finished) and await _calm(uow, finished)
    pause = None if calm else await judge_number(uow, number_id, finished, now)
    runs = {} if calm else await _lock_runs(uow, number_id, finished, all_running=pause is not None)
    if pause is not None:
        await pause_number(uow, *pause)
    waiting = await waiting_for(uow, await insert_number_blocks(uow, await _blocks(uow, number_id, stopped)))
    standings = await messages.lock(uow, {each.claim.message_id for each in finished} | waiting)
    finished = [await _without_the_erased(uow, each, standings.get(each.claim.message_id)) for each in finished]
    recording = _Recording(uow, number_id, now, standings, runs)
    if not calm:
        judge_runs(uow, runs, finished, recording.is_final)
    turn_away(recording.changes, standings, waiting, now)
    await recording.run([each for each in finished if each.claim.message_id in standings])


async def _without_the_erased(uow: UnitOfWork, each: Finished, standing: Standing | None) -> Finished:
    """An answer that comes after its guest was erased: what it says counts, its texts and its id do not stay."""
    if standing is None or not standing.erased:
        return each
    outcome = replace(each.outcome, evidence=Evidence(http_status=each.outcome.evidence.http_status))
    if isinstance(outcome, Accepted):
        outcome = replace(outcome, message_id=await erasing.conceal(uow, standing, outcome.message_id))
    elif isinstance(outcome, Refused):
        outcome = replace(outcome, error=ProviderError(outcome.error.code))
    return replace(each, outcome=outcome)


async def _unrecorded(uow: UnitOfWork, finished: Sequence[Finished]) -> Sequence[Finished]:
    """Without what an earlier try has written: its streaks and waits must not count twice."""
    asked = [(each.claim.message_id, each.claim.n) for each in finished]
    done = {(message_id, n) for message_id, n, finished_at in await _ATTEMPTS(uow, asked) if finished_at is not None}
    return [each for each in finished if (each.claim.message_id, each.claim.n) not in done] if done else finished


async def _calm(uow: UnitOfWork, finished: Sequence[Finished]) -> bool:
    """No streak and no pause to end: a batch in which all was accepted changes nothing in number and runs, and locks none."""
    return not await _UNSETTLED(uow, [(run_id,) for run_id in {each.claim.run_id for each in finished}])


async def _blocks(uow: UnitOfWork, number_id: str, stopped: Sequence[Finished]) -> list[NumberBlock]:
    """No erasure is under way: it takes the number's lock too."""
    addressees = await messages.addressees(uow, {each.claim.message_id for each in stopped})
    return [
        NumberBlock(
            number_id=number_id,
            phone=each.claim.to,
            source=DoNotMessageSource.META_CODE_131050,
            reason="The guest stopped such messages in WhatsApp (Meta's code 131050).",
            at=each.at,
            evidence=each.outcome.evidence.as_json(),
            receipt_id=None,
            message_id=each.claim.message_id,
            erased=each.claim.message_id in addressees and addressees[each.claim.message_id].erased,
        )
        for each in stopped
    ]


def _refusal_code(outcome: Outcome) -> int | None:
    return outcome.error.code if isinstance(outcome, Refused) else None


async def _lock_runs(
    uow: UnitOfWork, number_id: str, finished: Sequence[Finished], *, all_running: bool
) -> dict[str, SendRunRow]:
    """The runs of the batch, in the order of their ids: shared, or alone where a run may have to be stopped.

    Shared is enough to send a message back to the queue without a cancel slipping in between. What is accepted or unknown
    needs no run at all.
    """
    run_ids = {each.claim.run_id for each in finished}
    runs: dict[str, SendRunRow] = {}
    query = sa.select(SendRunRow).where(SendRunRow.id.in_(sorted(run_ids))).order_by(SendRunRow.id)
    if all_running:
        query = (
            sa.select(SendRunRow)
            .join(RunCountersRow, RunCountersRow.run_id == SendRunRow.id)
            .where(
                sa.or_(SendRunRow.id.in_(sorted(run_ids)), sa.and_(SendRunRow.number_id == number_id, STILL_RUNNING))
            )
            .order_by(SendRunRow.id)
        )
    else:
        runs = {run.id: run for run in (await uow.session.execute(query)).scalars()}
        if all(isinstance(each.outcome, Accepted | Unknown) for each in finished) and not any(
            run.refusal_streak for run in runs.values()
        ):
            return runs
    alone = all_running or any(isinstance(each.outcome, Refused) for each in finished)
    alone = alone or any(run.refusal_streak for run in runs.values())
    locked = query.with_for_update(read=not alone, key_share=alone, of=SendRunRow)
    locked = locked.execution_options(populate_existing=True)
    return {run.id: run for run in (await uow.session.execute(locked)).scalars()}


@dataclass(slots=True)
class _Recording:
    """The part of a unit that writes messages, facts and attempts."""

    uow: UnitOfWork
    number_id: str
    now: datetime
    standings: dict[str, Standing]
    runs: dict[str, SendRunRow]
    changes: Changes = field(default_factory=Changes)
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    """Meta's ids that some message has already: one id is never bound twice."""

    async def run(self, finished: Sequence[Finished]) -> None:
        accepted = [each.outcome.message_id for each in finished if isinstance(each.outcome, Accepted)]
        self.owners = await messages.bound(self.uow, [(self.number_id, message_id) for message_id in accepted])
        await facts.insert(self.uow, [fact for each in finished for fact in self._facts(each)])
        for each in finished:
            self._apply(each)
        await self._bind([each for each in finished if isinstance(each.outcome, Accepted)])
        await self._keep_answers(finished)
        await self.changes.save(self.uow, self.now)

    def _put(self, after: Standing) -> None:
        self.changes.put(self.standings[after.id], after)
        self.standings[after.id] = after

    def _facts(self, each: Finished) -> list[NewFact]:
        claim, outcome = each.claim, each.outcome
        if isinstance(outcome, Accepted):
            return [
                NewFact(
                    self.number_id, outcome.message_id, FactStatus.ACCEPTED, each.at, 0, claim.attempt_id,
                    claim.message_id, None, None, self.now,
                )
            ]  # fmt: skip
        if isinstance(outcome, Refused) and self.is_final(each):
            # A refusal has no id of Meta's: the attempt's own name stands in, so that it is a fact like any other.
            return [
                NewFact(
                    self.number_id, claim.attempt_id, FactStatus.FAILED, each.at, outcome.error.code, claim.attempt_id,
                    claim.message_id, outcome.error.title, outcome.error.details, self.now,
                )
            ]  # fmt: skip
        return []

    def is_final(self, each: Finished) -> bool:
        """A refusal for good: by its code, or because passing refusals have come to their bound."""
        outcome, standing = each.outcome, self.standings.get(each.claim.message_id)
        if not isinstance(outcome, Refused) or standing is None:
            return False
        if outcome.behaviour is Behaviour.FINAL:
            return True
        tired = outcome.behaviour is Behaviour.LATER and not outcome.slows_number
        return tired and standing.retry_count >= MAX_RETRIES and standing.holds(each.claim.claim_id)

    def _apply(self, each: Finished) -> None:
        standing = self.standings[each.claim.message_id]
        about = {"about": {"run": standing.run_id, "message": standing.id}}
        told = self._facts(each)
        match each.outcome:
            case Accepted() as accepted:
                if self.owners.setdefault((self.number_id, accepted.message_id), standing.id) == standing.id:
                    standing = standing.bound_to(accepted.message_id)
                else:
                    log.error("Meta gave one message id to two messages; the second is %s", standing.id, extra=about)
                if standing.second_message_id is not None:
                    log.error("Meta took message %s twice, under two ids", standing.id, extra=about)
                after = standing.told(told[0].progress, self.now)
                held = accepted.held and after.state is MessageState.ACCEPTED
                self._put(after._replace(held=held))
            case _ if told:
                self._put(standing.told(told[0].progress, self.now))
            case _ if not standing.holds(each.claim.claim_id):
                pass  # fenced: the attempt keeps the answer as evidence, the message has gone on without it
            case Unknown():
                self._put(standing.dispatched(Dispatch.LOSE, self.now, claim_id=None, lease_until=None))
            case Refused() as refused:
                self._put(self._back_to_queue(standing, refused))
            case NotSent():
                self._put(self._back_to_queue(standing, None))

    def _back_to_queue(self, standing: Standing, refused: Refused | None) -> Standing:
        if self.runs[standing.run_id].status is SendRunStatus.CANCELLED:
            return standing.dispatched(Dispatch.DROP, self.now, claim_id=None, lease_until=None, cancelled_at=self.now)
        not_before, retry_count = self.now, standing.retry_count
        if refused is not None and refused.behaviour is Behaviour.LATER and not refused.slows_number:
            wait = min(LONGEST_WAIT, max(1.0, refused.retry_after) * WAIT_FACTOR**retry_count)
            not_before, retry_count = self.now + timedelta(seconds=wait), retry_count + 1
        return standing.dispatched(
            Dispatch.REQUEUE, self.now, claim_id=None, lease_until=None, not_before=not_before, retry_count=retry_count
        )

    async def _bind(self, accepted: Sequence[Finished]) -> None:
        """Take in what Meta said about these ids before we knew whose they are."""
        bindings = [
            (self.number_id, each.outcome.message_id, each.claim.message_id)
            for each in accepted
            if isinstance(each.outcome, Accepted)
        ]
        for message_id, progress in (await facts.attach(self.uow, bindings)).items():
            self._put(self.standings[message_id].told(progress, self.now))

    async def _keep_answers(self, finished: Sequence[Finished]) -> None:
        await _KEEP_ANSWERS(self.uow, [_answer(each) for each in finished])


_ANSWER: dict[str, Any] = {
    name: getattr(A, name).type
    for name in (
        "message_id", "n", "finished_at", "outcome", "behaviour", "code", "title", "details", "http_status",
        "provider_message_id", "answer",
    )
}  # fmt: skip


def _keep_answers(answer: sa.FromClause, _on_sqlite: bool) -> sa.Update:
    values = {name: answer.c[name] for name in _ANSWER if name not in {"message_id", "n"}}
    return sa.update(A).where(_same(answer)).values(values | {"fenced": A.lease_expired_at.is_not(None)})


def _same(attempt: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(A.message_id == attempt.c.message_id, A.n == attempt.c.n)


def _attempts(asked: sa.FromClause, _on_sqlite: bool) -> sa.Select[*tuple[Any, ...]]:
    # Which are finished is not asked: there is an index of those, and PostgreSQL might read all of it.
    return sa.select(A.message_id, A.n, A.finished_at).join(asked, _same(asked))


def _unsettled(asked: sa.FromClause, _on_sqlite: bool) -> sa.Select[*tuple[Any, ...]]:
    restless = (SendRunRow.refusal_streak > 0, NumberRow.unknown_streak > 0, NumberRow.backoff_seconds > 0)
    runs = sa.select(SendRunRow.id).join(asked, asked.c.run_id == SendRunRow.id)
    return runs.join(NumberRow, NumberRow.id == SendRunRow.number_id).where(sa.or_(*restless)).limit(1)


_KEEP_ANSWERS = Prepared(_ANSWER, _keep_answers)
_ATTEMPTS = Prepared({name: _ANSWER[name] for name in ("message_id", "n")}, _attempts)
_UNSETTLED = Prepared({"run_id": SendRunRow.id.type}, _unsettled)

_NAMES: dict[type[Outcome], str] = {Accepted: "ACCEPTED", Refused: "REFUSED", NotSent: "NOT_SENT", Unknown: "UNKNOWN"}


def _answer(each: Finished) -> tuple[Any, ...]:
    outcome, claim = each.outcome, each.claim
    error = outcome.error if isinstance(outcome, Refused) else None
    return (
        claim.message_id, claim.n, each.at, _NAMES[type(outcome)],
        outcome.behaviour.value if isinstance(outcome, Refused) else None,
        error and error.code, error and error.title, error and error.details, outcome.evidence.http_status,
        outcome.message_id if isinstance(outcome, Accepted) else None, outcome.evidence.as_json(),
    )  # fmt: skip
