"""Whether webhooks and queries are answered while big work runs in the same process: ``python -m benchmarks.responsiveness``.

A server as ``invites serve`` starts it, on PostgreSQL, with fsync on. Webhooks of one status and small queries are posted at
a steady pace, first alone, then while a precheck of 100,000 recipients and an import of 50,000 guests run through GraphQL:
the list as CSV, or its rows as
data. Wanted: 99 of 100 webhooks within 250 ms.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx

from app.auth import issue_token
from app.cli.demo.processes import free_port, running
from app.config import Settings
from app.domain.requests import SendRequest
from benchmarks.databases import durable
from benchmarks.forged_flood import PATH, Posted, genuine
from benchmarks.wedding import OWNER, environment, list_as_csv, list_as_rows, make_wedding, make_workspace, services_of
from tests.databases import Databases

LIMIT: Final = 90.0
"""Seconds for all of it, from the start of the server."""
WANTED_MS: Final = 250.0
PRECHECK: Final = """query ($input: PrecheckSendInput!) {
  precheckSend(input: $input) { token candidateCount eligibleCount previews { text } candidates { nodes { phone } } } }"""
IMPORT: Final = "mutation ($input: ImportGuestsInput!) { importGuests(input: $input) { rowCount } }"
SMALL: Final = "query ($id: ID!) { workspace(id: $id) { id name } }"


class Server:
    """The running server and what is asked of it."""

    def __init__(self, address: str, token: str) -> None:
        self.address = address
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.http = httpx.AsyncClient(trust_env=False, timeout=LIMIT)

    async def ask(self, body: bytes) -> tuple[int, Any]:
        answer = await self.http.post(f"{self.address}/graphql", content=body, headers=self._headers)
        return answer.status_code, answer.json()

    async def timed(self, what: str, body: bytes) -> Any:
        started = time.perf_counter()
        _, answer = await self.ask(body)
        assert "errors" not in answer, answer["errors"]
        print(f"  {what}: {time.perf_counter() - started:.1f} s", flush=True)
        return answer["data"]

    async def small_queries(self, body: bytes, pace: float, over: Callable[[], bool]) -> Posted:
        posted = Posted()

        async def ask() -> None:
            started = time.perf_counter()
            status, answer = await self.ask(body)
            posted.add(500 if "errors" in answer else status, time.perf_counter() - started)

        async with asyncio.TaskGroup() as asked:
            while not over():
                asked.create_task(ask())
                await asyncio.sleep(1 / pace)
        return posted


def document(query: str, variables: dict[str, Any]) -> bytes:
    return json.dumps({"query": query, "variables": variables}).encode()


def precheck_input(request: SendRequest) -> dict[str, Any]:
    parameters = [
        {"component": each.component, "name": each.name, "source": each.source} for each in request.parameters
    ]
    return {
        "eventId": request.event_id, "templateName": request.template_name,
        "templateLanguage": request.template_language, "parameters": parameters, "audience": {},
    }  # fmt: skip


async def measure(url: str, folder: Path, wanted: argparse.Namespace) -> bool:
    async with services_of(url) as (db, services):
        request = await make_wedding(db, services, wanted.recipients)
        workspace_id = await make_workspace(services)
    precheck = document(PRECHECK, {"input": precheck_input(request)})
    as_rows = wanted.list == "rows"
    guests = {"rows": list_as_rows(1, wanted.rows)} if as_rows else {"csv": list_as_csv(1, wanted.rows)}
    bring_in = document(IMPORT, {"input": {"workspaceId": workspace_id} | guests})
    small, numbers = document(SMALL, {"id": workspace_id}), count()
    env = environment(url)
    port = free_port(8750)
    server = Server(f"http://127.0.0.1:{port}", issue_token(Settings.from_env(env), OWNER.subject, None, timedelta(1)))
    serve = running(
        ["serve", "--port", str(port), "--no-dispatch"], env, folder / "serve.log", f"{server.address}/health/ready"
    )

    async def steadily(what: str, over: Callable[[], bool]) -> bool:
        webhooks, queries = await asyncio.gather(
            genuine(server.address + PATH, numbers, wanted.webhooks, over),
            server.small_queries(small, wanted.queries, over),
        )
        print(webhooks.line(f"webhooks, {what}"))
        print(queries.line(f"queries, {what}"), flush=True)
        return {*webhooks.statuses, *queries.statuses} == {200} and webhooks.milliseconds(0.99) <= WANTED_MS

    async with asyncio.timeout(LIMIT), serve, server.http:
        await steadily("warming up", after(1.0))
        fine = await steadily("alone", after(5.0))
        print(f"  the server's memory so far: {peak_memory(port):.0f} MB at most")
        work = asyncio.gather(
            server.timed(f"precheck of {wanted.recipients:,}", precheck),
            server.timed(f"import of {wanted.rows:,} as {wanted.list}", bring_in),
        )
        fine &= await steadily("meanwhile", work.done)
        found, done = await work
        assert found["precheckSend"]["eligibleCount"] == wanted.recipients, found
        assert done["importGuests"]["rowCount"] == wanted.rows, done
        print(f"  the server's memory: {peak_memory(port):.0f} MB at most", flush=True)
    return fine


def after(seconds: float) -> Callable[[], bool]:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() >= end


def peak_memory(port: int) -> float:
    """MB of the server that was started with this port: what the kernel calls VmHWM."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"serve\0--port\0{port}\0" in (process / "cmdline").read_text():
                line = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM"))
                return int(line.split()[1]) / 1024
        except OSError:  # it has ended meanwhile
            continue
    raise AssertionError("the server has gone")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.responsiveness", description=__doc__)
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--list", choices=("csv", "rows"), default="csv", help="how the import is given [csv]")
    parser.add_argument("--webhooks", type=float, default=50.0, help="a second [50]")
    parser.add_argument("--queries", type=float, default=10.0, help="a second [10]")
    wanted = parser.parse_args()
    databases = Databases()
    url = databases.make("postgres")
    asyncio.run(durable(databases.postgres_admin_url()))
    with tempfile.TemporaryDirectory(prefix="invites-bench-") as folder:
        fine = asyncio.run(measure(url, Path(folder), wanted))
    if not fine:
        print(f"slower than the wanted {WANTED_MS:.0f} ms, or not all were answered with 200", file=sys.stderr)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
