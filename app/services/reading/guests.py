"""Households as lists show them, filtered and in batches."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import sqlalchemy as sa

from app.db.blocks import blocks_the_erased
from app.db.engine import UnitOfWork
from app.db.keyset import Keyset, Page, page
from app.db.tables import (
    DoNotMessageRow,
    DoNotMessageSpellingRow,
    EventRow,
    GuestUnitRow,
    GuestUnitTagRow,
    MessageRow,
    PersonRow,
    TagRow,
    WorkspaceRow,
)
from app.domain import ids
from app.domain.enums import InviteCoverage, PhoneStatus, Side
from app.domain.errors import BadInputError
from app.domain.guest_list import MAX_TAGS, tag_key
from app.domain.lifecycle import COVERAGE_RANK
from app.domain.search import ESCAPE, needle
from app.services.base import Actor
from app.services.reading.base import Reading, empty, first_column, grouped, known, listed
from app.services.reading.coverage import best_ranks, rank_of
from app.services.reading.visibility import visible

_UNITS = Keyset("guestUnits", (GuestUnitRow.name_key, GuestUnitRow.id))


@dataclass(frozen=True, slots=True)
class GuestUnitFilter:
    """All that is given holds together, also between tags; empty or None is no filter."""

    side: Side | None = None
    tags: tuple[str, ...] = ()
    """Equal as ``guest_list.tag_key`` says."""
    search: str | None = None
    """Part of a name of the household or of one of its people, or of a phone."""
    phone_status: PhoneStatus | None = None
    inviteable: bool | None = None
    archived: bool = False
    event_id: str | None = None
    """The event of ``coverage``."""
    coverage: tuple[InviteCoverage, ...] = ()


class GuestReading(Reading):
    async def guest_units(
        self,
        actor: Actor,
        workspace_id: str,
        where: GuestUnitFilter,
        *,
        first: int,
        after: str | None = None,
        counted: bool = True,
    ) -> Page[GuestUnitRow]:
        """By name. ``counted`` False spares the count and leaves ``total`` None.

        Raises ``BadInputError`` for more tags than a household can have, and for coverage without an event.
        """
        if len(where.tags) > MAX_TAGS:
            raise BadInputError(f"tags must be at most {MAX_TAGS}", field="tags")
        if where.coverage and where.event_id is None:
            raise BadInputError("coverage needs eventId: say with which event the households stand so", field="eventId")
        window = _UNITS.window(first, after, workspace_id, astuple(where))
        event_known = not where.coverage or ids.is_id(ids.EVENT, where.event_id or "")
        if not ids.is_id(ids.WORKSPACE, workspace_id) or not event_known:
            return empty(total=0 if counted else None)
        query = _filtered(where, PersonRow.workspace_id == workspace_id).where(
            GuestUnitRow.workspace_id == workspace_id, GuestUnitRow.workspace_id.in_(visible(actor))
        )

        async def unit(uow: UnitOfWork) -> Page[GuestUnitRow]:
            total = None
            if counted:
                count = query.with_only_columns(sa.func.count(), maintain_column_froms=True)
                total = (await uow.session.execute(count)).scalar_one()
            return await page(uow, query, window, first_column, total=total)

        return await self._read(unit)

    async def people(self, actor: Actor, unit_ids: Sequence[str]) -> dict[str, list[PersonRow]]:
        """By guest unit id, in order of creation. Archived people show in an archived household only."""
        wanted = known(ids.GUEST_UNIT, unit_ids)

        async def unit(uow: UnitOfWork) -> dict[str, list[PersonRow]]:
            query = (
                sa.select(GuestUnitRow.id, PersonRow)
                .join(PersonRow, PersonRow.guest_unit_id == GuestUnitRow.id)
                .where(listed(uow, GuestUnitRow.id, wanted), GuestUnitRow.workspace_id.in_(visible(actor)))
                .where(~PersonRow.archived | GuestUnitRow.archived)
                .order_by(PersonRow.id)
            )
            return grouped(await uow.session.execute(query))

        return await self._read(unit)

    async def unit_tags(self, actor: Actor, unit_ids: Sequence[str]) -> dict[str, list[str]]:
        """Tag names by guest unit id; a household without tags is left out."""
        wanted = known(ids.GUEST_UNIT, unit_ids)

        async def unit(uow: UnitOfWork) -> dict[str, list[str]]:
            query = (
                sa.select(GuestUnitTagRow.guest_unit_id, TagRow.name)
                .join(TagRow, TagRow.id == GuestUnitTagRow.tag_id)
                .where(listed(uow, GuestUnitTagRow.guest_unit_id, wanted), TagRow.workspace_id.in_(visible(actor)))
                .order_by(TagRow.key)
            )
            return grouped(await uow.session.execute(query))

        return await self._read(unit)

    async def phone_statuses(self, actor: Actor, unit_ids: Sequence[str]) -> dict[str, PhoneStatus]:
        """By guest unit id: VALID when a message can go somewhere, else MALFORMED when there is something to mend."""
        wanted = known(ids.GUEST_UNIT, unit_ids)

        async def unit(uow: UnitOfWork) -> dict[str, PhoneStatus]:
            query = sa.select(GuestUnitRow.id, _phone_status()).where(
                listed(uow, GuestUnitRow.id, wanted), GuestUnitRow.workspace_id.in_(visible(actor))
            )
            return {unit_id: PhoneStatus(status) for unit_id, status in await uow.session.execute(query)}

        return await self._read(unit)

    async def blocked_units(self, actor: Actor, unit_ids: Sequence[str]) -> dict[str, bool]:
        """By guest unit id: whether one of its phones is on the Do-Not-Message list, of the workspace or its number.

        An erased phone shows as far as the keys that are set find it. Where one is missing every send refuses, and reads go
        on: a list that could not be opened would help nobody.
        """
        wanted = known(ids.GUEST_UNIT, unit_ids)

        async def unit(uow: UnitOfWork) -> dict[str, bool]:
            query = (
                sa.select(GuestUnitRow.id, _BLOCKED)
                .join(WorkspaceRow, WorkspaceRow.id == GuestUnitRow.workspace_id)
                .where(listed(uow, GuestUnitRow.id, wanted), GuestUnitRow.workspace_id.in_(visible(actor)))
            )
            found = {unit_id: bool(blocked) for unit_id, blocked in await uow.session.execute(query)}
            return found | await _erased_before(uow, [unit_id for unit_id, blocked in found.items() if not blocked])

        return await self._read(unit)


async def _erased_before(uow: UnitOfWork, unit_ids: Sequence[str]) -> dict[str, bool]:
    """Which of the households came back with a phone that was erased: only a hash blocks it, which no join can find."""
    if not await blocks_the_erased(uow):
        return {}
    here = listed(uow, GuestUnitRow.id, unit_ids)
    of_people = sa.and_(PersonRow.guest_unit_id == GuestUnitRow.id, ~PersonRow.archived)
    phones: sa.CompoundSelect[Any] = sa.union_all(
        sa.select(GuestUnitRow.id, GuestUnitRow.delivery_phone).where(here),
        sa.select(GuestUnitRow.id, PersonRow.phone).join(PersonRow, of_people).where(here),
    )
    pseudonyms = [
        (unit_id, pseudonym)
        for unit_id, phone in await uow.session.execute(phones)
        if phone is not None
        for pseudonym in uow.pseudonyms.all_of(phone)
    ]
    asked = uow.rows({"unit_id": GuestUnitRow.id.type, "spelling": sa.Text()}, pseudonyms, "asked")
    query = (
        sa.select(asked.c.unit_id)
        .distinct()
        .join(GuestUnitRow, GuestUnitRow.id == asked.c.unit_id)
        .join(WorkspaceRow, WorkspaceRow.id == GuestUnitRow.workspace_id)
        .where(_blocks(DoNotMessageSpellingRow.spelling == asked.c.spelling).correlate(asked))
    )
    return dict.fromkeys((await uow.session.execute(query)).scalars(), True)


def _has_person(*conditions: sa.ColumnElement[bool]) -> sa.Exists:
    return (
        sa.exists()
        .where(PersonRow.guest_unit_id == GuestUnitRow.id, ~PersonRow.archived, *conditions)
        .correlate(GuestUnitRow)
    )


def _phone_status(*within: sa.ColumnElement[bool]) -> sa.ColumnElement[str]:
    """Of a household; ``within`` narrows where its people are looked for."""
    valid, malformed = (
        _has_person(PersonRow.phone_status == status, *within) for status in (PhoneStatus.VALID, PhoneStatus.MALFORMED)
    )
    return sa.case(
        (GuestUnitRow.delivery_phone.is_not(None) | valid, PhoneStatus.VALID.value),
        (malformed, PhoneStatus.MALFORMED.value),
        else_=PhoneStatus.MISSING.value,
    )


def _blocks(*conditions: sa.ColumnElement[bool]) -> sa.Exists:
    entry, spelling = DoNotMessageRow, DoNotMessageSpellingRow
    return (
        sa.exists()
        .where(
            spelling.entry_id == entry.id,
            entry.active,
            (entry.workspace_id == WorkspaceRow.id) | (entry.number_id == WorkspaceRow.number_id),
            *conditions,
        )
        .correlate(GuestUnitRow, WorkspaceRow)
    )


_BLOCKED = _blocks(DoNotMessageSpellingRow.spelling == GuestUnitRow.delivery_phone) | _blocks(
    DoNotMessageSpellingRow.spelling == PersonRow.phone,
    PersonRow.guest_unit_id == GuestUnitRow.id,
    ~PersonRow.archived,
)


def _filtered(where: GuestUnitFilter, here: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """``here`` says of which workspace people are: else PostgreSQL may gather those of all before it looks at one."""
    query = sa.select(GuestUnitRow).where(GuestUnitRow.archived == where.archived)
    if where.side is not None:
        query = query.where(GuestUnitRow.side == where.side)
    if where.inviteable is not None:
        query = query.where(GuestUnitRow.inviteable == where.inviteable)
    if where.phone_status is not None:
        query = query.where(_phone_status(here) == where.phone_status.value)
    for key in {tag_key(tag) for tag in where.tags}:
        query = query.where(
            sa.exists().where(
                GuestUnitTagRow.guest_unit_id == GuestUnitRow.id,
                TagRow.id == GuestUnitTagRow.tag_id,
                TagRow.key == key,
            )
        )
    if (pattern := needle(where.search)) is not None:
        query = query.where(_found(pattern, here))
    if where.coverage:
        best = best_ranks(MessageRow.event_id == where.event_id)
        query = query.outerjoin(best, best.c.guest_unit_id == GuestUnitRow.id).where(
            rank_of(best).in_([COVERAGE_RANK[coverage] for coverage in where.coverage]),
            # Of an event of another workspace nobody is "not tried": it is not there.
            sa.exists().where(EventRow.id == where.event_id, EventRow.workspace_id == GuestUnitRow.workspace_id),
        )
    return query


def _found(pattern: str, here: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    def like(column: Any) -> sa.ColumnElement[bool]:
        found: sa.ColumnElement[bool] = column.like(pattern, escape=ESCAPE)
        return found

    return sa.or_(
        like(GuestUnitRow.name_key),
        like(GuestUnitRow.delivery_phone),
        _has_person(like(PersonRow.name_key) | like(PersonRow.phone), here),
    )
