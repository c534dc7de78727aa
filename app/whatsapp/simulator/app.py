"""Puts the simulator together as a Litestar app."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import msgspec
from litestar import Litestar, Response
from litestar.datastructures import State

from app.domain.errors import BadInputError
from app.whatsapp.simulator.control import control_router
from app.whatsapp.simulator.errors import GraphError
from app.whatsapp.simulator.graph import (
    AnyRequest,
    list_templates,
    number_profile,
    refusal,
    send_message,
    subscribed_apps,
)
from app.whatsapp.simulator.options import SimulatorOptions
from app.whatsapp.simulator.simulator import Simulator

MAX_BODY = 8 * 1024 * 1024
"""Bytes; scripts for tens of thousands of recipients are the largest."""


def create_simulator(options: SimulatorOptions, *, now: Callable[[], float] = time.time) -> Litestar:
    """An ASGI app that plays Meta. Serve it on loopback only: its control routes show full phone numbers.

    ``now`` gives unix seconds, for Meta's timestamps and the throttle. Statuses are posted within the app's lifespan.
    Raises ``BadInputError`` for a malformed template and ``OSError`` when the journal cannot be written.
    """
    simulator = Simulator(options, now)

    @contextlib.asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        posting = asyncio.create_task(simulator.poster.run())
        try:
            yield
        finally:
            posting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await posting
            simulator.ledger.close()

    return Litestar(
        route_handlers=[send_message, list_templates, number_profile, subscribed_apps, control_router],
        lifespan=[lifespan],
        state=State({"simulator": simulator}),
        exception_handlers={GraphError: refusal, BadInputError: _order_refused},
        request_max_body_size=MAX_BODY,
        openapi_config=None,
        logging_config=None,
    )


def _order_refused(_: AnyRequest, error: BadInputError) -> Response[bytes]:
    body = msgspec.json.encode({"error": error.message, "field": error.field})
    return Response(body, media_type="application/json", status_code=400)
