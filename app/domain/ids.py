"""Public ids: ``prefix_`` and the 32 hex digits of a UUIDv7 (RFC 9562 §5.7).

The same text is used in GraphQL, URLs, CSV files, the command line, logs and Meta's ``biz_opaque_callback_data``; the
database stores the 16 bytes behind it (``app.db.types.PublicId``). UUIDv7 sorts by creation time, so new rows go to
the end of an index and ``ORDER BY id`` is a stable order of creation.
"""

import os
import re
import struct
import threading
import time
from collections import deque
from datetime import datetime

WORKSPACE = "wsp"
MEMBER = "mem"
NUMBER = "num"
EVENT = "evt"
GUEST_UNIT = "gun"
PERSON = "per"
TAG = "tag"
GUEST_IMPORT = "imp"
TEMPLATE = "tpl"
DO_NOT_MESSAGE = "dnm"
SEND_RUN = "run"
MESSAGE = "msg"
RECEIPT = "rcp"
STATUS_ITEM = "sti"
FACT = "fct"
AUDIT = "aud"
CLAIM = "clm"

_PUBLIC_ID = re.compile(r"([a-z]{3})_([0-9a-f]{32})", re.ASCII)

_lock = threading.Lock()
_last = 0
_random: deque[int] = deque()
"""Fetched for many ids at a time: asking the system for each took as long as all else that an id needs."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.clear)  # else parent and child would make the same ids


def new_id(prefix: str) -> str:
    """A fresh public id. Ids made by one process are strictly increasing, also within a millisecond."""
    global _last  # noqa: PLW0603 - one counter per process is what makes the ids monotonic
    moment = time.time_ns() // 1000
    with _lock:
        _last = max(moment, _last + 1)
        moment = _last
        if not _random:
            _random.extend(struct.unpack("128Q", os.urandom(1024)))
        chance = _random.popleft()
    # 48 bits of milliseconds, then the microseconds in the 12 bits that the standard leaves for a finer clock.
    milliseconds, microseconds = divmod(moment, 1000)
    high = (milliseconds << 16) | 0x7000 | (microseconds << 2)
    low = (chance & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000
    return f"{prefix}_{high:016x}{low:016x}"


def first_at(prefix: str, moment: datetime) -> str:
    """Not an id of anything: all that were made since ``moment`` sort behind it, all made before sort before it."""
    return f"{prefix}_{max(0, int(moment.timestamp() * 1000)):012x}{0:020x}"


def prefix_of(value: str) -> str | None:
    """The prefix of a well-formed public id, else None."""
    found = _PUBLIC_ID.fullmatch(value)
    return found[1] if found else None


def is_id(prefix: str, value: str) -> bool:
    """True when ``value`` is a well-formed public id of this kind; says nothing about whether it exists."""
    return prefix_of(value) == prefix


def attempt_id(message_id: str, number: int) -> str:
    """What an attempt calls itself in ``biz_opaque_callback_data``: ASCII, at most 512 bytes, nothing personal."""
    return f"{message_id}.{number}"


def parse_attempt_id(value: str) -> tuple[str, int] | None:
    """The message id and attempt number behind ``attempt_id``; None for anybody else's data."""
    message_id, dot, number = value.partition(".")
    if dot and is_id(MESSAGE, message_id) and number.isascii() and number.isdecimal() and len(number) <= 4:
        return message_id, int(number)
    return None
