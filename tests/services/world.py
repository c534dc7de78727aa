"""Small builders for tests of services: a workspace with its people, and looks into the database."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.tables import (
    AuditRow,
    Base,
    EventRow,
    GuestImportRow,
    GuestUnitRow,
    ImportRowRow,
    MemberRow,
    NumberRow,
    PersonRow,
)
from app.domain import ids
from app.domain.enums import AuditAction, Role
from app.domain.guest_list import GuestRow, make_row
from app.services.base import Actor
from app.services.events import Events
from app.services.guests import Guests
from app.services.workspaces import Workspaces

R = TypeVar("R")

STRANGER = Actor("stranger@example.org", "Stranger")
WEDDING_DAY = datetime(2026, 12, 1, 13, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class World:
    """One wedding with a member of each role, and a number that sends."""

    db: Database
    workspace_id: str
    number_id: str
    actors: dict[Role, Actor]

    @property
    def owner(self) -> Actor:
        return self.actors[Role.OWNER]

    @property
    def admin(self) -> Actor:
        return self.actors[Role.PARENT_ADMIN]

    @property
    def coordinator(self) -> Actor:
        return self.actors[Role.FAMILY_COORDINATOR]

    async def event(self, title: str = "Sangeet") -> EventRow:
        return await Events(self.db).create_event(
            self.owner, workspace_id=self.workspace_id, title=title, starts_at=WEDDING_DAY, venue=None
        )

    async def import_rows(self, *rows: GuestRow) -> GuestImportRow:
        return await Guests(self.db).import_guests(
            self.coordinator, workspace_id=self.workspace_id, csv=None, rows=list(rows), file_name=None
        )

    async def import_csv(self, csv: str) -> GuestImportRow:
        return await Guests(self.db).import_guests(
            self.coordinator, workspace_id=self.workspace_id, csv=csv, rows=None, file_name="guests.csv"
        )

    async def unit(self, name: str) -> GuestUnitRow:
        return await one(
            self.db, GuestUnitRow, GuestUnitRow.workspace_id == self.workspace_id, GuestUnitRow.name == name
        )

    async def person(self, name: str) -> PersonRow:
        return await one(self.db, PersonRow, PersonRow.workspace_id == self.workspace_id, PersonRow.name == name)

    async def audit(self, *actions: AuditAction) -> list[AuditRow]:
        """Entries of these actions, oldest first."""
        return await rows(self.db, AuditRow, AuditRow.workspace_id == self.workspace_id, AuditRow.action.in_(actions))


async def make_world(db: Database, *, number_id: str | None = None, name: str = "Asha & Rohan") -> World:
    """``number_id`` shares the number of another world."""
    number_id = number_id or await make_number(db)
    tag = ids.new_id("wld")[-8:]
    actors = {role: Actor(f"{role.lower()}.{tag}@example.org", f"{role.title()} of {name}") for role in Role}
    workspace = await Workspaces(db, number_id).create_workspace(
        actors[Role.OWNER], name=name, default_region="IN", timezone="Asia/Kolkata"
    )

    async def join(uow: UnitOfWork) -> None:
        """As rows: ``set_member`` has tests of its own, and every other test of a wedding would wait for it twice."""
        uow.session.add_all(
            MemberRow(
                id=ids.new_id(ids.MEMBER), workspace_id=workspace.id, subject=actors[role].subject,
                display_name=actors[role].display_name, role=role, created_at=datetime.now(UTC),
            )
            for role in (Role.PARENT_ADMIN, Role.FAMILY_COORDINATOR)
        )  # fmt: skip

    await db.write(join)
    return World(db, workspace.id, number_id, actors)


def name_at_meta(number_id: str) -> str:
    """The ``phone_number_id`` of a number that ``make_number`` made."""
    return str(int(number_id[-12:], 16))


async def make_number(db: Database) -> str:
    number = NumberRow(
        id=ids.new_id(ids.NUMBER),
        waba_id="215589313241560",
        created_at=datetime.now(UTC),
    )
    number.phone_number_id = name_at_meta(number.id)

    async def insert(uow: UnitOfWork) -> str:
        uow.session.add(number)
        return number.id

    return await db.write(insert)


def guest(name: str, phone: str | None = None, household: str | None = None, row: int = 1, **more: Any) -> GuestRow:
    return make_row(
        row, household=household, name=name, phone=phone, side=more.get("side"), tags=more.get("tags", ()),
        primary=more.get("primary", False),
    )  # fmt: skip


async def rows(db: Database, kind: type[R], *where: Any) -> list[R]:
    """Rows by primary key, the order of their making."""

    async def select(uow: UnitOfWork) -> list[R]:
        key = sa.inspect(kind).primary_key
        return list(await uow.session.scalars(sa.select(kind).where(*where).order_by(*key)))

    return await db.read(select)


async def one(db: Database, kind: type[R], *where: Any) -> R:
    (found,) = await rows(db, kind, *where)
    return found


async def import_results(db: Database, done: GuestImportRow) -> list[ImportRowRow]:
    return await rows(db, ImportRowRow, ImportRowRow.import_id == done.id)


async def contents(db: Database, *kinds: type[Base]) -> dict[str, list[Any]]:
    """Whole tables, to see whether anything in them changed."""

    async def select(uow: UnitOfWork) -> dict[str, list[Any]]:
        found = {}
        for kind in kinds:
            mapper = sa.inspect(kind)
            query = sa.select(*mapper.local_table.c).order_by(*mapper.primary_key)
            found[kind.__tablename__] = [tuple(row) for row in await uow.session.execute(query)]
        return found

    return await db.read(select)
