"""Workspaces and members: who may change whom, the owner who stays, and the send policy."""

import asyncio
from typing import Any

import pytest

from app.db.engine import Database
from app.db.tables import AuditRow, MemberRow, WorkspaceRow
from app.domain import ids
from app.domain.enums import AuditAction, Permission, Role
from app.domain.errors import AppError, BadInputError, ConflictError, ForbiddenError, NotFoundError, TooLargeError
from app.domain.roles import MANAGES, permissions
from app.services.base import Actor
from app.services.workspaces import MAX_MEMBERS, Workspaces
from tests.services.world import STRANGER, World, make_world, one, rows

pytestmark = pytest.mark.anyio


def service(db: Database) -> Workspaces:
    return Workspaces(db, None)


async def test_whoever_creates_a_workspace_owns_it(db: Database) -> None:
    actor = Actor("priya@example.org", "Priya", "req-1")
    created = await service(db).create_workspace(
        actor, name="  Asha & \n Rohan ", default_region="IN", timezone="Asia/Kolkata"
    )
    assert (created.name, created.default_region, created.timezone) == ("Asha & Rohan", "IN", "Asia/Kolkata")
    assert (created.roles_that_send, created.require_consent, created.number_id) == (
        ["OWNER", "PARENT_ADMIN"],
        False,
        None,
    )
    owner = await one(db, MemberRow, MemberRow.workspace_id == created.id)
    assert (owner.subject, owner.display_name, owner.role, owner.active) == (
        "priya@example.org",
        "Priya",
        Role.OWNER,
        True,
    )
    entry = await one(db, AuditRow, AuditRow.workspace_id == created.id)
    assert (entry.action, entry.actor_id, entry.request_id) == (AuditAction.ROLE_CHANGE, owner.id, "req-1")
    shown = {"subject": "priya@example.org", "displayName": "Priya", "role": "OWNER", "active": True}
    assert (entry.before, entry.after) == (None, shown)


async def test_a_workspace_takes_the_number_that_is_configured(world: World) -> None:
    workspace = await one(world.db, WorkspaceRow)
    assert workspace.number_id == world.number_id


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": " \n "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"default_region": "India"}, "defaultRegion"),
        ({"default_region": "in"}, "defaultRegion"),
        ({"timezone": "Asia/Nowhere"}, "timezone"),
        ({"timezone": "Asia"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"timezone": "Asia/Kol\x00kata"}, "timezone"),
        ({"timezone": "x" * 300}, "timezone"),
        ({"timezone": "Factory"}, "timezone"),
        ({"timezone": "localtime"}, "timezone"),
        ({"timezone": "posixrules"}, "timezone"),
        ({"timezone": "posix/Asia/Kolkata"}, "timezone"),
        ({"timezone": "right/Asia/Kolkata"}, "timezone"),
    ],
)
async def test_a_workspace_is_refused_for_bad_input(db: Database, given: dict[str, str], field: str) -> None:
    good = {"name": "Wedding", "default_region": "IN", "timezone": "Asia/Kolkata"}
    with pytest.raises(BadInputError) as refused:
        await service(db).create_workspace(STRANGER, **(good | given))
    assert refused.value.field == field
    assert await rows(db, WorkspaceRow) == []


@pytest.mark.parametrize("actor_role", Role)
@pytest.mark.parametrize("old", [None, *Role])
@pytest.mark.parametrize("new", Role)
async def test_a_role_touches_only_those_that_it_manages(
    world: World, actor_role: Role, old: Role | None, new: Role
) -> None:
    workspaces = service(world.db)

    async def change(actor: Actor, role: Role) -> MemberRow:
        return await workspaces.set_member(actor, workspace_id=world.workspace_id, subject="kiran", role=role)

    if old:
        await change(world.owner, old)
    before = len(await world.audit(AuditAction.ROLE_CHANGE))
    manages = MANAGES[actor_role]
    if new in manages and (old is None or old in manages):
        assert (await change(world.actors[actor_role], new)).role is new
        assert len(await world.audit(AuditAction.ROLE_CHANGE)) == before + (new is not old)
    else:
        with pytest.raises(ForbiddenError):
            await change(world.actors[actor_role], new)
        found = await rows(world.db, MemberRow, MemberRow.subject == "kiran")
        assert [member.role for member in found] == ([old] if old else [])
        (refusal,) = await world.audit(AuditAction.ACCESS_REFUSED)
        assert refusal.text == "Refused: change a member"
        assert world.actors[actor_role].subject in refusal.actor_text


async def test_a_change_of_role_is_audited_with_before_after_and_note(world: World) -> None:
    member = await service(world.db).set_member(
        world.owner, workspace_id=world.workspace_id, subject=world.coordinator.subject, role=Role.PARENT_ADMIN,
        note="Helps with\nthe sending",
    )  # fmt: skip
    entry = (await world.audit(AuditAction.ROLE_CHANGE))[-1]
    shown = {"subject": member.subject, "displayName": member.display_name, "active": True}
    assert entry.before == shown | {"role": "FAMILY_COORDINATOR"}
    assert entry.after == shown | {"role": "PARENT_ADMIN"}
    assert entry.text.endswith(": Helps with\nthe sending")
    assert entry.target_id == member.id


async def test_an_unchanged_member_leaves_no_trace(world: World) -> None:
    before = await world.audit(AuditAction.ROLE_CHANGE)
    member = await service(world.db).set_member(
        world.owner, workspace_id=world.workspace_id, subject=world.admin.subject, role=Role.PARENT_ADMIN
    )
    assert member.display_name == world.admin.display_name, "left out: kept"
    assert [entry.id for entry in await world.audit(AuditAction.ROLE_CHANGE)] == [entry.id for entry in before]


async def test_a_new_member_without_a_name_is_called_by_the_subject(world: World) -> None:
    workspaces = service(world.db)
    member = await workspaces.set_member(
        world.admin, workspace_id=world.workspace_id, subject="auth0|17", role=Role.FAMILY_COORDINATOR
    )
    assert member.display_name == "auth0|17"
    member = await workspaces.set_member(
        world.admin,
        workspace_id=world.workspace_id,
        subject="auth0|17",
        role=Role.FAMILY_COORDINATOR,
        display_name="Kiran",
    )
    assert (await one(world.db, MemberRow, MemberRow.id == member.id)).display_name == "Kiran"


async def test_a_member_who_is_not_active_is_a_stranger(world: World) -> None:
    workspaces = service(world.db)
    await workspaces.set_member(
        world.owner, workspace_id=world.workspace_id, subject=world.admin.subject, role=Role.PARENT_ADMIN, active=False
    )
    with pytest.raises(NotFoundError):
        await workspaces.set_member(
            world.admin, workspace_id=world.workspace_id, subject="kiran", role=Role.FAMILY_COORDINATOR
        )


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"subject": ""}, "subject"),
        ({"subject": "s" * 256}, "subject"),
        ({"subject": "kiran\x00"}, "subject"),
        ({"subject": "ki\nran"}, "subject"),
        ({"subject": " kiran"}, "subject"),
        ({"subject": "ki\u202eran"}, "subject"),
        ({"subject": "ki\u200bran"}, "subject"),
        ({"subject": "\ud800"}, "subject"),
        ({"display_name": None}, "displayName"),
        ({"display_name": "  "}, "displayName"),
        ({"display_name": "n" * 201}, "displayName"),
        ({"note": "n" * 501}, "note"),
    ],
)
async def test_a_member_is_refused_for_bad_input(world: World, given: dict[str, Any], field: str) -> None:
    good: dict[str, Any] = {"workspace_id": world.workspace_id, "subject": "kiran", "role": Role.FAMILY_COORDINATOR}
    with pytest.raises(BadInputError) as refused:
        await service(world.db).set_member(world.owner, **(good | given))
    assert refused.value.field == field


@pytest.mark.parametrize(("role", "active"), [(Role.PARENT_ADMIN, True), (Role.OWNER, False)])
async def test_the_last_owner_stays(world: World, role: Role, active: bool) -> None:
    with pytest.raises(ConflictError):
        await service(world.db).set_member(
            world.owner, workspace_id=world.workspace_id, subject=world.owner.subject, role=role, active=active
        )
    owner = await one(world.db, MemberRow, MemberRow.subject == world.owner.subject)
    assert (owner.role, owner.active) == (Role.OWNER, True)


async def test_an_owner_who_is_not_active_is_none(world: World) -> None:
    workspaces = service(world.db)
    await workspaces.set_member(
        world.owner, workspace_id=world.workspace_id, subject=world.admin.subject, role=Role.OWNER, active=False
    )
    with pytest.raises(ConflictError):
        await workspaces.set_member(
            world.owner, workspace_id=world.workspace_id, subject=world.owner.subject, role=Role.PARENT_ADMIN
        )


async def test_the_last_owner_stays_also_when_two_go_at_once(world: World) -> None:
    workspaces = service(world.db)

    async def set_owner(actor: Actor, subject: str, role: Role) -> MemberRow:
        return await workspaces.set_member(actor, workspace_id=world.workspace_id, subject=subject, role=role)

    await set_owner(world.owner, world.admin.subject, Role.OWNER)
    both = (world.owner, world.admin)
    results = await asyncio.gather(
        *(set_owner(actor, actor.subject, Role.PARENT_ADMIN) for actor in both), return_exceptions=True
    )
    assert [type(result) for result in results if isinstance(result, AppError)] == [ConflictError]
    owners = await rows(world.db, MemberRow, MemberRow.role == Role.OWNER, MemberRow.active)
    assert len(owners) == 1


async def test_rights_are_those_after_the_change_that_was_waited_for(world: World) -> None:
    """Two owners demote each other: the second to come is no owner any more."""
    workspaces = service(world.db)
    for subject in (world.admin.subject, "third"):
        await workspaces.set_member(world.owner, workspace_id=world.workspace_id, subject=subject, role=Role.OWNER)
    results = await asyncio.gather(
        *(
            workspaces.set_member(
                actor, workspace_id=world.workspace_id, subject=other.subject, role=Role.FAMILY_COORDINATOR
            )
            for actor, other in ((world.owner, world.admin), (world.admin, world.owner))
        ),
        return_exceptions=True,
    )
    assert [type(result) for result in results if isinstance(result, AppError)] == [ForbiddenError]


@pytest.mark.parametrize("role", Role)
async def test_who_may_change_the_send_policy(world: World, role: Role) -> None:
    workspaces = service(world.db)
    roles = [Role.FAMILY_COORDINATOR, Role.OWNER, Role.OWNER]
    call = workspaces.set_send_policy(
        world.actors[role], workspace_id=world.workspace_id, roles_that_send=roles, require_consent=True
    )
    if Permission.SEND_POLICY in permissions(role, []):
        changed = await call
        assert (changed.roles_that_send, changed.require_consent) == (["OWNER", "FAMILY_COORDINATOR"], True)
        (entry,) = await world.audit(AuditAction.SEND_POLICY_CHANGE)
        assert entry.before == {"rolesThatSend": ["OWNER", "PARENT_ADMIN"], "requireConsent": False}
        assert entry.after == {"rolesThatSend": ["OWNER", "FAMILY_COORDINATOR"], "requireConsent": True}
        await workspaces.set_send_policy(
            world.owner, workspace_id=world.workspace_id, roles_that_send=roles[:2], require_consent=True
        )
        assert len(await world.audit(AuditAction.SEND_POLICY_CHANGE)) == 1, "the same again changes nothing"
    else:
        with pytest.raises(ForbiddenError):
            await call
        assert (await one(world.db, WorkspaceRow)).roles_that_send == ["OWNER", "PARENT_ADMIN"]
        assert len(await world.audit(AuditAction.ACCESS_REFUSED)) == 1


async def test_the_send_policy_always_has_the_owner(world: World) -> None:
    with pytest.raises(BadInputError) as refused:
        await service(world.db).set_send_policy(
            world.owner, workspace_id=world.workspace_id, roles_that_send=[Role.PARENT_ADMIN], require_consent=False
        )
    assert refused.value.field == "rolesThatSend"


@pytest.mark.parametrize(
    "workspace_id", ["wsp_0197f3aa00007000800000000000abcd", "nonsense", "evt_" + "0" * 32, "", None]
)
async def test_another_workspace_does_not_exist(world: World, workspace_id: str | None) -> None:
    workspaces = service(world.db)
    theirs = workspace_id if workspace_id is not None else (await make_world(world.db)).workspace_id
    for call in (
        workspaces.set_member(world.owner, workspace_id=theirs, subject="kiran", role=Role.OWNER),
        workspaces.set_send_policy(
            world.owner, workspace_id=theirs, roles_that_send=[Role.OWNER], require_consent=True
        ),
    ):
        with pytest.raises(NotFoundError):
            await call
    refusals = await rows(world.db, AuditRow, AuditRow.action == AuditAction.ACCESS_REFUSED)
    kept = theirs if ids.prefix_of(theirs) else "(no id)"
    assert [(entry.workspace_id, entry.target_id) for entry in refusals] == [(None, kept)] * 2


async def test_how_many_members_there_may_be(world: World) -> None:
    async def add(number: int, *, active: bool = True) -> None:
        await service(world.db).set_member(
            world.actors[Role.OWNER], workspace_id=world.workspace_id, subject=f"aunt{number}@example.org",
            role=Role.FAMILY_COORDINATOR, active=active,
        )  # fmt: skip

    there = len(await rows(world.db, MemberRow))
    for number in range(there, MAX_MEMBERS):
        await add(number)
    with pytest.raises(TooLargeError, match=f"at most {MAX_MEMBERS} members"):
        await add(MAX_MEMBERS)
    await add(there, active=False)  # who is there already may be changed
    with pytest.raises(TooLargeError):
        await add(MAX_MEMBERS)
    assert len(await rows(world.db, MemberRow)) == MAX_MEMBERS
