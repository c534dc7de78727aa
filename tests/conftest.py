"""Fixtures of the whole suite."""

import functools
import gc
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from zlib import crc32

import pytest
from hypothesis import HealthCheck, settings

from app.db.engine import Database
from app.services.base import REFUSALS
from tests.databases import CHOSEN, Databases
from tests.logged import collected

gc.disable()  # until all is collected, see below


# How fast a machine makes examples says nothing of the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a third of the time a worker waits for a disk, a lease or a process to end."""
    return (os.cpu_count() or 1) + 1


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "logs_anything(reason): this test logs on purpose what no log may hold; the reason is required"
    )
    config.addinivalue_line(
        "markers", "either_database: about what lies above the database; each test has one of the two, always the same"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marked = metafunc.definition.get_closest_marker("either_database")
    if marked and "database_url" in metafunc.fixturenames:
        chosen = CHOSEN[crc32(metafunc.definition.name.encode()) % len(CHOSEN)]
        metafunc.definition.add_marker(pytest.mark.parametrize("database_url", [chosen], indirect=True))


@pytest.fixture(autouse=True)
def _nothing_personal_is_logged(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test fails when it logs a phone, a message id or a secret, at whatever level."""
    with collected() as collector:
        yield
    exempt = request.node.get_closest_marker("logs_anything")
    if exempt is not None:
        assert exempt.kwargs["reason"]
        assert collector.found, "nothing personal is logged, so the mark is not needed"
        return
    assert collector.found == []


@pytest.fixture(scope="session", autouse=True)
def _certificates_are_read_once() -> Iterator[None]:
    """Else each HTTP client reads those of the whole world anew, for 20 ms, and no test speaks TLS with it."""
    with pytest.MonkeyPatch.context() as put:
        put.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    made = Databases()
    yield made
    made.end()


@pytest.fixture(scope="session")
async def engines(anyio_backend: str, databases: Databases) -> AsyncIterator[Databases]:
    """Keeps one event loop for the whole session, which the pools of the shared engines belong to."""
    yield databases
    await databases.close()


@pytest.fixture(params=CHOSEN)
def database_url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """A migrated, empty database of the test's own, once per kind."""
    url = databases.make(request.param)
    yield url
    databases.drop(url)


@pytest.fixture
async def db(engines: Databases, database_url: str) -> Database:
    engine = engines.engine(database_url)
    REFUSALS.pop(engine, None)  # a test before it may have had the same engine, and this one has a minute of its own
    return engine


def pytest_report_header() -> str:
    without = "" if "postgres" in CHOSEN else " (PostgreSQL left out by TEST_DATABASES)"
    return f"databases: {', '.join(CHOSEN)}{without}"


def pytest_collection_finish() -> None:
    """Let the collector look at what tests make, and not at all that was imported and collected before."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 20)
