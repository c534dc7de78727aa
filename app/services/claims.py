"""Claim: take due messages for sending, fenced and leased, and turn away those that must not go out after all."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.checkpoints import CLAIM_LOCKED, CLAIM_PICKED, reached
from app.db.blocks import blocked_phones
from app.db.engine import UnitOfWork
from app.db.messages import Changes, M, Standing, lock_where, read, reject
from app.db.tables import AttemptRow, NumberRow, RunCountersRow, SendRunRow, is_state
from app.domain import ids, requests
from app.domain.enums import MessageState, RejectionReason, SendRunKind, SendRunStatus
from app.domain.lifecycle import LIVE_STATES, Dispatch

Place = tuple[datetime, int]
"""In a run's queue: due since, position."""

PROOF_OF_LIFE = LIVE_STATES - {MessageState.QUEUED, MessageState.SENDING, MessageState.UNCONFIRMED}
"""States that say more than our own intentions: Meta has taken the message, or the guest has it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One message to be sent by this worker, once, before ``deadline``."""

    message_id: str
    run_id: str
    number_id: str
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
    runs = await _running_runs(uow, number_id)
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
    changes = Changes()
    known, by_id = await _look_up(uow, picked), {run.id: run for run in runs}
    going = await _turn_away(uow, changes, picked, known, by_id, now)
    claim_id = ids.new_id(ids.CLAIM)
    until = now + timedelta(seconds=lease.duration)
    for standing in going:
        changes.put(
            standing,
            standing.dispatched(
                Dispatch.CLAIM, now, claim_id=claim_id, lease_until=until, attempt_count=standing.attempt_count + 1
            ),
        )
    await _insert_attempts(uow, going, claim_id, now)
    await changes.save(uow, now)
    return [
        Claim(
            message_id=standing.id,
            run_id=standing.run_id,
            number_id=number_id,
            n=standing.attempt_count + 1,
            claim_id=claim_id,
            to=standing.phone or "",
            deadline=started + lease.duration - lease.reserve,
            template_name=by_id[standing.run_id].template_name,
            language=by_id[standing.run_id].template_language,
            recipe=by_id[standing.run_id].recipe,
            values=known[standing.id].values,
            place=(standing.not_before, known[standing.id].position),
        )
        for standing in going
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


async def any_due(uow: UnitOfWork, number_id: str, now: datetime, behind: Mapping[str, Place]) -> bool:
    """Whether a running run of the number has something due behind its place in ``behind``."""
    columns = {"run_id": SendRunRow.id.type, "not_before": M.not_before.type, "position": M.position.type}
    taken = uow.rows(columns, [(run_id, *place) for run_id, place in behind.items()], "taken")
    begin = _place(_START)
    place = [sa.func.coalesce(taken.c.not_before, begin[0]), sa.func.coalesce(taken.c.position, begin[1])]
    query = (
        sa.select(SendRunRow.id)
        .join(RunCountersRow, RunCountersRow.run_id == SendRunRow.id)
        .outerjoin(taken, taken.c.run_id == SendRunRow.id)
        .where(
            SendRunRow.number_id == number_id,
            is_state(SendRunRow.status, SendRunStatus.RUNNING),
            RunCountersRow.queued > 0,
            sa.exists().where(M.run_id == SendRunRow.id, _due(now, place)),
        )
        .limit(1)
    )
    return (await uow.session.execute(query)).first() is not None


def _due(now: datetime, behind: Sequence[Any]) -> sa.ColumnElement[bool]:
    """In the queue and to go out by now, behind this due time and position: for one run by its index of due messages."""
    queued = sa.and_(is_state(M.state, MessageState.QUEUED), M.not_before <= now)
    return sa.and_(queued, sa.tuple_(M.not_before, M.position) > sa.tuple_(*behind))


_START: Place = (datetime(1970, 1, 1, tzinfo=UTC), -1)
"""Before everything that waits."""


def _place(place: Place) -> tuple[Any, Any]:
    return sa.literal(place[0], M.not_before.type), sa.literal(place[1], M.position.type)


async def _running_runs(uow: UnitOfWork, number_id: str) -> Sequence[SendRunRow]:
    """The runs with something queued, shared until the end of the transaction: no pause, cancel or stop overtakes us."""
    query = (
        sa.select(SendRunRow)
        .join(RunCountersRow, RunCountersRow.run_id == SendRunRow.id)
        .join(NumberRow, NumberRow.id == SendRunRow.number_id)
        .where(
            SendRunRow.number_id == number_id,
            is_state(SendRunRow.status, SendRunStatus.RUNNING),
            RunCountersRow.queued > 0,
            ~NumberRow.paused,
        )
        .order_by(SendRunRow.id)
        .with_for_update(read=True, of=SendRunRow)
    )
    return (await uow.session.execute(query)).scalars().all()


def _rotate(runs: Sequence[SendRunRow], turn: int) -> list[str]:
    start = turn % len(runs)
    return [run.id for run in (*runs[start:], *runs[:start])]


async def _pick(
    uow: UnitOfWork, run_ids: list[str], limit: int, now: datetime, behind: Mapping[str, Place]
) -> list[Standing]:
    """Due messages run by run, a fair share of each first, then whatever is left of the limit."""
    picked: dict[str, Standing] = {}
    for share in (max(1, limit // len(run_ids)), limit):
        for run_id in run_ids:
            wanted = min(share, limit - len(picked))
            if wanted <= 0:
                return list(picked.values())
            found = await lock_where(
                uow,
                M.run_id == run_id,
                _due(now, _place(behind.get(run_id, _START))),
                M.id.not_in(list(picked)),
                order_by=(M.not_before, M.position),
                limit=wanted,
                skip_locked=True,
            )
            picked.update((standing.id, standing) for standing in found)
        if len(run_ids) == 1:
            break
    return list(picked.values())


async def _turn_away(
    uow: UnitOfWork,
    changes: Changes,
    picked: list[Standing],
    known: dict[str, "_Known"],
    runs: dict[str, SendRunRow],
    now: datetime,
) -> list[Standing]:
    """Reject the blocked and those who turn out to have the invite already; returns the rest."""
    by_workspace: defaultdict[str, list[Standing]] = defaultdict(list)
    for standing in picked:
        by_workspace[runs[standing.run_id].workspace_id].append(standing)
    going: list[Standing] = []
    for workspace_id, standings in by_workspace.items():
        phones = [standing.phone for standing in standings if standing.phone is not None]
        blocked = await blocked_phones(uow, workspace_id=workspace_id, number_id=standings[0].number_id, phones=phones)
        reject(changes, [each for each in standings if each.phone in blocked], RejectionReason.DO_NOT_MESSAGE, now)
        going += [each for each in standings if each.phone not in blocked]
    alive = await _overtaken(uow, going, known, runs)
    reject(changes, [each for each in going if each.id in alive], RejectionReason.ALREADY_INVITED, now)
    return [each for each in going if each.id not in alive]


async def _overtaken(
    uow: UnitOfWork, standings: list[Standing], known: dict[str, "_Known"], runs: dict[str, SendRunRow]
) -> set[str]:
    """Messages whose guest turns out to have the invite already, by a fact that came after the verdict.

    The message that a retry repeats is looked at always, any other invite to this event and phone in runs whose operator
    did not ask to invite again.
    """
    repeats = {standing.id: prior for standing in standings if (prior := known[standing.id].prior_message_id)}
    priors = await read(uow, set(repeats.values()))
    alive = {each for each, prior in repeats.items() if prior in priors and priors[prior].state in PROOF_OF_LIFE}
    careful = {run.id for run in runs.values() if not requests.from_json(run.request).include_already_invited}
    asked = [
        (each.id, runs[each.run_id].event_id, each.phone)
        for each in standings
        if each.run_id in careful and runs[each.run_id].kind is SendRunKind.INVITE
    ]
    if not asked:
        return alive
    columns = {"id": M.id.type, "event_id": M.event_id.type, "phone": M.phone.type}
    guest = uow.rows(columns, asked, "guest")
    # A subquery for each guest, which no planner turns round: from a table that has just been filled PostgreSQL would
    # start with all that is alive in the event, and read all of the run for each.
    invited = (
        sa.select(M.id)
        .where(
            M.event_id == guest.c.event_id,
            M.phone == guest.c.phone,
            M.id != guest.c.id,
            is_state(M.kind, SendRunKind.INVITE),
            is_state(M.state, *LIVE_STATES),
            is_state(M.state, *PROOF_OF_LIFE),
        )
        .limit(1)
        .scalar_subquery()
    )
    found = await uow.session.execute(sa.select(guest.c.id, invited))
    return alive | {message_id for message_id, other in found if other is not None}


async def _insert_attempts(uow: UnitOfWork, going: list[Standing], claim_id: str, now: datetime) -> None:
    if not going:
        return
    columns: dict[str, Any] = {
        name: getattr(AttemptRow, name).type for name in ("message_id", "n", "claim_id", "claimed_at", "fenced")
    }
    rows = uow.rows(columns, [(each.id, each.attempt_count + 1, claim_id, now, False) for each in going], "attempt")
    await uow.session.execute(sa.insert(AttemptRow).from_select(list(columns), sa.select(*rows.c)))


class _Known(NamedTuple):
    """What a claim needs of a message besides where it stands."""

    values: list[str]
    prior_message_id: str | None
    position: int


async def _look_up(uow: UnitOfWork, picked: list[Standing]) -> dict[str, _Known]:
    wanted = uow.rows({"id": M.id.type}, [(standing.id,) for standing in picked], "wanted")
    query = sa.select(M.id, M.values, M.prior_message_id, M.position).join(wanted, wanted.c.id == M.id)
    return {row[0]: _Known(*row[1:]) for row in await uow.session.execute(query)}
