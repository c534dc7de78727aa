"""A run as it goes: a bar for each state on a terminal, a line now and then where there is none."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from app.domain.enums import MessageState

_PLAIN_EVERY: Final = 2.0
"""Seconds between two lines of a log."""
_SHOWN: Final = (
    MessageState.QUEUED,
    MessageState.SENDING,
    MessageState.UNCONFIRMED,
    MessageState.ACCEPTED,
    MessageState.SENT,
    MessageState.DELIVERED,
    MessageState.READ,
    MessageState.FAILED,
    MessageState.CANCELLED,
)
"""In the order of a message's way. What was rejected before the start does not move."""


class StateProgress:
    """Shows counts by state; ``update`` takes them as often as they are known."""

    def __init__(self, out: Console, total: int) -> None:
        """``total``: messages that are to be sent."""
        self._out = out
        self._total = total
        self._bars: dict[MessageState, TaskID] = {}
        self._line = ""
        self._told = ""
        self._told_at = float("-inf")
        self._progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=out,
            disable=not out.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        for state in _SHOWN:
            self._bars[state] = self._progress.add_task(state, total=self._total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._say(at_once=True)

    def update(self, counts: Mapping[MessageState, int]) -> None:
        for state in _SHOWN:
            self._progress.update(self._bars[state], completed=counts.get(state, 0))
        self._line = " · ".join(f"{state} {counts[state]}" for state in _SHOWN if counts.get(state))
        self._say()

    def _say(self, *, at_once: bool = False) -> None:
        due = at_once or time.monotonic() - self._told_at >= _PLAIN_EVERY
        if self._out.is_terminal or self._line == self._told or not due:
            return
        self._out.print(self._line)
        self._told_at, self._told = time.monotonic(), self._line
