"""Message templates as Meta lists them, and the number's profile, read on request."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa

from app.db.bulk import insert_rows, update_rows
from app.db.engine import Database, UnitOfWork
from app.db.tables import NumberRow, TemplateRow
from app.domain import ids
from app.domain.enums import AuditAction, Permission, TemplateCategory, TemplateStatus
from app.domain.errors import UnavailableError
from app.domain.text import storable
from app.services import audit
from app.services.access import Access, require
from app.services.base import Actor, UseCases, utc_now
from app.services.throttle import lift_pause
from app.whatsapp.port import Directory, NumberProfile, ProviderTemplate

E = TypeVar("E", bound=StrEnum)

_DOING = "fetch the templates"


class Templates(UseCases):
    """``directory`` is None where no provider is configured."""

    def __init__(self, db: Database, directory: Directory | None) -> None:
        super().__init__(db)
        self._directory = directory

    async def sync(self, actor: Actor, *, workspace_id: str) -> list[TemplateRow]:
        """Fetch templates and profile of the workspace's number; returns all templates, by name and language.

        A template that Meta lists no more becomes UNKNOWN and keeps its text, because messages refer to it.
        Raises UnavailableError when nothing is configured or Meta cannot be asked.
        """
        number_id, phone_number_id, waba_id = await self._read(lambda uow: _number(uow, actor, workspace_id))
        if self._directory is None or number_id is None or waba_id is None:
            raise UnavailableError(
                "No WhatsApp account is configured for this workspace. Whoever runs this service sets "
                "META_PHONE_NUMBER_ID, META_WABA_ID and META_ACCESS_TOKEN; `invites doctor` says what is missing."
            )
        # Asking Meta takes seconds: with no transaction open.
        listed = await self._directory.list_templates(waba_id)
        profile = await self._directory.number_profile(phone_number_id)

        async def store(uow: UnitOfWork) -> list[TemplateRow]:
            access = await require(uow, actor, workspace_id, Permission.TEMPLATE_SYNC, doing=_DOING)
            # Two who fetch at once write one after the other.
            number = await uow.session.get(NumberRow, number_id, with_for_update={"key_share": True})
            assert number is not None
            counts = await _store_templates(uow, number_id, listed)
            lifted = _store_profile(number, profile)
            _record(uow, access, number_id, counts, lifted=lifted)
            await uow.session.flush()
            return await _all_templates(uow, number_id)

        return await self._write(store)


async def _number(uow: UnitOfWork, actor: Actor, workspace_id: str) -> tuple[str | None, str, str | None]:
    """The workspace's number: our id, Meta's id, and the account that its templates belong to."""
    access = await require(uow, actor, workspace_id, Permission.TEMPLATE_SYNC, doing=_DOING)
    found = (
        await uow.session.execute(
            sa.select(NumberRow.id, NumberRow.phone_number_id, NumberRow.waba_id).where(
                NumberRow.id == access.workspace.number_id
            )
        )
    ).first()
    return (found.id, found.phone_number_id, found.waba_id) if found else (None, "", None)


async def _store_templates(uow: UnitOfWork, number_id: str, listed: Iterable[ProviderTemplate]) -> dict[str, int]:
    now = utc_now()
    T = TemplateRow  # noqa: N806 - the table's alias, as in every query
    known = {
        (row.name, row.language): (row.id, row.status)
        for row in await uow.session.execute(
            sa.select(T.id, T.name, T.language, T.status).where(T.number_id == number_id)
        )
    }
    rows = {(row["name"], row["language"]): row for row in (_row(template) for template in listed)}
    new = [
        row | {"id": ids.new_id(ids.TEMPLATE), "number_id": number_id} for key, row in rows.items() if key not in known
    ]
    again = [row | {"id": known[key][0]} for key, row in rows.items() if key in known]
    gone = [
        {"id": template_id, "status": TemplateStatus.UNKNOWN}
        for key, (template_id, status) in known.items()
        if key not in rows and status is not TemplateStatus.UNKNOWN
    ]
    await insert_rows(uow, T, [row | {"synced_at": now} for row in new])
    await update_rows(uow, T, [row | {"synced_at": now} for row in again])
    await update_rows(uow, T, gone)
    return {"listed": len(rows), "new": len(new), "gone": len(gone)}


def _store_profile(number: NumberRow, profile: NumberProfile) -> bool:
    """What Meta left out stays as it was. A number that Meta calls connected may try again: returns whether its pause
    was lifted by that.

    Without a stopped run there is nothing to resume, so this is the way back after a mended account. If Meta still
    refuses, the first refusal pauses the number again, and what was refused goes back to the queue.
    """
    for name in ("display_phone", "verified_name", "quality_rating", "messaging_limit"):
        value: str | None = getattr(profile, name)
        if value is not None:
            setattr(number, name, storable(value))
    number.synced_at = utc_now()
    lifted = number.paused and (profile.status or "").upper() == "CONNECTED"
    if lifted:
        lift_pause(number)
    return lifted


async def _all_templates(uow: UnitOfWork, number_id: str) -> list[TemplateRow]:
    found = await uow.session.scalars(
        sa.select(TemplateRow)
        .where(TemplateRow.number_id == number_id)
        .order_by(TemplateRow.name, TemplateRow.language)
    )
    return list(found)


def _record(uow: UnitOfWork, access: Access, number_id: str, counts: dict[str, int], *, lifted: bool) -> None:
    also = ", and lifted the pause of the number" if lifted else ""
    audit.record(
        uow, AuditAction.TEMPLATE_SYNC, f"Fetched {counts['listed']} templates from Meta{also}",
        workspace_id=access.workspace.id, actor=access.actor, member=access.member, after=counts, target_id=number_id,
    )  # fmt: skip


def _row(template: ProviderTemplate) -> dict[str, Any]:
    return {
        "provider_id": storable(template.provider_id),
        "name": storable(template.name),
        "language": storable(template.language),
        "status": _known(TemplateStatus, template.status, TemplateStatus.UNKNOWN),
        "category": _known(TemplateCategory, template.category, TemplateCategory.UNKNOWN),
        "correct_category": storable(template.correct_category) if template.correct_category else None,
        "parameter_format": storable(template.parameter_format).upper(),
        "components": template.components,
        "quality": storable(template.quality) if template.quality else None,
    }


def _known(kind: type[E], text: str, unknown: E) -> E:
    """Meta adds names without notice: one that we do not know is UNKNOWN, never an error."""
    return kind.__members__.get(text.upper(), unknown)
