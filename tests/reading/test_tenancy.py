"""Nothing crosses: every public method, asked for another family's things, answers as for things that do not exist."""

import pytest

from app.db.engine import Database
from app.db.tables import TemplateRow
from app.services.reading.visibility import SEEN
from tests.reading.calls import by_id, every_call, is_nothing, nonsense, of_family
from tests.reading.world import Family, World, actor, family, phones, reader

pytestmark = pytest.mark.anyio

STRANGERS = ["meera", "nobody", "asha-gone", "", "%"]
MALFORMED = [
    "",
    "nonsense",
    "wsp_",
    "run_00",
    "msg_" + "G" * 32,
    "evt_" + "0" * 31 + "\0",
    "wsp_" + "٣" * 32,
    "x" * 10_000,
]


async def _families(db: Database, *, share_number: bool) -> tuple[Family, Family]:
    """Two families with nothing in common, or a number only."""
    world = World(db)
    number, phone = world.number(), phones()
    mine = family(world, number, "asha", phone)
    theirs = family(world, number if share_number else world.number(), "meera", phone)
    await world.save()
    return mine, theirs


@pytest.mark.parametrize("share_number", [False, True], ids=["own", "shared"])
async def test_a_stranger_sees_nothing(db: Database, share_number: bool) -> None:
    mine, _theirs = await _families(db, share_number=share_number)
    rows = by_id(mine)
    if share_number:
        del rows[TemplateRow]  # belongs to the number
    for name, call in every_call(reader(db), of_family(mine), rows):
        hidden = share_number and name == "webhook_findings"  # what nobody could place may be the other family's
        assert is_nothing(await call(actor("asha"))) is hidden, f"the owner must see {name}, else this proves nothing"
        for stranger in STRANGERS:
            result = await call(actor(stranger))
            if name == "memberships":
                assert all(member.subject == stranger for member in result)
            else:
                assert is_nothing(result), (name, stranger)


async def test_a_malformed_id_is_nothing(db: Database) -> None:
    await _families(db, share_number=False)
    for value in MALFORMED:
        for name, call in every_call(reader(db), nonsense(value), dict.fromkeys(SEEN, value)):
            assert name == "memberships" or is_nothing(await call(actor("asha"))), (name, value)


async def test_what_two_families_have_in_common_is_a_template_alone(db: Database) -> None:
    mine, theirs = await _families(db, share_number=True)
    found = await reader(db).templates(actor("asha"), [mine.workspace.id, theirs.workspace.id])
    assert {workspace_id: [row.name for row in rows] for workspace_id, rows in found.items()} == {
        mine.workspace.id: ["invite_asha", "invite_meera"]
    }


async def test_a_template_stays_with_the_runs_that_used_it(db: Database) -> None:
    world = World(db)
    workspace, old_number = world.workspace("Moved", world.number()), world.number()
    owner, template = world.member(workspace, "asha"), world.template(old_number, "invite")
    never_used = world.template(old_number, "other")
    world.run(world.event(workspace), template, owner)
    await world.save()
    found = await reader(db).rows(actor("asha"), TemplateRow, [template.id, never_used.id])
    assert list(found) == [template.id]
