"""What may stand in no log, error or output of a test: whole phones, Meta's message ids, secrets, tokens."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app import logs
from tests import secrets_of_tests

_PERSONAL = {
    "a phone": re.compile(r"\+\d{8,15}(?!\d)|(?<![\w.+-])(?:91|44|52|54|55)\d{9,11}(?![\w.])"),
    "a message id": re.compile(r"wamid\.(?!•)"),
    "a token": re.compile(r"eyJ[\w-]{8,}\.[\w-]+|(?i:bearer) [\w.-]{8,}"),
    "a key": re.compile("|".join(re.escape(each) for each in secrets_of_tests.ALL)),
}


def found_in(text: str) -> list[str]:
    """What of it all stands in a text, each with the words around; the thing itself is cut, or this would be a leak too."""
    return [
        f"{what}: …{text[max(0, match.start() - 60) : match.start() + 6]}…"
        for what, pattern in _PERSONAL.items()
        for match in pattern.finditer(text)
    ]


class Collector(logging.Handler):
    """Every record of every level, as it would be written; of our own loggers also before anything is masked."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []
        self._written = logs.JsonFormatter()

    def emit(self, record: logging.LogRecord) -> None:
        text = self._written.format(record)
        if record.name.startswith("app"):
            # Masking is the second line; the first is not to say it at all.
            text = f"{record.getMessage()}\n{text}"
        self.found += [f"{record.name} logs {each}" for each in found_in(text)]


@contextmanager
def collected() -> Iterator[Collector]:
    """Of the whole process, at every level of ours, also after a command has configured logging anew."""
    collector, ours, root = Collector(), logging.getLogger("app"), logging.getLogger()
    level = ours.level
    ours.setLevel(logging.DEBUG)
    ours.addHandler(collector)
    others = _OthersOnly(collector)
    root.addHandler(others)
    try:
        yield collector
    finally:
        ours.setLevel(level)
        ours.removeHandler(collector)
        root.removeHandler(others)


class _OthersOnly(logging.Handler):
    def __init__(self, collector: Collector) -> None:
        super().__init__()
        self._collector = collector

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("app"):
            self._collector.emit(record)


def check_files(folder: Path) -> None:
    """Raises AssertionError when the log of a process says what no log may."""
    for log in sorted(folder.glob("*.log")):
        found = found_in(log.read_text(errors="replace"))
        assert found == [], f"{log.name} holds {found[:5]}"
