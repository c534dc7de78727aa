"""Client libraries that a console would use run the journey: precheck, send, watch, summary. Each checks its operations
against ``schema.graphql`` first."""

import asyncio
import contextlib
import json
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from gql import Client, GraphQLRequest, gql
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport
from graphql import print_ast

from app.auth import issue_token
from tests.databases import CHOSEN
from tests.docs.test_docs import TEXTS, blocks
from tests.e2e.test_whole_loop import OWNER, Loop, prepare, whole_loop
from tests.tools import go_without

pytestmark = pytest.mark.anyio

HERE = Path(__file__).parent
SCHEMA = (HERE.parents[1] / "schema.graphql").read_text()
OPERATIONS = (HERE / "journey.graphql").read_text()
GUESTS = 20


def operation(name: str, **variables: Any) -> GraphQLRequest:
    document = gql(OPERATIONS).document
    (definition,) = (each for each in document.definitions if each.name.value == name)  # type: ignore[attr-defined]  # all are named operations
    return GraphQLRequest(print_ast(definition), variable_values=variables)


def bearer(loop: Loop) -> str:
    return issue_token(loop.settings, OWNER.subject, OWNER.display_name, timedelta(minutes=5))


async def wish(loop: Loop) -> dict[str, Any]:
    """Input of the precheck: a template with one placeholder, for everybody."""
    parameters = [{"component": "BODY", "name": "event_title", "source": "EVENT_TITLE"}]
    return {
        "eventId": (await prepare(loop, GUESTS)).event_id,
        "templateName": "will_you_come",
        "templateLanguage": "en",
        "parameters": parameters,
        "audience": {},
    }


def check(live: list[dict[str, Any]], run: dict[str, Any]) -> None:
    """Of the guests one is blocked, two more have no usable phone."""
    assert live[-1]["status"] == run["status"] == "COMPLETED"
    assert {each["summary"]["candidates"] for each in live} == {GUESTS + 2}
    reached = [each["summary"]["reachedAccepted"] for each in live]
    assert reached == sorted(reached)
    assert live[-1]["summary"]["queued"] == live[-1]["summary"]["sending"] == 0
    summary = run["summary"]
    assert summary["eligible"] == summary["reachedAccepted"] == GUESTS - 1
    assert sum(each["count"] for each in summary["byState"]) == GUESTS + 2


async def test_gql_of_python(database_url: str) -> None:
    async with whole_loop(database_url) as loop:
        token, url = bearer(loop), f"{loop.url}/graphql"
        http = HTTPXAsyncTransport(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
        socket = WebsocketsTransport(
            url.replace("http", "ws", 1),
            init_payload={"Authorization": f"Bearer {token}"},
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
            connect_args={"proxy": None},
        )
        wanted = await wish(loop)
        async with Client(schema=SCHEMA, transport=http) as asks, Client(schema=SCHEMA, transport=socket) as watches:
            precheck = (await asks.execute(operation("Check", input=wanted)))["precheckSend"]
            assert (precheck["eligibleCount"], precheck["rejectedCount"]) == (GUESTS - 1, 3)
            sent = await asks.execute(operation("Send", token=precheck["token"]))
            run = sent["sendInvites"]["run"]["id"]
            live: list[dict[str, Any]] = []
            async with contextlib.aclosing(watches.subscribe(operation("Live", run=run))) as values:
                async for value in values:
                    live.append(value["sendRunProgress"])
                    if live[-1]["status"] == "COMPLETED":
                        break
            summary = await asks.execute(operation("Summary", run=run))
        check(live, summary["sendRun"])


async def installed() -> Path:
    """A folder of this environment with the npm packages of ``npm/package-lock.json``; fetched once."""
    folder = Path(sys.prefix) / "npm-journey"
    kept = folder / "fetched.json"
    lock = HERE / "npm" / "package-lock.json"
    if not kept.exists() or kept.read_text() != lock.read_text():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / "npm" / name, folder)
        await run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=folder)
        shutil.copy(lock, kept)
    return folder


class FailedError(Exception):
    """A program is not there, or ended with an error."""


async def run(*command: str, cwd: Path, stdin: str = "") -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=cwd, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )  # fmt: skip
    except FileNotFoundError as error:
        raise FailedError(f"there is no {command[0]}") from error
    try:
        async with asyncio.timeout(60):
            out, complaint = await process.communicate(stdin.encode())
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise FailedError(f"{command[0]} failed: {complaint.decode()[-1000:]}")
    return out.decode()


@pytest.mark.parametrize("database_url", CHOSEN[:1], indirect=True)
async def test_graphql_ws_of_npm(database_url: str) -> None:
    try:
        folder = await installed()
        await run("node", "--version", cwd=folder)
    except (FailedError, OSError) as failed:
        go_without(f"npm's graphql-ws cannot be had here: {' '.join(str(failed).split())[:100]}")
    shutil.copy(HERE / "npm" / "journey.mjs", folder)
    async with whole_loop(database_url) as loop:
        given = {
            "url": f"{loop.url}/graphql".replace("http", "ws", 1),
            "token": bearer(loop),
            "schema": SCHEMA,
            "operations": OPERATIONS,
            "input": await wish(loop),
        }
        told = json.loads(await run("node", "journey.mjs", cwd=folder, stdin=json.dumps(given)))
        (folder / "client.mjs").write_text("\n".join(blocks(TEXTS["docs/graphql.md"], "js")))
        shutil.copy(HERE / "npm" / "guide.mjs", folder)
        given = {"host": loop.url, "token": bearer(loop), "run": told["run"]}
        shown = json.loads(await run("node", "guide.mjs", cwd=folder, stdin=json.dumps(given)))
    check(told["live"], told["summary"])
    assert shown["status"] == "COMPLETED"
    assert shown["watched"] == [{"sendRunProgress": {"status": "COMPLETED"}}], "it was complete before"
    assert shown["refused"] == {"code": "BAD_INPUT", "field": "first"}
