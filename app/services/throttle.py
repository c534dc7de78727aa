"""How fast a number may send: a token bucket in the database, on the database's clock, shared by all workers."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.db.bulk import updating
from app.db.engine import UnitOfWork
from app.db.prepared import Prepared
from app.db.tables import NumberRow

BURST_SECONDS = 1.0
"""The bucket holds what one second gives: a pause is not made up for by a burst."""

RECOVERY_PER_SECOND = 0.01
"""After "too fast" a number is back at its full rate within a minute and a half."""

FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 60.0
"""Seconds without a request after one that never left this machine (no network, no DNS); doubling."""

SLOWEST_SHARE = 0.02


async def take(uow: UnitOfWork, number_id: str, wanted: int, rate: float) -> int:
    """Take up to ``wanted`` messages from the bucket; 0 while the number is paused or backs off. Unused ones are lost.

    ``rate`` is SEND_RATE, messages a second. Takes the number's row.
    """
    now = await uow.now()
    found = await _LOCK(uow, (), number_id=number_id)
    if not found:
        return 0
    paused, backoff_until, held, held_at, rate_share = found[0]
    if paused or (backoff_until is not None and backoff_until > now):
        return 0
    elapsed = max(0.0, (now - held_at).total_seconds()) if held_at else BURST_SECONDS
    share = min(1.0, rate_share + elapsed * RECOVERY_PER_SECOND)
    capacity = max(1.0, rate * share * BURST_SECONDS)
    tokens = min(capacity, held + elapsed * rate * share)
    taken = min(wanted, int(tokens))
    if taken > 0:
        await _TAKE(uow, [(number_id, tokens - taken, now, share)])
    return taken


def _lock(_rows: sa.FromClause, _on_sqlite: bool) -> sa.Select[*tuple[Any, ...]]:
    columns = (NumberRow.paused, NumberRow.backoff_until, NumberRow.tokens, NumberRow.tokens_at, NumberRow.rate_share)
    query = sa.select(*columns).where(NumberRow.id == sa.bindparam("number_id", type_=NumberRow.id.type))
    return query.with_for_update(key_share=True)


_LOCK = Prepared({}, _lock)
_TAKE = updating(NumberRow, ("id", "tokens", "tokens_at", "rate_share"))


def slow_down(row: NumberRow, now: datetime, retry_after: float) -> None:
    """Meta says too fast: half the rate, and nothing at all for as long as it asks."""
    row.rate_share = max(SLOWEST_SHARE, row.rate_share / 2)
    row.tokens, row.tokens_at = 0.0, now
    _back_off_until(row, now + timedelta(seconds=retry_after))


def back_off(row: NumberRow, now: datetime) -> None:
    """The request never left: wait, twice as long each time."""
    row.backoff_seconds = min(LONGEST_BACKOFF, max(FIRST_BACKOFF, row.backoff_seconds * 2))
    _back_off_until(row, now + timedelta(seconds=row.backoff_seconds))


def lift_pause(number: NumberRow) -> None:
    """The cause is mended, or so somebody says: the number may try again, its breakers count anew."""
    number.paused, number.paused_reason, number.unknown_streak = False, None, 0
    number.backoff_until, number.backoff_seconds = None, 0.0


def _back_off_until(row: NumberRow, until: datetime) -> None:
    row.backoff_until = max(until, row.backoff_until) if row.backoff_until else until
