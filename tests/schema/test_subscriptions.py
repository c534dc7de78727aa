"""The websocket: who is let in, what it says, when it ends."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from app.auth import identity, issue_token
from app.db.engine import Database
from app.domain import ids
from app.domain.watching import ANYWAY
from app.schema.cleaning import MAX_NESTING
from tests.schema.service import Service, serving, status, wamid, wedding
from tests.schema.sockets import Socket
from tests.schema.test_console import OPERATIONS
from tests.schema.test_limits import nested
from tests.whatsapp_simulator.support import until

pytestmark = [pytest.mark.anyio, pytest.mark.either_database]

WATCH = "subscription($r: ID!) { sendRunProgress(id: $r) { status summary { queued accepted delivered } } }"


async def test_progress_of_a_run(service: Service) -> None:
    made = await wedding(service)
    run = await made.send()
    async with Socket(service.app, service.token()) as socket:
        await socket.subscribe("1", OPERATIONS["S7_Live"], {"r": run})
        while True:
            shown = (await socket.until("next"))["payload"]["data"]["sendRunProgress"]
            if shown["summary"]["accepted"] == 2:
                break
        assert shown["summary"]["candidates"] == 2
        await service.post_statuses(status(wamid(service.meta.sent[0].attempt_id), "delivered", 1_900_000_000))
        while not shown["summary"]["delivered"]:
            shown = (await socket.until("next"))["payload"]["data"]["sendRunProgress"]
        assert (shown["status"], shown["summary"]["delivered"], shown["summary"]["accepted"]) == ("COMPLETED", 1, 1)


async def test_nothing_is_said_while_nothing_changes(idle: Service) -> None:
    run = await (await wedding(idle)).send()
    async with Socket(idle.app, idle.token()) as socket:
        await socket.subscribe("1", WATCH, {"r": run})
        first = (await socket.until("next"))["payload"]["data"]["sendRunProgress"]
        assert first == {"status": "RUNNING", "summary": {"queued": 2, "accepted": 0, "delivered": 0}}
        with pytest.raises(TimeoutError):
            await socket.until("next", seconds=3 * ANYWAY / 2)
        await idle.data("mutation($r: ID!) { pauseSendRun(id: $r) { id } }", {"r": run})
        assert (await socket.until("next"))["payload"]["data"]["sendRunProgress"]["status"] == "PAUSED"


async def test_it_ends_with_access(idle: Service) -> None:
    made = await wedding(idle)
    run = await made.send()
    member = """mutation($w: ID!, $a: Boolean!) { setMember(input: {
        workspaceId: $w, subject: "chandra", displayName: "C", role: FAMILY_COORDINATOR, active: $a}) { id } }"""
    await idle.data(member, {"w": made.workspace, "a": True})
    async with Socket(idle.app, idle.token("chandra")) as socket:
        await socket.subscribe("1", WATCH, {"r": run})
        await socket.until("next")
        await idle.data(member, {"w": made.workspace, "a": False})
        await socket.until("complete", seconds=2)


async def test_it_shows_a_lowered_member_what_the_new_role_may(idle: Service) -> None:
    made = await wedding(idle)
    run = await made.send()
    member = """mutation($w: ID!, $r: Role!) { setMember(input: {
        workspaceId: $w, subject: "chandra", displayName: "C", role: $r}) { id } }"""
    await idle.data(member, {"w": made.workspace, "r": "PARENT_ADMIN"})
    watch = "subscription($r: ID!) { sendRunProgress(id: $r) { status event { workspace { viewerCan } } } }"
    async with Socket(idle.app, idle.token("chandra")) as socket:
        await socket.subscribe("1", watch, {"r": run})
        first = (await socket.until("next"))["payload"]["data"]["sendRunProgress"]
        assert "RECEIPT_READ" in first["event"]["workspace"]["viewerCan"]
        await idle.data(member, {"w": made.workspace, "r": "FAMILY_COORDINATOR"})
        await idle.data("mutation($r: ID!) { pauseSendRun(id: $r) { id } }", {"r": run})
        second = (await socket.until("next"))["payload"]["data"]["sendRunProgress"]
        assert second["status"] == "PAUSED"
        assert not {"RECEIPT_READ", "INVITE_SEND"} & set(second["event"]["workspace"]["viewerCan"])


@pytest.mark.parametrize("leaves", ["complete", "disconnect", "vanish"])
async def test_nobody_looks_when_nobody_watches(
    idle: Service, leaves: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = await (await wedding(idle)).send()
    live = idle.app.state["running"].use().live
    async with Socket(idle.app, idle.token()) as socket:
        await socket.subscribe("1", WATCH, {"r": run})
        await socket.until("next")
        assert live.watchers == 1
        if leaves == "complete":
            await socket.send({"type": "complete", "id": "1"})
        if leaves == "vanish":  # while there is something to say, before the server knows
            monkeypatch.setattr(socket._out, "put", gone)
            await idle.data("mutation($r: ID!) { pauseSendRun(id: $r) { id } }", {"r": run})
        if leaves != "disconnect":
            await until(lambda: now(live.watchers), lambda watchers: not watchers)
    await until(lambda: now(live._task), lambda task: task is None)
    assert live.watchers == 0
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def gone(_event: Any) -> None:
    """What uvicorn does when it is given something for a client that has gone."""
    raise OSError


async def now(value: Any) -> Any:
    return value


async def test_it_ends_when_the_token_runs_out(idle: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await (await wedding(idle)).send()
    # Within the leeway for clocks a token still holds.
    token = issue_token(idle.settings, "anita", None, timedelta(seconds=-1))
    async with Socket(idle.app, token) as socket:
        await socket.subscribe("1", WATCH, {"r": run})
        await socket.until("next")
        monkeypatch.setattr(identity, "LEEWAY", timedelta(0))
        message = await socket.until("next")
        assert message["payload"]["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
        await socket.until("complete")


@pytest.mark.parametrize("who", ["anita", "stranger"])
async def test_runs_that_cannot_be_seen(idle: Service, who: str) -> None:
    foreign = await (await wedding(idle)).send()
    async with Socket(idle.app, idle.token(who)) as socket:
        for run in (ids.new_id(ids.SEND_RUN), "run_1", *([foreign] if who == "stranger" else [])):
            await socket.subscribe("1", WATCH, {"r": run})
            message = await socket.until("next")
            assert message["payload"]["errors"][0]["extensions"] == {"code": "NOT_FOUND"}
            await socket.until("complete")


@pytest.mark.parametrize(
    "payload",
    [None, {}, {"Authorization": "Bearer x"}, {"Authorization": 1}, {"token": "x"}],
)
async def test_a_socket_without_a_token_is_closed(idle: Service, payload: Any) -> None:
    async with Socket(idle.app, None) as socket:
        await socket.send({"type": "connection_init"} | ({} if payload is None else {"payload": payload}))
        assert await socket.closed() == 4403


async def test_a_header_is_no_token_of_a_socket(idle: Service) -> None:
    async with Socket(idle.app, None, headers={"authorization": f"Bearer {idle.token()}"}) as socket:
        await socket.send({"type": "connection_init"})
        assert await socket.closed() == 4403


async def test_other_protocols_and_origins_are_refused(idle: Service) -> None:
    async with Socket(idle.app, None, protocol="graphql-ws") as socket:
        assert await socket.closed() == 4406
    async with Socket(idle.app, None, headers={"origin": "https://elsewhere.example"}) as socket:
        assert await socket.closed() == 1008


async def test_an_allowed_origin(db: Database) -> None:
    origin = {"origin": "https://console.example"}
    async with (
        serving(db, dispatch=False, allowed_origins=("https://console.example",)) as service,
        Socket(service.app, service.token(), headers=origin) as socket,
    ):
        await socket.subscribe("1", "{ me { subject } }")
        assert (await socket.until("next"))["payload"]["data"] == {"me": {"subject": "anita"}}


@pytest.mark.parametrize(
    "text",
    [
        "no json", "[]", "1", '"x"', "{}", '{"type": 1}', '{"type": []}', '{"type": "subscribe"}', '{"type": "subscribe", "id": 1}',
        '{"type": "subscribe", "id": "1", "payload": []}', '{"type": "complete", "id": []}',
        '{"type": "connection_init", "payload": 1}', "[" * 50_000, "9" * 5000,
    ],
)  # fmt: skip
async def test_nonsense_closes_the_socket(idle: Service, text: str) -> None:
    async with Socket(idle.app, idle.token()) as socket:
        await socket.send_text(text)
        assert await socket.closed() == 4400


async def test_nonsense_within_an_operation(idle: Service) -> None:
    async with Socket(idle.app, idle.token()) as socket:
        for payload, code in (
            ({}, "BAD_INPUT"),
            ({"query": 1}, "BAD_INPUT"),
            ({"query": "{ me { subject } }", "variables": []}, "BAD_INPUT"),
            ({"query": "{ me { subject } }".ljust(70_000)}, "TOO_LARGE"),
            ({"query": "{ nothing }"}, "BAD_INPUT"),
            ({"query": ""}, "BAD_INPUT"),
            ({"query": "{ me { subject } }", "operationName": "\ud800"}, "BAD_INPUT"),
            ({"query": "{ me { subject } }", "operationName": 1}, "BAD_INPUT"),
            ({"query": "{ me { subject } }", "operationName": "other"}, "BAD_INPUT"),
            ({"query": "query A { me { subject } } query B { me { displayName } }"}, "BAD_INPUT"),
            ({"query": "{ me { subject } }", "variables": {"x": nested(MAX_NESTING)}}, "TOO_LARGE"),
        ):
            await socket.send({"type": "subscribe", "id": "1", "payload": payload})
            message = await socket.until("error")
            assert message["payload"][0]["extensions"]["code"] == code


async def test_loaders_do_not_remember_between_operations(idle: Service) -> None:
    made = await wedding(idle)
    query = "query($e: ID!) { event(id: $e) { title } }"
    async with Socket(idle.app, idle.token()) as socket:
        for title in ("Sangeet", "Mehndi"):
            change = "mutation($e: ID!, $t: String!) { updateEvent(input: {id: $e, title: $t}) { id } }"
            await idle.data(change, {"e": made.event, "t": title})
            await socket.subscribe(title, query, {"e": made.event})
            assert (await socket.until("next"))["payload"]["data"]["event"]["title"] == title
            await socket.until("complete")
