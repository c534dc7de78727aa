"""What a verified token says."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from app.domain.errors import UnauthenticatedError

LEEWAY: Final = timedelta(seconds=10)
"""How far the clocks of the issuer and of this machine may be apart."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified token."""

    subject: str
    display_name: str
    expires_at: datetime

    def require_fresh(self) -> None:
        """Raises UnauthenticatedError when the token has run out since: a websocket may outlive its token."""
        if datetime.now(UTC) >= self.expires_at + LEEWAY:
            raise UnauthenticatedError


Identify: TypeAlias = Callable[[object], Awaitable[Identity]]
"""From the value of an ``Authorization`` header to whom it speaks for.

Raises UnauthenticatedError, the same for every cause, and UnavailableError while there are no keys to judge a token by.
"""
