"""The audit trail: what is routine is every member's, governance is not."""

from datetime import timedelta
from typing import Any

import pytest

from app.db.engine import Database
from app.db.tables import AuditRow
from app.domain import ids
from app.domain.enums import AuditAction, Role
from app.domain.roles import GOVERNANCE_ACTIONS
from app.services.reading import AuditFilter
from tests.reading.world import NOW, World, actor, reader

pytestmark = pytest.mark.anyio

SUBJECTS = {Role.OWNER: "asha", Role.PARENT_ADMIN: "ravi", Role.FAMILY_COORDINATOR: "zara"}


async def test_governance_by_role(db: Database) -> None:
    world = World(db)
    number = world.number()
    workspace, other = world.workspace("Wedding", number), world.workspace("Other", number)
    members = {role: world.member(workspace, subject, role) for role, subject in SUBJECTS.items()}
    world.member(other, "zara", Role.OWNER)  # a coordinator here is an owner there
    run = world.run(world.event(workspace), world.template(number, "invite"), members[Role.OWNER])
    entries = {action: world.audit(workspace, action, run_id=run.id) for action in AuditAction}
    nobody = world.audit(None, AuditAction.ACCESS_REFUSED)
    await world.save()
    source = reader(db)
    for role, subject in SUBJECTS.items():
        hidden = GOVERNANCE_ACTIONS if role is Role.FAMILY_COORDINATOR else frozenset()
        seen = {entry.id for action, entry in entries.items() if action not in hidden}
        who = actor(subject)
        assert {entry.id for entry in (await source.audit(who, workspace.id, AuditFilter(), first=100)).nodes} == seen
        assert {entry.id for entry in (await source.run_audit(who, run.id, first=100)).nodes} == seen
        every = [*(entry.id for entry in entries.values()), nobody.id]
        assert (await source.rows(who, AuditRow, every)).keys() == seen
        asked = AuditFilter(actions=(AuditAction.ROLE_CHANGE,))
        assert bool((await source.audit(who, workspace.id, asked, first=100)).nodes) is not bool(hidden)


async def test_filters(db: Database) -> None:
    world = World(db)
    workspace = world.workspace("Wedding", None)
    owner = world.member(workspace, "asha")
    event = world.event(workspace)
    first = world.audit(workspace, AuditAction.EVENT_EDIT, at=NOW, actor_id=owner.id, target_id=event.id)
    second = world.audit(workspace, AuditAction.GUEST_EDIT, at=NOW + timedelta(hours=1))
    third = world.audit(workspace, AuditAction.EVENT_EDIT, at=NOW + timedelta(hours=2), target_id=event.id)
    await world.save()

    async def found(**where: Any) -> list[str]:
        page = await reader(db).audit(actor("asha"), workspace.id, AuditFilter(**where), first=100)
        return [entry.id for entry in page.nodes]

    assert await found() == [third.id, second.id, first.id]
    assert await found(actions=(AuditAction.EVENT_EDIT,)) == [third.id, first.id]
    assert await found(actor_id=owner.id) == [first.id]
    assert await found(target_id=event.id) == [third.id, first.id]
    assert await found(after=NOW) == [third.id, second.id]
    assert await found(before=NOW + timedelta(hours=1)) == [first.id]
    assert await found(after=NOW, before=NOW + timedelta(hours=2)) == [second.id]
    for wrong in ("", "nonsense", "\0", ids.new_id(ids.EVENT)):
        assert await found(actor_id=wrong) == []
        assert await found(target_id=wrong) == []
