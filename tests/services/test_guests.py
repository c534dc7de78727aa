"""Households and people edited one by one: limits, conflicts, tenancy, and what the audit keeps."""

import asyncio
import json
from typing import Any

import pytest

from app.db.tables import AuditRow, GuestUnitRow, GuestUnitTagRow, PersonRow, TagRow
from app.domain import ids
from app.domain.enums import AuditAction, PhoneStatus, Role, Side
from app.domain.errors import AppError, BadInputError, ConflictError, NotFoundError
from app.domain.guest_list import MAX_TAG_LENGTH, MAX_TAGS
from app.services.guests import Guests
from tests.services.world import STRANGER, World, contents, guest, make_world, one, rows

pytestmark = pytest.mark.anyio

P1, P2, P3 = "+919876543210", "+919876543211", "+919876543212"
MASKED = "+91•••••3210"


@pytest.fixture
async def raos(world: World) -> World:
    """Ravi and Sita Rao, and Asha Iyer."""
    await world.import_rows(
        guest("Ravi", P1, "Rao", tags=["VIP", "office"]), guest("Sita", "call Ravi", "Rao"), guest("Asha", P2, "Iyer")
    )
    return world


async def tags_of(world: World, unit: GuestUnitRow) -> list[str]:
    given = {row.tag_id for row in await rows(world.db, GuestUnitTagRow, GuestUnitTagRow.guest_unit_id == unit.id)}
    return sorted(tag.name for tag in await rows(world.db, TagRow) if tag.id in given)


@pytest.mark.parametrize("role", Role)
async def test_every_member_edits_households(raos: World, role: Role) -> None:
    unit = await raos.unit("Rao")
    await Guests(raos.db).update_guest_unit(
        raos.actors[role], id=unit.id, name=" The \n Raos ", side=Side.BRIDE, tags=["office", "Cousins ", "cousins"],
        delivery_phone="098765 43210", inviteable=False,
    )  # fmt: skip
    stored = await one(raos.db, GuestUnitRow, GuestUnitRow.id == unit.id)
    assert (stored.name, stored.name_key, stored.side) == ("The Raos", "the raos", Side.BRIDE)
    assert (stored.delivery_phone, stored.inviteable, stored.archived) == (P1, False, False)
    assert stored.updated_at > unit.updated_at
    assert await tags_of(raos, stored) == ["Cousins", "office"]
    (entry,) = await raos.audit(AuditAction.GUEST_EDIT)
    assert (entry.target_id, entry.actor_text.endswith(f"({raos.actors[role].subject})")) == (unit.id, True)
    assert entry.before == {
        "name": "(a name)", "side": "NEUTRAL", "deliveryPhone": "no phone", "inviteable": True, "tags": "(2 tags)",
    }  # fmt: skip
    assert entry.after == {
        "name": "(a name)", "side": "BRIDE", "deliveryPhone": MASKED, "inviteable": False, "tags": "(2 tags)",
    }  # fmt: skip


@pytest.mark.parametrize("role", Role)
async def test_every_member_edits_people(raos: World, role: Role) -> None:
    sita, iyer = await raos.person("Sita"), await raos.unit("Iyer")
    await Guests(raos.db).update_person(
        raos.actors[role], id=sita.id, name=" Sita\tDevi ", phone="098765 43212", guest_unit_id=iyer.id, archived=True
    )
    stored = await one(raos.db, PersonRow, PersonRow.id == sita.id)
    assert (stored.name, stored.name_key, stored.guest_unit_id, stored.archived) == (
        "Sita Devi",
        "sita devi",
        iyer.id,
        True,
    )
    assert (stored.phone, stored.raw_phone, stored.phone_status) == (P3, "098765 43212", PhoneStatus.VALID)
    assert stored.updated_at > sita.updated_at
    (entry,) = await raos.audit(AuditAction.GUEST_EDIT)
    assert entry.target_id == sita.id
    assert entry.before == {
        "name": "(a name)",
        "phone": "no phone",
        "guestUnitId": sita.guest_unit_id,
        "archived": False,
    }
    assert entry.after == {"name": "(a name)", "phone": "+91•••••3212", "guestUnitId": iyer.id, "archived": True}


async def test_what_can_be_cleared_is_cleared(raos: World) -> None:
    guests = Guests(raos.db)
    unit, ravi = await raos.unit("Rao"), await raos.person("Ravi")
    await guests.update_guest_unit(raos.owner, id=unit.id, delivery_phone=P3)
    await guests.update_guest_unit(raos.owner, id=unit.id, delivery_phone=None, tags=[])
    await guests.update_person(raos.owner, id=ravi.id, phone=None, guest_unit_id=None)
    unit, ravi = await raos.unit("Rao"), await raos.person("Ravi")
    assert (unit.delivery_phone, await tags_of(raos, unit)) == (None, [])
    assert (ravi.phone, ravi.raw_phone, ravi.phone_status) == (None, None, PhoneStatus.MISSING)
    assert ravi.guest_unit_id is None


async def test_what_is_left_out_or_equal_changes_nothing_and_leaves_no_trace(raos: World) -> None:
    guests = Guests(raos.db)
    unit, ravi = await raos.unit("Rao"), await raos.person("Ravi")
    before = await contents(raos.db, GuestUnitRow, PersonRow, TagRow, GuestUnitTagRow)
    await guests.update_guest_unit(raos.owner, id=unit.id)
    await guests.update_guest_unit(
        raos.owner, id=unit.id, name="Rao", side=Side.NEUTRAL, tags=["vip", "OFFICE"], delivery_phone=None,
        inviteable=True, archived=False,
    )  # fmt: skip
    await guests.update_person(raos.owner, id=ravi.id)
    await guests.update_person(raos.owner, id=ravi.id, name="Ravi", phone=P1, guest_unit_id=unit.id, archived=False)
    assert await contents(raos.db, GuestUnitRow, PersonRow, TagRow, GuestUnitTagRow) == before
    assert await raos.audit(AuditAction.GUEST_EDIT) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": None}, "name"),
        ({"name": "\u200b"}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"side": None}, "side"),
        ({"tags": None}, "tags"),
        ({"tags": [" "]}, "tags"),
        ({"tags": ["t" * (MAX_TAG_LENGTH + 1)]}, "tags"),
        ({"tags": [str(n) for n in range(MAX_TAGS + 1)]}, "tags"),
        ({"tags": ["same"] * 100_000}, "tags"),
        ({"inviteable": None}, "inviteable"),
        ({"archived": None}, "archived"),
        ({"delivery_phone": "12345"}, "deliveryPhone"),
        ({"delivery_phone": ""}, "deliveryPhone"),
        ({"delivery_phone": "call Ravi"}, "deliveryPhone"),
    ],
)
async def test_a_household_is_refused_for_bad_input(raos: World, given: dict[str, Any], field: str) -> None:
    unit = await raos.unit("Rao")
    with pytest.raises(BadInputError) as refused:
        await Guests(raos.db).update_guest_unit(raos.owner, id=unit.id, **given)
    assert refused.value.field == field
    assert await raos.audit(AuditAction.GUEST_EDIT) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"phone": "12345"}, "phone"),
        ({"phone": "  "}, "phone"),
        ({"archived": None}, "archived"),
    ],
)
async def test_a_person_is_refused_for_bad_input(raos: World, given: dict[str, Any], field: str) -> None:
    ravi = await raos.person("Ravi")
    with pytest.raises(BadInputError) as refused:
        await Guests(raos.db).update_person(raos.owner, id=ravi.id, **given)
    assert refused.value.field == field
    assert "12345" not in refused.value.message
    assert (await raos.person("Ravi")).phone == P1


async def test_the_phone_of_somebody_else_is_a_conflict_that_names_them(raos: World) -> None:
    guests = Guests(raos.db)
    ravi, asha = await raos.person("Ravi"), await raos.person("Asha")
    with pytest.raises(ConflictError, match=r"^Asha has this phone") as refused:
        await guests.update_person(raos.owner, id=ravi.id, phone="98765 43211")
    assert "43211" not in refused.value.message
    await guests.update_person(raos.owner, id=asha.id, archived=True)
    with pytest.raises(ConflictError, match="Asha who is archived, has"):
        await guests.update_person(raos.owner, id=ravi.id, phone=P2)
    assert (await raos.person("Ravi")).phone == P1


async def test_the_phone_of_another_workspace_is_nobodys(raos: World) -> None:
    other = await make_world(raos.db)
    await other.import_rows(guest("Tara", P3))
    ravi = await raos.person("Ravi")
    assert (await Guests(raos.db).update_person(raos.owner, id=ravi.id, phone=P3)).phone == P3


async def test_one_phone_for_two_people_at_once(raos: World) -> None:
    people = [await raos.person("Ravi"), await raos.person("Sita")]
    results = await asyncio.gather(
        *(Guests(raos.db).update_person(raos.owner, id=person.id, phone=P3) for person in people),
        return_exceptions=True,
    )
    assert [type(result) for result in results if isinstance(result, Exception)] == [ConflictError]
    assert len(await rows(raos.db, PersonRow, PersonRow.phone == P3)) == 1


async def test_a_person_moves_within_the_workspace_only(raos: World) -> None:
    guests = Guests(raos.db)
    other = await make_world(raos.db)
    await other.import_rows(guest("Tara", P3, "Nair"))
    ravi, nair, iyer = await raos.person("Ravi"), await other.unit("Nair"), await raos.unit("Iyer")
    for unit_id in (nair.id, ids.new_id(ids.GUEST_UNIT), "nonsense", ravi.id):
        with pytest.raises(NotFoundError):
            await guests.update_person(raos.owner, id=ravi.id, guest_unit_id=unit_id)
    await guests.update_guest_unit(raos.owner, id=iyer.id, archived=True)
    with pytest.raises(ConflictError, match="Household Iyer is archived"):
        await guests.update_person(raos.owner, id=ravi.id, guest_unit_id=iyer.id)
    assert (await raos.person("Ravi")).guest_unit_id == ravi.guest_unit_id


async def test_archiving_a_household_leaves_its_people_as_they_are(raos: World) -> None:
    guests = Guests(raos.db)
    unit = await raos.unit("Rao")
    people = await contents(raos.db, PersonRow)
    await guests.update_guest_unit(raos.owner, id=unit.id, archived=True)
    assert (await raos.unit("Rao")).archived
    assert await contents(raos.db, PersonRow) == people
    await guests.update_guest_unit(raos.owner, id=unit.id, archived=False)
    before, after = [(entry.before, entry.after) for entry in await raos.audit(AuditAction.GUEST_EDIT)]
    assert before == ({"archived": False}, {"archived": True})
    assert after == ({"archived": True}, {"archived": False})


async def test_guests_of_others_do_not_exist(raos: World) -> None:
    guests = Guests(raos.db)
    other = await make_world(raos.db)
    unit, ravi = await raos.unit("Rao"), await raos.person("Ravi")
    before = await contents(raos.db, GuestUnitRow, PersonRow)
    for actor in (other.owner, STRANGER):
        for row_id in (unit.id, ids.new_id(ids.GUEST_UNIT), "nonsense", ravi.id):
            with pytest.raises(NotFoundError):
                await guests.update_guest_unit(actor, id=row_id, name="mine")
        for row_id in (ravi.id, ids.new_id(ids.PERSON), "", unit.id):
            with pytest.raises(NotFoundError):
                await guests.update_person(actor, id=row_id, name="mine")
    assert await contents(raos.db, GuestUnitRow, PersonRow) == before
    refusals = await rows(raos.db, AuditRow, AuditRow.action == AuditAction.ACCESS_REFUSED)
    assert {entry.workspace_id for entry in refusals} == {None}
    assert {entry.target_id for entry in refusals} >= {unit.id, ravi.id, "(no id)"}


async def test_no_whole_phone_in_audit_or_errors(raos: World) -> None:
    guests = Guests(raos.db)
    ravi, unit = await raos.person("Ravi"), await raos.unit("Rao")
    await guests.update_person(raos.owner, id=ravi.id, phone=P3)
    await guests.update_guest_unit(raos.owner, id=unit.id, delivery_phone=P1)
    with pytest.raises(AppError):
        await guests.update_person(raos.owner, id=ravi.id, phone=P2)
    entries = await rows(raos.db, AuditRow)
    text = json.dumps([[entry.text, entry.before, entry.after] for entry in entries], ensure_ascii=False)
    assert MASKED in text
    assert not any(phone[4:] in text for phone in (P1, P2, P3))
