"""A bounded share of ``make fuzz``: the same targets, always the same cases."""

from collections.abc import Iterator

import pytest

from tests.databases import CHOSEN, Databases
from tests.fuzz.engine import Target, fuzz
from tests.fuzz.targets import TARGETS
from tests.fuzz.world import World, world

CASES = 200


@pytest.fixture(scope="module", params=CHOSEN)
def here(request: pytest.FixtureRequest, databases: Databases) -> Iterator[World]:
    """One world for all targets, as in ``make fuzz``: what a case leaves behind is part of the trial."""
    url = databases.make(request.param)
    with world(url) as made:
        yield made
    databases.drop(url)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_every_case_is_answered_well(target: Target, here: World) -> None:
    tally = fuzz(target, here, CASES, seed=1)
    assert tally.cases >= CASES
    assert sum(tally.answers.values()) == tally.cases
