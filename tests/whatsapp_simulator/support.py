"""Real servers on loopback, a webhook that collects what it is sent, and a client that speaks to the simulator."""

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import uvicorn
from litestar import Litestar, Request, Response, post

from app.whatsapp.simulator import SimulatorOptions, create_simulator

TOKEN = "token-of-the-simulator"
SECRET = "app-secret-of-the-simulator"
NUMBER = "100000000000001"
GUEST = "+16505550101"


def options(**changes: Any) -> SimulatorOptions:
    """Quick and without chance, unless a test asks for it."""
    quick = {"status_delay": 0.0, "linger": 0.0, "late": 0.05, "retry_first": 0.01, "concurrency": 1, "read_share": 1.0}
    quick |= {"delivered_omitted": 0.0}
    return SimulatorOptions(**{"access_token": TOKEN, "app_secret": SECRET, **quick, **changes})


def send(
    to: str = GUEST, callback: str | None = "msg_1.1", name: str = "save_the_date", **template: Any
) -> dict[str, Any]:
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": to,
        "type": "template",
        "biz_opaque_callback_data": callback,
        "template": {"name": name, "language": {"code": "en"}, **template},
    }


def text(value: str, name: str | None = None) -> dict[str, Any]:
    return {"type": "text", "text": value, **({} if name is None else {"parameter_name": name})}


class Meta:
    """Asks the simulator."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def send(self, body: dict[str, Any] | bytes | None = None) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body or send()).encode()
        return await self.client.post(f"/v26.0/{NUMBER}/messages", content=content)

    async def accepted(self) -> dict[str, Any]:
        return self._good(await self.client.get("/_simulator/accepted"))

    async def state(self) -> dict[str, Any]:
        return self._good(await self.client.get("/_simulator/state"))

    async def order(self, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._good(await self.client.post(f"/_simulator/{what}", json=body))

    async def idle(self) -> dict[str, Any]:
        """The state once everything is posted."""
        state: dict[str, Any] = await until(self.state, lambda state: state["idle"])
        return state

    @staticmethod
    def _good(answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        content: dict[str, Any] = answer.json()
        return content


async def until(ask: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    """Asks until the answer fits. The deadline only ends a test that hangs."""
    async with asyncio.timeout(30):
        while not holds(answer := await ask()):
            await asyncio.sleep(0.005)
    return answer


@contextlib.asynccontextmanager
async def in_process(simulator_options: SimulatorOptions, **arguments: Any) -> AsyncIterator[Meta]:
    """Without sockets: for everything that needs no webhook and no broken connection."""
    app: Any = create_simulator(simulator_options, **arguments)  # httpx and Litestar spell the ASGI types differently
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://meta", headers=headers) as client,
    ):
        yield Meta(client)


@contextlib.asynccontextmanager
async def serve(app: Litestar) -> AsyncIterator[str]:
    """Uvicorn without its main loop, which only counts time and would make each test wait for its next tick."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        await server.shutdown()


@contextlib.asynccontextmanager
async def served(simulator_options: SimulatorOptions) -> AsyncIterator[Meta]:
    """Behind a real server, for connections that break."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        serve(create_simulator(simulator_options)) as base,
        httpx.AsyncClient(base_url=base, headers=headers, timeout=30, trust_env=False) as client,
    ):
        yield Meta(client)


class Webhook:
    """Checks every signature. Answers with ``answers`` one after the other, then with 200."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.bodies: list[bytes] = []
        self.url = ""

    @property
    def values(self) -> list[dict[str, Any]]:
        """``changes[].value`` of all bodies, in the order of arrival."""
        entries = [entry for body in self.bodies for entry in json.loads(body)["entry"]]
        return [change["value"] for entry in entries for change in entry["changes"]]

    @property
    def statuses(self) -> list[dict[str, Any]]:
        return [status for value in self.values for status in value.get("statuses", [])]

    def app(self) -> Litestar:
        @post("/hook")
        async def receive(request: Request[Any, Any, Any]) -> Response[None]:
            raw = await request.body()
            digest = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
            assert request.headers["x-hub-signature-256"] == f"sha256={digest}"
            self.bodies.append(raw)
            return Response(None, status_code=self.answers.pop(0) if self.answers else 200)

        return Litestar([receive], openapi_config=None, logging_config=None)


@contextlib.asynccontextmanager
async def with_webhook(**changes: Any) -> AsyncIterator[tuple[Meta, Webhook]]:
    """The simulator and a webhook, each behind a real server."""
    webhook = Webhook()
    async with serve(webhook.app()) as webhook_base:
        webhook.url = f"{webhook_base}/hook"
        async with served(options(**{"webhook_url": webhook.url, **changes})) as meta:
            yield meta, webhook
