"""``python -m tests.deployment``: four minutes; it needs nginx, openssl and curl, and listens on the loopback alone."""

import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.deployment.machine import Machine
from tests.deployment.postgres import Cluster
from tests.deployment.trial import Trial

LONGEST = 480.0
"""Seconds for all of it."""
NEEDED = ("nginx", "openssl", "curl", "sed")


async def run(folder: Path) -> bool:
    cluster = Cluster(folder / "postgres")
    machine = Machine(folder, cluster)
    trial = Trial(machine)
    began = time.monotonic()
    try:
        async with asyncio.timeout(LONGEST):
            for step in trial.steps():
                print(f"{step.__name__} ({time.monotonic() - began:.0f} s)", flush=True)
                await step()
    finally:
        await machine.close()
        cluster.stop()
    print(f"{'FAILED: ' + '; '.join(trial.wrong) if trial.wrong else 'All held'}, {time.monotonic() - began:.0f} s.")
    return not trial.wrong


def main() -> int:
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if lacking:
        print(f"Not here: {', '.join(lacking)}.", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="invites-trial-"))
    kept = "--keep" in sys.argv[1:]
    try:
        held = asyncio.run(run(folder))
    finally:
        if kept:
            print(f"Kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
