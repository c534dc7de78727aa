"""What no single outcome or webhook can see: leases that ran out, facts that two units of work missed together.

Each is one short unit of work, run about once a second by every dispatcher; running it twice at once is harmless.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.db import facts, messages
from app.db.engine import UnitOfWork
from app.db.messages import Changes, M, lock_expired
from app.db.tables import AttemptRow, FactRow, RunCountersRow, SendRunRow, is_state
from app.domain.enums import SendRunStatus
from app.domain.lifecycle import Dispatch

BATCH = 500

RECENT = timedelta(minutes=10)
"""How far back the sweep of every second looks for unmatched facts; the one at start looks at all."""


async def expire_leases(uow: UnitOfWork) -> int:
    """SENDING whose lease has run out becomes UNCONFIRMED: the worker died or stalled, and nobody knows. Returns how many."""
    now = await uow.now()
    lost = await lock_expired(uow, now, BATCH)
    if not lost:
        return 0
    changes = Changes()
    for standing in lost:
        changes.put(standing, standing.dispatched(Dispatch.LOSE, now, claim_id=None, lease_until=None))
    columns: dict[str, Any] = {"message_id": AttemptRow.message_id.type, "n": AttemptRow.n.type}
    rows = uow.rows(columns, [(standing.id, standing.attempt_count) for standing in lost], "lost")
    await uow.session.execute(
        sa.update(AttemptRow)
        .where(AttemptRow.message_id == rows.c.message_id, AttemptRow.n == rows.c.n)
        .values(lease_expired_at=now)
        .execution_options(synchronize_session=False)
    )
    await changes.save(uow, now)
    return len(lost)


async def match_facts(uow: UnitOfWork, since: datetime | None) -> int:
    """Give facts to messages that were bound while the facts came in: neither unit saw the other's uncommitted rows.

    Returns how many ids were taken up.
    """
    recent = sa.select(FactRow.number_id, FactRow.provider_message_id).where(FactRow.message_id.is_(None))
    if since is not None:
        recent = recent.where(FactRow.received_at > since)
    # Materialized, so that the few recent ones are found by their time, not the many that match nothing by their ids.
    unmatched = recent.cte("unmatched").prefix_with("MATERIALIZED")
    query = (
        sa.select(unmatched.c.number_id, unmatched.c.provider_message_id, M.id)
        .join(
            M,
            sa.and_(M.number_id == unmatched.c.number_id, M.provider_message_id == unmatched.c.provider_message_id),
        )
        .distinct()
        .limit(BATCH)
    )
    bindings = [(number_id, wamid, message_id) for number_id, wamid, message_id in await uow.session.execute(query)]
    if not bindings:
        return 0
    standings = await messages.lock(uow, {message_id for _, _, message_id in bindings})
    now = await uow.now()
    changes = Changes()
    for message_id, progress in (await facts.attach(uow, bindings)).items():
        changes.put(standings[message_id], standings[message_id].told(progress, now))
    await changes.save(uow, now)
    return len(bindings)


async def close_completed(uow: UnitOfWork) -> int:
    """Store COMPLETED for runs whose counters say so, so that the index of running runs stays short. Returns how many."""
    done = (
        sa.select(SendRunRow.id)
        .join(RunCountersRow, RunCountersRow.run_id == SendRunRow.id)
        .where(is_state(SendRunRow.status, SendRunStatus.RUNNING), RunCountersRow.completed_at.is_not(None))
        .order_by(SendRunRow.id)
        .limit(BATCH)
        .with_for_update(key_share=True, of=SendRunRow, skip_locked=True)
    )
    run_ids = list((await uow.session.execute(done)).scalars())
    if run_ids:
        await uow.session.execute(
            sa.update(SendRunRow)
            .where(SendRunRow.id.in_(run_ids))
            .values(status=SendRunStatus.COMPLETED)
            .execution_options(synchronize_session=False)
        )
    return len(run_ids)
