"""What a new block does to messages that are waiting: they are turned away at once, not only when they are claimed."""

from collections.abc import Collection
from datetime import datetime

from app.db.engine import UnitOfWork
from app.db.messages import Changes, M, lock_where, reject
from app.domain.enums import MessageState, RejectionReason


async def reject_blocked(
    uow: UnitOfWork, number_id: str, phones: Collection[str], at: datetime, workspace_id: str | None = None
) -> int:
    """Reject the QUEUED messages to these spellings, of one workspace or of all that send from the number.

    The caller holds the number's exclusive advisory lock, so no claim is under way. Returns how many there were.
    """
    scope = [M.workspace_id == workspace_id] if workspace_id is not None else []
    waiting = await lock_where(
        uow, M.number_id == number_id, M.phone.in_(sorted(phones)), M.state == MessageState.QUEUED, *scope
    )
    changes = Changes()
    reject(changes, waiting, RejectionReason.DO_NOT_MESSAGE, at)
    await changes.save(uow, at)
    return len(waiting)
