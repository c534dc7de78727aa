"""What processes use, read from Linux's /proc; elsewhere all of it is zero and the tables show a dash."""

import os
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_of(pid: int) -> float:
    """Seconds of CPU of this process, of all that live below it, and of those that have ended there."""
    fields: dict[int, list[str]] = {}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            # The name in brackets may hold anything, so what follows the last one is read.
            found = (folder / "stat").read_text().rpartition(")")[2].split()
            fields[int(folder.name)] = found
            children[int(found[1])].append(int(folder.name))
    ticks, waiting = 0, [pid]
    while waiting:
        each = waiting.pop()
        if each in fields:
            ticks += sum(
                int(value) for value in fields[each][11:15]
            )  # utime, stime, and the same of children that ended
            waiting += children[each]
    return ticks / _TICKS


def cpu_of_all(watched: Mapping[str, int]) -> dict[str, float]:
    """The same for several, by the names that they are given, and of the whole machine: who else was at work shows there."""
    return {name: cpu_of(pid) for name, pid in watched.items()} | {"machine": _machine()}


def _machine() -> float:
    with suppress(OSError):
        user, nice, system, _idle, _waiting, irq, soft, stolen, *_ = (
            int(value) for value in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:]
        )
        return (user + nice + system + irq + soft + stolen) / _TICKS
    return 0.0


def memory_of(pid: int, field: str = "VmHWM") -> float:
    """MB of one process: ``VmHWM`` is the most that it ever had, ``VmRSS`` what it has now."""
    with suppress(OSError):
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) / 1024
    return 0.0


def forget_peak(pid: int) -> None:
    """Let ``VmHWM`` begin again from what the process has now."""
    with suppress(OSError):
        (_PROC / str(pid) / "clear_refs").write_text("5")
