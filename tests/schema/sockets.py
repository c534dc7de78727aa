"""A websocket client that speaks to the app in this very loop: Litestar's own runs the app in another thread."""

import asyncio
import json
from types import TracebackType
from typing import Any, Self

from litestar import Litestar

PROTOCOL = "graphql-transport-ws"


class Socket:
    """One connection. With a token it says hello and waits for the answer."""

    def __init__(
        self,
        app: Litestar,
        token: str | None,
        *,
        protocol: str = PROTOCOL,
        headers: dict[str, str] | None = None,
        query: str = "",
    ) -> None:
        self._app = app
        self._token = token
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        named = {"host": "service"} | (headers or {})
        self._scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": "/graphql",
            "raw_path": b"/graphql",
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "subprotocols": [protocol],
            "extensions": {},
        }

    async def __aenter__(self) -> Self:
        await self._in.put({"type": "websocket.connect"})
        self._task = asyncio.create_task(self._app(self._scope, self._in.get, self._answer))  # type: ignore[arg-type]  # a queue is what ASGI's callables are made of here
        if self._token is not None:
            await self.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {self._token}"}})
            await self.until("connection_ack")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._in.put({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self._task, 5)

    async def _answer(self, event: Any) -> None:
        await self._out.put(event)

    async def send(self, message: Any) -> None:
        await self._in.put({"type": "websocket.receive", "text": json.dumps(message)})

    async def send_text(self, text: str) -> None:
        await self._in.put({"type": "websocket.receive", "text": text})

    async def subscribe(self, name: str, query: str, variables: dict[str, Any] | None = None) -> None:
        await self.send({"type": "subscribe", "id": name, "payload": {"query": query, "variables": variables or {}}})

    async def event(self, *, seconds: float = 5) -> dict[str, Any]:
        """The next thing that the app says, as ASGI's event."""
        return await asyncio.wait_for(self._out.get(), seconds)

    async def until(self, kind: str, *, seconds: float = 5) -> dict[str, Any]:
        """The next message of this type; what comes before it is passed over. Fails when the app closes instead."""
        return await self.either(kind, seconds=seconds)

    async def either(self, *kinds: str, seconds: float = 5) -> dict[str, Any]:
        """The same for several types."""
        while True:
            event = await self.event(seconds=seconds)
            assert event["type"] != "websocket.close", event
            if event["type"] == "websocket.send":
                message: dict[str, Any] = json.loads(event["text"] if event.get("text") else event["bytes"])
                if message["type"] in kinds:
                    return message

    async def closed(self, *, seconds: float = 5) -> int:
        """The code with which the app closes."""
        while True:
            event = await self.event(seconds=seconds)
            if event["type"] == "websocket.close":
                code: int = event["code"]
                return code

    def said_more(self) -> list[dict[str, Any]]:
        """What the app has said besides, all of it once the connection is over."""
        return [self._out.get_nowait() for _ in range(self._out.qsize())]
