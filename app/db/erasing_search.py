"""Whom an erasure is about, and where else that guest is spoken of. Nothing here writes."""

import base64
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import (
    Base,
    GuestImportRow,
    GuestUnitRow,
    ImportRowRow,
    MessageRow,
    MessageSourceRow,
    NumberRow,
    PersonRow,
    ReceiptRow,
    SendRunRow,
    StatusItemRow,
    WorkspaceRow,
)
from app.domain.phone import spellings
from app.domain.text import name_key

ERASED_NAME = "Erased guest"
_LEAST_DIGITS = 8
"""Fewer digits of an imported phone could be anybody's."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is erased: people, households that are left empty, their phones, and the messages to them alone."""

    workspace_id: str
    people: frozenset[str]
    units: frozenset[str]
    phones: frozenset[str]
    """E.164, now or when a message was planned; without those that somebody else has now."""
    names: frozenset[str]
    """``text.name_key`` of every name."""
    messages: frozenset[str]
    numbers: frozenset[str]
    """From which the workspace sends or has sent."""
    phone_number_ids: frozenset[str]
    """Meta's names of them."""

    @property
    def spellings(self) -> frozenset[str]:
        return frozenset(key for phone in self.phones for key in spellings(phone))

    @property
    def needles(self) -> list[str]:
        """What stands in a body that is about this guest: the digits, or the part of a message id that holds them.

        Meta's ids are base64 of three bytes, the digits, and more; so the digits' own base64 is found in them as it is.
        """
        digits = sorted(key.removeprefix("+") for key in self.spellings)
        encoded = [base64.b64encode(each.encode())[: len(each) // 3 * 4].decode() for each in digits]
        return [*digits, *encoded]


async def subject_of(
    uow: UnitOfWork, workspace_id: str, *, person_id: str | None = None, unit_id: str | None = None
) -> Subject:
    """A household with all its people, or a person: with the household, where nobody else is in it."""
    of_workspace = PersonRow.workspace_id == workspace_id
    if unit_id is None:
        home = sa.select(PersonRow.guest_unit_id).where(PersonRow.id == person_id).scalar_subquery()
        others = sa.select(PersonRow.id).where(PersonRow.guest_unit_id == home, PersonRow.erased_at.is_(None))
        inhabitants = set(await uow.session.scalars(others))
        if inhabitants == {person_id}:
            unit_id = await uow.session.scalar(sa.select(home))
    which = PersonRow.id == person_id if person_id else PersonRow.guest_unit_id == unit_id
    people = list(await uow.session.scalars(sa.select(PersonRow).where(of_workspace, which)))
    units = list(await uow.session.scalars(sa.select(GuestUnitRow).where(GuestUnitRow.id == unit_id)))
    person_ids, unit_ids = frozenset(row.id for row in people), frozenset(row.id for row in units)
    addressed = await _addressed(uow, person_ids, unit_ids)
    phones = {row.phone for row in people} | {row.delivery_phone for row in units}
    phones |= {phone for phone, alone in addressed.values() if alone}
    own = frozenset(phone for phone in phones if phone)
    query = sa.select(PersonRow.phone).where(of_workspace, PersonRow.phone.in_(own), PersonRow.id.not_in(person_ids))
    own -= set(await uow.session.scalars(query))
    to_phones = sa.select(MessageRow.id).where(MessageRow.workspace_id == workspace_id, MessageRow.phone.in_(own))
    messages = {each for each, (_, alone) in addressed.items() if alone} | set(await uow.session.scalars(to_phones))
    names = [each for row in people for each in (row.name, *row.also_known_as)] + [row.name for row in units]
    numbers: sa.CompoundSelect[*tuple[Any, ...]] = sa.union(
        sa.select(SendRunRow.number_id).where(SendRunRow.workspace_id == workspace_id),
        sa.select(WorkspaceRow.number_id).where(WorkspaceRow.id == workspace_id, WorkspaceRow.number_id.is_not(None)),
    )
    number_ids = frozenset((await uow.session.execute(numbers)).scalars())
    of_meta = await uow.session.scalars(sa.select(NumberRow.phone_number_id).where(NumberRow.id.in_(number_ids)))
    return Subject(
        workspace_id,
        person_ids,
        unit_ids,
        own,
        frozenset(map(name_key, names)) - {"", name_key(ERASED_NAME)},
        frozenset(messages),
        number_ids,
        frozenset(of_meta),
    )


async def _addressed(
    uow: UnitOfWork, people: Collection[str], units: Collection[str]
) -> dict[str, tuple[str | None, bool]]:
    """Messages that stand for these: the phone of each, and whether they stand for nobody else."""
    source = MessageSourceRow
    ours = sa.or_(source.person_id.in_(people), source.guest_unit_id.in_(units))
    theirs = sa.select(source.message_id).where(ours)
    query = (
        sa.select(MessageRow.id, MessageRow.phone, sa.func.min(sa.case((ours, 1), else_=0)).label("alone"))
        .join(source, source.message_id == MessageRow.id)
        .where(MessageRow.id.in_(theirs))
        .group_by(MessageRow.id)
    )
    # Of a person in a household that stays: the household's own messages are not the person's.
    return {row.id: (row.phone, bool(row.alone)) for row in await uow.session.execute(query)}


@dataclass(slots=True)
class Traces:
    """Where else the guest is spoken of: bodies, items that belong to no message, rows of import reports."""

    receipts: set[str] = field(default_factory=set)
    items: set[str] = field(default_factory=set)
    import_rows: set[tuple[str, int]] = field(default_factory=set)
    newest_import: str | None = None


async def search_page(
    uow: UnitOfWork, kind: type[ReceiptRow | StatusItemRow], subject: Subject, after: str, limit: int
) -> tuple[str | None, set[str]]:
    """The next rows behind ``after``: the last one's id, and which speak of the subject, on one of the subject's numbers.

    A body may be about several numbers, and its row names the first of them.
    """
    text: Any = ReceiptRow.body if kind is ReceiptRow else StatusItemRow.item
    ours: sa.ColumnElement[bool] = kind.number_id.in_(subject.numbers) | kind.number_id.is_(None)
    if kind is ReceiptRow:
        ours = sa.or_(ours, *(_contains(uow, kind, text, each) for each in sorted(subject.phone_number_ids)))
    found = sa.and_(ours, sa.or_(sa.false(), *(_contains(uow, kind, text, needle) for needle in subject.needles)))
    query = sa.select(kind.id, found.label("found")).where(kind.id > after).order_by(kind.id).limit(limit)
    if kind is StatusItemRow:
        query = query.where(ours, StatusItemRow.message_id.is_(None))
    rows = (await uow.session.execute(query)).all()
    return (rows[-1].id if rows else None), {row.id for row in rows if row.found}


def _contains(uow: UnitOfWork, kind: type[Base], text: Any, needle: str) -> sa.ColumnElement[bool]:
    if kind is ReceiptRow and uow.sqlite:
        return sa.func.instr(text, sa.literal(needle.encode(), sa.LargeBinary())) > 0
    column = sa.func.encode(text, "escape") if kind is ReceiptRow else text
    found: sa.ColumnElement[bool] = sa.func.coalesce(column, "").contains(needle, autoescape=True)
    return found


async def newest_import(uow: UnitOfWork, workspace_id: str) -> str | None:
    found: str | None = await uow.session.scalar(
        sa.select(GuestImportRow.id)
        .where(GuestImportRow.workspace_id == workspace_id)
        .order_by(GuestImportRow.id.desc())
        .limit(1)
    )
    return found


async def imports_of(uow: UnitOfWork, workspace_id: str) -> list[str]:
    return list(
        await uow.session.scalars(sa.select(GuestImportRow.id).where(GuestImportRow.workspace_id == workspace_id))
    )


async def search_import(
    uow: UnitOfWork, subject: Subject, import_id: str, after: int, limit: int
) -> tuple[int | None, set[tuple[str, int]]]:
    """The next rows of an import report: the last one's number, and which speak of the subject."""
    row_of = ImportRowRow
    query = (
        sa.select(row_of.row, row_of.name, row_of.phone, row_of.message, row_of.guest_unit_id)
        .where(row_of.import_id == import_id, row_of.row > after)
        .order_by(row_of.row)
        .limit(limit)
    )
    rows = (await uow.session.execute(query)).all()
    return (rows[-1].row if rows else None), {(import_id, row.row) for row in rows if _speaks_of(row, subject)}


def _speaks_of(row: Any, subject: Subject) -> bool:
    """Rather one row too many: a report that says nothing of a row still counts it."""
    if row.guest_unit_id in subject.units or (row.name and name_key(row.name) in subject.names):
        return True
    message = name_key(row.message or "")
    if any(name in message for name in subject.names):
        return True
    digits = "".join(char for char in row.phone or "" if char.isdecimal()).lstrip("0")
    return len(digits) >= _LEAST_DIGITS and any(
        digits.endswith(key[-10:]) or key.endswith(digits) for key in subject.spellings
    )
