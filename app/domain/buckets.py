"""How often somebody may do something: a token bucket for each of them, in memory.

A bucket is one number, the moment at which it is full again: a bucket of n that gives n a minute is full after a minute
without use, and has nothing left when that moment is a whole minute away.
"""

from collections import OrderedDict
from typing import Final

WINDOW: Final = 60_000_000_000
"""A minute, in nanoseconds: whole numbers, so that n takes are n and never n - 1."""
MAX_KEYS: Final = 10_000
"""Buckets that are remembered. The one that goes is the one that was used longest ago, hence the fullest."""


class Buckets:
    """Buckets by key that hold ``per_minute`` (at least 1) and are filled again within a minute."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._interval = WINDOW // per_minute
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def take(self, key: str, now: int) -> int:
        """Take one at ``now``, the nanoseconds of a clock that never goes back.

        0 when there was one; else nothing is taken, and it is the nanoseconds until there will be one.
        """
        full_at = max(now, self._full_at.get(key, now)) + self._interval
        wait = full_at - now - self._interval * self.per_minute
        if wait > 0:
            return wait
        # Not set and then moved: what is executed aside takes from another thread, which may drop the oldest in between.
        self._full_at.pop(key, None)
        self._full_at[key] = full_at
        if len(self._full_at) > MAX_KEYS:
            self._full_at.popitem(last=False)
        return 0

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._full_at)
