"""Facts: what Meta told us, each once. The set that the lifecycle's reducer folds."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from app.db.engine import UnitOfWork
from app.db.prepared import Prepared
from app.db.renaming import Pair, rename
from app.db.tables import FactRow, MessageRow, StatusItemRow
from app.domain import ids
from app.domain.enums import ReceiptFinding
from app.domain.lifecycle import NOTHING_KNOWN, Fact, FactStatus, Failure, Progress, join

F = FactRow
M = MessageRow
S = StatusItemRow

Key = tuple[str, str, FactStatus, datetime, int]
"""Number, Meta's message id (a refusal's attempt id), status, Meta's time, error code (0 for none)."""


class NewFact(NamedTuple):
    """A fact as it came in; ``message_id`` is null while nothing matches."""

    number_id: str
    provider_message_id: str
    status: FactStatus
    at: datetime
    error_code: int
    attempt: str | None
    message_id: str | None
    title: str | None
    details: str | None
    received_at: datetime

    @property
    def key(self) -> Key:
        return (self.number_id, self.provider_message_id, self.status, self.at, self.error_code)

    @property
    def digest(self) -> str:
        """Over key and texts: of two tellings of one failure in different words the least is shown, whichever came first.

        Empty for what has no words.
        """
        if self.status is not FactStatus.FAILED:
            return ""
        told = [self.number_id, self.provider_message_id, self.status, self.at.isoformat(), self.error_code]
        return hashlib.sha256(json.dumps([*told, self.title, self.details]).encode()).hexdigest()[:16]

    @property
    def progress(self) -> Progress:
        return _fact(self.status, self.at, self.error_code, self.digest, self.title, self.details).progress


def _fact(status: FactStatus, at: datetime, code: int, digest: str, title: str | None, details: str | None) -> Fact:
    failure = Failure(at, code, digest, title or "", details) if status is FactStatus.FAILED else None
    return Fact(status, at, failure)


_COLUMNS: dict[str, Any] = {
    name: getattr(F, name).type
    for name in (
        "id", "number_id", "provider_message_id", "status", "at", "error_code", "attempt", "message_id", "title",
        "details", "digest", "received_at",
    )
}  # fmt: skip


async def insert(uow: UnitOfWork, facts: Iterable[NewFact]) -> set[Key]:
    """Keep facts that are not known yet; returns the keys of those.

    In the order of the keys, so that two units that keep the same facts wait for each other instead of deadlocking. Of
    one key told in different words the words with the least digest stay.
    """
    by_key: dict[Key, NewFact] = {}
    for fact in sorted(facts, key=lambda fact: (fact.key, fact.digest)):
        by_key.setdefault(fact.key, fact)
    if not by_key:
        return set()
    fresh = {ids.new_id(ids.FACT): key for key in by_key}
    rows = [
        (
            fact_id, fact.number_id, fact.provider_message_id, fact.status, fact.at, fact.error_code,
            fact.attempt, fact.message_id, fact.title, fact.details, fact.digest, fact.received_at,
        )
        for fact_id, fact in zip(fresh, by_key.values(), strict=True)
    ]  # fmt: skip
    # One that was there keeps its own id, also where its words change.
    return {fresh[written] for (written,) in await _INSERT(uow, rows) if written in fresh}


_KEY = ["number_id", "provider_message_id", "status", "at", "error_code"]


def _insert(rows: sa.FromClause, on_sqlite: bool) -> sa.Insert:
    upsert = (sqlite if on_sqlite else postgresql).insert(F)
    upsert = upsert.from_select(list(_COLUMNS), sa.select(*rows.c).where(sa.true()))
    excluded = upsert.excluded
    upsert = upsert.on_conflict_do_update(
        index_elements=_KEY,
        set_={"title": excluded.title, "details": excluded.details, "digest": excluded.digest},
        where=excluded.digest < F.digest,
    )
    made: sa.Insert = upsert.returning(F.id)
    return made


_INSERT = Prepared(_COLUMNS, _insert)


async def known(uow: UnitOfWork, keys: Sequence[Key]) -> set[Key]:
    """Those of the keys that are stored already."""
    if not keys:
        return set()
    asked = uow.rows({name: _COLUMNS[name] for name in _KEY}, keys, "asked")
    columns = [getattr(F, name) for name in _KEY]
    query = sa.select(*columns).join(asked, sa.and_(*(column == asked.c[column.key] for column in columns)))
    return {tuple(row) for row in await uow.session.execute(query)}


_PAIR: dict[str, Any] = {name: _COLUMNS[name] for name in ("number_id", "provider_message_id")}


async def attach(uow: UnitOfWork, bindings: Sequence[tuple[str, str, str]]) -> dict[str, Progress]:
    """Give the unmatched facts of (number, Meta's id, message) to their message; returns what they say, by message.

    Whoever binds a message id calls this, in the transaction that binds. Also those that came before another family had
    the guest erased: they carry the id's pseudonym, and get the id of their message.
    """
    if not bindings:
        return {}
    clear = {
        (number_id, key): (number_id, wamid)
        for number_id, wamid, _ in bindings
        for key in uow.pseudonyms.keys_of(wamid)
    }
    waiting = {(number_id, key) for number_id, key, *found in await _WAITING(uow, sorted(clear)) if any(found)}
    if not waiting:
        return {}
    await rename(uow, {stored: clear[stored][1] for stored in waiting if stored != clear[stored]})
    bound = uow.rows({**_PAIR, "message_id": F.message_id.type}, sorted(bindings), "bound")
    attached = await uow.session.execute(
        sa.update(F)
        .where(
            F.number_id == bound.c.number_id,
            F.provider_message_id == bound.c.provider_message_id,
            F.message_id.is_(None),
        )
        .values(message_id=bound.c.message_id)
        .returning(F.message_id, F.status, F.at, F.error_code, F.digest, F.title, F.details)
        .execution_options(synchronize_session=False)
    )
    said: defaultdict[str, Progress] = defaultdict(lambda: NOTHING_KNOWN)
    for row in attached:
        said[row.message_id] = join(said[row.message_id], _fact(*row[1:]).progress)
    await uow.session.execute(
        sa.update(S)
        .where(
            S.number_id == bound.c.number_id,
            S.provider_message_id == bound.c.provider_message_id,
            S.message_id.is_(None),
        )
        # What was unrecognised stays so; it only becomes known whose it is.
        .values(
            message_id=bound.c.message_id,
            finding=sa.case((S.finding == ReceiptFinding.UNMATCHED, None), else_=S.finding),
            explanation=sa.case((S.finding == ReceiptFinding.UNMATCHED, None), else_=S.explanation),
        )
        .execution_options(synchronize_session=False)
    )
    return dict(said)


def _waiting(asked: sa.FromClause, _on_sqlite: bool) -> sa.Select[*tuple[Any, ...]]:
    # A subquery for each id, which no planner turns round: what matches nothing may be much, and would be read first.
    unmatched = [
        sa.select(kind.id)
        .where(
            kind.number_id == asked.c.number_id,
            kind.provider_message_id == asked.c.provider_message_id,
            kind.message_id.is_(None),
        )
        .limit(1)
        .scalar_subquery()
        for kind in (F, S)
    ]
    return sa.select(asked.c.number_id, asked.c.provider_message_id, *unmatched)


_WAITING = Prepared(_PAIR, _waiting)


async def owners(uow: UnitOfWork, pairs: Collection[Pair]) -> dict[Pair, str]:
    """Whose facts these of Meta's ids have, by (number, Meta's id). Facts of an erased message have it as a pseudonym.

    A message is found by its own id without this; by a second one, which raises the alarm, only the facts name it.
    """
    if not pairs:
        return {}
    stored = {(number, key): (number, each) for number, each in pairs for key in uow.pseudonyms.keys_of(each)}
    return {stored[number, key]: owner for number, key, owner in await _OWNERS(uow, sorted(stored))}


_OWNERS = Prepared(
    _PAIR,
    lambda asked, _: (
        sa.select(F.number_id, F.provider_message_id, F.message_id)
        .join(asked, sa.and_(F.number_id == asked.c.number_id, F.provider_message_id == asked.c.provider_message_id))
        .where(F.message_id.is_not(None))
        .distinct()
    ),
)


async def of_messages(uow: UnitOfWork, message_ids: Collection[str]) -> dict[str, Progress]:
    """What all stored facts of these messages say together: the pure result that the live rows must equal."""
    if not message_ids:
        return {}
    wanted = uow.rows({"id": F.message_id.type}, [(message_id,) for message_id in message_ids], "wanted")
    query = sa.select(F.message_id, F.status, F.at, F.error_code, F.digest, F.title, F.details).join(
        wanted, wanted.c.id == F.message_id
    )
    said: defaultdict[str, Progress] = defaultdict(lambda: NOTHING_KNOWN)
    for row in await uow.session.execute(query):
        assert row.message_id is not None
        said[row.message_id] = join(said[row.message_id], _fact(*row[1:]).progress)
    return dict(said)


@dataclass(frozen=True, slots=True)
class StoredFact:
    """A fact as it is kept, with what it says."""

    id: str
    message_id: str
    """Whose it is, or could be where it is unmatched."""
    key: Key
    received_at: datetime
    progress: Progress


async def stored_of(uow: UnitOfWork, message_ids: Collection[str]) -> list[StoredFact]:
    """Every fact of these messages."""
    wanted = uow.rows({"id": F.message_id.type}, [(message_id,) for message_id in message_ids], "wanted")
    query = sa.select(F.id, F.message_id, *_TOLD).join(wanted, wanted.c.id == F.message_id).order_by(F.id)
    return [_stored(row) for row in await uow.session.execute(query)]


async def matchable(uow: UnitOfWork, message_ids: Collection[str]) -> list[StoredFact]:
    """Unmatched facts that name one of these messages by Meta's id: two units missed them together, and no sweep came."""
    wanted = uow.rows({"id": M.id.type}, [(message_id,) for message_id in message_ids], "wanted")
    query = (
        sa.select(F.id, M.id, *_TOLD)
        .join(M, sa.and_(M.number_id == F.number_id, M.provider_message_id == F.provider_message_id))
        .join(wanted, wanted.c.id == M.id)
        .where(F.message_id.is_(None))
        .order_by(F.id)
    )
    return [_stored(row) for row in await uow.session.execute(query)]


_TOLD = (
    F.number_id, F.provider_message_id, F.status, F.at, F.error_code, F.received_at, F.digest, F.title, F.details,
)  # fmt: skip


def _stored(row: Any) -> StoredFact:
    fact_id, message_id, number_id, wamid, status, at, code, received_at, *words = row
    progress = _fact(status, at, code, *words).progress
    return StoredFact(fact_id, message_id, (number_id, wamid, status, at, code), received_at, progress)
