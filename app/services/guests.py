"""Households and people, edited one by one. Lists come in through ``guest_import``.

A person is in one active household at a time: a row has one household, and is active when neither is archived. Archiving
a household leaves its people as they are, and they are inactive with it until it comes back or they move.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.guest_lists import set_tags, tags_of
from app.db.tables import GuestUnitRow, PersonRow
from app.domain import ids
from app.domain.consent import MAX_EVIDENCE, Consent
from app.domain.enums import AuditAction, Permission, PhoneStatus, Side
from app.domain.errors import BadInputError, ConflictError
from app.domain.guest_list import MAX_TAG_LENGTH, MAX_TAGS, household_key, tag_key
from app.domain.patch import UNSET, UnsetType
from app.domain.phone import Phone, mask, normalise
from app.domain.text import name_key
from app.services import audit, inputs
from app.services.access import Access, find, not_found
from app.services.base import Actor, utc_now
from app.services.guest_import import GuestImports
from app.services.tenancy import require_alone, workspace_of

R = TypeVar("R", GuestUnitRow, PersonRow)

MAX_NAME = 200
_CLOCKS_DIFFER = timedelta(minutes=5)


class Guests(GuestImports):
    async def update_guest_unit(
        self,
        actor: Actor,
        *,
        id: str,  # noqa: A002 - the public name of the argument
        name: str | UnsetType | None = UNSET,
        side: Side | UnsetType | None = UNSET,
        tags: list[str] | UnsetType | None = UNSET,
        delivery_phone: str | UnsetType | None = UNSET,
        inviteable: bool | UnsetType | None = UNSET,
        archived: bool | UnsetType | None = UNSET,
        consent: Consent | UnsetType | None = UNSET,
    ) -> GuestUnitRow:
        """Change what is given. ``delivery_phone`` None: its people's phones receive again; ``tags`` replaces them all;
        ``consent`` None takes it off the record.
        """
        if (name := inputs.not_null(name, "name")) is not UNSET:
            name = inputs.line(name, "name", limit=MAX_NAME)
        if (tags := inputs.not_null(tags, "tags")) is not UNSET:
            tags = _tags(tags)
        consent = _consent(consent)
        given = inputs.changes(
            name=name,
            name_key=name if name is UNSET else household_key(name),
            side=inputs.not_null(side, "side"),
            inviteable=inputs.not_null(inviteable, "inviteable"),
            archived=inputs.not_null(archived, "archived"),
        )

        async def change(uow: UnitOfWork) -> GuestUnitRow:
            access, unit = await _enter(uow, actor, GuestUnitRow, ids.GUEST_UNIT, id, doing="edit a household")
            before = _shown(_UNIT, unit) | {"tags": await tags_of(uow, unit.id)}
            _set(unit, given)
            if delivery_phone is not UNSET:
                phone = _phone(delivery_phone, access, "deliveryPhone")
                unit.delivery_phone = phone.e164
            if tags is not UNSET and {tag_key(tag) for tag in tags} != {tag_key(tag) for tag in before["tags"]}:
                await set_tags(uow, unit.workspace_id, unit.id, tags)
            _set_consent(unit, consent, access)
            after = _shown(_UNIT, unit) | {"tags": await tags_of(uow, unit.id)}
            _record_changes(uow, access, unit, "Edited a household", before, after)
            await uow.session.flush()
            return unit

        return await self._write(change)

    async def update_person(
        self,
        actor: Actor,
        *,
        id: str,  # noqa: A002 - the public name of the argument
        name: str | UnsetType | None = UNSET,
        phone: str | UnsetType | None = UNSET,
        guest_unit_id: str | UnsetType | None = UNSET,
        archived: bool | UnsetType | None = UNSET,
        consent: Consent | UnsetType | None = UNSET,
    ) -> PersonRow:
        """Change what is given. ``phone`` None takes it away; ``guest_unit_id`` None takes the person out of the household;
        ``consent`` None takes it off the record.

        A phone that somebody else has, and a household that is archived, are a ConflictError.
        """
        if (name := inputs.not_null(name, "name")) is not UNSET:
            name = inputs.line(name, "name", limit=MAX_NAME)
        consent = _consent(consent)
        given = inputs.changes(
            name=name,
            name_key=name if name is UNSET else name_key(name),
            archived=inputs.not_null(archived, "archived"),
        )

        async def change(uow: UnitOfWork) -> PersonRow:
            access, person = await _enter(uow, actor, PersonRow, ids.PERSON, id, doing="edit a guest")
            before = _shown(_PERSON, person)
            _set(person, given)
            if phone is not UNSET:
                await _set_phone(uow, person, _phone(phone, access, "phone"))
            if guest_unit_id is not UNSET and guest_unit_id != person.guest_unit_id:
                await _move(uow, actor, person, guest_unit_id)
            _set_consent(person, consent, access)
            _record_changes(uow, access, person, "Edited a guest", before, _shown(_PERSON, person))
            await uow.session.flush()
            return person

        return await self._write(change)


async def _enter(
    uow: UnitOfWork, actor: Actor, kind: type[R], prefix: str, row_id: str, *, doing: str
) -> tuple[Access, R]:
    """The row and the actor's standing in its workspace, which is held: one person per phone is a matter of all of them."""
    workspace_id = await workspace_of(uow, actor, kind, prefix, row_id)
    access = await require_alone(uow, actor, workspace_id, Permission.GUEST_EDIT, doing=doing, target_id=row_id)
    row = await find(uow, actor, kind, prefix, row_id)
    if row is None:
        raise not_found(actor, doing=doing, target_id=row_id)
    if row.erased_at is not None:
        raise ConflictError("This guest was erased: nothing is known of them, and nothing can be changed.")
    return access, row


def _set(row: object, given: Mapping[str, object]) -> None:
    for name, value in given.items():
        setattr(row, name, value)


def _phone(raw: str | None, access: Access, field: str) -> Phone:
    """MISSING for None. What cannot be read is refused: an operator is there to correct it, unlike in an import."""
    phone = normalise(raw, access.workspace.default_region)
    if raw is not None and phone.status is not PhoneStatus.VALID:
        raise BadInputError(
            "This is no phone number that WhatsApp could reach. Write it with its country code, such as +91 98765 43210, "
            "or give null to take it away.",
            field=field,
        )
    return phone


async def _set_phone(uow: UnitOfWork, person: PersonRow, phone: Phone) -> None:
    if phone.e164 and phone.e164 != person.phone:
        holder = (
            await uow.session.execute(
                sa.select(PersonRow.name, PersonRow.archived).where(
                    PersonRow.workspace_id == person.workspace_id, PersonRow.phone == phone.e164
                )
            )
        ).first()
        if holder:
            what = "who is archived, has" if holder.archived else "has"
            raise ConflictError(f"{holder.name} {what} this phone already. One phone is one guest.", field="phone")
    person.raw_phone, person.phone, person.phone_status = phone.raw or None, phone.e164, phone.status


async def _move(uow: UnitOfWork, actor: Actor, person: PersonRow, unit_id: str | None) -> None:
    if unit_id is not None:
        unit = await find(uow, actor, GuestUnitRow, ids.GUEST_UNIT, unit_id)
        if unit is None or unit.workspace_id != person.workspace_id:
            raise not_found(actor, doing="move a guest", target_id=unit_id)
        if unit.erased_at is not None:
            raise ConflictError("This household was erased. Choose another one.", field="guestUnitId")
        if unit.archived:
            raise ConflictError(f"Household {unit.name} is archived. Set it back first.", field="guestUnitId")
    person.guest_unit_id = unit_id


def _consent(given: Consent | UnsetType | None) -> Consent | UnsetType | None:
    if given is UNSET or given is None:
        return given
    if given.at is not None and (given.at.tzinfo is None or given.at > utc_now() + _CLOCKS_DIFFER):
        raise BadInputError(
            "Give the time at which consent was given, with its offset; it cannot be yet to come.", field="consent"
        )
    return Consent(inputs.paragraph(given.evidence, "consent", limit=MAX_EVIDENCE), given.at)


def _set_consent(row: R, consent: Consent | UnsetType | None, access: Access) -> None:
    """What says the same again keeps its first recording."""
    if consent is UNSET or (consent is None and row.consent_at is None):
        return
    if consent is None:
        row.consent_at = row.consent_evidence = row.consent_recorded_at = row.consent_recorded_by = None
        return
    now = utc_now()
    at = min(consent.at.astimezone(UTC), now) if consent.at else now
    if row.consent_evidence == consent.evidence and (consent.at is None or row.consent_at == at):
        return
    row.consent_at, row.consent_evidence = at, consent.evidence
    row.consent_recorded_at, row.consent_recorded_by = now, access.member.id


def _tags(tags: list[str]) -> list[str]:
    """Each tag once, as first written; refused past the limits that an import cuts at."""
    kept: dict[str, str] = {}
    for tag in tags[: 10 * MAX_TAGS]:
        name = inputs.line(tag, "tags", limit=MAX_TAG_LENGTH)
        kept.setdefault(tag_key(name), name)
    if len(kept) > MAX_TAGS or len(tags) > 10 * MAX_TAGS:
        raise BadInputError(f"Give at most {MAX_TAGS} tags, you gave {len(tags)}.", field="tags")
    return list(kept.values())


def _record_changes(
    uow: UnitOfWork, access: Access, row: R, text: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """An entry with what changed; none when all is as it was."""
    changed = [name for name in after if after[name] != before[name]]
    if not changed and not uow.session.is_modified(row):
        return
    row.updated_at = utc_now()
    audit.record(
        uow, AuditAction.GUEST_EDIT, text, workspace_id=row.workspace_id, actor=access.actor, member=access.member,
        before=_without_names(before, changed), after=_without_names(after, changed), target_id=row.id,
    )  # fmt: skip


def _without_names(shown: Mapping[str, Any], changed: list[str]) -> dict[str, Any]:
    """A trail that cannot be changed must not hold what a guest may want erased: it says that a name changed, not which.

    Tags are free text, and families write names into them.
    """
    return {name: _HIDDEN[name](shown[name]) if name in _HIDDEN else shown[name] for name in changed}


_HIDDEN: dict[str, Callable[[Any], Any]] = {
    "name": lambda _name: "(a name)",
    "tags": lambda tags: f"({len(tags)} tags)",
    "consent": lambda consent: consent and {**consent, "evidence": "(a text)"},
}


def _shown(shows: Mapping[str, Callable[[Any], Any]], row: object) -> dict[str, Any]:
    return {name: show(row) for name, show in shows.items()}


def _shown_consent(at: datetime | None, evidence: str | None) -> dict[str, str | None] | None:
    return None if at is None else {"at": at.isoformat(), "evidence": evidence}


_UNIT: dict[str, Callable[[GuestUnitRow], Any]] = {
    "name": lambda unit: unit.name,
    "side": lambda unit: unit.side.value,
    "deliveryPhone": lambda unit: mask(unit.delivery_phone),
    "inviteable": lambda unit: unit.inviteable,
    "archived": lambda unit: unit.archived,
    "consent": lambda unit: _shown_consent(unit.consent_at, unit.consent_evidence),
}
"""What the audit shows of a household, by the public names; phones masked."""

_PERSON: dict[str, Callable[[PersonRow], Any]] = {
    "name": lambda person: person.name,
    "phone": lambda person: mask(person.phone),
    "guestUnitId": lambda person: person.guest_unit_id,
    "archived": lambda person: person.archived,
    "consent": lambda person: _shown_consent(person.consent_at, person.consent_evidence),
}
