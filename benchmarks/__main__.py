"""Every figure beside its floor, in one run: ``python -m benchmarks`` (``make bench``).

Prints medians with least and most, ratios taken round by round, the bars, and how busy each process was (percent of one
core). Only ratios of one run can be compared: machines drift.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks import (
    batches,
    claims,
    exports,
    imports,
    loop,
    mixed,
    prechecks,
    reads,
    sends,
    starting,
    webhooks,
    workers,
)
from benchmarks.sheet import Sheet
from benchmarks.stage import Stage

Figure = Callable[[Stage], Awaitable[Sheet]]

FIGURES: dict[str, tuple[Figure, float]] = {
    "webhooks": (webhooks.measure, 150),
    "batches": (batches.measure, 120),
    "sends": (sends.measure, 120),
    "loop": (loop.tens, 150),
    "loop-3": (loop.threes, 150),
    "prechecks": (prechecks.measure, 300),
    "reads": (reads.measure, 200),
    "claims": (claims.measure, 300),
    "imports": (imports.measure, 200),
    "exports": (exports.measure, 240),
    "workers": (workers.measure, 240),
    "mixed": (mixed.measure, 240),
    "starting": (starting.measure, 90),
}
"""Each with the seconds after which it is given up."""


async def run(name: str, rounds: int, *, quick: bool) -> Sheet:
    """One figure, in a folder and with a PostgreSQL of its own; what it started is gone afterwards."""
    figure, limit = FIGURES[name]
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # else what was started would stay
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="invites-bench-", ignore_cleanup_errors=True))
        async with asyncio.timeout(limit):
            return await figure(Stage(Path(folder), rounds, quick, stack))


def disk() -> float:
    """Milliseconds until 8 kB are on the disk of the temp folder: what a commit cannot be faster than."""
    with tempfile.NamedTemporaryFile(prefix="invites-bench-") as file:
        started = time.perf_counter()
        for _ in range(100):
            file.write(bytes(8192))
            file.flush()
            os.fsync(file.fileno())
        return 10 * (time.perf_counter() - started)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", metavar="NAME", action="append", choices=FIGURES, help=f"one of: {', '.join(FIGURES)}"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender is measured [3]")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, for a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there")
    wanted = parser.parse_args()
    about = {"cpus": os.cpu_count(), "python": platform.python_version(), "fsync_ms": round(disk(), 3)}
    print(f"{about['cpus']} cores, Python {about['python']}, {about['fsync_ms']} ms until 8 kB are on the disk")
    found: dict[str, Any] = {"about": about, "figures": {}}
    failed = False
    for name in wanted.only or FIGURES:
        started = time.perf_counter()
        try:
            sheet = asyncio.run(run(name, wanted.rounds, quick=wanted.quick))
        except (KeyboardInterrupt, asyncio.CancelledError):
            print(f"\n{name}: stopped", file=sys.stderr)
            return 1
        except Exception as error:  # noqa: BLE001 - the other figures are still wanted
            failed = True
            print(f"\n{name}: given up, {type(error).__name__}: {error}", file=sys.stderr)
            continue
        found["figures"][name] = sheet.as_json()
        print("\n" + "\n".join(sheet.lines()) + f"\n  ({time.perf_counter() - started:.0f} s)", flush=True)
        if wanted.json:
            wanted.json.write_text(json.dumps(found, indent=1))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
