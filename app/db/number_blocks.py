"""What guests themselves say to Meta: stop, and resume. Both hold for the number, and so for every workspace of it.

A guest is blocked when the newest stop is not older than the newest resume, by Meta's clock: a function of what was said,
whatever the order in which it arrives. At the same second the stop wins. Resumes are kept for that, in ``guest_resumes``.

A stop holds for every spelling of the phone, a resume for those of the same person alone (``phone.same_person``): of two
neighbours in Argentina one must not lift what the other asked, and rather one too many stays blocked.

An erased guest is found under the pseudonyms of the phone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from app.db.bulk import insert_rows, update_rows
from app.db.engine import UnitOfWork
from app.db.tables import DoNotMessageRow, DoNotMessageSpellingRow, GuestResumeRow
from app.domain import ids
from app.domain.enums import DoNotMessageSource
from app.domain.phone import same_person, spellings
from app.domain.pseudonyms import is_pseudonym

D = DoNotMessageRow
S = DoNotMessageSpellingRow
R = GuestResumeRow

GUESTS_OWN = (
    DoNotMessageSource.META_STOP,
    DoNotMessageSource.META_CODE_131050,
    DoNotMessageSource.INBOUND_STOP_WORD,
)
"""What a guest said and so can take back, by allowing such messages again in WhatsApp."""

RESUMED = "The guest allowed such messages again in WhatsApp."

Key = tuple[str, str]
"""Number and phone."""


@dataclass(frozen=True, slots=True)
class NumberBlock:
    """A guest's own stop, told by Meta."""

    number_id: str
    phone: str
    source: DoNotMessageSource
    reason: str
    at: datetime
    """When the guest said it, by Meta's clock."""
    evidence: Any
    receipt_id: str | None
    erased: bool = False
    """Said about a message to an erased guest: the phone is kept as pseudonyms, and no evidence."""
    message_id: str | None = None
    """The message that Meta refused or failed with it: only its workspace may read the evidence."""

    @property
    def key(self) -> Key:
        return (self.number_id, self.phone)


@dataclass(frozen=True, slots=True)
class Resume:
    """A guest allows messages again."""

    number_id: str
    phone: str
    at: datetime
    """By Meta's clock."""


async def insert_number_blocks(uow: UnitOfWork, blocks: Sequence[NumberBlock]) -> set[Key]:
    """Block many phones at once, each once. The caller holds the exclusive advisory locks of their numbers.

    Returns those that are blocked now; one that the guest took back later is kept for history only. An entry that is
    active already moves on to the newest stop.
    """
    newest = {block.key: block for block in sorted(blocks, key=lambda block: block.at)}
    if not newest:
        return set()
    active, last = await _entries(uow, newest)
    resumed = await _resumed(uow, newest)
    moved = [
        # Of an erased guest the time counts, and nothing else is kept.
        {"id": active[key].id, **_told(replace(block, erased=block.erased or active[key].erased))}
        for key, block in newest.items()
        if key in active and active[key].source in GUESTS_OWN and block.at > last[key]
    ]
    await update_rows(uow, D, moved)
    new = [
        (ids.new_id(ids.DO_NOT_MESSAGE), block, _overruled(block, resumed.get(key)))
        for key, block in newest.items()
        # Meta repeats itself: what is history already is not written again.
        if key not in active and not (key in last and last[key] >= block.at)
    ]
    await insert_rows(uow, D, [_row(uow, entry_id, block, taken_back) for entry_id, block, taken_back in new])
    keys = [
        {"entry_id": entry_id, "spelling": _kept(uow, block, key)}
        for entry_id, block, _ in new
        for key in spellings(block.phone)
    ]
    await insert_rows(uow, S, keys)
    return set(active) & set(newest) | {block.key for _, block, taken_back in new if taken_back is None}


async def lift_number_blocks(uow: UnitOfWork, resumes: Sequence[Resume]) -> None:
    """Lift what these guests asked before, never a member's entry, and remember it for stops that arrive later.

    The caller holds the exclusive advisory locks of the numbers: a stop under way must see what is remembered here.
    """
    newest: dict[Key, datetime] = {}
    for resume in resumes:
        for phone in same_person(resume.phone):
            key = (resume.number_id, phone)
            newest[key] = max(resume.at, newest.get(key, resume.at))
    if not newest:
        return
    await keep_resumes(uow, newest)
    stored = [
        (number_id, key, at)
        for (number_id, phone), at in sorted(newest.items())
        for key in uow.pseudonyms.keys_of(phone)
    ]
    lifted = uow.rows(_RESUME, stored, "lifted")
    await uow.session.execute(
        sa.update(D)
        .where(
            D.number_id == lifted.c.number_id,
            D.phone == lifted.c.phone,
            D.active,
            D.source.in_(GUESTS_OWN),
            D.created_at < lifted.c.at,
        )
        .values(active=False, revoked_at=lifted.c.at, revoke_reason=RESUMED)
        .execution_options(synchronize_session=False)
    )


_RESUME: dict[str, Any] = {name: getattr(R, name).type for name in ("number_id", "phone", "at")}


async def keep_resumes(uow: UnitOfWork, resumes: Mapping[Key, datetime]) -> None:
    """Remember when each guest allowed messages again, by phone or pseudonym; of one that is known the later stays."""
    rows = uow.rows(_RESUME, [(*key, at) for key, at in sorted(resumes.items())], "resumed")
    upsert = (sqlite if uow.sqlite else postgresql).insert(R)
    upsert = upsert.from_select(list(_RESUME), sa.select(*rows.c).where(sa.true()))
    await uow.session.execute(
        upsert.on_conflict_do_update(
            index_elements=["number_id", "phone"], set_={"at": upsert.excluded.at}, where=upsert.excluded.at > R.at
        )
    )


@dataclass(frozen=True, slots=True)
class _Active:
    id: str
    source: DoNotMessageSource
    erased: bool


async def _entries(uow: UnitOfWork, newest: dict[Key, NumberBlock]) -> tuple[dict[Key, _Active], dict[Key, datetime]]:
    """The active entry of each key, and the time of its newest entry, active or not."""
    asked = _asked(uow, newest)
    query = (
        sa.select(D.id, D.number_id, asked.c.phone, D.phone.label("stored"), D.source, D.active, D.created_at)
        .join(S, S.entry_id == D.id)
        # By the spelling, which is indexed; of the entry's own phone, as the twin may be somebody else's entry.
        .join(asked, sa.and_(asked.c.stored == S.spelling, asked.c.number_id == D.number_id, asked.c.stored == D.phone))
    )
    active: dict[Key, _Active] = {}
    last: dict[Key, datetime] = {}
    for row in await uow.session.execute(query):
        key = (row.number_id, row.phone)
        if row.active:
            active[key] = _Active(row.id, row.source, is_pseudonym(row.stored))
        last[key] = max(row.created_at, last.get(key, row.created_at))
    return active, last


async def _resumed(uow: UnitOfWork, newest: dict[Key, NumberBlock]) -> dict[Key, datetime]:
    asked = _asked(uow, newest)
    query = (
        sa.select(R.number_id, asked.c.phone, sa.func.max(R.at).label("at"))
        .join(asked, sa.and_(asked.c.number_id == R.number_id, asked.c.stored == R.phone))
        .group_by(R.number_id, asked.c.phone)
    )
    return {(row.number_id, row.phone): row.at for row in await uow.session.execute(query)}


def _asked(uow: UnitOfWork, newest: dict[Key, NumberBlock]) -> sa.FromClause:
    """Each phone with everything under which it may be stored."""
    rows = [
        (number_id, phone, stored) for number_id, phone in sorted(newest) for stored in uow.pseudonyms.keys_of(phone)
    ]
    return uow.rows({"number_id": D.number_id.type, "phone": sa.Text(), "stored": sa.Text()}, rows, "asked")


def _overruled(block: NumberBlock, resumed: datetime | None) -> datetime | None:
    """When the guest took this stop back, if so."""
    return resumed if resumed is not None and resumed > block.at else None


def _told(block: NumberBlock) -> dict[str, Any]:
    return {
        "reason": block.reason,
        "source": block.source,
        "evidence": None if block.erased else block.evidence,
        "receipt_id": block.receipt_id,
        "message_id": block.message_id,
        "created_at": block.at,
    }


def _kept(uow: UnitOfWork, block: NumberBlock, phone: str) -> str:
    """As what a spelling of the block's phone is stored."""
    return uow.pseudonyms.of(phone) if block.erased else phone


def _row(uow: UnitOfWork, entry_id: str, block: NumberBlock, taken_back: datetime | None) -> dict[str, Any]:
    return _told(block) | {
        "id": entry_id,
        "number_id": block.number_id,
        "phone": _kept(uow, block, block.phone),
        "active": taken_back is None,
        "revoked_at": taken_back,
        "revoke_reason": RESUMED if taken_back else None,
    }
