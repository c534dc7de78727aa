"""Whose a status is and which fact it tells: the same for a webhook, a notice in it, a replay and a verification."""

from collections.abc import Sequence
from datetime import datetime

from app.db import facts, messages
from app.db.engine import UnitOfWork
from app.db.facts import NewFact
from app.domain import ids
from app.domain.lifecycle import FactStatus
from app.whatsapp.items import StatusItem


async def owners_of(uow: UnitOfWork, statuses: Sequence[tuple[str | None, StatusItem]]) -> list[str | None]:
    """The message of each status, which comes with our number: by (number, Meta's id), be it the message's second one,
    else by our attempt id, never by phone. None without a number, or where nothing matches.
    """
    pairs: dict[int, tuple[str, str]] = {}
    named: dict[int, str] = {}
    for index, (number_id, item) in enumerate(statuses):
        if number_id is None:
            continue
        pairs[index] = (number_id, item.message_id)
        attempt = ids.parse_attempt_id(item.attempt) if item.attempt else None
        if attempt is not None:
            named[index] = attempt[0]
    bound = await messages.bound(uow, list(pairs.values()))
    bound |= await facts.owners(uow, {pair for pair in pairs.values() if pair not in bound})
    missing = {named[index] for index, pair in pairs.items() if pair not in bound and index in named}
    known = await messages.addressees(uow, missing)
    ours = {index: name for index, name in named.items() if name in known and known[name].number_id == pairs[index][0]}
    # One fact that names our attempt tells whose id it is, also for its neighbours that do not name it. A status that is
    # no fact speaks for itself alone: it leaves nothing behind by which a later body would find the message.
    for index, name in ours.items():
        if statuses[index][1].status is not None:
            bound.setdefault(pairs[index], name)
    return [bound.get(pairs[index]) or ours.get(index) if index in pairs else None for index in range(len(statuses))]


def fact_of(
    status: StatusItem, number_id: str | None, received_at: datetime, message_id: str | None = None
) -> NewFact | None:
    """None for a number that is not ours, and for a status that is no fact."""
    if number_id is None or status.status is None:
        return None
    error = status.errors[0] if status.errors and status.status is FactStatus.FAILED else None
    return NewFact(
        number_id=number_id,
        provider_message_id=status.message_id,
        status=status.status,
        at=status.at,
        error_code=error.code if error else 0,
        attempt=status.attempt,
        message_id=message_id,
        title=error.title if error else None,
        details=error.details if error else None,
        received_at=received_at,
    )
