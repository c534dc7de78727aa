"""A bounded share of ``make fuzz``: every target on one of the databases, and always the same cases."""

from collections.abc import Iterator

import pytest

from tests.databases import CHOSEN, Databases
from tests.fuzz.engine import Target, fuzz
from tests.fuzz.targets import TARGETS
from tests.fuzz.world import World, world

CASES = 60
MORE = {"cursors": 200, "websocket messages": 200}
"""With 100 cases a deliberate break survived here: each case of these tries little."""
TRIALS = [(target.database if target.database in CHOSEN else CHOSEN[0], target) for target in TARGETS]


@pytest.fixture(scope="module")
def here(request: pytest.FixtureRequest, databases: Databases) -> Iterator[World]:
    """One world for all targets, as in ``make fuzz``: what a case leaves behind is part of the trial."""
    url = databases.make(request.param)
    with world(url) as made:
        yield made
    databases.drop(url)


@pytest.mark.parametrize(("here", "target"), TRIALS, indirect=["here"], ids=lambda each: getattr(each, "name", each))
def test_every_case_is_answered_well(here: World, target: Target) -> None:
    fuzz(target, here, MORE.get(target.name, CASES), seed=1)
