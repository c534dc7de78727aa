"""Meta's side of the wire: sends, template listings, the profile of the number, and who gets its webhooks."""

import asyncio
import base64
import binascii
import hmac
import random
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from litestar.types import Receive
from litestar.types import Send as SendEvent

from app.whatsapp.simulator import errors
from app.whatsapp.simulator.errors import GraphError, JsonObject
from app.whatsapp.simulator.scripts import Answer
from app.whatsapp.simulator.simulator import Reply, Simulator
from app.whatsapp.simulator.webhooks import wa_id

_JSON = "application/json; charset=UTF-8"
_GATEWAY_PAGE = (
    b"<!DOCTYPE html><html><head><title>Error</title></head><body>Sorry, something went wrong.</body></html>"
)
_DEFAULT_LIMIT = 25
_MAX_LIMIT = 1000

AnyRequest = Request[Any, Any, Any]


def simulator_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Simulator:
    return cast("Simulator", connection.app.state.simulator)


def check_token(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A Litestar guard. Raises ``GraphError`` 190 for a missing and for a wrong bearer alike."""
    expected = f"Bearer {simulator_of(connection).options.access_token}"
    if not hmac.compare_digest(connection.headers.get("authorization", "").encode(), expected.encode()):
        raise GraphError(errors.TOKEN_INVALID, "The access token is missing or invalid.")


def refusal(_: AnyRequest, error: GraphError) -> Response[bytes]:
    """Renders a ``GraphError`` (a Litestar exception handler)."""
    return _json(errors.envelope(error), error.http_status)


@post("/{version:str}/{phone_number_id:str}/messages", guards=[check_token], status_code=200)
async def send_message(request: AnyRequest, phone_number_id: FromPath[str]) -> Response[bytes]:
    simulator = simulator_of(request)
    options = simulator.options
    _check_object(phone_number_id, options.phone_number_id)
    reply = simulator.receive(await request.body())
    if options.latency or options.latency_jitter:
        jitter = random.uniform(-options.latency_jitter, options.latency_jitter)  # noqa: S311 - noise, not a secret
        await asyncio.sleep(max(0.0, options.latency + jitter))
    if reply.step.answer is Answer.HANG:
        await _hang(request, options.hang_limit)
    return _answer(reply)


@get("/{version:str}/{waba_id:str}/message_templates", guards=[check_token])
async def list_templates(request: AnyRequest, waba_id: FromPath[str]) -> Response[bytes]:
    simulator = simulator_of(request)
    _check_object(waba_id, simulator.options.waba_id)
    query = request.query_params
    found = [each.source for each in simulator.templates.values() if _listed(each.source, query)]
    limit = _limit(query.get("limit"))
    start = _cursor_position(query["after"], len(found)) if "after" in query else 0
    page = found[start : start + limit]
    answer: JsonObject = {"data": [_selected(source, query.get("fields")) for source in page]}
    if page:
        end = start + len(page)
        answer["paging"] = {"cursors": {"before": _cursor(start), "after": _cursor(end)}}
        if end < len(found):
            answer["paging"]["next"] = str(request.url.with_replacements(query=_next_query(query, _cursor(end))))
    return _json(answer)


@get("/{version:str}/{object_id:str}", guards=[check_token])
async def number_profile(request: AnyRequest, object_id: FromPath[str]) -> Response[bytes]:
    options = simulator_of(request).options
    _check_object(object_id, options.phone_number_id)
    profile = {
        "id": options.phone_number_id,
        "display_phone_number": options.display_phone_number,
        "verified_name": options.verified_name,
        "quality_rating": options.quality_rating,
        "whatsapp_business_manager_messaging_limit": options.messaging_limit,
        "status": options.number_status,
        "name_status": "APPROVED",
        "code_verification_status": "VERIFIED",
        "throughput": {"level": "STANDARD"},
        "health_status": {"can_send_message": options.can_send, "entities": []},
    }
    return _json(_selected(profile, request.query_params.get("fields")))


@get("/{version:str}/{waba_id:str}/subscribed_apps", guards=[check_token])
async def subscribed_apps(request: AnyRequest, waba_id: FromPath[str]) -> Response[bytes]:
    """One app while there is somewhere to post to, none otherwise."""
    options = simulator_of(request).options
    _check_object(waba_id, options.waba_id)
    app = {"id": "300000000000001", "link": "https://www.facebook.com/games/?app_id=300000000000001", "name": "Invites"}
    return _json({"data": [{"whatsapp_business_api_data": app}] if options.webhook_url else []})


class _CutResponse(Response[bytes]):
    """Promises the whole answer and closes the connection after half of it."""

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        return _CutAnswer(body=self.content, media_type=_JSON)


class _CutAnswer(ASGIResponse):
    async def send_body(self, send: SendEvent, receive: Receive) -> None:  # noqa: ARG002 - Litestar's signature
        # More is announced and never comes, so the server can do nothing but close the connection (and log that).
        await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})


async def _hang(request: AnyRequest, longest: float) -> None:
    """Until the sender goes away. Bounded, because a server waits for its last answer before it ends."""
    try:
        async with asyncio.timeout(longest):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return


def _answer(reply: Reply) -> Response[bytes]:
    match reply.step.answer:
        case Answer.ERROR_HTML:
            return Response(_GATEWAY_PAGE, media_type="text/html", status_code=500)
        case Answer.ERROR_JSON:
            code = reply.step.code or errors.UNKNOWN_FAILURE
            return _json(errors.envelope(GraphError(code, f"{errors.title(code)}.")), 500)
        case Answer.GARBAGE:
            return Response(_GATEWAY_PAGE, media_type="text/html", status_code=200)
        case Answer.EMPTY:
            return Response(b"", media_type=_JSON, status_code=200)
        case Answer.CUT | Answer.HANG:
            return _CutResponse(msgspec.json.encode(_acceptance(reply)))
    return _json(_acceptance(reply))


def _acceptance(reply: Reply) -> JsonObject:
    answer: JsonObject = {
        "messaging_product": "whatsapp",
        "contacts": [{"input": reply.send.given_to, "wa_id": wa_id(reply.send.recipient)}],
    }
    if reply.message is not None and reply.step.answer is not Answer.NO_ID:
        status = "held_for_quality_assessment" if reply.step.answer is Answer.HELD else "accepted"
        answer["messages"] = [{"id": reply.message.id, "message_status": status}]
    return answer


def _json(content: JsonObject, status_code: int = 200) -> Response[bytes]:
    headers = {"x-fb-trace-id": errors.trace_id()}
    return Response(msgspec.json.encode(content), media_type=_JSON, status_code=status_code, headers=headers)


def _check_object(given: str, known: str) -> None:
    if given != known:
        raise GraphError(
            errors.INVALID_ID,
            "Object with this id does not exist, cannot be loaded due to missing permissions, "
            "or does not support this operation.",
        )


def _listed(source: JsonObject, query: Mapping[str, str]) -> bool:
    # Meta's name filter may be looser than equality; a client that trusts it takes the wrong template.
    return query.get("name", "") in source["name"] and all(
        source[field].upper() == query[field].upper() for field in ("status", "category", "language") if field in query
    )


def _selected(source: JsonObject, wanted: str | None) -> JsonObject:
    """The ``fields`` that were asked for, and always the id; everything when none were."""
    if wanted is None:
        return source
    names = {name.strip() for name in wanted.split(",")} | {"id"}
    return {name: value for name, value in source.items() if name in names}


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_LIMIT
    if not (text.isascii() and text.isdecimal() and len(text) <= 6 and int(text) > 0):
        raise GraphError(errors.INVALID_PARAMETER, "Param limit must be a positive number.")
    return min(int(text), _MAX_LIMIT)


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"at:{position}".encode()).decode().rstrip("=")


def _cursor_position(cursor: str, size: int) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor.encode() + b"==").decode()
        position = int(text.removeprefix("at:"))
    except (ValueError, binascii.Error):
        position = -1
    if not 0 <= position <= size:
        raise GraphError(errors.BAD_CURSOR, "The cursor is not valid; list again without it.")
    return position


def _next_query(query: Mapping[str, str], after: str) -> str:
    return urlencode({**query, "after": after})
