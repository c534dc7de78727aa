"""What waits to be sent: the running runs of a number, and the messages of a run that are due."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.messages import STANDING_COLUMNS, M, Standing, standing_of
from app.db.prepared import Prepared
from app.db.tables import NumberRow, RunCountersRow, SendRunRow, is_state
from app.domain.enums import MessageState, SendRunKind, SendRunStatus
from app.domain.lifecycle import LIVE_STATES

R = SendRunRow

Place = tuple[datetime, int]
"""In a run's queue: due since, position."""

START: Place = (datetime(1970, 1, 1, tzinfo=UTC), -1)
"""Before everything that waits."""

PROOF_OF_LIFE = LIVE_STATES - {MessageState.QUEUED, MessageState.SENDING, MessageState.UNCONFIRMED}
"""States that say more than our own intentions: Meta has taken the message, or the guest has it."""


class Run(NamedTuple):
    """What a claim needs of a run."""

    id: str
    workspace_id: str
    event_id: str
    kind: SendRunKind
    template_name: str
    template_language: str
    recipe: dict[str, Any]
    request: dict[str, Any]


class Due(NamedTuple):
    """A message that was picked from its run's queue."""

    standing: Standing
    values: list[str]
    prior_message_id: str | None
    position: int

    @property
    def place(self) -> Place:
        return self.standing.not_before, self.position


async def share_runs(uow: UnitOfWork, number_id: str) -> list[Run]:
    """The runs with something queued, shared until the end of the transaction: no pause, cancel or stop overtakes us."""
    return [Run._make(row) for row in await _SHARE_RUNS(uow, (), number_id=number_id)]


async def pick(uow: UnitOfWork, run_id: str, limit: int, now: datetime, behind: Place) -> list[Due]:
    """Lock up to ``limit`` messages of the run that are due and stand behind a place, in the order of the queue.

    Those that somebody else has locked are left out, so this waits for nobody and cannot deadlock.
    """
    since, position = behind
    rows = await _PICK(uow, (), run_id=run_id, now=now, since=since, behind=position, most=limit)
    return [Due(standing_of(row), *row[-3:]) for row in rows]


async def any_due(uow: UnitOfWork, number_id: str, now: datetime, behind: Mapping[str, Place]) -> bool:
    """Whether a running run of the number has something due behind its place in ``behind``."""
    taken = [(run_id, *place) for run_id, place in behind.items()]
    return bool(await _ANY_DUE(uow, taken, number_id=number_id, now=now))


async def invited_already(uow: UnitOfWork, asked: Sequence[tuple[str, str, str | None]]) -> set[str]:
    """Of these (message, event, phone) the messages beside which another invite to that event and phone is alive."""
    return {message_id for message_id, other in await _INVITED(uow, asked) if other is not None}


def _due(now: Any, *behind: Any) -> sa.ColumnElement[bool]:
    """In the queue and to go out by now, behind this due time and position: for one run by its index of due messages."""
    queued = sa.and_(is_state(M.state, MessageState.QUEUED), M.not_before <= now)
    return sa.and_(queued, sa.tuple_(M.not_before, M.position) > sa.tuple_(*behind))


def _given(name: str, like: Any) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=like.type)


def _running(*columns: Any) -> sa.Select[*tuple[Any, ...]]:
    return (
        sa.select(*columns)
        .join(RunCountersRow, RunCountersRow.run_id == R.id)
        .where(
            R.number_id == _given("number_id", R.number_id),
            is_state(R.status, SendRunStatus.RUNNING),
            RunCountersRow.queued > 0,
        )
    )


def _share_runs(_rows: sa.FromClause, _on_sqlite: bool) -> sa.Select[*tuple[Any, ...]]:
    running = _running(*(getattr(R, name) for name in Run._fields))
    going = running.join(NumberRow, NumberRow.id == R.number_id).where(~NumberRow.paused)
    return going.order_by(R.id).with_for_update(read=True, of=R)


def _pick(_rows: sa.FromClause, _on_sqlite: bool) -> sa.Select[*tuple[Any, ...]]:
    due = _due(_given("now", M.not_before), _given("since", M.not_before), _given("behind", M.position))
    return (
        sa.select(*STANDING_COLUMNS, M.values, M.prior_message_id, M.position)
        .where(M.run_id == _given("run_id", M.run_id), due)
        .order_by(M.not_before, M.position)
        .limit(sa.bindparam("most", type_=sa.Integer()))
        .with_for_update(of=M, skip_locked=True)
    )


def _any_due(taken: sa.FromClause, _on_sqlite: bool) -> sa.Select[*tuple[Any, ...]]:
    since = sa.func.coalesce(taken.c.not_before, sa.literal(START[0], M.not_before.type))
    position = sa.func.coalesce(taken.c.position, sa.literal(START[1], M.position.type))
    due = _due(_given("now", M.not_before), since, position)
    return (
        _running(R.id).outerjoin(taken, taken.c.run_id == R.id).where(sa.exists().where(M.run_id == R.id, due)).limit(1)
    )


def _invited(guest: sa.FromClause, _on_sqlite: bool) -> sa.Select[*tuple[Any, ...]]:
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
    return sa.select(guest.c.id, invited)


_SHARE_RUNS = Prepared({}, _share_runs)
_PICK = Prepared({}, _pick)
_ANY_DUE = Prepared({"run_id": R.id.type, "not_before": M.not_before.type, "position": M.position.type}, _any_due)
_INVITED = Prepared({"id": M.id.type, "event_id": M.event_id.type, "phone": M.phone.type}, _invited)
