"""Claim: take due messages for sending, fenced and leased, and turn away those that must not go out after all."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.checkpoints import CLAIM_LOCKED, CLAIM_PICKED, reached
from app.db import queue
from app.db.blocks import blocked_phones
from app.db.bulk import inserting
from app.db.engine import UnitOfWork
from app.db.messages import Changes, read, reject
from app.db.queue import PROOF_OF_LIFE, START, Due, Place, Run
from app.db.tables import AttemptRow
from app.domain import ids, requests
from app.domain.enums import RejectionReason, SendRunKind
from app.domain.lifecycle import Dispatch


@dataclass(frozen=True, slots=True)
class Claim:
    """One message to be sent by this worker, once, before ``deadline``."""

    message_id: str
    run_id: str
    n: int
    claim_id: str
    to: str
    deadline: float
    """``time.monotonic()`` after which no request may start: the lease could run out while it is on its way."""
    template_name: str
    language: str
    recipe: dict[str, Any]
    """Of the run; the same object for all of its claims."""
    values: list[str]
    place: Place
    """Where it stood in its run's queue."""

    @property
    def attempt_id(self) -> str:
        return ids.attempt_id(self.message_id, self.n)


@dataclass(frozen=True, slots=True)
class Lease:
    """How long a claim lasts, and how long before its end a request may still start (seconds)."""

    duration: float
    reserve: float


async def claim(
    uow: UnitOfWork, number_id: str, limit: int, lease: Lease, turn: int, behind: Mapping[str, Place]
) -> list[Claim]:
    """Claim up to ``limit`` due messages of the number's running runs, ``turn`` choosing which run is served first.

    Of each run what stands behind the place in ``behind``; when nothing does, of all. See ``furthest``.

    The number's advisory lock comes first and as a statement of its own, so that the statements after it see every block
    that has been committed; whatever inserts a block waits for us, or we for it.
    """
    started = time.monotonic()
    await uow.lock_number(number_id)
    await reached(CLAIM_LOCKED)
    runs = await queue.share_runs(uow, number_id)
    if not runs:
        return []
    now = await uow.now()
    in_turn = _rotate(runs, turn)
    picked = await _pick(uow, in_turn, limit, now, behind)
    if not picked and behind:
        picked = await _pick(uow, in_turn, limit, now, {})
    if not picked:
        return []
    await reached(CLAIM_PICKED)
    changes, by_id = Changes(), {run.id: run for run in runs}
    going = await _turn_away(uow, changes, picked, by_id, now)
    claim_id = ids.new_id(ids.CLAIM)
    until = now + timedelta(seconds=lease.duration)
    for standing, *_ in going:
        changes.put(
            standing,
            standing.dispatched(
                Dispatch.CLAIM, now, claim_id=claim_id, lease_until=until, attempt_count=standing.attempt_count + 1
            ),
        )
    if going:
        attempts = [(standing.id, standing.attempt_count + 1, claim_id, now, False) for standing, *_ in going]
        await _ATTEMPT(uow, attempts)
    await changes.save(uow, now)
    return [
        Claim(
            message_id=each.standing.id,
            run_id=each.standing.run_id,
            n=each.standing.attempt_count + 1,
            claim_id=claim_id,
            to=each.standing.phone or "",
            deadline=started + lease.duration - lease.reserve,
            template_name=by_id[each.standing.run_id].template_name,
            language=by_id[each.standing.run_id].template_language,
            recipe=by_id[each.standing.run_id].recipe,
            values=each.values,
            place=each.place,
        )
        for each in going
    ]


def furthest(taken: Iterable[Claim]) -> dict[str, Place]:
    """How far the queue of each of these runs has been taken: where the next claim begins.

    Without it a claim would walk over all that was claimed before it: for as long as anybody reads an older snapshot,
    PostgreSQL keeps the index entries of rows that have left the queue. It is a hint and no more. What stands before it
    after all, because another worker's claim was rolled back, is found by the first claim that gets nothing of its run.
    """
    places: dict[str, Place] = {}
    for each in taken:
        places[each.run_id] = max(each.place, places.get(each.run_id, each.place))
    return places


def _rotate(runs: Sequence[Run], turn: int) -> list[str]:
    start = turn % len(runs)
    return [run.id for run in (*runs[start:], *runs[:start])]


async def _pick(
    uow: UnitOfWork, run_ids: list[str], limit: int, now: datetime, behind: Mapping[str, Place]
) -> list[Due]:
    """Due messages run by run, a fair share of each first, then whatever is left of the limit."""
    picked: list[Due] = []
    begin = dict(behind)
    for share in (max(1, limit // len(run_ids)), limit):
        for run_id in run_ids:
            wanted = min(share, limit - len(picked))
            if wanted <= 0:
                return picked
            found = await queue.pick(uow, run_id, wanted, now, begin.get(run_id, START))
            picked += found
            begin |= {run_id: max(each.place for each in found)} if found else {}
        if len(run_ids) == 1:
            break
    return picked


async def _turn_away(
    uow: UnitOfWork, changes: Changes, picked: list[Due], runs: dict[str, Run], now: datetime
) -> list[Due]:
    """Reject the blocked and those who turn out to have the invite already; returns the rest."""
    by_workspace: defaultdict[str, list[Due]] = defaultdict(list)
    for each in picked:
        by_workspace[runs[each.standing.run_id].workspace_id].append(each)
    going: list[Due] = []
    for workspace_id, due in by_workspace.items():
        phones = [each.standing.phone for each in due if each.standing.phone is not None]
        number_id = due[0].standing.number_id
        blocked = await blocked_phones(uow, workspace_id=workspace_id, number_id=number_id, phones=phones)
        away = [each.standing for each in due if each.standing.phone in blocked]
        reject(changes, away, RejectionReason.DO_NOT_MESSAGE, now)
        going += [each for each in due if each.standing.phone not in blocked]
    alive = await _overtaken(uow, going, runs)
    away = [each.standing for each in going if each.standing.id in alive]
    reject(changes, away, RejectionReason.ALREADY_INVITED, now)
    return [each for each in going if each.standing.id not in alive]


async def _overtaken(uow: UnitOfWork, going: list[Due], runs: dict[str, Run]) -> set[str]:
    """Messages whose guest turns out to have the invite already, by a fact that came after the verdict.

    The message that a retry repeats is looked at always, any other invite to this event and phone in runs whose operator
    did not ask to invite again.
    """
    repeats = {each.standing.id: each.prior_message_id for each in going if each.prior_message_id}
    priors = await read(uow, set(repeats.values()))
    alive = {each for each, prior in repeats.items() if prior in priors and priors[prior].state in PROOF_OF_LIFE}
    careful = {
        run.id
        for run in runs.values()
        if run.kind is SendRunKind.INVITE and not requests.from_json(run.request).include_already_invited
    }
    asked = [
        (standing.id, runs[standing.run_id].event_id, standing.phone)
        for standing, *_ in going
        if standing.run_id in careful
    ]
    return alive | await queue.invited_already(uow, asked) if asked else alive


_ATTEMPT = inserting(AttemptRow, ("message_id", "n", "claim_id", "claimed_at", "fenced"))
