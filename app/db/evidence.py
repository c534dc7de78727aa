"""What is kept as proof, read back: status items as Meta posted them, attempts with Meta's answers. Nothing here locks."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.facts import Key
from app.db.tables import AttemptRow, MessageRow, NumberRow, SendRunRow, StatusItemRow
from app.domain import ids
from app.domain.enums import ReceiptFinding
from app.domain.lifecycle import FactStatus

A = AttemptRow
M = MessageRow
S = StatusItemRow


@dataclass(frozen=True, slots=True)
class Piece:
    """One status item: the smallest piece of a webhook body."""

    id: str
    receipt_id: str
    received_at: datetime
    message_id: str | None
    text: str | None
    """The body that ``whatsapp.webhook.parse`` reads again; None once it was pruned or its guest erased."""
    finding: ReceiptFinding | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One provider call with what is kept of it."""

    message_id: str
    n: int
    claim_id: str
    finished_at: datetime | None
    outcome: str | None
    behaviour: str | None
    code: int | None
    title: str | None
    details: str | None
    provider_message_id: str | None
    lease_expired_at: datetime | None
    answer: Any
    """``whatsapp.port.Evidence`` as JSON, where the outcome is unknown: only those answers may have more to tell."""

    @property
    def name(self) -> str:
        return ids.attempt_id(self.message_id, self.n)

    @property
    def surely_not_sent(self) -> bool:
        return self.lease_expired_at is None and self.outcome in {"NOT_SENT", "REFUSED"}

    @property
    def answer_dropped(self) -> bool:
        """It was no clear one, and its text has been pruned or erased."""
        return self.outcome == "UNKNOWN" and self.answer is None and self.finished_at is not None

    @property
    def lost(self) -> bool:
        """Nobody knows what became of it."""
        return self.lease_expired_at is not None or self.outcome == "UNKNOWN"


async def numbers(uow: UnitOfWork) -> dict[str, str]:
    """All our numbers by Meta's ids."""
    query = sa.select(NumberRow.phone_number_id, NumberRow.id)
    return {row.phone_number_id: row.id for row in await uow.session.execute(query)}


async def run_ids(uow: UnitOfWork, after: str | None, limit: int, run_id: str | None) -> list[str]:
    """Runs behind this one, in the order of their ids; or only the one, if it is there."""
    query = sa.select(SendRunRow.id).order_by(SendRunRow.id).limit(limit)
    if run_id is not None:
        query = query.where(SendRunRow.id == run_id)
    if after is not None:
        query = query.where(SendRunRow.id > after)
    return list((await uow.session.execute(query)).scalars())


async def pieces(uow: UnitOfWork, after: str | None, until: str, limit: int, run_id: str | None) -> list[Piece]:
    """Status items between these two, in the order of their ids; of one run: its own and those that belong to nobody yet."""
    query = sa.select(S.id, S.receipt_id, S.received_at, S.message_id, S.item, S.finding).where(S.id < until)
    query = query.order_by(S.id).limit(limit)
    if after is not None:
        query = query.where(S.id > after)
    if run_id is not None:
        query = query.where(S.message_id.is_(None) | S.message_id.in_(sa.select(M.id).where(M.run_id == run_id)))
    return [Piece(*row) for row in await uow.session.execute(query)]


async def pieces_of(uow: UnitOfWork, piece_ids: Collection[str], *, lock: bool = False) -> list[Piece]:
    """These status items; when locked, without those that somebody else has just locked."""
    wanted = uow.rows({"id": S.id.type}, [(piece_id,) for piece_id in sorted(piece_ids)], "wanted")
    query = sa.select(S.id, S.receipt_id, S.received_at, S.message_id, S.item, S.finding).join(
        wanted, wanted.c.id == S.id
    )
    if lock:
        query = query.with_for_update(of=S, skip_locked=True)
    return [Piece(*row) for row in await uow.session.execute(query.order_by(S.id))]


async def drop_pieces(uow: UnitOfWork, piece_ids: Collection[str]) -> None:
    """Take status items away, because they have been written anew."""
    wanted = uow.rows({"id": S.id.type}, [(piece_id,) for piece_id in piece_ids], "wanted")
    await uow.session.execute(
        sa.delete(S).where(S.id.in_(sa.select(wanted.c.id))).execution_options(synchronize_session=False)
    )


async def attempts(uow: UnitOfWork, message_ids: Collection[str]) -> dict[str, list[Attempt]]:
    """By message, first to last."""
    wanted = uow.rows({"id": M.id.type}, [(message_id,) for message_id in message_ids], "wanted")
    query: sa.Select[*tuple[Any, ...]] = (
        sa.select(
            A.message_id, A.n, A.claim_id, A.finished_at, A.outcome, A.behaviour, A.code, A.title, A.details,
            A.provider_message_id, A.lease_expired_at, sa.case((A.outcome == "UNKNOWN", A.answer), else_=None),
        )
        .join(wanted, wanted.c.id == A.message_id)
        .order_by(A.message_id, A.n)
    )  # fmt: skip
    found: defaultdict[str, list[Attempt]] = defaultdict(list)
    for row in await uow.session.execute(query):
        found[row.message_id].append(Attempt(*row))
    return found


async def statuses_told(
    uow: UnitOfWork, message_ids: Collection[str], provider_ids: Collection[tuple[str, str]]
) -> set[Key]:
    """The keys of all facts that status items vouch for, also where the text has been pruned.

    Those of the messages, and those that belong to no message yet and carry one of the (number, Meta's id).
    """
    columns = (S.number_id, S.provider_message_id, S.status, S.at, S.error_code)
    mine = uow.rows({"id": M.id.type}, [(message_id,) for message_id in message_ids], "mine")
    named = uow.rows({"number_id": M.number_id.type, "wamid": sa.Text()}, sorted(provider_ids), "named")
    queries = (
        sa.select(*columns).join(mine, mine.c.id == S.message_id),
        sa.select(*columns)
        .join(named, sa.and_(named.c.number_id == S.number_id, named.c.wamid == S.provider_message_id))
        .where(S.message_id.is_(None)),
    )
    told: set[Key] = set()
    for query in queries:
        for number_id, wamid, status, at, code in await uow.session.execute(query):
            if number_id is None or wamid is None or at is None or status not in set(FactStatus):
                continue
            failed = status == FactStatus.FAILED
            told.add((number_id, wamid, FactStatus(status), at, (code or 0) if failed else 0))
    return told


async def within_run(uow: UnitOfWork, message_ids: Collection[str], run_id: str | None) -> set[str]:
    """Those of the messages that are of this run; all of them when no run is given."""
    if run_id is None or not message_ids:
        return set(message_ids)
    wanted = uow.rows({"id": M.id.type}, [(message_id,) for message_id in message_ids], "wanted")
    query = sa.select(M.id).join(wanted, wanted.c.id == M.id).where(M.run_id == run_id)
    return set((await uow.session.execute(query)).scalars())
