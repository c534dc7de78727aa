"""A large request is executed apart, with services of its own, and answered like any other."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from app.config import Secret
from app.db.engine import Database
from app.main import create_app
from app.schema.controller import LARGE
from tests.schema.service import FakeMeta, Service, client, settings, wedding
from tests.whatsapp_simulator.support import until

pytestmark = pytest.mark.anyio

TOKEN = "a-token-of-the-tests"

IMPORT = """mutation($i: ImportGuestsInput!) { importGuests(input: $i) {
    rowCount createdBy { displayName } rows { nodes { guestUnit { name } } } } }"""
PRECHECK = "query($i: PrecheckSendInput!) { precheckSend(input: $i) { token } }"
SEND = "mutation($t: String!) { sendInvites(input: {precheckToken: $t}) { ... on SendInvitesSuccess { run { id } } } }"


@pytest.fixture
async def service(database_url: str, db: Database) -> AsyncIterator[Service]:
    """One that makes its database itself, and so on PostgreSQL has it twice."""
    meta, own = FakeMeta(), replace(settings(dispatch=False, metrics_token=Secret(TOKEN)), database_url=database_url)
    app = create_app(own, sender=meta, directory=meta)
    async with app.lifespan(), client(app) as http:
        yield Service(app, http, meta, own, db)


async def test_a_large_import_asks_nothing_of_the_connections_of_others(service: Service) -> None:
    made = await wedding(service)
    running = service.app.state["running"]
    threads: set[bool] = set()
    for services in (running.services, running.apart):
        for engine in {services.db.reader, services.db.writer}:
            sa.event.listen(
                engine.sync_engine,
                "before_cursor_execute",
                lambda *_, apart=services is running.apart: threads.add(apart),
            )
    rows = [{"name": "Kavya Nair", "household": "Nair", "tags": ["x" * LARGE], "phone": "+91 98000 00077"}]
    done = await service.data(IMPORT, {"i": {"workspaceId": made.workspace, "rows": rows}})
    assert done["importGuests"] == {
        "rowCount": 1,
        "createdBy": {"displayName": "Anita"},
        "rows": {"nodes": [{"guestUnit": {"name": "Nair"}}]},
    }
    assert threads == {True}
    assert (running.apart is running.services) == service.db.sqlite


async def test_connections_apart_are_counted_too(service: Service) -> None:
    told = (await service.http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})).text
    limits = re.findall(r'^invites_db_connections_limit\{pool="(.*)"\} (\d+)', told, re.MULTILINE)
    apart = {} if service.db.sqlite else {"read aside": "4", "write aside": "4"}
    assert dict(limits) == {"read": "10", "write": "1" if service.db.sqlite else "10"} | apart


async def test_a_send_apart_wakes_the_dispatcher_and_is_heard_here(service: Service) -> None:
    made = await wedding(service)
    running, here = service.app.state["running"], asyncio.get_running_loop()
    woken: list[bool] = []
    heard: list[tuple[list[str], bool]] = []

    class Sleeping:
        def wake(self) -> None:
            woken.append(asyncio.get_running_loop() is here)

    running.worker = Sleeping()
    async with running.services.db.signals.heard(
        lambda run_ids: heard.append((list(run_ids), asyncio.get_running_loop() is here))
    ):
        token = (await service.data(PRECHECK, {"i": made.request()}))["precheckSend"]["token"]
        sent = await service.data(SEND, {"t": token, "more": "x" * LARGE})
        run_id = sent["sendInvites"]["run"]["id"]
        await until(lambda: asyncio.sleep(0, ([run_id], True) in heard and bool(woken)), bool)
    assert woken == [True]
    assert all(on_this_loop for _, on_this_loop in heard)
