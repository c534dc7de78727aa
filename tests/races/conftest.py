"""Fixtures of the race tests."""

from collections.abc import Iterator

import pytest

from app import checkpoints
from app.db.engine import Database
from tests.sending.world import Wedding, make_wedding, people


@pytest.fixture
async def wedding(db: Database) -> Wedding:
    """Three guests who may all be invited."""
    return await make_wedding(db, people(3))


@pytest.fixture(autouse=True)
def _no_hook_is_left() -> Iterator[None]:
    yield
    checkpoints.install(None)
