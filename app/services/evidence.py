"""What stored evidence proves, read with today's rules: the facts behind status items and behind Meta's answers.

Verification compares them with the facts that are kept, replay adds those that are missing.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.db import evidence, facts
from app.db.engine import Database, UnitOfWork
from app.db.evidence import Attempt, Piece
from app.db.facts import NewFact
from app.domain import ids
from app.domain.enums import ReceiptFinding
from app.domain.errors import NotFoundError
from app.domain.lifecycle import FactStatus
from app.services.matching import fact_of, owners_of
from app.whatsapp import webhook
from app.whatsapp.items import StatusItem
from app.whatsapp.port import Accepted, Behaviour, Evidence, Outcome, ProviderError, Refused

PAGE = 500
"""Messages or status items that are looked at together."""

ReadAnswer = Callable[[Evidence], Outcome]
"""Reads a kept answer again (``whatsapp.kept.read_again``)."""


async def run_pages(db: Database, run_id: str | None) -> AsyncIterator[list[str]]:
    """The ids of all runs, page by page; or the one. Raises NotFoundError when that is none."""
    after: str | None = None
    while run_id is None or ids.is_id(ids.SEND_RUN, run_id):
        async with db.snapshot() as uow:
            page = await evidence.run_ids(uow, after, PAGE, run_id)
        if not page:
            break
        yield page
        after = page[-1]
    if run_id is not None and after is None:
        raise NotFoundError("There is no run with this id.")  # whoever asks holds the database itself


@dataclass(frozen=True, slots=True)
class Untold:
    """A status item that proves a fact which it has not become."""

    piece: Piece
    status: StatusItem
    fact: NewFact
    """``message_id`` says whose it is, as a webhook would match it now."""
    kept: bool = False
    """The fact is kept, from another telling; this item is still shown as unrecognised."""


async def untold(uow: UnitOfWork, pieces: Sequence[Piece], run_id: str | None = None) -> list[Untold]:
    """Those of the pieces that say more than was understood; of one run: only those that are about its messages."""
    numbers = await evidence.numbers(uow)
    told = [each for piece in pieces for each in _read(piece, numbers)]
    known = await facts.known(uow, list({each.fact.key for each in told}))
    told = [replace(each, kept=each.fact.key in known) for each in told]
    missing = await _matched(
        uow, [each for each in told if not each.kept or each.piece.finding is ReceiptFinding.UNRECOGNISED]
    )
    if run_id is None:
        return missing
    owners = {each.fact.message_id for each in missing if each.fact.message_id is not None}
    ours = await evidence.within_run(uow, owners, run_id)
    return [each for each in missing if each.fact.message_id in ours]


def _read(piece: Piece, numbers: dict[str, str]) -> list[Untold]:
    if piece.text is None:
        return []
    read = []
    for status in webhook.parse(piece.text.encode()).statuses:
        fact = fact_of(status, numbers.get(status.phone_number_id), piece.received_at)
        if fact is not None:
            read.append(Untold(piece, status, fact))
    return read


async def _matched(uow: UnitOfWork, missing: Sequence[Untold]) -> list[Untold]:
    owners = await owners_of(uow, [(each.fact.number_id, each.status) for each in missing])
    return [
        replace(each, fact=each.fact._replace(message_id=owner)) for each, owner in zip(missing, owners, strict=True)
    ]


def fact_of_answer(attempt: Attempt, number_id: str, read_answer: ReadAnswer, received_at: datetime) -> NewFact | None:
    """The fact that Meta's answer to an attempt proves: taken, or refused for good."""
    if attempt.finished_at is None:
        return None
    match _outcome(attempt, read_answer):
        case Accepted(message_id=wamid):
            key = (wamid, FactStatus.ACCEPTED, attempt.finished_at, 0)
            return NewFact(number_id, *key, attempt.name, attempt.message_id, None, None, received_at)
        case Refused(behaviour=Behaviour.FINAL, error=error):
            # A refusal has no id of Meta's: the attempt's own name stands in, see ``services.outcomes``.
            key = (attempt.name, FactStatus.FAILED, attempt.finished_at, error.code)
            return NewFact(number_id, *key, attempt.name, attempt.message_id, error.title, error.details, received_at)
    return None


def _outcome(attempt: Attempt, read_answer: ReadAnswer) -> Outcome | None:
    """As it was recorded; but an answer that proved nothing when it came is read again with today's rules."""
    kept = Evidence(**attempt.answer) if attempt.answer else Evidence()
    match attempt.outcome:
        case "ACCEPTED" if attempt.provider_message_id is not None:
            return Accepted(attempt.provider_message_id, held=False, evidence=kept)
        case "REFUSED" if attempt.behaviour is not None:
            error = ProviderError(attempt.code or 0, attempt.title or "", attempt.details)
            return Refused(error, Behaviour(attempt.behaviour), slows_number=False, retry_after=0.0, evidence=kept)
        case "UNKNOWN":
            return read_answer(kept)
    return None


def refusal_key(attempt: Attempt, number_id: str) -> facts.Key | None:
    """The key of the fact that a refusal becomes once passing refusals have come to their bound."""
    if attempt.outcome != "REFUSED" or attempt.finished_at is None:
        return None
    return (number_id, attempt.name, FactStatus.FAILED, attempt.finished_at, attempt.code or 0)
