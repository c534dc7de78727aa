"""A real installation on this machine: a simulated Meta and the service, each a process, on a database of their own."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
from click.testing import Result

from app.config import Settings, described
from app.domain.enums import EventStatus, Role
from app.main import build_database, build_meta, build_services
from app.metrics import Metrics
from app.services.base import Actor
from app.services.bundle import Services
from tests.cli.commands import SECRET, invites
from tests.faults.running import fork
from tests.logged import check_files

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds until whatever a test waits for must have happened."""
OWNER = Actor("owner@example.org", "Owner")
COORDINATOR = Actor("coordinator@example.org", "Coordinator")
TEMPLATE = ("--template", "will_you_come", "--language", "en", "--param", "body.event_title=EVENT_TITLE")


@dataclass
class Installation:
    folder: Path
    env: dict[str, str]
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return Settings.from_env(self.env)

    @property
    def environment(self) -> dict[str, str]:
        """For a process."""
        return _environment(self.env)

    def start(self, *args: str) -> tuple[subprocess.Popen[str], str]:
        """``invites`` in the background, once it has said its first line; that line."""
        log = (self.folder / f"{args[0]}.log").open("w")
        process = subprocess.Popen(
            [sys.executable, "-m", "app", *args], env=self.environment, cwd=ROOT, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        log.close()
        self.processes.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline()

    def run(self, *args: str) -> Result:
        """``invites`` to its end, in this process: another one would spend seconds on imports."""
        return invites(*args, env=_settings_only(self.env))

    def with_services(self, act: Callable[[Services], Awaitable[T]]) -> T:
        async def run() -> T:
            meta, database = build_meta(self.settings), build_database(self.settings)
            assert meta is not None
            try:
                async with meta:
                    return await act(await build_services(self.settings, database, meta, Metrics()))
            finally:
                await database.close()

        return asyncio.run(run())

    def accepted(self) -> dict[str, int]:
        """What the simulator really took: how many messages by recipient."""
        answer = httpx.get(
            f"{self.env['META_GRAPH_URL']}/_simulator/accepted",
            headers={"Authorization": f"Bearer {self.env['META_ACCESS_TOKEN']}"},
            trust_env=False,
        )
        recipients: dict[str, int] = answer.raise_for_status().json()["recipients"]
        return recipients

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@contextlib.contextmanager
def installation(folder: Path, database_url: str, simulator: Sequence[str] | None = ()) -> Iterator[Installation]:
    """With a simulator that runs, unless its options are None, and no service yet."""
    env = {
        "AUTH_SECRET": SECRET,
        "DATABASE_URL": database_url,
        "META_GRAPH_URL": "http://127.0.0.1:1",
        "META_PHONE_NUMBER_ID": "100000000000001",
        "META_WABA_ID": "200000000000001",
        "META_ACCESS_TOKEN": "token-for-tests",
        "META_APP_SECRET": "secret-for-tests",
        "SEND_TIMEOUT": "10",
        "SEND_RATE": "200",
    }
    made = Installation(folder, env)
    with contextlib.ExitStack() as stack:
        if simulator is not None:
            # Forked, for it is no more than what the commands talk to.
            meta = fork(("simulate-meta", "--port", "0", *simulator), made.environment, folder / "simulate-meta.log")
            stack.callback(meta.close)
            env["META_GRAPH_URL"] = address_in(asyncio.run(meta.says(r"http://[\d.]+:\d+(?=\. )")))
        stack.callback(made.close)
        yield made
    check_files(folder)


def address_in(line: str) -> str:
    found = re.search(r"http://[\d.]+:\d+", line)
    assert found, f"no address in {line!r}"
    return found[0]


@dataclass(frozen=True)
class Wedding:
    workspace_id: str
    event_id: str


def make_wedding(place: Installation, guests: int, *, status: EventStatus = EventStatus.PUBLISHED) -> Wedding:
    async def make(services: Services) -> Wedding:
        workspace = await services.workspaces.create_workspace(
            OWNER, name="Asha & Rohan", default_region="IN", timezone="Asia/Kolkata"
        )
        await services.workspaces.set_member(
            OWNER, workspace_id=workspace.id, subject=COORDINATOR.subject, role=Role.FAMILY_COORDINATOR
        )
        await services.templates.sync(OWNER, workspace_id=workspace.id)
        event = await services.events.create_event(
            OWNER, workspace_id=workspace.id, title="Sangeet", starts_at=datetime.now(UTC) + timedelta(90), venue=None
        )
        await services.events.update_event(OWNER, id=event.id, status=status)
        rows = [f"Guest {k},98200 1{k:04d}" for k in range(guests)] + ["No phone,", "Wrong,98200 1"]
        await services.guests.import_guests(
            OWNER, workspace_id=workspace.id, csv="\n".join(["name,phone", *rows]), rows=None, file_name=None
        )
        return Wedding(workspace.id, event.id)

    return place.with_services(make)


def wait_for(what: str, holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def end(process: subprocess.Popen[str]) -> tuple[int, float]:
    """Ask it to end, as a process manager does; its exit code, and how long it took in seconds."""
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    return process.wait(PATIENCE), time.monotonic() - started


def _settings_only(own: dict[str, str]) -> dict[str, str | None]:
    return dict.fromkeys((name.upper() for name, _, _ in described()), None) | own


def _environment(own: dict[str, str]) -> dict[str, str]:
    """What a developer has set changes no test."""
    merged = os.environ | _settings_only(own)
    return {name: value for name, value in merged.items() if value is not None}
