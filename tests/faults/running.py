"""Processes of ``invites`` that a test starts, listens to and ends; each by its own id.

They are forked from one that has imported everything (multiprocessing's fork server): a start takes a fifth of a second
instead of two. Apart from that each is a process like any other, with nothing of the test's in it.
"""

import asyncio
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.faults import process as faulty

LONGEST = 30.0
"""Seconds that anything may take before it fails."""

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.faults.warm"])


class NoAnswerError(Exception):
    """A process is dead, or died over a request."""


@dataclass
class Process:
    """One ``invites``, in the background."""

    log: Path
    process: BaseProcess

    @property
    def alive(self) -> bool:
        return self.process.is_alive()

    @property
    def exit_code(self) -> int | None:
        return self.process.exitcode

    def output(self) -> str:
        return self.log.read_text()

    async def says(self, pattern: str) -> str:
        """Waits for a text on its output. Raises NoAnswerError when the process ends without it."""

        async def said() -> str | None:
            ended = not self.alive  # asked first, so that what it said last is not missed
            found = re.search(pattern, self.output())
            if ended and found is None:
                raise NoAnswerError(f"{self.log.name} ended ({self.exit_code}): {self.output()[-2000:]}")
            return found and found[0]

        return str(await eventually(said))

    async def ended(self) -> int:
        """Its exit code, once it has ended by itself."""
        return int(await eventually(lambda: _now(None if self.alive else str(self.exit_code))))

    async def end(self) -> tuple[int, float]:
        """Ask it to end, as a process manager does; its exit code, and how many seconds it took."""
        started = time.monotonic()
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGTERM)
        return await self.ended(), time.monotonic() - started

    def close(self) -> None:
        if self.alive:
            self.process.kill()
        self.process.join()
        self.process.close()


def fork(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """``invites`` in the background, which has said nothing yet; its output goes to ``log``."""
    log.touch()
    process = _FORKS.Process(target=faulty.run, args=(arguments, dict(environment), str(log)))
    process.start()
    return Process(log, process)


async def eventually(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The first answer that is true. Asks now and then only: every question takes time from those who are asked."""
    async with asyncio.timeout(LONGEST):
        while not (answer := await ask()):
            await asyncio.sleep(0.03)
    return answer


async def _now(value: Any) -> Any:
    return value
