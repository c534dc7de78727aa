"""A large request is executed apart, with services of its own, and answered like any other."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from app.db.engine import Database
from app.main import create_app
from app.schema.controller import LARGE
from tests.schema.service import FakeMeta, Service, client, settings, wedding

pytestmark = pytest.mark.anyio

IMPORT = """mutation($i: ImportGuestsInput!) { importGuests(input: $i) {
    rowCount createdBy { displayName } rows { nodes { guestUnit { name } } } } }"""


async def test_a_large_import_asks_nothing_of_the_connections_of_others(database_url: str, db: Database) -> None:
    meta, own = FakeMeta(), replace(settings(dispatch=False), database_url=database_url)
    app = create_app(own, sender=meta, directory=meta)
    async with app.lifespan(), client(app) as http:
        service = Service(app, http, meta, own, db)
        made = await wedding(service)
        running = app.state["running"]
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
        assert (running.apart is running.services) == db.sqlite
