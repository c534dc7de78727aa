"""Runs a target: many generated cases against one world, each of which must end soon and well."""

import gc
import logging
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.strategies import SearchStrategy

from tests.fuzz.world import World

SECONDS_PER_CASE = 30.0
"""A case that takes longer hangs. Most take some milliseconds; a machine with too much to do stalls for seconds."""
MAX_GROWTH = 64.0
"""MiB that the process may grow during a target, after a first part that fills caches and compiles statements."""
_PART = 200
"""Cases under one seed. Hypothesis keeps every case of a run, to make none twice: in one run it would be what grows."""
_SHOWN = 2_000
_ALARM = "Meta took message "
"""Meant for an operator, and only what is signed as Meta's can raise it: two message ids for one attempt of ours."""
_PAGE = resource.getpagesize()
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Target:
    """One way in. ``check`` sends a case and returns how it was answered; it raises AssertionError when not well."""

    name: str
    weight: int
    """Its share of the cases, beside the weights of the others."""
    answers: set[str]
    """Must each be met: cases that are all refused at the door would try nothing behind it."""
    cases: Callable[[World], SearchStrategy[Any]]
    check: Callable[[World, Any], Coroutine[Any, Any, str]]
    database: str
    """Where ``make test`` tries it; ``make fuzz`` does on both."""


@dataclass
class Tally:
    """What became of the cases of one target."""

    cases: int = 0
    seconds: float = 0.0
    growth: float = 0.0
    """MiB, at its highest."""
    slowest: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)


def fuzz(target: Target, world: World, cases: int, seed: int) -> Tally:
    """At least ``cases`` cases, the same for the same seed and world. Raises what a case raised, made as small as can be."""
    tally = Tally()
    strategy = target.cases(world)
    started = time.perf_counter()
    size = min(_PART, -(-cases // 2))
    part, warm = 0, None
    while tally.cases < cases:
        _part(target, strategy, world, size, seed * 1_000_003 + part, tally)
        part += 1
        gc.collect()
        if warm is None:
            warm = _memory()
        tally.growth = max(tally.growth, _memory() - warm)
    tally.seconds = time.perf_counter() - started
    assert target.answers <= tally.answers.keys(), f"{target.name}: only {dict(tally.answers)}"
    assert tally.growth < MAX_GROWTH, f"{target.name}: the process grew by {tally.growth:.0f} MiB"
    return tally


def _part(target: Target, strategy: SearchStrategy[Any], world: World, cases: int, seed: int, tally: Tally) -> None:
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @hypothesis.given(strategy)
    def one(case: Any) -> None:
        begun = time.perf_counter()
        try:
            with _ends_in_time(), _no_error_in_the_log():
                answer = world.run(target.check(world, case))
        except Exception as error:
            error.add_note(f"The case: {repr(case)[:_SHOWN]}")
            raise
        tally.cases += 1
        tally.slowest = max(tally.slowest, time.perf_counter() - begun)
        tally.answers[answer] += 1

    one()


@contextmanager
def _ends_in_time() -> Iterator[None]:
    """By a signal: it also interrupts code that never gives the event loop a turn."""

    def hang(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"no answer within {SECONDS_PER_CASE:.0f} s")

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, SECONDS_PER_CASE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def _no_error_in_the_log() -> Iterator[None]:
    """What a caller can do is no error of ours: a log full of them hides the real one."""
    errors = _Errors()
    root = logging.getLogger()
    root.addHandler(errors)
    try:
        yield
    finally:
        root.removeHandler(errors)
    for record in errors.records:
        if record.getMessage().startswith(_ALARM):
            continue
        cause = record.exc_info[1] if record.exc_info else None
        raise AssertionError(f"in the log: {record.getMessage()}") from cause


def _memory() -> float:
    """MiB that this process occupies now; where the system does not tell, the most that it ever did."""
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * _PAGE / _MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (_MIB if sys.platform == "darwin" else 1024)
