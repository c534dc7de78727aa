"""Where the key for a token comes from: this service's secret, or the JWK Set of a sign-in, kept and renewed."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from app.auth.keys import ASYMMETRIC, SYMMETRIC, Key, Keys, KeysError
from app.domain.errors import UnavailableError

log = logging.getLogger(__name__)

FRESH: Final = 600.0
"""Seconds after which kept keys are fetched again, beside the requests: a key that was withdrawn is refused from then."""
KEPT: Final = 6 * 3600.0
"""Seconds for which kept keys serve while they cannot be fetched. The cost: so long a withdrawn key may still be taken."""
PAUSE: Final = 60.0
"""Seconds between two fetches, whatever tokens come: whoever invents key ids must not make us flood the sign-in."""
FIRST_PAUSE: Final = 5.0
"""The same while there are no keys at all, so that a sign-in that starts after us is found soon."""
NO_KEYS: Final = "Nobody can be signed in now: the keys of the sign-in cannot be fetched. Try again in a few seconds."


class KeySource(Protocol):
    async def find(self, key_id: str | None, algorithm: str) -> Key | None:
        """The key that a token's header names, if it is one for that algorithm. Raises UnavailableError."""
        ...


class OneSecret:
    """The secret that this service shares with whoever issues its tokens."""

    def __init__(self, secret: str) -> None:
        self._key = Key(secret, (SYMMETRIC,))

    async def find(self, key_id: str | None, algorithm: str) -> Key | None:  # noqa: ARG002 - there is one key, whatever its name
        return self._key if algorithm == SYMMETRIC else None


class KeySet:
    """The keys of a sign-in. One fetch at a time, which all who need it share and none of them can cancel.

    ``clock`` gives seconds that only grow.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Keys]], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: Keys = {}
        self._fetched_at = -math.inf
        self._tried_at = -math.inf
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None, algorithm: str) -> Key | None:
        if key_id is None or algorithm not in ASYMMETRIC:
            return None
        age = self._clock() - self._fetched_at
        if age > KEPT:
            self._keys = {}
        known = key_id in self._keys
        if not known or age > FRESH:
            self._begin_fetch()
        if not known and self._fetching is not None:
            await asyncio.wait([self._fetching])
        if not self._keys:
            raise UnavailableError(NO_KEYS)
        return next((key for key in self._keys.get(key_id, ()) if algorithm in key.algorithms), None)

    def _begin_fetch(self) -> None:
        if self._fetching is not None:
            return
        now = self._clock()
        if now - self._tried_at >= (PAUSE if self._keys else FIRST_PAUSE):
            self._tried_at = now
            self._fetching = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        try:
            self._keys = await self._fetch()
            self._fetched_at = self._tried_at
        except KeysError as error:
            log.warning("the keys of AUTH_JWKS_URL cannot be used: it %s", error)
        finally:
            self._fetching = None
