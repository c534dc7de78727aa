"""GraphQL over HTTP: Strawberry's controller with this service's rules in its hooks. Its sockets: ``sockets``."""

import json
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Final, NoReturn, Protocol

from cross_web import AsyncHTTPRequestAdapter, HTTPException
from litestar import MediaType, Request, Response, WebSocket, get, post, websocket
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.exceptions import ValidationException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import Dependencies
from strawberry.http import GraphQLRequestData
from strawberry.http.base import BaseRequestProtocol
from strawberry.litestar import make_graphql_controller
from strawberry.litestar.controller import GraphQLController
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.unset import UnsetType

from app.auth import Identify
from app.domain.errors import ErrorCode, UnauthenticatedError
from app.schema import Schema
from app.schema.context import Context
from app.schema.counting import UNREAD
from app.schema.errors import CodedError
from app.schema.limits import (
    BAD_NAME,
    MAX_BODY,
    MAX_CONTAINERS,
    MAX_UNSIGNED,
    document_problem,
    has_too_many_containers,
    may_name_an_operation,
)
from app.schema.rates import Rates
from app.schema.sockets import INIT_TIMEOUT, SocketAdapter, SocketHandler
from app.services.bundle import Services

PATH: Final = "/graphql"
LARGE: Final = 256 * 1024
"""Bytes of a request that is executed apart from the others."""

_NOT_JSON: Final = 'Send one JSON object: {"query": "…", "variables": {}, "operationName": null}.'


class Page(Protocol):
    """See ``http.graphiql``."""

    @property
    def html(self) -> str: ...
    @property
    def policy(self) -> str: ...


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
        if has_too_many_containers(data):
            raise HTTPException(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request may have at most {MAX_CONTAINERS:,} lists and objects."
            )
        found = super().parse_json(data)
        if not isinstance(found, dict):
            raise HTTPException(HTTPStatus.BAD_REQUEST, _NOT_JSON)
        if not may_name_an_operation(found.get("operationName")):
            raise HTTPException(HTTPStatus.BAD_REQUEST, BAD_NAME)
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


def _no_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not JSON", "", 0)


def _refusal(status: int, message: str, code: ErrorCode) -> Response[dict[str, Any]]:
    return Response(
        {"data": None, "errors": [CodedError(message, code).formatted]},
        status_code=status,
        media_type=MediaType.JSON,
        headers={"Allow": "POST"} if status == HTTPStatus.METHOD_NOT_ALLOWED else None,
    )
