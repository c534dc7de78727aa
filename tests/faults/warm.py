"""What the fork server has done once, so that none of its forks has to: imports, and the mapping of the tables."""

import gc

import aiosqlite  # noqa: F401  # these are imported only when they are first used
import alembic.command  # noqa: F401
import asyncpg  # noqa: F401
import uvloop  # noqa: F401
from sqlalchemy.orm import configure_mappers

from tests.faults import process  # noqa: F401

configure_mappers()
gc.freeze()  # or each fork would copy all of it for its first collection
