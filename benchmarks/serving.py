"""Servers that exist for a comparison only: ``python -m benchmarks.serving KIND --port PORT``, served like the product.

Floors check a webhook's signature and store nothing, or answer GraphQL from memory; ``single`` is the product with one
transaction a webhook.
"""

import argparse
import os
from collections.abc import Callable
from typing import Any, Final
from unittest import mock

from litestar import Litestar, MediaType, Request, Response, asgi, get, post

import app.main
from app.cli.server import listen, run_here
from app.config import Settings
from app.services.intake import Ingests
from app.whatsapp.webhook import signature_matches
from benchmarks import memory
from benchmarks.stage import APP_SECRET
from benchmarks.statuses import PATH

_SECRETS: Final = (APP_SECRET,)
_HEADERS: Final = [(b"content-type", b"text/plain"), (b"content-length", b"2")]


def litestar_route() -> Any:
    @get("/")
    async def ready() -> str:
        return "ok"

    @post(PATH, media_type=MediaType.TEXT, status_code=200)
    async def receive(request: Request[Any, Any, Any]) -> Response[str]:
        fine = signature_matches(await request.body(), request.headers.get("x-hub-signature-256"), _SECRETS)
        return Response("ok" if fine else "no", status_code=200 if fine else 401, media_type=MediaType.TEXT)

    return Litestar([ready, receive], logging_config=None, openapi_config=None)


def litestar_asgi() -> Any:
    @get("/")
    async def ready() -> str:
        return "ok"

    @asgi(PATH, copy_scope=False)
    async def receive(scope: Any, receive: Any, send: Any) -> None:
        await _checked(scope, receive, send)

    return Litestar([ready, receive], logging_config=None, openapi_config=None)


def bare() -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        else:
            await _checked(scope, receive, send)

    return application


async def _checked(scope: Any, receive: Any, send: Any) -> None:
    raw = b""
    more = True
    while more:
        message = await receive()
        raw += message.get("body", b"")
        more = message.get("more_body", False)
    given = next((value.decode() for name, value in scope["headers"] if name == b"x-hub-signature-256"), None)
    status = 200 if signature_matches(raw, given, _SECRETS) else 401
    await send({"type": "http.response.start", "status": status, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": b"ok" if status == 200 else b"no"})


async def _lifespan(receive: Any, send: Any) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


class _OneByOne:
    """In the place of ``services.intake``: each body is a transaction of its own, as many at once as there are connections."""

    waiting = 0

    def __init__(self, webhooks: Ingests, **_: object) -> None:
        self._webhooks = webhooks

    async def put(self, body: bytes) -> None:
        await self._webhooks.ingest([body])

    async def drain(self) -> None:
        """Nothing waits."""


def single() -> Any:
    mock.patch.object(app.main, "Intake", _OneByOne).start()  # for the life of this process, which is all about it
    return app.main.create_app(Settings.from_env(os.environ | {"DISPATCH": "off"}))


KINDS: Final[dict[str, Callable[[], Any]]] = {
    "litestar-route": litestar_route, "litestar-asgi": litestar_asgi, "bare": bare, "single": single, "graphql": memory.application,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--port", type=int, required=True)
    wanted = parser.parse_args()
    with listen("127.0.0.1", wanted.port) as listening:
        run_here(KINDS[wanted.kind](), listening, lambda: None)


if __name__ == "__main__":
    main()
