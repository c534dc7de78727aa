"""``invites`` with faults: ``python -m tests.faults.process <arguments of invites>``; the environment says what goes wrong.

``FAULTS``         ``<moment>@<n>:kill`` ends the process with SIGKILL when it comes to the moment for the nth time, and
                   ``<moment>@<n>:stall`` freezes all of it, event loop and sweeps included, until the file
                   ``FAULT_WAKE`` is there; several with ``;``. The moments are those of ``app.checkpoints`` and
                   ``REQUEST_LEFT``. ``stall`` waits until no other task of the process has a connection, since a
                   frozen transaction holds its locks; ``stall-within`` is for a moment inside of one. A second stall
                   of the process waits for the file ``FAULT_WAKE`` with ``.2`` at its end, and so on.
``FAULT_JOURNAL``  The simulator's journal; REQUEST_LEFT needs it.
``FAULT_LEASE``    Seconds that a claim lasts, instead of half a minute and more: nobody waits that long for a lease to end.
``FAULT_DRAIN``    Seconds that the end waits for a database that is away, instead of 10.
``FAULT_BUSY``     Seconds that SQLite waits for a lock, instead of 20.
``FAULT_SWEEP``    Seconds between two sweeps, instead of 0.1.
``FAULT_DISK``     A file with the most pages that a SQLite database may have, read anew for every transaction.

Production code knows nothing of any of this: what is not a moment of ``app.checkpoints`` is put in from here.
"""

import asyncio
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa

import app.cli.serve  # these two only so that a fork of this process need not import them
import app.cli.simulate
import app.db.pools
import app.main
import app.worker
from app import checkpoints
from app.cli import main
from app.services.claims import Lease
from app.whatsapp.client import MetaClient
from app.whatsapp.port import Outcome, TemplateMessage

REQUEST_LEFT: Final = "send: request left"
"""Meta has the whole request, and its answer has not come back."""
STALLING: Final = "stalling at"
"""What a process says on standard output before it freezes."""
LONGEST_STALL: Final = 30.0
SWEEP_SECONDS: Final = 0.1
"""Instead of 1.0."""
IDLE_SECONDS: Final = 0.1
"""How long a worker does not see what another process has planned; instead of 0.5."""


class Faults:
    """A hook for ``app.checkpoints``. Raises ValueError for a moment that does not exist: it would never come."""

    def __init__(self, text: str, wake: Path) -> None:
        self._wake = wake
        self._connections = 0
        self._stalls = 0
        self._times: Counter[str] = Counter()
        self._deeds: dict[tuple[str, int], str] = {}
        for fault in filter(None, text.split(";")):
            found = re.fullmatch(r"(.+)@(\d+):(kill|stall|stall-within)", fault)
            if found is None or found[1] not in {*checkpoints.ALL, REQUEST_LEFT}:
                raise ValueError(f"no such fault: {fault}")
            self._deeds[found[1], int(found[2])] = found[3]

    def may_strike(self, moment: str) -> bool:
        """Whether one is waiting for ``moment``."""
        return any(moment == each for each, _ in self._deeds)

    def connections(self, change: int) -> None:
        self._connections += change

    async def reached(self, moment: str) -> None:
        self._times[moment] += 1
        deed = self._deeds.get((moment, self._times[moment]))
        if deed == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif deed is not None:
            while deed == "stall" and self._connections:
                await asyncio.sleep(0.001)
            self._stalls += 1
            wake = wake_file(self._wake, self._stalls)
            print(STALLING, moment, flush=True)
            for _ in range(int(LONGEST_STALL / 0.01)):
                if wake.exists():
                    break
                time.sleep(0.01)


def wake_file(first: Path, stall: int) -> Path:
    """What the nth stall of a process waits for."""
    return first if stall == 1 else first.with_name(f"{first.name}.{stall}")


def install(environment: Mapping[str, str], put: pytest.MonkeyPatch) -> None:
    """Make this process as faulty as its environment says."""
    faults = Faults(environment.get("FAULTS", ""), Path(environment.get("FAULT_WAKE", "wake")))
    checkpoints.install(faults.reached)
    sa.event.listen(sa.Pool, "checkout", lambda *_: faults.connections(1))
    sa.event.listen(sa.Pool, "checkin", lambda *_: faults.connections(-1))
    put.setattr(app.worker, "IDLE_SECONDS", IDLE_SECONDS)
    put.setattr(app.worker, "SWEEP_SECONDS", float(environment.get("FAULT_SWEEP", SWEEP_SECONDS)))
    if seconds := environment.get("FAULT_LEASE"):
        lease = Lease(duration=float(seconds), reserve=float(seconds) / 2)
        put.setattr(app.main, "lease_for", lambda _timeout: lease)
    if seconds := environment.get("FAULT_DRAIN"):
        put.setattr(app.worker, "DRAIN_SECONDS", float(seconds))
    if seconds := environment.get("FAULT_BUSY"):
        put.setattr(app.db.pools, "SQLITE_BUSY_SECONDS", int(seconds))
    if limit := environment.get("FAULT_DISK"):
        _limit_disk(Path(limit))
    if faults.may_strike(REQUEST_LEFT):
        put.setattr(MetaClient, "send", _watched(faults, Path(environment["FAULT_JOURNAL"])))


def _limit_disk(file: Path) -> None:
    @sa.event.listens_for(sa.Pool, "checkout")
    def _checkout(connection: Any, *_: Any) -> None:
        connection.cursor().execute(f"PRAGMA max_page_count={int(file.read_text())}")


def _watched(faults: Faults, journal: Path) -> Any:
    """``MetaClient.send`` that comes to REQUEST_LEFT once the simulator has written down that it took the message."""
    send = MetaClient.send

    async def watched(self: MetaClient, message: TemplateMessage) -> Outcome:
        call = asyncio.create_task(send(self, message))
        while message.attempt_id not in journal.read_text() and not call.done():
            await asyncio.sleep(0.002)
        if not call.done():
            await faults.reached(REQUEST_LEFT)
        return await call

    return watched


def run(arguments: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    """The same in a forked process: its output goes to the file ``log``."""
    with open(log, "ab") as output:  # noqa: PTH123 - only its descriptor is wanted
        os.dup2(output.fileno(), sys.stdout.fileno())
        os.dup2(output.fileno(), sys.stderr.fileno())
    os.environ.clear()
    os.environ.update(environment)
    install(environment, pytest.MonkeyPatch())
    main(list(arguments), prog_name="invites")


if __name__ == "__main__":
    install(os.environ, pytest.MonkeyPatch())
    main(prog_name="invites")
