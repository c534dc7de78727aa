"""Imports of guest lists."""

from datetime import datetime
from typing import Annotated

import strawberry

from app.db.tables import GuestImportRow, ImportRowRow
from app.domain.enums import ImportOutcome
from app.schema.context import Info
from app.schema.described import described
from app.schema.pagination import DEFAULT_FIRST, After, Connection, First, first_of
from app.schema.types.base import FromRow, MemberType, Node, member_of
from app.schema.types.guests import GuestUnit, guest_unit_of


@described
@strawberry.type
class ImportOutcomeCount:
    """How many rows of an import came out so."""

    outcome: ImportOutcome
    """What became of them."""
    count: int
    """Rows."""


@described
@strawberry.type
class ImportRow(FromRow):
    """What became of one row of an imported list."""

    row_: strawberry.Private[ImportRowRow]
    row: int
    """1-based, header not counted."""
    outcome: ImportOutcome
    """What became of it."""
    message: str | None
    """What is odd about the row, and what to do."""
    name: str | None
    """As it was given."""
    phone: str | None
    """As it was given."""

    @classmethod
    def of(cls, row: ImportRowRow) -> "ImportRow":
        return cls(row_=row, row=row.row, outcome=row.outcome, message=row.message, name=row.name, phone=row.phone)

    @strawberry.field
    async def guest_unit(self, info: Info) -> GuestUnit | None:
        """The household that the row went to."""
        unit_id = self.row_.guest_unit_id
        return None if unit_id is None else await guest_unit_of(info, unit_id)


@described
@strawberry.type
class ImportRowConnection(Connection[ImportRow]):
    """One page of an import's rows."""


@described
@strawberry.type
class GuestImport(Node, FromRow):
    """One imported guest list and what became of its rows."""

    row: strawberry.Private[GuestImportRow]
    file_name: str | None
    """As the importer called the list."""
    created_at: datetime
    """When it was imported."""
    row_count: int
    """Rows of the list, header not counted."""

    @strawberry.field
    async def created_by(self, info: Info) -> MemberType:
        """Who imported it."""
        return await member_of(info, self.row.created_by)

    @strawberry.field
    def outcomes(self) -> list[ImportOutcomeCount]:
        """Rows by outcome, zeros left out."""
        counts = self.row.outcomes
        return [ImportOutcomeCount(outcome=each, count=counts[each]) for each in ImportOutcome if counts.get(each)]

    @strawberry.field
    async def rows(
        self,
        info: Info,
        first: First = DEFAULT_FIRST,
        after: After = None,
        outcomes: Annotated[
            list[ImportOutcome] | None, strawberry.argument(description="Only these; left out: all.")
        ] = None,
    ) -> ImportRowConnection:
        """In the order of the list."""
        page = await info.context.services.reader.import_rows(
            info.context.actor, self.row.id, outcomes=outcomes or (), first=first_of(first), after=after
        )
        return ImportRowConnection.of(page, after, ImportRow.of)


@described
@strawberry.type
class GuestImportConnection(Connection[GuestImport]):
    """One page of imports."""
