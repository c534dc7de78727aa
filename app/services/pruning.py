"""``invites prune``: let go of what has been kept long enough. Bodies go, facts never do."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.db import pruning
from app.db.engine import Database
from app.services.audit import AUDIT_MONTHS, months_before
from app.services.base import utc_now

BATCH = 1_000
"""Rows a transaction, so that nobody waits for long; an interrupted prune is simply run again."""


@dataclass(frozen=True, slots=True)
class Pruned:
    what: str
    before: datetime
    rows: int
    """That are due or, when it was applied, that went."""


class Pruning:
    """No actor: whoever can open the database may. ``days`` is for texts, ``months`` for audit entries.

    Raises ValueError for fewer months than the database itself keeps.
    """

    def __init__(self, db: Database, *, days: int, months: int, clock: Callable[[], datetime] = utc_now) -> None:
        if months < AUDIT_MONTHS:
            raise ValueError(f"audit is kept for at least {AUDIT_MONTHS} months")
        self._db = db
        self._days = days
        self._months = months
        self._clock = clock

    async def prune(self, *, apply: bool = False) -> list[Pruned]:
        """Everything that is due; without ``apply`` it is only counted."""
        texts_before = self._clock() - timedelta(days=self._days)
        audit_before = months_before(self._clock(), self._months)
        due = [(old, texts_before) for old in pruning.texts(texts_before)]
        due.append((pruning.audit(audit_before), audit_before))
        return [
            Pruned(old.what, before, await (self._clear(old) if apply else self._count(old))) for old, before in due
        ]

    async def _count(self, old: pruning.Old) -> int:
        return await self._db.read(lambda uow: pruning.count(uow, old))

    async def _clear(self, old: pruning.Old) -> int:
        """Found in a snapshot, which nobody waits for; only a batch that is there is written."""
        rows = 0
        keys: list[pruning.Key] = []
        while keys := await self._db.read(functools.partial(pruning.following, old=old, after=keys[-1:], limit=BATCH)):
            rows += await self._db.write(functools.partial(pruning.clear, old=old, keys=keys))
        return rows
