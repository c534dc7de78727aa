"""Coverage: each household once, by its best message over all invite runs."""

import random
from collections import Counter, defaultdict

import pytest

from app.db.engine import Database
from app.db.tables import EventRow, GuestUnitRow, WorkspaceRow
from app.domain.enums import InviteCoverage, MessageState, SendRunKind
from app.domain.errors import BadInputError
from app.domain.lifecycle import COVERAGE_OF_STATE, coverage_of
from app.services.reading import GuestUnitFilter
from tests.reading.world import World, actor, reader

pytestmark = pytest.mark.anyio

ASHA = actor("asha")


async def _world(
    db: Database,
) -> tuple[WorkspaceRow, list[EventRow], list[GuestUnitRow], dict[tuple[str, str], InviteCoverage]]:
    """Thirty households, two events, runs of every kind; some messages stand for two households, some twice for one."""
    chance = random.Random(7)
    world = World(db)
    number = world.number()
    workspace = world.workspace("Wedding", number)
    owner, template = world.member(workspace, "asha"), world.template(number, "invite")
    events = [world.event(workspace), world.event(workspace, "Mehndi", 2)]
    units = [world.unit(workspace, f"Household {index}", archived=index % 10 == 9) for index in range(30)]
    states: defaultdict[tuple[str, str], set[MessageState]] = defaultdict(set)
    for event in events:
        for kind in (SendRunKind.INVITE, SendRunKind.INVITE, SendRunKind.TEST):
            run = world.run(event, template, owner, kind=kind)
            for unit in chance.sample(units, 20):
                state = MessageState.READ if kind is SendRunKind.TEST else chance.choice(list(MessageState))
                sources = chance.choice([[unit], [unit, chance.choice(units)], [unit, unit]])
                world.message(run, state, *sources)
                if kind is SendRunKind.INVITE:
                    for source in sources:
                        states[source.id, event.id].add(state)
    await world.save()
    expected = {(unit.id, event.id): coverage_of(states[unit.id, event.id]) for unit in units for event in events}
    return workspace, events, units, expected


async def test_coverage_is_that_of_the_best_message(db: Database) -> None:
    _workspace, _events, _units, expected = await _world(db)
    assert set(expected.values()) >= {InviteCoverage.NOT_TRIED, InviteCoverage.PENDING, InviteCoverage.READ}
    assert await reader(db).coverage(ASHA, list(expected)) == expected


async def test_every_state_alone(db: Database) -> None:
    world = World(db)
    number = world.number()
    workspace = world.workspace("Wedding", number)
    event, owner = world.event(workspace), world.member(workspace, "asha")
    run = world.run(event, world.template(number, "invite"), owner)
    units = {state: world.unit(workspace, state) for state in MessageState}
    for state, unit in units.items():
        world.message(run, state, unit)
    await world.save()
    found = await reader(db).coverage(ASHA, [(unit.id, event.id) for unit in units.values()])
    assert {state: found[unit.id, event.id] for state, unit in units.items()} == COVERAGE_OF_STATE


async def test_summaries_count_each_household_once(db: Database) -> None:
    workspace, events, units, expected = await _world(db)
    summaries = await reader(db).coverage_summaries(ASHA, [event.id for event in events])
    for event in events:
        counts = Counter(expected[unit.id, event.id] for unit in units if not unit.archived)
        assert summaries[event.id] == {coverage: counts[coverage] for coverage in InviteCoverage}
        assert sum(summaries[event.id].values()) == 27
        for coverage in InviteCoverage:
            where = GuestUnitFilter(event_id=event.id, coverage=(coverage,))
            listed = await reader(db).guest_units(ASHA, workspace.id, where, first=100)
            assert listed.total == len(listed.nodes) == counts[coverage]
            assert {expected[unit.id, event.id] for unit in listed.nodes} <= {coverage}


async def test_without_households_or_runs(db: Database) -> None:
    world = World(db)
    workspace = world.workspace("Wedding", None)
    world.member(workspace, "asha")
    event = world.event(workspace)
    await world.save()
    assert (await reader(db).coverage_summaries(ASHA, [event.id]))[event.id] == dict.fromkeys(InviteCoverage, 0)


async def test_an_event_of_another_workspace_covers_nobody(db: Database) -> None:
    """Also not as "not tried", which would be an answer about an event that is not there."""
    world = World(db)
    workspace, other = world.workspace("Wedding", None), world.workspace("Other", None)
    world.member(workspace, "asha")
    world.member(other, "asha")
    unit, event = world.unit(workspace, "Sharma"), world.event(other)
    await world.save()
    where = GuestUnitFilter(event_id=event.id, coverage=(InviteCoverage.NOT_TRIED,))
    assert (await reader(db).guest_units(ASHA, workspace.id, where, first=10)).total == 0
    assert await reader(db).coverage(ASHA, [(unit.id, event.id)]) == {}


async def test_coverage_needs_its_event(db: Database) -> None:
    with pytest.raises(BadInputError) as caught:
        await reader(db).guest_units(ASHA, "", GuestUnitFilter(coverage=(InviteCoverage.READ,)), first=10)
    assert caught.value.field == "eventId"
