"""Logging: one JSON object or one plain line per record, with the request it belongs to, and nobody's phone in it.

Masking happens where a line is written, so it also covers tracebacks and the messages of other libraries: an error of
the database driver quotes the values of the row that it refused.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from app.domain.phone import mask

request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
"""The request that the running task serves."""

_about: Final[ContextVar[Mapping[str, str] | None]] = ContextVar("about", default=None)

SUBJECTS: Final = ("number", "run", "message", "delivery")
"""What a line may be about, by our own ids. A delivery is one body that Meta posted: its receipt."""

NAMED: Final = 10
"""Webhooks are kept in groups of hundreds; a line about a group names so many, and how many more there were."""


@contextmanager
def about(**subjects: str) -> Iterator[None]:
    """Name what is worked on (``SUBJECTS``) in every line that is logged within, also by other modules.

    Several ids of one kind stand in one text, with a space between.

    One line alone names it with ``extra={"about": {"message": …}}``.
    """
    token = _about.set({**(_about.get() or {}), **subjects})
    try:
        yield
    finally:
        _about.reset(token)


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
    """``12:30:01 WARNING app.worker [request and other ids]: text``."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        ids = " ".join(_ids(record).values())
        where = f"{record.name} [{ids}]" if ids else record.name
        return f"{moment:%H:%M:%S} {record.levelname} {where}: {masked(_text(self, record))}"


class JsonFormatter(logging.Formatter):
    """One object per line, ASCII: ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``text``; between them, where known,
    ``request``, ``number``, ``run``, ``message`` and ``delivery``, so that a line is found by any of them.
    """

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        entry = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            **_ids(record),
            "text": masked(_text(self, record)),
        }
        return json.dumps(entry)


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


def _ids(record: logging.LogRecord) -> dict[str, str]:
    """What the line is about, as far as it is known."""
    known = {"request": request_id.get(), **(_about.get() or {}), **getattr(record, "about", {})}
    return {name: masked(_shortened(str(known[name]))) for name in ("request", *SUBJECTS) if known.get(name)}


def _shortened(text: str) -> str:
    first = text.split(" ", NAMED)
    more = first[NAMED].count(" ") + 1 if len(first) > NAMED else 0
    return " ".join([*first[:NAMED], f"+{more}"]) if more else text


def _text(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception as error:  # noqa: BLE001 - logging would print a traceback between the lines, and lose this one
        text = f"{record.msg!s} ({type(error).__name__} while its values were put in)"
    if record.exc_info:
        text = f"{text}\n{formatter.formatException(record.exc_info)}"
    return text
