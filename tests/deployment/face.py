"""What nginx adds, keeps and refuses, seen from outside."""

import asyncio
import json

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from app.auth import MAX_HEADER
from tests.deployment.machine import Machine


async def looked_at(at: Machine, token: str) -> list[tuple[str, object, object]]:
    """What was looked at, whether it is so, and what is there."""
    seen: list[tuple[str, object, object]] = []

    def check(what: str, holds: object, shown: object = "") -> None:
        seen.append((what, holds, shown))

    async with httpx.AsyncClient(base_url=at.base, verify=at.trusted, trust_env=False) as http:
        answer = await http.post(
            "/graphql", json={"query": "{ __typename }"}, headers={"X-Request-Id": "a-strangers-own"}
        )
        check("HSTS over https", "max-age" in answer.headers.get("strict-transport-security", ""))
        name = answer.headers["x-request-id"]
        for path in ("/health/ready", "/health/live", "/metrics", "/"):
            answer = await http.get(path)
            check(f"{path} is not public", answer.status_code == 404)
        answer = await http.get("/console")
        check("the console", answer.headers["content-type"].startswith("text/html"), answer.status_code)
        huge = await http.post("/webhooks/whatsapp", content=b" " * (3 * 2**20 + 1))
        check("3 MiB for a webhook", huge.status_code == 413)
        most = await http.post("/webhooks/whatsapp", content=b" " * (3 * 2**20))
        check("and not less", most.status_code == 401, most.status_code)
        longest = "x" * (MAX_HEADER - len("Bearer "))
        answer = await http.post(
            "/graphql", json={"query": "{ me { id } }"}, headers={"Authorization": f"Bearer {longest}"}
        )
        kind = answer.headers["content-type"]
        check("the longest token reaches the service", kind.startswith("application/json"), kind)
        word = at.settings["META_VERIFY_TOKEN"]
        hub = {"hub.mode": "subscribe", "hub.verify_token": word, "hub.challenge": "1158201444"}
        answer = await http.get("/webhooks/whatsapp", params=hub)
        check("Meta's confirmation", answer.text == "1158201444")
        await asyncio.sleep(0.5)  # nginx writes its line after the answer
        logged = at.access_log.read_text()
        check("X-Request-Id is nginx's", name in logged and name != "a-strangers-own")
        check("the verify token is in no log", "GET /webhooks/whatsapp 200" in logged and word not in logged)
        moved = await http.get(f"http://127.0.0.1:{at.http}/graphql")
        check("http leads to https", moved.status_code == 301)
    for origin, welcome in ((at.base, True), ("https://elsewhere.example", False)):
        check(f"a websocket from {'here' if welcome else 'elsewhere'}", await _opens(at, token, origin) is welcome)
    port = next(iter(at.servers.values()))
    async with httpx.AsyncClient(trust_env=False) as http:
        bearer = {"Authorization": f"Bearer {at.settings['METRICS_TOKEN']}"}
        answer = await http.get(f"http://127.0.0.1:{port}/metrics", headers=bearer)
        check("/metrics on the server's own port", "invites_database_up 1" in answer.text)

    return seen


async def _opens(at: Machine, token: str, origin: str) -> bool:
    try:
        async with connect(
            at.base.replace("https", "wss") + "/graphql", ssl=at.trusted, origin=origin,  # type: ignore[arg-type]  # a text is enough
            subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None,
        ) as socket:  # fmt: skip
            payload = {"Authorization": f"Bearer {token}"}
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            return bool(json.loads(await socket.recv())["type"] == "connection_ack")
    except InvalidStatus:
        return False
