"""What a new block does to messages that are waiting: they are turned away at once, not only when they are claimed."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from app.db import messages
from app.db.engine import UnitOfWork
from app.db.messages import Changes, M, Standing, reject
from app.db.tables import is_state
from app.domain.enums import MessageState, RejectionReason
from app.domain.phone import spellings


async def waiting_for(
    uow: UnitOfWork, blocked: Collection[tuple[str, str]], workspace_id: str | None = None
) -> set[str]:
    """The QUEUED messages to any spelling of these (number, phone), of one workspace or of all; not locked yet.

    The caller holds the numbers' exclusive advisory locks, so no claim is under way.
    """
    pairs = sorted({(number_id, key) for number_id, phone in blocked for key in spellings(phone)})
    if not pairs:
        return set()
    rows = uow.rows({"number_id": M.number_id.type, "phone": sa.Text()}, pairs, "blocked")
    query = (
        sa.select(M.id)
        .join(rows, sa.and_(rows.c.number_id == M.number_id, rows.c.phone == M.phone))
        .where(is_state(M.state, MessageState.QUEUED))
    )
    if workspace_id is not None:
        query = query.where(M.workspace_id == workspace_id)
    return set((await uow.session.execute(query)).scalars())


def turn_away(changes: Changes, standings: dict[str, Standing], waiting: Collection[str], at: datetime) -> None:
    """Reject those that still wait once they are locked; ``standings`` is brought up to date."""
    still = [standings[each] for each in sorted(waiting) if each in standings]
    still = [standing for standing in still if standing.state is MessageState.QUEUED]
    for after in reject(changes, still, RejectionReason.DO_NOT_MESSAGE, at):
        standings[after.id] = after


async def reject_blocked(
    uow: UnitOfWork, number_id: str, phones: Collection[str], at: datetime, workspace_id: str
) -> None:
    """A unit of work that blocks phones in one workspace and touches no other message."""
    waiting = await waiting_for(uow, [(number_id, phone) for phone in phones], workspace_id)
    changes = Changes()
    turn_away(changes, await messages.lock(uow, waiting), waiting, at)
    await changes.save(uow, at)
