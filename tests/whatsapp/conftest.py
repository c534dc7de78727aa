"""Meta's client, open."""

from collections.abc import AsyncIterator

import pytest

from app.whatsapp.client import MetaClient
from tests.whatsapp.meta_client import client


@pytest.fixture
async def meta() -> AsyncIterator[MetaClient]:
    async with client() as opened:
        yield opened
