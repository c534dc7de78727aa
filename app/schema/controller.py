"""GraphQL over HTTP and websocket: Strawberry's controller with this service's rules in its hooks."""

import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Any, ClassVar, Final, NoReturn, Protocol, TypeGuard

from cross_web import AsyncHTTPRequestAdapter, HTTPException
from graphql import GraphQLError
from litestar import MediaType, Request, Response, WebSocket, get, post, websocket
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.exceptions import ValidationException, WebSocketDisconnect
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import Dependencies
from strawberry.http import GraphQLRequestData
from strawberry.http.base import BaseRequestProtocol
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived
from strawberry.litestar import make_graphql_controller
from strawberry.litestar.controller import GraphQLController, LitestarWebSocketAdapter
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import Message
from strawberry.types import ExecutionResult
from strawberry.types.unset import UnsetType

from app.auth import Identify
from app.domain.errors import ErrorCode, UnauthenticatedError, UnavailableError
from app.schema import Schema
from app.schema.context import Context
from app.schema.counting import UNREAD
from app.schema.errors import CodedError
from app.schema.limits import MAX_BODY, MAX_DOCUMENT, document_problem
from app.schema.rates import MAX_OPEN, Rates
from app.services.bundle import Services

PATH: Final = "/graphql"
MAX_OPERATIONS: Final = 10
"""On one socket at the same time."""
INIT_TIMEOUT: Final = timedelta(seconds=10)
"""From the opening of a socket to its token."""
TRY_AGAIN_LATER: Final = 1013
MESSAGE_TOO_BIG: Final = 1009
MAX_UNSIGNED: Final = 2 * MAX_DOCUMENT
"""Bytes of a request without a valid token, and characters of a message before it: the parser takes its time."""
LARGE: Final = 256 * 1024
"""Bytes of a request that is executed apart from the others."""
MAX_CONTAINERS: Final = 250_000
"""Lists and objects of one request, counted by their brackets. The rows of an import of 50,000 guests have 100,000."""

_OPERATION_NAME: Final = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,254}")
"""GraphQL's grammar of names (spec §2.1.9). No other text is looked up, or said back: not every one can be encoded."""

_BAD_NAME: Final = "Send operationName as a name of up to 255 letters, digits and underscores, or leave it out."
_NOT_JSON: Final = 'Send one JSON object: {"query": "…", "variables": {}, "operationName": null}.'


class Page(Protocol):
    """See ``http.graphiql``."""

    @property
    def html(self) -> str: ...
    @property
    def policy(self) -> str: ...


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
                if len(text) > self.longest or _has_too_many_containers(text):
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
        if not _may_name_an_operation(payload.get("operationName")):
            return CodedError(_BAD_NAME, ErrorCode.BAD_INPUT)
        if len(self.operations) >= MAX_OPERATIONS:
            return CodedError(
                f"At most {MAX_OPERATIONS} operations at a time on one socket. End one first.", ErrorCode.RATE_LIMITED
            )
        return document_problem(payload["query"])


class RuledController(GraphQLController[Context, None]):
    """What this service does in Strawberry's hooks."""

    page: Page | None = None
    request_max_body_size = MAX_BODY
    graphql_transport_ws_handler_class = SocketHandler
    websocket_adapter_class = SocketAdapter
    apart: Callable[[], Services]
    context_of: Callable[[ASGIConnection[Any, Any, Any, Any]], Awaitable[Context]]

    # Strawberry's own handlers have context and response injected: Litestar makes a thread, two groups of tasks and ten
    # signatures of it for each request.
    dependencies: ClassVar[Dependencies] = {}  # type: ignore[misc]  # Litestar has it on the instance

    @get(raises=[ValidationException])
    async def handle_http_get(self, request: Request[Any, Any, Any]) -> Response[Any]:
        return await self._answer(request)

    @post(status_code=200)
    async def handle_http_post(self, request: Request[Any, Any, Any]) -> Response[Any]:
        return await self._answer(request)

    @websocket()
    async def websocket_endpoint(self, socket: WebSocket[Any, Any, Any]) -> None:
        context = await self.context_of(socket)
        context.websocket = socket
        await self.run(request=socket, context=context, root_value=None)

    async def _answer(self, request: Request[Any, Any, Any]) -> Response[Any]:
        context = await self.context_of(request)
        context.request = request
        return await self.execute_request(request, context, None)

    async def get_sub_response(self, request: Request[Any, Any, Any]) -> Response[Any]:  # noqa: ARG002 - nothing is set on it
        return Response({})

    def should_render_graphql_ide(self, request: BaseRequestProtocol) -> bool:
        # Not for ``Accept: */*``, which curl sends.
        return request.method == "GET" and "text/html" in request.headers.get("accept", "")

    async def render_graphql_ide(self, request: Request[Any, Any, Any]) -> Response[str]:  # noqa: ARG002 - the same for everybody
        assert self.page is not None, "without a page Strawberry answers itself"
        return Response(
            self.page.html, media_type=MediaType.HTML, headers={"Content-Security-Policy": self.page.policy}
        )

    async def on_ws_connect(self, context: Context) -> UnsetType:
        await context.sign_in_socket()
        return UnsetType()

    def decode_json(self, data: str | bytes) -> object:
        try:
            found: object = json.loads(data, parse_constant=_no_constant)
        # A ValueError also is: bytes that are no UTF-8, and a number with more digits than Python converts.
        except (ValueError, RecursionError) as error:
            raise json.JSONDecodeError(_NOT_JSON, "", 0) from error
        return found

    def parse_json(self, data: str | bytes) -> object:
        if _has_too_many_containers(data):
            raise HTTPException(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request may have at most {MAX_CONTAINERS:,} lists and objects."
            )
        found = super().parse_json(data)
        if not isinstance(found, dict):
            raise HTTPException(HTTPStatus.BAD_REQUEST, _NOT_JSON)
        if not _may_name_an_operation(found.get("operationName")):
            raise HTTPException(HTTPStatus.BAD_REQUEST, _BAD_NAME)
        return found

    async def execute_single(
        self,
        request: Request[Any, Any, Any],
        request_adapter: AsyncHTTPRequestAdapter,
        sub_response: Response[Any],
        context: Context,
        root_value: None,
        request_data: GraphQLRequestData,
    ) -> ExecutionResult:
        if problem := document_problem(request_data.query):
            context.counted(UNREAD, ErrorCode.TOO_LARGE)
            return ExecutionResult(data=None, errors=[problem])
        execute = super().execute_single
        if len(await request.body()) <= LARGE:
            return await execute(request, request_adapter, sub_response, context, root_value, request_data)
        # To make inputs of 50,000 rows takes seconds, in which the loop that answers webhooks must not wait.
        context.services = self.apart()
        return await context.services.db.run(
            execute(request, request_adapter, sub_response, context, root_value, request_data)
        )

    async def execute_request(self, request: Request[Any, Any, Any], context: Any, root_value: Any) -> Response[Any]:
        """What is no GraphQL request at all is told in GraphQL's own form, but with HTTP's status."""
        try:
            if context.identity is None and len(await request.body()) > MAX_UNSIGNED:
                error = context.away or UnauthenticatedError()
                context.counted(UNREAD, error.code)
                return _refusal(HTTPStatus.OK, error.message, error.code)
            answer: Response[Any] = await self.run(request, context=context, root_value=root_value)
        except HTTPException as refused:
            too_large = refused.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            code = ErrorCode.TOO_LARGE if too_large else ErrorCode.BAD_INPUT
            return _refusal(refused.status_code, str(refused.reason), code)
        except RequestEntityTooLarge:
            return _refusal(413, f"A request may be at most {MAX_BODY // 1024**2} MiB large.", ErrorCode.TOO_LARGE)
        return answer


def graphql_controller(
    schema: Schema,
    services: Callable[[], Services],
    apart: Callable[[], Services],
    identify: Identify,
    counted: Callable[[str, str], None],
    rates: Rates,
    *,
    page: Page | None = None,
    allowed_origins: Sequence[str] = (),
) -> type[RuledController]:
    """The controller for ``/graphql``. ``services`` is asked for once per request: they are there after the start.

    ``page`` is what a browser is shown there; nothing when None.
    ``apart`` are those for large requests, which are executed where their units of work run.

    ``counted`` hears of each operation: its type, and the code of its first error or OK.
    """

    async def context_of(request: ASGIConnection[Any, Any, Any, Any]) -> Context:
        context = Context(
            services=services(),
            identify=identify,
            counted=counted,
            rates=rates,
            request_id=request.scope["state"].get("request_id"),
        )
        # A websocket shows its token in ``connection_init`` and nowhere else.
        if request.scope["type"] == ScopeType.HTTP:
            await context.sign_in(request.headers.get("authorization"))
        return context

    made: Any = make_graphql_controller(
        schema,
        path=PATH,
        graphql_ide="graphiql" if page else None,
        allow_queries_via_get=False,
        subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
        connection_init_wait_timeout=INIT_TIMEOUT,
        max_subscriptions_per_connection=None,  # ``SocketHandler`` counts, and answers with a code
        allowed_origins=allowed_origins,
    )
    own = {"page": page, "apart": staticmethod(apart), "context_of": staticmethod(context_of)}
    return type("Controller", (RuledController, made), own)


def _is_a_message(message: Any) -> TypeGuard[Message]:
    """Whether it has what the base class does not ask for: an object, its type and its id texts, its payload an object."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return False
    named = message["type"] not in {"subscribe", "complete"} or isinstance(message.get("id"), str)
    return named and isinstance(message.get("payload"), dict | None)


def _has_too_many_containers(data: str | bytes) -> bool:
    """Judged without parsing, which takes seconds for millions of them; brackets within texts count too."""
    if isinstance(data, str):
        return data.count("[") + data.count("{") > MAX_CONTAINERS
    return data.count(b"[") + data.count(b"{") > MAX_CONTAINERS


def _may_name_an_operation(name: object) -> bool:
    return name is None or (isinstance(name, str) and _OPERATION_NAME.fullmatch(name) is not None)


def _no_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not JSON", "", 0)


def _refusal(status: int, message: str, code: ErrorCode) -> Response[dict[str, Any]]:
    return Response(
        {"data": None, "errors": [CodedError(message, code).formatted]},
        status_code=status,
        media_type=MediaType.JSON,
        headers={"Allow": "POST"} if status == HTTPStatus.METHOD_NOT_ALLOWED else None,
    )
