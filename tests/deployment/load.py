"""What goes on while something is changed: Meta posts, a console asks and blocks, somebody watches. Every failure counts."""

import asyncio
import contextlib
import itertools
import json
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from app.cli.demo import documents
from app.whatsapp.simulator.webhooks import sign
from tests.sending.world import envelope, status

POSTERS, ASKERS = 4, 4
POST_EVERY, ASK_EVERY, BLOCK_EVERY = 0.08, 0.4, 0.7
"""Seconds between two requests of one."""
EVENT = "query($e: ID!) { event(id: $e) { title summary { candidates reachedAccepted } } }"


@dataclass
class Load:
    """Runs while it is entered; ``told`` is what got an answer of the right kind, ``failures`` is everything else."""

    base: str
    trusted: ssl.SSLContext
    number: str
    app_secret: str
    token: str
    workspace_id: str
    event_id: str
    run_id: str
    told: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    longest: dict[str, float] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    """Message ids of the statuses that were answered with 200."""
    blocked: list[str] = field(default_factory=list)
    """Phones of which the answer said that they are blocked."""
    _serial: "itertools.count[int]" = field(default_factory=itertools.count)
    _tasks: "list[asyncio.Task[None]]" = field(default_factory=list)
    _ends: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        self._ends.clear()
        rounds: list[tuple[Callable[[httpx.AsyncClient], Awaitable[None]], float, int]] = [
            (self._post, POST_EVERY, POSTERS),
            (self._ask, ASK_EVERY, ASKERS),
            (self._block, BLOCK_EVERY, 1),
        ]
        self._tasks = [asyncio.create_task(self._round(act, every)) for act, every, many in rounds for _ in range(many)]
        self._tasks.append(asyncio.create_task(self._watch()))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ends.set()
        await asyncio.gather(*self._tasks)

    def taken(self) -> tuple[Counter[str], list[str], dict[str, float]]:
        """What was counted since the last time."""
        found = self.told, self.failures, self.longest
        self.told, self.failures, self.longest = Counter(), [], {}
        return found

    async def _round(self, act: Callable[[httpx.AsyncClient], Awaitable[None]], every: float) -> None:
        kind = act.__name__.strip("_")
        async with httpx.AsyncClient(base_url=self.base, verify=self.trusted, timeout=60, trust_env=False) as http:
            while not self._ends.is_set():
                began = time.monotonic()
                try:
                    try:
                        await act(http)
                    except (httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError):
                        # nginx closes connections that wait for a request when it reads its settings anew; one that
                        # was on its way then has reached nobody. Browsers and Meta open another one, and so does this.
                        self.told["connection opened again"] += 1
                        await act(http)
                except (httpx.HTTPError, AssertionError) as error:
                    self.failures.append(f"{kind}: {type(error).__name__} {error}")
                else:
                    self.told[kind] += 1
                    self.longest[kind] = max(self.longest.get(kind, 0.0), time.monotonic() - began)
                await asyncio.sleep(every)

    async def _post(self, http: httpx.AsyncClient) -> None:
        wamid = f"wamid.HBgMdHJpYWw{next(self._serial):08d}"
        raw = envelope(self.number, statuses=[status(wamid, "sent", int(time.time()))])
        answer = await http.post(
            "/webhooks/whatsapp", content=raw, headers={"X-Hub-Signature-256": sign(self.app_secret, raw)}
        )
        assert answer.status_code == 200, answer.status_code
        self.kept.append(wamid)

    async def _ask(self, http: httpx.AsyncClient) -> None:
        await self._graphql(http, EVENT, e=self.event_id)

    async def _block(self, http: httpx.AsyncClient) -> None:
        phone = f"+9199999{next(self._serial):05d}"
        await self._graphql(
            http, documents.BLOCK, i={"workspaceId": self.workspace_id, "phone": phone, "reason": "A trial."}
        )
        self.blocked.append(phone)

    async def _graphql(self, http: httpx.AsyncClient, document: str, **variables: Any) -> None:
        answer = await http.post(
            "/graphql",
            json={"query": document, "variables": variables},
            headers={"Authorization": f"Bearer {self.token}"},
        )
        assert answer.status_code == 200, answer.status_code
        assert "errors" not in answer.json(), answer.json()["errors"]

    async def _watch(self) -> None:
        """As a console's library does: a socket that was closed is opened again."""
        while not self._ends.is_set():
            try:
                await self._watched()
            except (WebSocketException, OSError):
                self.told["watcher opened again"] += 1
                await asyncio.sleep(0.2)

    async def _watched(self) -> None:
        async with connect(
            self.base.replace("https", "wss") + "/graphql",
            ssl=self.trusted, origin=self.base, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None,  # type: ignore[arg-type]
        ) as socket:  # fmt: skip
            await socket.send(
                json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {self.token}"}})
            )
            await socket.recv()
            payload = {"query": documents.LIVE, "variables": {"r": self.run_id}}
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
            while not self._ends.is_set():
                with contextlib.suppress(TimeoutError):
                    message = json.loads(await asyncio.wait_for(socket.recv(), 0.5))
                    assert message["type"] in {"next", "complete"}, message
                    self.told["watcher saw"] += 1
