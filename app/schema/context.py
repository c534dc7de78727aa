"""What a resolver can reach: who asks, the use cases, and the loaders of this operation. No database session."""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
import strawberry
from strawberry.exceptions import ConnectionRejectionError
from strawberry.litestar import BaseContext

from app.auth import Identify, Identity
from app.domain.errors import UnauthenticatedError, UnavailableError
from app.schema.loaders import Loaders
from app.schema.rates import Rates
from app.services.base import Actor
from app.services.bundle import Services


def _uncounted(_kind: str, _code: str) -> None:
    """Nobody measures."""


class Context(BaseContext, kw_only=True):
    """One per HTTP request; on a websocket one per socket, copied for each operation."""

    services: Services
    identify: Identify
    counted: Callable[[str, str], None] = _uncounted
    """Hears of each operation: its type, and the code of its first error or OK."""
    rates: Rates
    request_id: str | None = None
    identity: Identity | None = None
    away: UnavailableError | None = None
    """Why nobody could say who asks."""
    connection_params: dict[str, Any] | None = None
    """Strawberry puts the payload of ``connection_init`` here."""
    operation_loaders: Loaders | None = None

    @property
    def actor(self) -> Actor:
        """Who asks. Raises UnauthenticatedError without a token, or when it has run out on an open socket.

        Raises UnavailableError when the token could not be judged.
        """
        if self.identity is None:
            raise self.away or UnauthenticatedError
        self.identity.require_fresh()
        return Actor(self.identity.subject, self.identity.display_name, self.request_id)

    @property
    def loaders(self) -> Loaders:
        if self.operation_loaders is None:
            self.operation_loaders = Loaders(self.services.reader, self.actor)
        return self.operation_loaders

    def forget(self) -> None:
        """Let the loaders read anew: the next value of a subscription must not come from their cache."""
        self.operation_loaders = None

    def for_operation(self) -> "Context":
        return msgspec.structs.replace(self, operation_loaders=None)

    async def sign_in(self, authorization: object) -> None:
        """Take over whom the token speaks for; a bad token is as good as none, and every field will say so."""
        try:
            self.identity = await self.identify(authorization)
        except UnauthenticatedError:
            self.identity = None
        except UnavailableError as error:
            self.away = error

    async def sign_in_socket(self) -> None:
        """The same for ``connection_init``. Raises ConnectionRejectionError, which closes the socket with 4403.

        Raises UnavailableError when the token could not be judged.
        """
        params = {name.lower(): value for name, value in (self.connection_params or {}).items()}
        await self.sign_in(params.get("authorization"))
        if self.away is not None:
            raise self.away
        if self.identity is None:
            raise ConnectionRejectionError


Info: TypeAlias = strawberry.Info[Context, None]
