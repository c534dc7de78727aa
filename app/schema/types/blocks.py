"""The Do-Not-Message list."""

from datetime import datetime

import strawberry

from app.db.tables import DoNotMessageRow
from app.domain.enums import DoNotMessageSource
from app.domain.pseudonyms import is_pseudonym
from app.schema.context import Info
from app.schema.described import described
from app.schema.pagination import Connection
from app.schema.types.base import FromRow, MemberType, Node, maybe_member_of


@described
@strawberry.type
class DoNotMessageEntry(Node, FromRow):
    """A phone, in all its spellings, that must not be messaged."""

    row: strawberry.Private[DoNotMessageRow]
    reason: str
    """Why, in the words of whoever added it."""
    source: DoNotMessageSource
    """Who asked for it."""
    active: bool
    """False: revoked, kept for history."""
    created_at: datetime
    """Since when."""
    revoked_at: datetime | None
    """Until when."""
    revoke_reason: str | None
    """Why it was revoked."""

    @strawberry.field
    def phone(self) -> str:
        """E.164."""
        # The contract promises a text; a pseudonym would only be taken for a number.
        return "erased" if is_pseudonym(self.row.phone) else self.row.phone

    @strawberry.field
    def number_wide(self) -> bool:
        """From Meta: holds for every workspace of the number, listed where it matches a guest, revoked by nobody here."""
        return self.row.number_id is not None

    @strawberry.field
    async def created_by(self, info: Info) -> MemberType | None:
        """Null: Meta or the guest."""
        return await maybe_member_of(info, self.row.created_by)

    @strawberry.field
    async def revoked_by(self, info: Info) -> MemberType | None:
        """Who took it back."""
        return await maybe_member_of(info, self.row.revoked_by)


@described
@strawberry.type
class DoNotMessageConnection(Connection[DoNotMessageEntry]):
    """One page of the Do-Not-Message list."""
