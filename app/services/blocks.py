"""Do-Not-Message: members block phones and lift their own blocks; what Meta blocked stays."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.checkpoints import BLOCK_LOCKED, reached
from app.db.blocks import insert_block, on_their_way
from app.db.engine import UnitOfWork
from app.db.tables import (
    DoNotMessageRow,
    DoNotMessageSpellingRow,
    GuestUnitRow,
    MessageRow,
    PersonRow,
    WorkspaceRow,
)
from app.domain import ids
from app.domain.enums import AuditAction, DoNotMessageSource, Permission, PhoneStatus
from app.domain.errors import BadInputError, ConflictError
from app.domain.phone import mask, normalise
from app.domain.pseudonyms import is_pseudonym
from app.services import audit, inputs
from app.services.access import not_found, require, visible_workspaces
from app.services.base import Actor, UseCases, utc_now
from app.services.blocking import reject_blocked
from app.services.reading.visibility import blocks_seen
from app.services.tenancy import require_alone

MAX_REASON = 500

_ASKED_BY_THE_GUEST = (
    "This guest asked for no more of these messages, so nobody here can lift the block. The guest can: open the chat with this "
    "number in WhatsApp, tap its name, and choose Resume for its messages; whoever wrote “stop” or tapped it as an answer "
    "chooses Stop there first, then Resume. A message such as “start” changes nothing. Until then, invite them by phone or in "
    "person."
)


@dataclass(frozen=True, slots=True)
class Blocked:
    entry: DoNotMessageRow
    on_their_way: list[MessageRow]
    """What Meta had, or may have had, when the entry was added, and had not delivered: newest first, at most 100."""


class Blocks(UseCases):
    """What is queued for a phone leaves the queue in the transaction that blocks it."""

    async def add(self, actor: Actor, *, workspace_id: str, phone: str, reason: str) -> DoNotMessageRow:
        """``block``, for callers who do not ask what is on its way."""
        return (await self.block(actor, workspace_id=workspace_id, phone=phone, reason=reason)).entry

    async def block(self, actor: Actor, *, workspace_id: str, phone: str, reason: str) -> Blocked:
        """Block a phone in the workspace. One that is blocked already stays as it is."""
        reason = inputs.paragraph(reason, "reason", limit=MAX_REASON)

        async def unit(uow: UnitOfWork) -> Blocked:
            doing = "block a phone"
            access = await require(uow, actor, workspace_id, Permission.BLOCK_ADD, doing=doing)
            parsed = normalise(phone, access.workspace.default_region)
            if parsed.e164 is None:
                missing = parsed.status is PhoneStatus.MISSING
                raise BadInputError(
                    "Give the phone to block."
                    if missing
                    else "This is no phone number. Write it with its country code.",
                    field="phone",
                )
            number_id = access.workspace.number_id
            if number_id:
                await uow.lock_number(number_id, exclusive=True)
                await reached(BLOCK_LOCKED)
            else:
                await require_alone(uow, actor, workspace_id, Permission.BLOCK_ADD, doing=doing)
            entry, created = await insert_block(
                uow, workspace_id=workspace_id, phone=parsed.e164, reason=reason, source=DoNotMessageSource.MEMBER,
                created_by=access.member.id, at=utc_now(),
            )  # fmt: skip
            if created:
                audit.record(
                    uow, AuditAction.BLOCK_ADD, f"Blocked {mask(entry.phone)}", workspace_id=workspace_id, actor=actor,
                    member=access.member, after=_shown(entry), target_id=entry.id,
                )  # fmt: skip
            if number_id:
                await reject_blocked(uow, number_id, [entry.phone], utc_now(), workspace_id)
            await uow.session.flush()
            of_workspace = sa.select(WorkspaceRow.id).where(WorkspaceRow.id == workspace_id)
            # No claim is under way while the number is held, so nothing can be handed over that this does not see.
            going = await on_their_way(uow, [entry.id], of_workspace)
            return Blocked(entry, going.get(entry.id, []))

        return await self._write(unit, "block")

    async def revoke(self, actor: Actor, *, id: str, reason: str) -> DoNotMessageRow:  # noqa: A002 - the public name
        """Lift a block. One that is lifted already stays as it is; what Meta blocked is a ConflictError."""
        reason = inputs.paragraph(reason, "reason", limit=MAX_REASON)

        async def lift(uow: UnitOfWork) -> DoNotMessageRow:
            doing = "lift a block"
            entry = await _find(uow, actor, id)
            if entry is None:
                raise not_found(actor, doing=doing, target_id=id)
            workspace_id = entry.workspace_id or await _seen_in(uow, actor, entry)
            access = await require(uow, actor, workspace_id, Permission.BLOCK_REVOKE, doing=doing, target_id=id)
            if entry.number_id:
                raise ConflictError(_ASKED_BY_THE_GUEST)
            if entry.active:
                before = _shown(entry)
                entry.active, entry.revoked_at = False, utc_now()
                entry.revoked_by, entry.revoke_reason = access.member.id, reason
                audit.record(
                    uow, AuditAction.BLOCK_REVOKE, f"Lifted the block of {before['phone']}", workspace_id=workspace_id,
                    actor=actor, member=access.member, before=before, after=_shown(entry), target_id=id,
                )  # fmt: skip
            await uow.session.flush()
            return entry

        return await self._write(lift)


async def _find(uow: UnitOfWork, actor: Actor, entry_id: str) -> DoNotMessageRow | None:
    """The entry, locked, if it is one that the actor's lists show."""
    if not ids.is_id(ids.DO_NOT_MESSAGE, entry_id):
        return None
    query = (
        sa.select(DoNotMessageRow)
        .where(DoNotMessageRow.id == entry_id, blocks_seen(actor))
        .with_for_update(key_share=True)
    )
    found: DoNotMessageRow | None = (await uow.session.execute(query)).scalar_one_or_none()
    return found


async def _seen_in(uow: UnitOfWork, actor: Actor, entry: DoNotMessageRow) -> str | None:
    """The actor's workspace in which an entry of the number is listed: one where the phone matches a guest."""
    keys = sa.select(DoNotMessageSpellingRow.spelling).where(DoNotMessageSpellingRow.entry_id == entry.id)
    people = sa.select(PersonRow.workspace_id).where(PersonRow.phone.in_(keys))
    units = sa.select(GuestUnitRow.workspace_id).where(GuestUnitRow.delivery_phone.in_(keys))
    found: str | None = await uow.session.scalar(
        sa.select(WorkspaceRow.id)
        .where(
            WorkspaceRow.number_id == entry.number_id,
            WorkspaceRow.id.in_(visible_workspaces(actor)),
            sa.or_(WorkspaceRow.id.in_(people), WorkspaceRow.id.in_(units)),
        )
        .order_by(WorkspaceRow.id)
        .limit(1)
    )
    return found


def _shown(entry: DoNotMessageRow) -> dict[str, Any]:
    """The reasons stay with the entry: free text may name the guest, and the trail cannot be changed."""
    return {"phone": "erased" if is_pseudonym(entry.phone) else mask(entry.phone), "active": entry.active}
