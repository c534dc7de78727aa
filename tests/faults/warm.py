"""What the fork server has done once, so that none of its forks has to: imports, the tables' mapping, the schema, and
reading the certificates of the world.

Nothing here starts a thread or an event loop, nor opens a connection: a fork would have but half of each.
"""

import functools
import gc
import ssl

import aiosqlite  # noqa: F401  # these are imported only when they are first used
import alembic.command  # noqa: F401
import anyio._backends._asyncio  # noqa: F401
import asyncpg  # noqa: F401
import httpx
import pytest
import uvloop  # noqa: F401
from sqlalchemy.orm import configure_mappers

from app.cli.server import config_of
from app.main import build_meta, create_app
from app.whatsapp.simulator import SimulatorOptions, create_simulator
from tests.faults import process  # noqa: F401
from tests.schema.service import settings

configure_mappers()
pytest.MonkeyPatch().setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
config_of(create_simulator(SimulatorOptions(access_token="-", app_secret="-"))).load()
config_of(create_app(settings())).load()
build_meta(settings())
httpx.AsyncClient()
gc.collect()
gc.freeze()  # or each fork would copy all of it for its first collection
