"""GraphQL as a client asks it: over one connection, one request after the other, and at a steady pace beside other work."""

import asyncio
import gc
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from app.auth.issuing import issue_token
from app.config import Settings
from benchmarks.sheet import Sample
from benchmarks.stage import Server, settings
from benchmarks.statuses import PATH, bodies, signature
from benchmarks.usage import cpu_of_all, forget_peak

SUBJECT, NAME = "owner@example.org", "Owner"


class AnswerError(Exception):
    """The service refused, or answered with an error."""


def headers() -> dict[str, str]:
    token = issue_token(Settings.from_env(settings("")), SUBJECT, NAME, timedelta(hours=1))
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


async def once(server: Server, query: str, **variables: Any) -> tuple[Any, Sample]:
    """The data of one answer, how long it took, and the most memory that the server had meanwhile. Raises AnswerError."""
    forget_peak(server.pid)
    watched = {"server": server.pid}
    before, started = cpu_of_all(watched), time.perf_counter()
    async with httpx.AsyncClient(trust_env=False, timeout=120, headers=headers()) as http:
        answer = await http.post(f"{server.url}/graphql", json={"query": query, "variables": variables})
    seconds = time.perf_counter() - started
    cpu = {name: spent - before[name] for name, spent in cpu_of_all(watched).items()}
    found = answer.json()
    if answer.status_code != httpx.codes.OK or found.get("errors"):
        raise AnswerError(f"{answer.status_code}: {str(found.get('errors'))[:300]}")
    return found["data"], Sample({"s": seconds, "MB": server.peak}, seconds, cpu)


@dataclass(slots=True)
class _Question:
    """One that is asked again and again, and what came of it."""

    name: str
    port: int
    query: str
    variables: dict[str, Any]
    watched: dict[str, int]
    latencies: list[float] = field(default_factory=list)
    cpu: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    async def ask(self, times: int) -> None:
        """Raises AnswerError when there is no data in the first answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        raw = json.dumps({"query": self.query, "variables": self.variables}).encode()
        head = "".join(f"{name}: {value}\r\n" for name, value in headers().items())
        request = f"POST /graphql HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw
        begun, before = time.perf_counter(), cpu_of_all(self.watched)
        for turn in range(times):
            started = time.perf_counter()
            writer.write(request)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            text = await reader.readexactly(int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            self.latencies.append(time.perf_counter() - started)
            if turn == 0 and (b" 200 " not in answer[:20] or b'"errors"' in text):
                raise AnswerError(text[:300].decode())
        self.cpu.update({name: spent - before[name] for name, spent in cpu_of_all(self.watched).items()})
        self.seconds += time.perf_counter() - begun
        writer.close()


async def timed(*, questions: list[dict[str, Any]], blocks: int, each: int) -> dict[str, Any]:
    """Ask all of them in turn, ``blocks`` times ``each`` times, so that a drift of the machine hits all. The first block
    does not count.
    """
    asked = [_Question(**question) for question in questions]
    gc.disable()
    for block in range(blocks + 1):
        for question in asked:
            await question.ask(each)
            if block == 0:
                question.latencies.clear()
                question.cpu.clear()
                question.seconds = 0.0
    return {each.name: _quantiles(each.latencies) | {"cpu": dict(each.cpu), "seconds": each.seconds} for each in asked}


async def steady(
    *, port: int, serial: int, messages: int, pace: float, query: str, until: str
) -> dict[str, dict[str, float]]:
    """``pace`` webhooks and half as many queries a second, whether or not those before are answered, until the file ``until`` is there."""
    latencies: dict[str, list[float]] = {"webhook": [], "graphql": []}
    made = bodies(serial, messages, 1)
    question = json.dumps({"query": query}).encode()
    ours = headers()

    async def post(http: httpx.AsyncClient, kind: str, path: str, raw: bytes, sent: dict[str, str]) -> None:
        started = time.perf_counter()
        answer = await http.post(f"http://127.0.0.1:{port}{path}", content=raw, headers=sent)
        if answer.status_code != httpx.codes.OK:
            raise AnswerError(f"{path}: {answer.status_code}")
        latencies[kind].append(time.perf_counter() - started)

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    async with httpx.AsyncClient(trust_env=False, timeout=60, limits=limits) as http, asyncio.TaskGroup() as group:
        Path(f"{until}.begun").touch()
        begun, turn = time.perf_counter(), 0
        while not Path(until).exists():
            raw = next(made)
            group.create_task(post(http, "webhook", PATH, raw, {"X-Hub-Signature-256": signature(raw)}))
            if turn % 2:
                group.create_task(post(http, "graphql", "/graphql", question, ours))
            turn += 1
            await asyncio.sleep(max(0.0, begun + turn / pace - time.perf_counter()))
    return {kind: _quantiles(found) for kind, found in latencies.items()}


def _quantiles(found: Sequence[float]) -> dict[str, Any]:
    ordered = sorted(found) or [0.0]
    return {
        "count": len(found), "p50": 1000 * ordered[len(ordered) // 2],
        "p99": 1000 * ordered[int(0.99 * (len(ordered) - 1))], "max": 1000 * ordered[-1],
    }  # fmt: skip
