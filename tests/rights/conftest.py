from collections.abc import AsyncIterator

import pytest

from app.db.engine import Database
from tests.rights.world import Families, families


@pytest.fixture
async def world(db: Database) -> AsyncIterator[Families]:
    async with families(db) as made:
        yield made
