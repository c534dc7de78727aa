"""Fixtures of the tests of services."""

import pytest

from app.db.engine import Database
from tests.services.world import World, make_world


@pytest.fixture
async def world(db: Database) -> World:
    return await make_world(db)
