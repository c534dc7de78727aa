"""What it costs to be watched: memory, statements and work of a server with 1 and with 200 subscribers of one run.

``python -m benchmarks.watchers``. The server is a process of its own on the loopback and counts the statements of its
readers; each subscriber has a websocket of its own. First nothing happens, then statuses of the run's messages are posted
to the webhook at a steady pace. Webhooks write, so whatever is read is read for those who watch.
"""

import argparse
import asyncio
import multiprocessing
import os
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
import uvloop

from app.auth import issue_token
from app.cli.demo import documents
from app.cli.demo.client import Caller
from app.config import Settings
from app.db.engine import Database
from app.domain.enums import Role
from app.main import create_app
from app.schema.rates import MAX_OPEN
from app.services.workspaces import Workspaces
from app.whatsapp.simulator.webhooks import sign
from tests.databases import CHOSEN, Databases
from tests.sending.world import Wedding, make_wedding, people, status
from tests.whatsapp_simulator.support import serve

SECRET = "app-secret-for-the-benchmark"
MESSAGES = 300
POSTS_A_SECOND = 20
LIMIT = 60.0
"""Seconds for one server; then it is given up."""


@dataclass(frozen=True)
class State:
    """Of the server, since it started."""

    at: float
    statements: int
    cpu_seconds: float
    rss_mib: float


def server(env: dict[str, str], pipe: Connection) -> None:
    uvloop.run(_serve(env, pipe))


async def _serve(env: dict[str, str], pipe: Connection) -> None:
    """Tells its address, then its state as often as it is asked, until it is asked with False."""
    settings = Settings.from_env(env)
    db = Database(settings.database_url)
    statements = 0

    def counted(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal statements
        statements += statement != "BEGIN"

    sa.event.listen(db.reader.sync_engine, "before_cursor_execute", counted)
    async with serve(create_app(settings, db=db)) as url:
        pipe.send(url)
        while await asyncio.to_thread(pipe.recv):
            pipe.send(State(time.perf_counter(), statements, time.process_time(), _rss_mib()))
    await db.close()


def _rss_mib() -> float:
    """Memory in use; 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20 if statm.exists() else 0.0


@dataclass
class Service:
    url: str
    pipe: Connection

    async def state(self) -> State:
        self.pipe.send(True)
        state: State = await asyncio.to_thread(self.pipe.recv)
        return state


@asynccontextmanager
async def served(env: dict[str, str]) -> AsyncIterator[Service]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=server, args=(env, there))
    process.start()
    try:
        yield Service(await asyncio.to_thread(here.recv), here)
        here.send(False)
        await asyncio.to_thread(process.join, 20)
    finally:
        process.kill()
        process.join()


@dataclass
class Subscribers:
    """How many values they got, all together."""

    first: int = 0
    values: int = 0
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    async def _watch(self, caller: Caller, run_id: str) -> None:
        async with aclosing(caller.watch(documents.LIVE, r=run_id)) as values:
            async for place in _numbered(values):
                self.first += place == 0
                self.values += 1

    async def join(self, callers: list[Caller], run_id: str) -> None:
        """Returns when each has its first value."""
        self.tasks = [asyncio.create_task(self._watch(caller, run_id)) for caller in callers]
        while self.first < len(callers):
            for task in self.tasks:
                if task.done():
                    await task
            await asyncio.sleep(0.01)

    async def leave(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def _numbered(values: AsyncIterator[Any]) -> AsyncIterator[int]:
    places = count()
    async for _ in values:
        yield next(places)


async def prepare(db: Database, watchers: int) -> tuple[Wedding, str, list[str]]:
    """A run of which everything was sent, and as many members as the watchers need."""
    wedding = await make_wedding(db, people(MESSAGES))
    run_id = await wedding.send()
    await wedding.deliver_all()
    subjects = [f"watcher-{place}" for place in range(-(-watchers // MAX_OPEN))]
    for subject in subjects:
        await Workspaces(db, wedding.number_id).set_member(
            wedding.world.owner, workspace_id=wedding.world.workspace_id, subject=subject, role=Role.FAMILY_COORDINATOR
        )
    return wedding, run_id, subjects


async def post_statuses(wedding: Wedding, run_id: str, url: str, seconds: float) -> None:
    messages = [f"wamid.{message.id}" for message in await wedding.messages(run_id)]
    told = [(message, value) for value in ("sent", "delivered", "read") for message in messages]
    async with httpx.AsyncClient(trust_env=False) as http:
        begun = time.perf_counter()
        for place, (message, value) in enumerate(told[: round(seconds * POSTS_A_SECOND)], start=1):
            body = await wedding.body(status(message, value, 1_900_000_000))
            headers = {"X-Hub-Signature-256": sign(SECRET, body)}
            (await http.post(f"{url}/webhooks/whatsapp", content=body, headers=headers)).raise_for_status()
            await asyncio.sleep(max(0.0, begun + place / POSTS_A_SECOND - time.perf_counter()))


async def measure(kind: str, url: str, watchers: int, seconds: float) -> None:
    db = Database(url)
    try:
        wedding, run_id, subjects = await prepare(db, watchers)
        env = {
            "AUTH_SECRET": "only for the benchmark - long enough for it",
            "DATABASE_URL": url,
            "META_APP_SECRET": SECRET,
            "LOG_LEVEL": "WARNING",
        }
        tokens = [issue_token(Settings.from_env(env), subject, None, timedelta(hours=1)) for subject in subjects]
        async with served(env) as service, httpx.AsyncClient(base_url=service.url, trust_env=False) as http:
            callers = [Caller("", tokens[place % len(tokens)], http) for place in range(watchers)]
            for caller in callers[: len(tokens)]:  # so that what only the first request needs is there before
                await caller.ask(documents.RUN, r=run_id)
            alone = await service.state()
            subscribers = Subscribers()
            await subscribers.join(callers, run_id)
            watched = await service.state()
            await asyncio.sleep(seconds)
            quiet = await service.state()
            values = subscribers.values
            await post_statuses(wedding, run_id, service.url, seconds)
            busy = await service.state()
            values = subscribers.values - values
            await subscribers.leave()
        print(
            f"{kind:<9} {watchers:>8} {busy.rss_mib - alone.rss_mib:>11.1f} {_rate(watched, quiet):>15.2f} "
            f"{_rate(quiet, busy):>16.2f} {values / watchers / (busy.at - quiet.at):>12.2f} "
            f"{100 * (busy.cpu_seconds - quiet.cpu_seconds) / (busy.at - quiet.at):>10.0f}",
            flush=True,
        )
    finally:
        await db.close()


def _rate(before: State, after: State) -> float:
    return (after.statements - before.statements) / (after.at - before.at)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of quiet, and then of statuses")
    parser.add_argument("--watchers", type=int, nargs="*", default=[1, 200])
    wanted = parser.parse_args()
    databases = Databases()
    print(f"{POSTS_A_SECOND} webhooks a second while busy. All of the server process.")
    print("database  watchers   MiB more   statements/s   statements/s   values/s of   CPU %")
    print("                   than alone          quiet           busy   each, busy    busy")
    for kind in CHOSEN:
        for watchers in wanted.watchers:
            url = databases.make(kind)
            asyncio.run(asyncio.wait_for(measure(kind, url, watchers, wanted.seconds), LIMIT))


if __name__ == "__main__":
    main()
