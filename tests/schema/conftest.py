from collections.abc import AsyncIterator

import pytest

from app.db.engine import Database
from tests.schema.service import Service, serving


@pytest.fixture
async def service(db: Database) -> AsyncIterator[Service]:
    async with serving(db) as running:
        yield running


@pytest.fixture
async def idle(db: Database) -> AsyncIterator[Service]:
    """A service that does not send by itself."""
    async with serving(db, dispatch=False) as running:
        yield running
