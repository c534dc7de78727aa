"""What a refused attempt leaves in the audit trail, which nobody can change: the id that was asked for, no free text, and of
one person not more in a minute than they could mean.
"""

import logging

import pytest

from app.db.tables import AuditRow
from app.domain import ids
from app.domain.buckets import WINDOW
from app.domain.enums import AuditAction
from app.domain.errors import NotFoundError
from app.services.audit import NO_ID
from app.services.base import REFUSALS, REFUSALS_PER_MINUTE, Actor, Refusals
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


async def test_nobody_floods_the_trail(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """One bucket for each person and process, whatever they ask; each minute fills it again, and the log says it once."""
    now = 0
    REFUSALS[world.db] = Refusals(3, clock=lambda: now)
    events, guests = Events(world.db), Guests(world.db)

    async def ask(actor: Actor, times: int) -> None:
        for _ in range(times):
            with pytest.raises(NotFoundError):
                await events.update_event(actor, id=ids.new_id(ids.EVENT), title="Sangeet")
            with pytest.raises(NotFoundError):
                await guests.update_person(actor, id=ids.new_id(ids.PERSON), name="Ravi")

    async def kept() -> list[str]:
        entries = await rows(world.db, AuditRow, AuditRow.action == AuditAction.ACCESS_REFUSED)
        return [entry.actor_text for entry in entries]

    with caplog.at_level(logging.WARNING):
        await ask(STRANGER, 5)
        assert len(await kept()) == 3
        assert [record.getMessage() for record in caplog.records] == [
            "of one person more than 3 attempts a minute were refused; the others are not kept in the audit"
        ]
        await ask(world.owner, 1)
        assert len(await kept()) == 5, "another person has a bucket of their own"
        now += WINDOW
        await ask(STRANGER, 5)
    assert len(await kept()) == 8
    assert len(caplog.records) == 2


def test_a_person_may_be_refused_once_a_second() -> None:
    refusals = Refusals(clock=lambda: 0)
    assert [refusals.admit("x") for _ in range(REFUSALS_PER_MINUTE + 1)] == [True] * 60 + [False]
