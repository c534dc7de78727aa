"""What an import reads of a workspace and writes to it, set by set."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.db.bulk import BATCH, batches, insert_rows, update_rows
from app.db.engine import UnitOfWork
from app.db.tables import DoNotMessageRow, GuestUnitRow, GuestUnitTagRow, ImportRowRow, PersonRow, TagRow
from app.domain import ids
from app.domain.guest_list import tag_key
from app.domain.import_plan import ImportPlan, Known, ListedConsent, Person, RowResult, Unit

U = GuestUnitRow
P = PersonRow


async def load_known(uow: UnitOfWork, workspace_id: str) -> Known:
    """Everybody in the workspace, archived too, nobody erased, oldest first; five statements, streamed so that the loop stays free."""
    units: dict[str, Unit] = {}
    unit_columns = (U.id, U.name, U.name_key, U.side, U.delivery_phone, U.archived, U.inviteable)
    of_units = sa.select(*unit_columns).where(U.workspace_id == workspace_id, U.erased_at.is_(None))
    async for row in _stream(uow, of_units.order_by(U.id)):
        units[row.id] = Unit(*row)
    tags = await tag_ids(uow, workspace_id)
    keys = {tag_id: key for key, tag_id in tags.items()}
    async for row in _stream(
        uow,
        sa.select(GuestUnitTagRow.guest_unit_id, GuestUnitTagRow.tag_id)
        .join(TagRow, TagRow.id == GuestUnitTagRow.tag_id)
        .where(TagRow.workspace_id == workspace_id),
    ):
        units[row.guest_unit_id].tags.add(keys[row.tag_id])
    person_columns = (
        P.id, P.guest_unit_id, P.name, P.name_key, P.also_known_as, P.raw_phone, P.phone, P.phone_status, P.archived,
        P.consent_at.is_not(None),
    )  # fmt: skip
    of_people = sa.select(*person_columns).where(P.workspace_id == workspace_id, P.erased_at.is_(None))
    people = [
        Person(row.id, units.get(row.guest_unit_id), *row[2:]) async for row in _stream(uow, of_people.order_by(P.id))
    ]
    own = sa.select(DoNotMessageRow.phone).where(DoNotMessageRow.workspace_id == workspace_id, DoNotMessageRow.active)
    blocked = {row.phone async for row in _stream(uow, own)}
    return Known(units, people, tags, blocked)


async def store_plan(uow: UnitOfWork, workspace_id: str, plan: ImportPlan, at: datetime) -> None:
    """Write what an import changes. The caller holds the workspace, so that what was planned for is still so."""
    new = {"workspace_id": workspace_id, "created_at": at, "updated_at": at}
    # Generators: making all rows of a long list at once would hold the loop.
    new_units = (_unit(unit) | new | {"name": unit.name, "name_key": unit.key} for unit in plan.new_units)
    new_people = (_person(person) | new | {"name": person.name, "name_key": person.key} for person in plan.new_people)
    new_unit_tags = ({"guest_unit_id": unit_id, "tag_id": tag_id} for unit_id, tag_id in plan.new_unit_tags)
    await insert_rows(uow, GuestUnitRow, new_units)
    await update_rows(uow, GuestUnitRow, (_unit(unit) | {"updated_at": at} for unit in plan.changed_units))
    await insert_rows(uow, PersonRow, new_people)
    await update_rows(uow, PersonRow, (_person(person) | {"updated_at": at} for person in plan.changed_people))
    await insert_tags(uow, workspace_id, plan.new_tags)
    await insert_rows(uow, GuestUnitTagRow, new_unit_tags)


async def store_consents(
    uow: UnitOfWork, consents: list[ListedConsent], *, list_name: str, recorded_by: str, at: datetime
) -> None:
    """Put the consents of a list on record, each with the row that gave it."""
    await update_rows(
        uow, PersonRow,
        (
            {
                "id": each.person_id,
                # A day that is yet to come is a slip: nobody has agreed later than now.
                "consent_at": min(each.consent.at or at, at),
                "consent_evidence": f"{list_name}, row {each.row}: {each.consent.evidence}",
                "consent_recorded_at": at, "consent_recorded_by": recorded_by, "updated_at": at,
            }
            for each in consents
        ),
    )  # fmt: skip


async def store_results(
    uow: UnitOfWork, import_id: str, results: list[RowResult], progress: Callable[[int], None]
) -> None:
    """Keep what became of every row. ``progress`` is told how many are written."""
    written = 0
    for batch in batches(results):
        await insert_rows(
            uow, ImportRowRow,
            [
                {
                    "import_id": import_id, "row": result.row, "outcome": result.outcome, "message": result.message,
                    "name": result.name, "phone": result.phone, "guest_unit_id": result.unit_id,
                }
                for result in batch
            ],
        )  # fmt: skip
        written += len(batch)
        progress(written)


async def tag_ids(uow: UnitOfWork, workspace_id: str) -> dict[str, str]:
    """Tag key → tag id of a workspace."""
    found = await uow.session.execute(sa.select(TagRow.key, TagRow.id).where(TagRow.workspace_id == workspace_id))
    return {key: tag_id for key, tag_id in found}  # noqa: C416 - a Row is a tuple only to the reader, not to dict()


async def insert_tags(uow: UnitOfWork, workspace_id: str, tags: list[tuple[str, str, str]]) -> None:
    """New tags of a workspace as (id, name, key)."""
    await insert_rows(
        uow, TagRow,
        [{"id": tag_id, "workspace_id": workspace_id, "name": name, "key": key} for tag_id, name, key in tags],
    )  # fmt: skip


async def tags_of(uow: UnitOfWork, unit_id: str) -> list[str]:
    """The names of a household's tags, in order."""
    found = await uow.session.scalars(
        sa.select(TagRow.name)
        .join(GuestUnitTagRow, GuestUnitTagRow.tag_id == TagRow.id)
        .where(GuestUnitTagRow.guest_unit_id == unit_id)
        .order_by(TagRow.key)
    )
    return list(found)


async def set_tags(uow: UnitOfWork, workspace_id: str, unit_id: str, names: list[str]) -> None:
    """Give a household exactly these tags. The caller holds the workspace and has cleaned the names."""
    known = await tag_ids(uow, workspace_id)
    new = [(ids.new_id(ids.TAG), name, tag_key(name)) for name in names if tag_key(name) not in known]
    await insert_tags(uow, workspace_id, new)
    known |= {key: tag_id for tag_id, _, key in new}
    await uow.session.execute(sa.delete(GuestUnitTagRow).where(GuestUnitTagRow.guest_unit_id == unit_id))
    await insert_rows(
        uow, GuestUnitTagRow, [{"guest_unit_id": unit_id, "tag_id": known[tag_key(name)]} for name in names]
    )


async def _stream(uow: UnitOfWork, query: sa.Select[*tuple[Any, ...]]) -> AsyncIterator[sa.Row[*tuple[Any, ...]]]:
    result = await uow.session.stream(query.execution_options(yield_per=BATCH))
    async for row in result:
        yield row


def _unit(unit: Unit) -> dict[str, Any]:
    return {
        "id": unit.id, "side": unit.side, "delivery_phone": unit.delivery_phone, "archived": unit.archived,
        "inviteable": unit.inviteable,
    }  # fmt: skip


def _person(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "guest_unit_id": person.unit.id if person.unit else None,
        "also_known_as": person.also_known_as,
        "raw_phone": person.raw_phone,
        "phone": person.phone,
        "phone_status": person.status,
        "archived": person.archived,
    }
