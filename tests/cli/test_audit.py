"""``invites audit``: the trail across workspaces, with what no console shows."""

import pytest

from app.db.engine import Database
from app.domain import ids
from app.domain.enums import AuditAction, EventVisibility
from app.domain.errors import ForbiddenError, NotFoundError
from app.services.base import Actor
from app.services.events import Events
from tests.cli.commands import invites, the_line, with_database
from tests.reading.world import World, family, phones

PHONE = "+919876500007"


@pytest.fixture
def workspace_id(migrated: str) -> str:
    """A family; a stranger, whose subject is a phone, tried to edit its event, and a coordinator to open it to all."""

    async def make(db: Database) -> str:
        world = World(db)
        made = family(world, world.number(), "asha", phones())
        world.audit(made.workspace, AuditAction.GUEST_EDIT, f"Called {PHONE} about it")
        world.audit(None, AuditAction.ACCESS_REFUSED, "as earlier versions wrote", target_id=f"evt of {PHONE}\x1b[31m")
        await world.save()
        events = Events(db)
        for target in (made.event.id, PHONE):
            with pytest.raises(NotFoundError):
                await events.update_event(Actor(PHONE, "Zara"), id=target, title="Mine")
        coordinator = Actor("asha-coordinator", "C")
        with pytest.raises(ForbiddenError):
            await events.update_event(coordinator, id=made.event.id, visibility=EventVisibility.PUBLIC)
        return made.workspace.id

    return with_database(migrated, make)


def test_what_was_refused_newest_first(workspace_id: str) -> None:
    result = invites("audit", "--refused")
    assert result.exit_code == 0, result.stderr
    acts, places = result.stdout.splitlines()[::2], result.stdout.splitlines()[1::2]
    assert [act.split("  ", 1)[1] for act in acts] == [
        "ACCESS_REFUSED  Asha-Coordinator (asha-coordinator): Refused: change who may see an event",
        "ACCESS_REFUSED  Zara (+91•••••0007): Refused or unknown: edit an event",
        "ACCESS_REFUSED  Zara (+91•••••0007): Refused or unknown: edit an event",
        "ACCESS_REFUSED  somebody: as earlier versions wrote",
    ]
    assert places[0].startswith(f"    workspace {workspace_id}, target evt_")
    assert places[1] == "    workspace –, target (no id)"
    assert places[2].startswith("    workspace –, target evt_")
    assert places[3] == "    workspace –, target evt of +91•••••0007[31m"
    assert PHONE not in result.stdout
    assert "\x1b" not in result.stdout


def test_one_workspace_shows_nothing_of_strangers(workspace_id: str) -> None:
    result = invites("audit", "--workspace", workspace_id)
    assert result.exit_code == 0
    assert "asha-coordinator" in result.stdout
    assert "+91•••••0007" in result.stdout
    assert "Zara" not in result.stdout
    assert PHONE not in result.stdout


def test_only_so_many(workspace_id: str) -> None:
    assert workspace_id
    assert len(invites("audit", "--limit", "2").stdout.splitlines()) == 4
    assert invites("audit", "--limit", "0").exit_code == 2
    assert invites("audit", "--limit", "1001").exit_code == 2


def test_nothing_to_show_and_no_such_workspace(migrated: str) -> None:
    assert migrated
    assert invites("audit").stdout == "There are no such entries.\n"
    for workspace_id in (ids.new_id(ids.WORKSPACE), "nonsense"):
        result = invites("audit", "--workspace", workspace_id)
        assert result.exit_code == 1
        assert the_line(result) == "There is nothing with this id that you can see."
