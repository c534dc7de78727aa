"""GraphQL over websocket: Strawberry's adapter and protocol handler with this service's rules in their hooks."""

import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, TypeGuard

from graphql import GraphQLError
from litestar.exceptions import WebSocketDisconnect
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived
from strawberry.litestar.controller import LitestarWebSocketAdapter
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import Message

from app.domain.errors import ErrorCode, UnavailableError
from app.schema.context import Context
from app.schema.errors import CodedError
from app.schema.limits import (
    BAD_NAME,
    MAX_BODY,
    MAX_UNSIGNED,
    document_problem,
    has_too_many_containers,
    may_name_an_operation,
)
from app.schema.rates import MAX_OPEN

MAX_OPERATIONS: Final = 10
"""On one socket at the same time."""
INIT_TIMEOUT: Final = timedelta(seconds=10)
"""From the opening of a socket to its token."""
TRY_AGAIN_LATER: Final = 1013
MESSAGE_TOO_BIG: Final = 1009


class SocketAdapter(LitestarWebSocketAdapter):
    """Looks at the size of a message before it is parsed; large ones are taken only once it is known from whom."""

    longest = MAX_UNSIGNED
    closed = False

    async def close(self, code: int, reason: str) -> None:
        """Once: what the client sent before it heard of it is not read any more, so nothing can close it again."""
        if not self.closed:
            self.closed = True
            await super().close(code, reason)

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:  # noqa: ARG002 - nobody asks for it
        with suppress(WebSocketDisconnect):
            while not self.closed and self.ws.connection_state != "disconnect":
                text = await self.ws.receive_text()
                if len(text) > self.longest or has_too_many_containers(text):
                    await self.close(code=MESSAGE_TOO_BIG, reason="Message too big")
                    return
                if not text:
                    raise NonTextMessageReceived
                try:
                    message = self.view.decode_json(text)
                except json.JSONDecodeError as error:
                    raise NonJsonMessageReceived from error
                yield message


class SocketHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """Strawberry's protocol handler, closed to what it takes on trust: shapes, sizes, and how much at once."""

    async def handle_message(self, message: Any) -> None:
        if _is_a_message(message):
            await super().handle_message(message)
        else:
            await self.handle_invalid_message("Failed to parse message")

    async def handle_connection_init(self, message: Any) -> None:
        try:
            await super().handle_connection_init(message)
        except UnavailableError:
            # Unlike 4403 this lets a client try again by itself (RFC 6455's registry of close codes).
            await self.websocket.close(code=TRY_AGAIN_LATER, reason="Try again later")
        if self.connection_acknowledged and isinstance(self.websocket, SocketAdapter):
            self.websocket.longest = MAX_BODY

    @property
    def _subject(self) -> str:
        assert self.context.identity is not None, "operations come after the token"
        return self.context.identity.subject

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        with self.context.rates.operation(self._subject) as admitted:
            if admitted:
                await super().run_operation(operation)
            else:
                text = f"At most {MAX_OPEN} operations of one person at a time. End one first."
                await operation.send_initial_errors([CodedError(text, ErrorCode.RATE_LIMITED)])

    async def handle_task_exception(self, error: Exception) -> None:
        # A server says so when the client has gone (ASGI, "Send event"): nothing went wrong, and nobody is left to tell.
        if not isinstance(error, OSError):
            await super().handle_task_exception(error)

    async def handle_subscribe(self, message: Any) -> None:
        if self.connection_acknowledged and (problem := self._problem(message)):
            await self.send_message({"id": message["id"], "type": "error", "payload": [problem.formatted]})
            return
        await super().handle_subscribe(message)

    def _problem(self, message: Any) -> GraphQLError | None:
        payload = message.get("payload") or {}
        if not (isinstance(payload.get("query"), str) and isinstance(payload.get("variables"), dict | None)):
            return CodedError("Send a query as text, and its variables as an object.", ErrorCode.BAD_INPUT)
        if not may_name_an_operation(payload.get("operationName")):
            return CodedError(BAD_NAME, ErrorCode.BAD_INPUT)
        if len(self.operations) >= MAX_OPERATIONS:
            return CodedError(
                f"At most {MAX_OPERATIONS} operations at a time on one socket. End one first.", ErrorCode.RATE_LIMITED
            )
        return document_problem(payload["query"])


def _is_a_message(message: Any) -> TypeGuard[Message]:
    """Whether it has what the base class does not ask for: an object, its type and its id texts, its payload an object."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return False
    named = message["type"] not in {"subscribe", "complete"} or isinstance(message.get("id"), str)
    return named and isinstance(message.get("payload"), dict | None)
