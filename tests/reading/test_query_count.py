"""A call sends the same few statements for one id and for many, for a short list and for a long one."""

from typing import Any

import pytest

from app.db.engine import Database
from app.domain.enums import MessageState
from tests.reading.calls import METHODS, by_id, every_call, of_family
from tests.reading.world import Family, World, actor, family, phones, reader
from tests.statements import statements

pytestmark = pytest.mark.anyio

ASHA = actor("asha")
MOST = {
    "timeline": 5, "guest_units": 2, "event_messages": 2, "on_their_way": 2, "blocked_units": 2,
    "webhook_findings": 2,
}  # fmt: skip
"""Where one statement is not enough; all others send one."""


async def _families(db: Database) -> list[Family]:
    world = World(db)
    phone = phones()
    found = [family(world, world.number(), "asha", phone) for _ in range(5)]
    for one in found[1:]:
        for _ in range(10):
            unit = world.unit(one.workspace, "Many", phone=phone())
            world.person(unit, "Somebody", phone())
            world.message(one.run, MessageState.QUEUED, unit, one.unit)
    await world.save()
    return found


async def test_statements_do_not_grow_with_the_data(db: Database) -> None:
    found = await _families(db)
    source = reader(db)
    small, large = of_family(found[0]), of_family(found[1])
    many: dict[str, Any] = {
        key: [value for one in found for value in of_family(one)[key]] if isinstance(large[key], list) else large[key]
        for key in large
    }
    for given, rows in ((small, by_id(found[0])), (many, by_id(found[1]))):
        for name, call in every_call(source, given, rows):
            with statements(db) as asked:
                await call(ASHA)
            assert sum(each.reads for each in asked) == MOST.get(name, 1), name


async def test_batches_answer_for_every_id(db: Database) -> None:
    """What the one statement brings is complete: all five families at once."""
    found = await _families(db)
    source = reader(db)
    for name, method in METHODS.items():
        given = {
            key: [value for one in found for value in of_family(one)[key]]
            for key in of_family(found[0])
            if key.endswith("s")
        }
        parameter = next((key for key in method.__annotations__ if key in given), None)
        if parameter is not None:
            answer = await getattr(source, name)(ASHA, given[parameter])
            assert answer.keys() == set(given[parameter]), name
