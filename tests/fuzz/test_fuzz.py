"""A bounded share of ``make fuzz``: every target on one of the databases, and always the same cases."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

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
def on(databases: Databases) -> Iterator[Callable[[str], World]]:
    """One world on each database for all targets, as in ``make fuzz``: what a case leaves behind is part of the trial."""
    with ExitStack() as stack:

        @cache
        def make(kind: str) -> World:
            url = databases.make(kind)
            stack.callback(databases.drop, url)
            return stack.enter_context(world(url))

        yield make


@pytest.mark.parametrize(("database", "target"), TRIALS, ids=lambda each: getattr(each, "name", each))
def test_every_case_is_answered_well(on: Callable[[str], World], database: str, target: Target) -> None:
    fuzz(target, on(database), MORE.get(target.name, CASES), seed=1)
