"""The app as a whole: health, request ids, the GraphiQL page, start and stop."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.tables import MessageRow, NumberRow, WorkspaceRow
from app.domain.enums import MessageState
from app.domain.texts import OVERDUE, TAKEN_TWICE
from app.main import create_app
from app.services.base import utc_now
from app.whatsapp.port import Outcome, TemplateMessage
from tests.schema.service import FakeMeta, client, serving, settings, wedding

pytestmark = pytest.mark.anyio


async def test_ready(db: Database) -> None:
    async with serving(db) as service:
        assert (await service.http.get("/health/live")).json() == {"status": "ok"}
        response = await service.http.get("/health/ready")
        assert response.status_code == 200
        assert response.json() == {
            "status": "ok", "database": "ok", "dispatcher": "running", "webhook": "ok",
            "unconfirmedOverdue": 0, "takenTwice": 0,
        }  # fmt: skip


async def test_ready_tells_what_a_person_should_look_at(db: Database) -> None:
    async with serving(db, unconfirmed_after=900.0, dispatch=False) as service:
        run = await (await wedding(service)).send()

        async def lose(uow: UnitOfWork) -> None:
            messages = list(await uow.session.scalars(sa.select(MessageRow).where(MessageRow.run_id == run)))
            for message, age in zip(messages, (899, 901), strict=False):
                message.state, message.state_since = MessageState.UNCONFIRMED, utc_now() - timedelta(seconds=age)
            messages[0].second_message_id = "wamid.second"

        await db.write(lose)
        response = await service.http.get("/health/ready")
        assert response.status_code == 200, "the service itself works"
        told = response.json()
        assert (told["unconfirmedOverdue"], told["takenTwice"]) == (1, 1)
        assert told["todo"] == [
            f"1: {OVERDUE.operator_text} {OVERDUE.next_step}",
            f"1: {TAKEN_TWICE.operator_text} {TAKEN_TWICE.next_step}",
        ]
        query = "query($r: ID!) { sendRun(id: $r) { summary { overdue { count operatorText nextStep } } } }"
        shown = (await service.data(query, {"r": run}))["sendRun"]["summary"]["overdue"]
        assert shown == {"count": 1, "operatorText": OVERDUE.operator_text, "nextStep": OVERDUE.next_step}


async def test_nothing_is_overdue_while_nothing_is(db: Database) -> None:
    async with serving(db, dispatch=False) as service:
        run = await (await wedding(service)).send()
        query = "query($r: ID!) { sendRun(id: $r) { summary { overdue { count } } } }"
        assert (await service.data(query, {"r": run}))["sendRun"]["summary"] == {"overdue": None}


async def test_ready_says_what_is_not_set_up(db: Database) -> None:
    async with serving(db, meta_phone_number_id=None, meta_app_secret=None) as service:
        response = await service.http.get("/health/ready")
        assert response.status_code == 200
        assert response.json()["dispatcher"] == "off"
        assert response.json()["webhook"] == "refused: META_APP_SECRET is not set"


async def test_not_ready_while_the_database_is_away_or_old(db: Database, tmp_path: Path) -> None:
    async with serving(db, dispatch=False) as service:
        services = service.app.state["running"].use()
        for url, told in (
            (f"sqlite+aiosqlite:///{tmp_path}/missing/x.db", "away"),
            ("postgresql+asyncpg://nobody@127.0.0.1:1/x", "away"),
            (f"sqlite+aiosqlite:///{tmp_path}/empty.db", "not migrated: run 'invites migrate'"),
        ):
            elsewhere = Database(url)
            object.__setattr__(services.health, "db", elsewhere)
            response = await service.http.get("/health/ready")
            assert (response.status_code, response.json()["database"]) == (503, told)
            await elsewhere.close()
        assert (await service.http.get("/health/live")).status_code == 200


async def test_not_ready_when_the_dispatcher_has_died(db: Database) -> None:
    async with serving(db) as service:
        service.app.state["running"].dispatcher.cancel()
        await asyncio.sleep(0.05)
        response = await service.http.get("/health/ready")
        assert (response.status_code, response.json()["dispatcher"]) == (503, "stopped")


async def test_request_ids(db: Database) -> None:
    async with serving(db, dispatch=False) as service:
        given = await service.http.get("/health/live", headers={"X-Request-Id": "abc-123.DEF"})
        assert given.headers["X-Request-Id"] == "abc-123.DEF"
        made = [await service.http.get("/health/live", headers={"X-Request-Id": "x\ty" * 40}) for _ in range(2)]
        assert len({response.headers["X-Request-Id"] for response in made}) == 2
        created = await service.http.post(
            "/graphql",
            json={
                "query": 'mutation { createWorkspace(input: {name: "W", defaultRegion: "IN", timezone: "Asia/Kolkata"}) { id } }'
            },
            headers=service.headers() | {"X-Request-Id": "request-of-anita"},
        )
        workspace = created.json()["data"]["createWorkspace"]["id"]
        audit = await service.data(
            "query($w: ID!) { workspace(id: $w) { audit { nodes { requestId } } } }", {"w": workspace}
        )
        assert audit["workspace"]["audit"]["nodes"][0] == {"requestId": "request-of-anita"}


async def test_graphiql_is_off_unless_asked_for(db: Database) -> None:
    page = {"Accept": "text/html,application/xhtml+xml"}
    async with serving(db, dispatch=False) as service:
        assert (await service.http.get("/graphql", headers=page)).status_code == 404
    async with serving(db, dispatch=False, graphiql=True) as service:
        shown = await service.http.get("/graphql", headers=page)
        assert shown.status_code == 200
        assert "GraphiQL" in shown.text
        for accept in ("*/*", "application/json"):
            assert (await service.http.get("/graphql", headers={"Accept": accept})).status_code == 400
        assert await service.data("{ __schema { queryType { name } } }")


async def test_cors_only_for_named_origins(db: Database) -> None:
    ask = {"Origin": "https://console.example", "Access-Control-Request-Method": "POST"}
    async with serving(db, dispatch=False) as service:
        assert "Access-Control-Allow-Origin" not in (await service.http.options("/graphql", headers=ask)).headers
    async with serving(db, dispatch=False, allowed_origins=("https://console.example",)) as service:
        response = await service.http.options("/graphql", headers=ask)
        assert response.headers["Access-Control-Allow-Origin"] == "https://console.example"
        answer = await service.http.get("/health/live", headers=ask)
        assert answer.headers["Access-Control-Expose-Headers"] == "X-Request-Id"
        other = await service.http.options("/graphql", headers=ask | {"Origin": "https://other.example"})
        assert "Access-Control-Allow-Origin" not in other.headers


async def test_a_number_that_comes_later_is_taken_on(db: Database) -> None:
    """A family sets up its guests first; once Meta is configured, its workspace has the number. Once, not anew each time."""
    async with serving(db, meta_phone_number_id=None) as service:
        workspace = await service.data(
            'mutation { createWorkspace(input: {name: "W", defaultRegion: "IN", timezone: "Asia/Kolkata"}) { id provider { configured sendRate } } }'
        )
        assert workspace["createWorkspace"]["provider"] == {"configured": False, "sendRate": 0.0}
    for _ in range(2):
        async with serving(db, send_rate=20.0, meta_graph_url="http://127.0.0.1:9000") as service:
            shown = await service.data(
                "{ me { memberships { workspace { provider { configured simulated sendRate } } } } }"
            )
            provider = shown["me"]["memberships"][0]["workspace"]["provider"]
            assert provider == {"configured": True, "simulated": True, "sendRate": 20.0}
    assert await db.read(_numbers) == (1, 0)


async def _numbers(uow: UnitOfWork) -> tuple[int, int]:
    numbers = await uow.session.scalar(sa.select(sa.func.count()).select_from(NumberRow))
    without = await uow.session.scalar(
        sa.select(sa.func.count()).select_from(WorkspaceRow).where(WorkspaceRow.number_id.is_(None))
    )
    return numbers or 0, without or 0


class SlowMeta(FakeMeta):
    async def send(self, message: TemplateMessage) -> Outcome:
        outcome = await super().send(message)
        await asyncio.sleep(0.5)
        return outcome


async def test_stopping_records_what_is_under_way(db: Database) -> None:
    meta = SlowMeta()
    async with serving(db, meta=meta) as service:
        run = await (await wedding(service)).send()
        for _ in range(100):
            if len(meta.sent) == 2:
                break
            await asyncio.sleep(0.02)
    async with serving(db, dispatch=False) as service:
        shown = await service.data("query($r: ID!) { sendRun(id: $r) { summary { accepted sending } } }", {"r": run})
        assert shown["sendRun"]["summary"] == {"accepted": 2, "sending": 0}


async def test_the_app_closes_what_it_opened(database_url: str) -> None:
    app = create_app(settings(database_url=database_url, meta_access_token=None))
    async with app.lifespan(), client(app) as http:
        assert (await http.get("/health/ready")).json()["dispatcher"] == "off"
        database: Any = app.state["running"].use().db
        assert database.writer.pool.checkedin() + database.reader.pool.checkedin() > 0
    assert database.writer.pool.checkedin() + database.reader.pool.checkedin() == 0


async def test_unknown_paths_tell_nothing(db: Database) -> None:
    async with serving(db, dispatch=False) as service:
        response = await service.http.get("/nothing")
        assert response.status_code == 404
        assert "Traceback" not in response.text
