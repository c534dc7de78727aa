"""What a refused attempt leaves in the audit trail, which nobody can change: the id that was asked for, and no free text."""

import pytest

from app.db.tables import AuditRow
from app.domain import ids
from app.domain.enums import AuditAction
from app.domain.errors import NotFoundError
from app.services.audit import NO_ID
from app.services.base import Actor
from app.services.blocks import Blocks
from app.services.events import Events
from app.services.guests import Guests
from tests.services.world import STRANGER, World, rows

pytestmark = pytest.mark.anyio


async def refused(world: World, actor: Actor, given: str) -> set[str | None]:
    """The targets of the entries after asking for it in several ways."""
    with pytest.raises(NotFoundError):
        await Events(world.db).update_event(actor, id=given, title="Sangeet")
    with pytest.raises(NotFoundError):
        await Guests(world.db).update_person(actor, id=given, name="Ravi")
    with pytest.raises(NotFoundError):
        await Blocks(world.db).add(actor, workspace_id=given, phone="+919800000001", reason="asked")
    entries = await rows(world.db, AuditRow, AuditRow.action == AuditAction.ACCESS_REFUSED)
    return {entry.target_id for entry in entries}


@pytest.mark.parametrize(
    "given",
    [
        "+919812345678", "Zebedee Quill", "", "per_+919812345678", "per_0197f3aa0000700080000000000919812345678",
        "evt_0197f3aa00007000800000000000abcd +919812345678", "EVT_0197f3aa00007000800000000000abcd",
    ],
)  # fmt: skip
async def test_what_is_no_id_is_not_kept(world: World, given: str) -> None:
    for actor in (STRANGER, world.owner):
        assert await refused(world, actor, given) == {NO_ID}


async def test_an_id_is_kept(world: World) -> None:
    unknown = ids.new_id(ids.EVENT)
    assert await refused(world, STRANGER, unknown) == {unknown}
