"""The Do-Not-Message list."""

from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from app.db.tables import DoNotMessageRow, MessageRow
from app.domain.enums import DoNotMessageSource
from app.domain.pseudonyms import is_pseudonym
from app.schema.context import Info
from app.schema.described import described
from app.schema.pagination import Connection
from app.schema.scalars import JSON
from app.schema.types.base import FromRow, MemberType, Node, maybe_member_of
from app.services.blocks import Blocked

if TYPE_CHECKING:
    from app.schema.types.messages import InviteMessage


@described
@strawberry.type
class DoNotMessageEntry(Node, FromRow):
    """A phone, in all its spellings, that must not be messaged."""

    row: strawberry.Private[DoNotMessageRow]
    going: strawberry.Private[list[MessageRow] | None] = field(default=None, init=False)
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

    @classmethod
    def just_added(cls, blocked: Blocked) -> "DoNotMessageEntry":
        entry = cls.from_row(blocked.entry)
        entry.going = blocked.on_their_way
        return entry

    @strawberry.field
    async def on_their_way(
        self, info: Info
    ) -> list[Annotated["InviteMessage", strawberry.lazy("app.schema.types.messages")]]:
        """Messages to this phone that WhatsApp has or may have and that may still arrive: nobody can call them back. In the
        answer of addDoNotMessage those of that moment, elsewhere those of now; newest first, at most 100.
        """
        from app.schema.types.messages import InviteMessage

        rows = self.going if self.going is not None else await info.context.loaders.on_their_way.load(self.row.id)
        return [InviteMessage.from_row(row) for row in rows or ()]

    @strawberry.field
    async def evidence(self, info: Info) -> JSON | None:
        """What asked for it: the one webhook item or answer of Meta's, null without RECEIPT_READ and where it is about another
        workspace's message; or the list's row.
        """
        found = await info.context.loaders.block_evidence.load(self.row.id)
        return None if found is None else found.raw

    @strawberry.field
    async def receipt_id(self, info: Info) -> strawberry.ID | None:
        """What Meta sent as a whole, for whoever runs the service; null where evidence is."""
        found = await info.context.loaders.block_evidence.load(self.row.id)
        return None if found is None or found.receipt_id is None else strawberry.ID(found.receipt_id)

    @strawberry.field
    def phone(self) -> str:
        """With its country code, such as +919820012345."""
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
