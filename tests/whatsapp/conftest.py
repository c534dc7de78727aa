"""Meta's client, open, with answers where its connections would be."""

from collections.abc import AsyncIterator

import httpx
import pytest
import respx

from app.whatsapp.client import MetaClient
from tests.whatsapp.meta_client import client


@pytest.fixture
async def meta(respx_mock: respx.MockRouter) -> AsyncIterator[MetaClient]:
    async with client(transport=httpx.MockTransport(respx_mock.async_handler)) as opened:
        yield opened
