"""The other half of an erasure: the guest's own rows, tags, runs that searched for them, and the entries that block."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.db.bulk import insert_rows, update_rows, write
from app.db.engine import UnitOfWork
from app.db.erasing_search import ERASED_NAME, Subject
from app.db.number_blocks import keep_resumes
from app.db.tables import (
    DoNotMessageRow,
    DoNotMessageSpellingRow,
    GuestResumeRow,
    GuestUnitRow,
    GuestUnitTagRow,
    MessageRow,
    PersonRow,
    SendRunRow,
    TagRow,
    WorkspaceRow,
)
from app.domain import ids, requests
from app.domain.enums import DoNotMessageSource, PhoneStatus
from app.domain.phone import spellings
from app.domain.search import fold

D = DoNotMessageRow
R = GuestResumeRow
S = DoNotMessageSpellingRow
REASON = "The guest was erased."
_LEAST_SEARCH = 3
"""A search of fewer characters finds everybody and so tells of nobody."""


async def erase_guests(uow: UnitOfWork, subject: Subject, at: datetime) -> None:
    """People and households stay as rows without content, for the messages that were planned for them."""
    nobody: dict[str, Any] = {"name": ERASED_NAME, "name_key": "", "archived": True, "erased_at": at, "updated_at": at}
    no_consent = dict.fromkeys(("consent_at", "consent_evidence", "consent_recorded_at", "consent_recorded_by"))
    no_phone = {"phone": None, "raw_phone": None, "phone_status": PhoneStatus.MISSING}
    await write(
        uow,
        sa.update(PersonRow)
        .where(PersonRow.id.in_(subject.people))
        .values(**nobody, **no_phone, **no_consent, also_known_as=[]),
    )
    await write(
        uow,
        sa.update(GuestUnitRow)
        .where(GuestUnitRow.id.in_(subject.units))
        .values(**nobody, **no_consent, delivery_phone=None),
    )
    of_workspace = GuestUnitRow.workspace_id == subject.workspace_id
    await write(
        uow,
        sa.update(GuestUnitRow)
        .where(of_workspace, GuestUnitRow.delivery_phone.in_(subject.phones))
        .values(delivery_phone=None, updated_at=at),
    )
    # A household that was named after the guest, and in which others stay.
    home = sa.select(PersonRow.guest_unit_id).where(PersonRow.id.in_(subject.people))
    await write(
        uow,
        sa.update(GuestUnitRow)
        .where(of_workspace, GuestUnitRow.id.in_(home), GuestUnitRow.name_key.in_(subject.names))
        .values(name=ERASED_NAME, name_key="", updated_at=at),
    )
    await _drop_tags(uow, subject)


async def _drop_tags(uow: UnitOfWork, subject: Subject) -> None:
    """Also the tags themselves, where nobody else has them."""
    ours = GuestUnitTagRow.guest_unit_id.in_(subject.units)
    tag_ids = set(await uow.session.scalars(sa.select(GuestUnitTagRow.tag_id).where(ours)))
    await write(uow, sa.delete(GuestUnitTagRow).where(ours))
    used = sa.exists().where(GuestUnitTagRow.tag_id == TagRow.id)
    await write(uow, sa.delete(TagRow).where(TagRow.id.in_(tag_ids), ~used))


async def erase_searches(uow: UnitOfWork, subject: Subject) -> None:
    """The search that chose a run's audience, where it was for this guest. Locks those runs: before any message."""
    told = [*subject.names, *(fold(phone) for phone in subject.phones)]
    query = sa.select(SendRunRow.id, SendRunRow.request).where(SendRunRow.workspace_id == subject.workspace_id)
    changed: dict[str, dict[str, Any]] = {}
    for run_id, request in (await uow.session.execute(query)).all():
        asked = requests.from_json(request)
        if asked.audience is None:
            continue
        search = fold(asked.audience.search or "")
        if len(search) >= _LEAST_SEARCH and any(search in each or each in search for each in told if each):
            without = replace(asked, audience=replace(asked.audience, search=ERASED_NAME))
            changed[run_id] = requests.to_json(without)
    locked = sa.select(SendRunRow.id).where(SendRunRow.id.in_(sorted(changed))).order_by(SendRunRow.id)
    await uow.session.execute(locked.with_for_update(key_share=True))
    await update_rows(uow, SendRunRow, [{"id": run_id, "request": request} for run_id, request in changed.items()])


async def erase_blocks(uow: UnitOfWork, subject: Subject, created_by: str, at: datetime) -> int:
    """Block the phones by pseudonyms alone. The caller holds the advisory locks. Returns how many entries are new.

    Entries that are there go on blocking in the same way; those of a number too, unless another of its workspaces knows
    the phone and so has to see why it is blocked.
    """
    pseudonyms = uow.pseudonyms
    shared = await _known_elsewhere(uow, subject)
    query = sa.select(D).where(
        D.phone.in_(subject.spellings),
        sa.or_(
            D.workspace_id == subject.workspace_id,
            sa.and_(D.number_id.in_(subject.numbers), D.phone.not_in(shared)),
        ),
    )
    for entry in list(await uow.session.scalars(query.order_by(D.id))):
        keys = spellings(entry.phone)
        entry.phone, entry.reason, entry.evidence = pseudonyms.of(entry.phone), REASON, None
        entry.revoke_reason = entry.revoke_reason and REASON
        await uow.session.flush()
        await write(uow, sa.delete(S).where(S.entry_id == entry.id))
        await insert_rows(uow, S, [{"entry_id": entry.id, "spelling": pseudonyms.of(key)} for key in sorted(keys)])
    await _erase_resumes(uow, subject.numbers, subject.spellings - set(shared))
    known = set(
        await uow.session.scalars(
            sa.select(D.phone).where(
                D.workspace_id == subject.workspace_id, D.active, D.source == DoNotMessageSource.ERASURE
            )
        )
    )
    fresh = [phone for phone in sorted(subject.phones) if known.isdisjoint(pseudonyms.all_of(phone))]
    for phone in fresh:
        entry = D(
            id=ids.new_id(ids.DO_NOT_MESSAGE), workspace_id=subject.workspace_id, phone=pseudonyms.of(phone),
            reason=REASON, source=DoNotMessageSource.ERASURE, active=True, created_at=at, created_by=created_by,
        )  # fmt: skip
        uow.session.add(entry)
        await uow.session.flush()
        keys = spellings(phone)
        await insert_rows(uow, S, [{"entry_id": entry.id, "spelling": pseudonyms.of(key)} for key in sorted(keys)])
    return len(fresh)


async def _erase_resumes(uow: UnitOfWork, numbers: Collection[str], phones: Collection[str]) -> None:
    """When the guest allowed messages again stays known, under the pseudonyms."""
    ours = sa.and_(R.number_id.in_(numbers), R.phone.in_(phones))
    rows = (await uow.session.execute(sa.select(R.number_id, R.phone, R.at).where(ours))).all()
    await write(uow, sa.delete(R).where(ours))
    if rows:
        await keep_resumes(uow, {(row.number_id, uow.pseudonyms.of(row.phone)): row.at for row in rows})


async def _known_elsewhere(uow: UnitOfWork, subject: Subject) -> Collection[str]:
    keys = subject.spellings
    others = sa.select(WorkspaceRow.id).where(
        WorkspaceRow.number_id.in_(subject.numbers), WorkspaceRow.id != subject.workspace_id
    )
    queries = [
        sa.select(phone).where(kind.workspace_id.in_(others), phone.in_(keys))
        for kind, phone in (
            (PersonRow, PersonRow.phone),
            (GuestUnitRow, GuestUnitRow.delivery_phone),
            (MessageRow, MessageRow.phone),
        )
    ]
    found = set((await uow.session.execute(sa.union(*queries))).scalars())
    return {key for phone in found if phone is not None for key in spellings(phone)}
