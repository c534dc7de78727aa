"""The simulator's own routes, ``/_simulator/…``: what it did, and orders to it. They take the same bearer as Meta's."""

from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from litestar import Response, Router, get, post
from litestar.params import QueryParameter

from app.domain.errors import BadInputError
from app.whatsapp.simulator import webhooks
from app.whatsapp.simulator.errors import JsonObject
from app.whatsapp.simulator.graph import AnyRequest, check_token, simulator_of
from app.whatsapp.simulator.ledger import AcceptedMessage
from app.whatsapp.simulator.options import changed
from app.whatsapp.simulator.scripts import PHONE, Step, check_scripts
from app.whatsapp.simulator.simulator import Simulator
from app.whatsapp.simulator.template import Template

MAX_PAGE = 100_000
MAX_PENDING_ORDERS = 10_000

_T = TypeVar("_T")


class InboundOrder(msgspec.Struct, forbid_unknown_fields=True, rename={"phone": "from"}):
    """Something that a guest does: exactly one of the two."""

    phone: str
    text: str | None = None
    preference: Literal["stop", "resume"] | None = None

    def __post_init__(self) -> None:
        if not PHONE.fullmatch(self.phone):
            raise BadInputError("from is a phone number in E.164, such as +16505550101.", field="from")
        if (self.text is None) == (self.preference is None):
            raise BadInputError("Give either text or preference (stop or resume).", field="text")
        if self.text is not None and not 1 <= len(self.text) <= 4096:
            raise BadInputError("text has 1 to 4096 characters.", field="text")


class TemplateOrder(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    language: str
    status: Literal["APPROVED", "PENDING", "REJECTED", "PAUSED", "DISABLED", "IN_APPEAL", "ARCHIVED"]
    notify: bool = False
    """Tell the webhook too, as Meta does."""


class NumberOrder(msgspec.Struct, forbid_unknown_fields=True):
    """What Meta thinks of the number from now on."""

    quality_rating: Literal["GREEN", "YELLOW", "RED", "UNKNOWN"] | None = None
    messaging_limit: Literal["TIER_50", "TIER_250", "TIER_2K", "TIER_10K", "TIER_100K", "TIER_UNLIMITED"] | None = None
    notify: bool = False
    """Tell the webhook too, as Meta does of a limit."""

    def __post_init__(self) -> None:
        if self.quality_rating is None and self.messaging_limit is None:
            raise BadInputError("Give quality_rating, messaging_limit or both.", field="quality_rating")
        if self.notify and self.messaging_limit is None:
            raise BadInputError("Meta posts a new messaging_limit only; a rating is to be asked for.", field="notify")


@get("/accepted")
async def accepted(request: AnyRequest) -> Response[bytes]:
    """What was really accepted: in all, per recipient (E.164) and per ``biz_opaque_callback_data``."""
    ledger = simulator_of(request).ledger
    return _json({"total": len(ledger.messages), "recipients": ledger.recipients, "callbacks": ledger.callbacks})


@get("/state")
async def state(
    request: AnyRequest,
    offset: Annotated[int, QueryParameter(ge=0)] = 0,
    limit: Annotated[int, QueryParameter(ge=0, le=MAX_PAGE)] = MAX_PAGE,
) -> Response[bytes]:
    """The summary, and the accepted messages from ``offset`` on with how they really end and what the webhook knows."""
    simulator = simulator_of(request)
    messages, poster = simulator.ledger.messages, simulator.poster
    return _json(
        {
            "accepted": len(messages),
            "answers": simulator.answers,
            "idle": poster.pending == 0 and poster.in_flight == 0,
            "statuses": {
                "paused": poster.paused,
                "pending": poster.pending,
                "in_flight": poster.in_flight,
                **msgspec.to_builtins(poster.counts),
            },
            "messages": [_described(message) for message in messages[offset : offset + limit]],
        }
    )


@post("/scripts", status_code=200)
async def scripts(request: AnyRequest) -> Response[bytes]:
    """``{"+16505550101": [{"answer": "REFUSE", "code": 131056}, {"answer": "OK"}]}``; see ``scripts.Step``."""
    simulator = simulator_of(request)
    wanted = _decoded(await request.body(), dict[str, list[Step]])
    check_scripts(wanted)
    simulator.add_scripts(wanted)
    return _json({"scripted": len(wanted)})


@post("/options", status_code=200)
async def options(request: AnyRequest) -> Response[bytes]:
    """``{"loss": 0.1, "throttle": 20}``: the new values of any options that may change; see ``SimulatorOptions``."""
    simulator = simulator_of(request)
    simulator.change(changed(simulator.options, await request.body()))
    return _json({"changed": True})


@post("/inbound", status_code=200)
async def inbound(request: AnyRequest) -> Response[bytes]:
    """``{"from": "+16505550101", "text": "STOP"}`` or ``{"from": "+16505550101", "preference": "stop"}``."""
    simulator = simulator_of(request)
    order = _decoded(await request.body(), InboundOrder)
    at = int(simulator.now())
    if order.text is not None:
        update = webhooks.inbound_text(simulator.options, order.phone, order.text, at)
    else:
        update = webhooks.user_preference(simulator.options, order.phone, str(order.preference), at)
    _push(simulator, update)
    return _json({"queued": True})


@post("/template", status_code=200)
async def template(request: AnyRequest) -> Response[bytes]:
    """``{"name": "wedding_invite", "language": "en", "status": "PAUSED", "notify": true}``."""
    simulator = simulator_of(request)
    order = _decoded(await request.body(), TemplateOrder)
    key = (order.name, order.language)
    if key not in simulator.templates:
        raise BadInputError("There is no such template in this language.", field="name")
    found = Template.parse({**simulator.templates[key].source, "status": order.status})
    if order.notify:
        _push(simulator, webhooks.template_status(simulator.options, found, int(simulator.now())))
    simulator.templates[key] = found
    return _json({"changed": True})


@post("/number", status_code=200)
async def number(request: AnyRequest) -> Response[bytes]:
    """``{"quality_rating": "RED"}`` or ``{"messaging_limit": "TIER_250", "notify": true}``."""
    simulator = simulator_of(request)
    order = _decoded(await request.body(), NumberOrder)
    simulator.change(
        replace(
            simulator.options,
            quality_rating=order.quality_rating or simulator.options.quality_rating,
            messaging_limit=order.messaging_limit or simulator.options.messaging_limit,
        )
    )
    if order.notify:
        _push(simulator, webhooks.business_capability(simulator.options, int(simulator.now())))
    return _json({"changed": True})


@post("/pause", status_code=200)
async def pause(request: AnyRequest) -> Response[bytes]:
    """Holds everything back from the webhook; it keeps piling up."""
    simulator_of(request).poster.pause()
    return _json({"paused": True})


@post("/resume", status_code=200)
async def resume(request: AnyRequest) -> Response[bytes]:
    simulator_of(request).poster.resume()
    return _json({"paused": False})


control_router = Router(
    "/_simulator",
    route_handlers=[accepted, state, scripts, options, inbound, template, number, pause, resume],
    guards=[check_token],
)


def _push(simulator: Simulator, update: webhooks.EntryUpdate) -> None:
    if simulator.options.webhook_url is None:
        raise BadInputError("There is no webhook: set webhook_url first.", field="webhook_url")
    if simulator.poster.pending >= MAX_PENDING_ORDERS + len(simulator.ledger.messages):
        raise BadInputError("Too much is waiting to be posted; resume, or wait.", field="webhook_url")
    simulator.poster.push(update)


def _decoded(raw: bytes, shape: type[_T]) -> _T:
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.DecodeError as error:
        raise BadInputError(f"The body is not what this route takes: {error}", field="body") from None


def _described(message: AcceptedMessage) -> JsonObject:
    return {
        "id": message.id,
        "to": message.send.recipient,
        "callback": message.send.callback,
        "template": message.send.template.name,
        "state": message.state,
        "code": message.code,
        "told": message.told,
    }


def _json(content: Any) -> Response[bytes]:
    return Response(msgspec.json.encode(content), media_type="application/json")
