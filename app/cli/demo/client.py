"""Callers of the service: each speaks GraphQL over HTTP with a token of their own."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final

import click
import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

_PATH: Final = "/graphql"
_PROTOCOL: Final = "graphql-transport-ws"


class RefusedError(Exception):
    """The service answered with a GraphQL error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Caller:
    name: str
    token: str
    http: httpx.AsyncClient

    async def ask(self, document: str, **variables: Any) -> Any:
        """The ``data`` of the answer. Raises RefusedError, or ClickException when there is no proper answer."""
        try:
            answer = await self.http.post(
                _PATH,
                json={"query": document, "variables": variables},
                headers={"Authorization": f"Bearer {self.token}"},
            )
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise click.ClickException(f"The service gave no answer ({type(error).__name__}).") from None
        return _data_of(body)

    async def watch(self, document: str, **variables: Any) -> AsyncGenerator[Any, None]:
        """The ``data`` of each value of a subscription, over graphql-transport-ws. Raises as ``ask`` does."""
        url = str(self.http.base_url.copy_with(scheme="ws", path=_PATH))
        try:
            async with connect(url, subprotocols=[Subprotocol(_PROTOCOL)], proxy=None) as socket:
                await socket.send(_message("connection_init", {"Authorization": f"Bearer {self.token}"}))
                await socket.recv()
                await socket.send(_message("subscribe", {"query": document, "variables": variables}, id="1"))
                async for text in socket:
                    message = json.loads(text)
                    if message["type"] == "complete":
                        return
                    yield _data_of(message["payload"] if message["type"] == "next" else {"errors": message["payload"]})
        except (WebSocketException, OSError, ValueError) as error:
            raise click.ClickException(f"The service ended the live view ({type(error).__name__}).") from None


def _message(kind: str, payload: Any, **more: str) -> str:
    return json.dumps({"type": kind, "payload": payload, **more})


def _data_of(body: Any) -> Any:
    """Raises RefusedError."""
    if errors := body.get("errors"):
        raise RefusedError(errors[0].get("extensions", {}).get("code", "INTERNAL"), errors[0]["message"])
    return body["data"]


@dataclass(frozen=True, slots=True)
class Simulator:
    """The simulated Meta's own books."""

    http: httpx.AsyncClient

    async def idle(self) -> bool:
        """True when every status has been posted."""
        return bool((await self._get("/_simulator/state?limit=0"))["idle"])

    async def state(self) -> Any:
        """Counts, and every accepted message with what the webhook was told of it."""
        return await self._get("/_simulator/state")

    async def _get(self, path: str) -> Any:
        try:
            return (await self.http.get(path)).raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise click.ClickException(f"The simulator gave no answer ({type(error).__name__}).") from None
