"""Fixtures of the tests of sending."""

import pytest

from app.db.engine import Database
from tests.sending.world import Wedding, make_wedding, people


@pytest.fixture
async def wedding(db: Database) -> Wedding:
    """Three guests who may all be invited."""
    return await make_wedding(db, people(3))
