"""Logging: one JSON object or one plain line per record, with the request it belongs to, and nobody's phone in it.

Masking happens where a line is written, so it also covers tracebacks and the messages of other libraries: an error of
the database driver quotes the values of the row that it refused.
"""

import json
import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from app.domain.phone import mask

request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
"""The request that the running task serves."""

# Digits inside a longer word belong to one of our public ids, but the letter of an escape (the \n of a repr) is no word;
# a date is no phone.
_START: Final = r"(?:(?<![\w.])|(?<=\\[abfnrtv])|(?<=\\x[0-9a-f]{2})|(?<=\\u[0-9a-f]{4}))"
_PHONE: Final = re.compile(_START + r"(?!(?:19|20)\d\d-\d\d-\d\d(?!\d))\+?\d(?:[ ()-]{0,2}\d){7,14}(?![\w.]*\w)")
# Meta's message ids hold the guest's phone in base64.
_MESSAGE_ID: Final = re.compile(r"wamid\.[A-Za-z0-9+/=_-]+")


def masked(text: str) -> str:
    """``text`` with phone numbers and Meta's message ids made unreadable."""
    return _PHONE.sub(lambda found: mask(found[0]), _MESSAGE_ID.sub("wamid.•••••", text))


class PlainFormatter(logging.Formatter):
    """``12:30:01 WARNING app.worker [request id]: text``."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        current = request_id.get()
        where = f"{record.name} [{current}]" if current else record.name
        return f"{moment:%H:%M:%S} {record.levelname} {where}: {masked(_text(self, record))}"


class JsonFormatter(logging.Formatter):
    """One object per line: ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``request``, ``text``."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        entry = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "request": request_id.get(),
            "text": masked(_text(self, record)),
        }
        return json.dumps({key: value for key, value in entry.items() if value is not None})


def configure(level: str, form: str) -> None:
    """Send all logs of the process to standard error; ``form`` is ``json`` or ``plain``."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else PlainFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # httpx logs the address of every request, which names Meta's ids; what matters of it is in the attempts. Alembic
    # tells of every look at the revision, and /health/ready looks often. aiosqlite and SQLAlchemy show the
    # parameters of SQL, which are guests' names and phones; asyncio shows what its tasks hold. uvicorn tells of every
    # websocket with its whole address, and at DEBUG of what is said on it: tokens.
    for talkative in (
        "httpx", "alembic.runtime.migration", "aiosqlite", "sqlalchemy.engine", "asyncio", "uvicorn.error",
    ):  # fmt: skip
        logging.getLogger(talkative).setLevel(logging.WARNING)


def _text(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info:
        text = f"{text}\n{formatter.formatException(record.exc_info)}"
    return text
