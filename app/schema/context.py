"""What a resolver can reach: who asks, the use cases, and the loaders of this operation. No database session."""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
import strawberry
from strawberry.exceptions import ConnectionRejectionError
from strawberry.litestar import BaseContext

from app.auth import Identity
from app.domain.errors import UnauthenticatedError
from app.schema.loaders import Loaders
from app.schema.rates import Rates
from app.services.base import Actor
from app.services.bundle import Services


def _uncounted(_kind: str, _code: str) -> None:
    """Nobody measures."""


class Context(BaseContext, kw_only=True):
    """One per HTTP request; on a websocket one per socket, copied for each operation."""

    services: Services
    identify: Callable[[object], Identity]
    """Raises UnauthenticatedError."""
    counted: Callable[[str, str], None] = _uncounted
    """Hears of each operation: its type, and the code of its first error or OK."""
    rates: Rates
    request_id: str | None = None
    identity: Identity | None = None
    connection_params: dict[str, Any] | None = None
    """Strawberry puts the payload of ``connection_init`` here."""
    operation_loaders: Loaders | None = None

    @property
    def actor(self) -> Actor:
        """Who asks. Raises UnauthenticatedError without a token, or when it has run out on an open socket."""
        if self.identity is None:
            raise UnauthenticatedError
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

    def sign_in(self, authorization: object) -> None:
        """Take over whom the token speaks for; a bad token is as good as none, and every field will say so."""
        try:
            self.identity = self.identify(authorization)
        except UnauthenticatedError:
            self.identity = None

    def sign_in_socket(self) -> None:
        """The same for ``connection_init``. Raises ConnectionRejectionError, which closes the socket with 4403."""
        params = {name.lower(): value for name, value in (self.connection_params or {}).items()}
        self.sign_in(params.get("authorization"))
        if self.identity is None:
            raise ConnectionRejectionError


Info: TypeAlias = strawberry.Info[Context, None]
