"""The app as a whole: health, request ids, the GraphiQL page, start and stop."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app import worker
from app.db.engine import Database, UnitOfWork
from app.db.migrate import newest, upgrade
from app.db.tables import MessageRow, NumberRow, WorkspaceRow
from app.domain.enums import MessageState
from app.domain.texts import OVERDUE, TAKEN_TWICE
from app.main import create_app
from app.services import intake
from app.services.base import utc_now
from app.services.dispatch import Dispatch
from app.services.intake import Intake
from app.whatsapp.port import Outcome, TemplateMessage
from app.worker import Worker
from tests.schema.service import FakeMeta, Service, client, serving, settings, status, wedding
from tests.whatsapp_simulator.support import until

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
        for path in ("/health/live", "/health/ready"):
            asked = await service.http.head(path)
            assert (asked.status_code, asked.content) == (200, b""), "as a monitor asks"


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
        old = Database(f"sqlite+aiosqlite:///{tmp_path}/old.db")
        await upgrade(old.url.render_as_string(), "0001")
        for elsewhere, told, reason in (
            (Database(f"sqlite+aiosqlite:///{tmp_path}/missing/x.db"), "away", "database-away"),
            (Database("postgresql+asyncpg://nobody:hidden@127.0.0.1:1/x"), "away", "database-away"),
            (
                Database(f"sqlite+aiosqlite:///{tmp_path}/empty.db"),
                "not migrated: run 'invites migrate'",
                "not-migrated",
            ),
            (old, "not migrated: run 'invites migrate'", "not-migrated"),
        ):
            object.__setattr__(services.health, "db", elsewhere)
            response = await service.http.get("/health/ready")
            assert response.status_code == 503
            assert response.json() == {
                "status": "not ready", "reason": reason, "database": told, "dispatcher": "off", "webhook": "ok",
            }  # fmt: skip
            await elsewhere.close()
        assert (await service.http.get("/health/live")).status_code == 200


async def test_ready_while_a_newer_version_has_migrated_the_database(db: Database) -> None:
    """Else every process would be taken out of service at once, before the first of the new ones is there."""
    async with db.connection() as connection:
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        await connection.commit()
    try:
        async with serving(db, dispatch=False) as service:
            response = await service.http.get("/health/ready")
            told = response.json()
            assert (response.status_code, told["status"]) == (200, "ok")
            assert told["database"] == "ahead: a newer version has migrated it"
            assert told["takenTwice"] == 0
    finally:
        async with db.connection() as connection:
            await connection.execute(sa.text("UPDATE alembic_version SET version_num = :n"), {"n": newest()})
            await connection.commit()


async def test_not_ready_when_the_dispatcher_has_died(db: Database) -> None:
    async with serving(db) as service:
        service.app.state["running"].dispatcher.cancel()
        await asyncio.sleep(0.05)
        assert await unready(service) == ("dispatcher-stopped", "stopped", "ok")


async def unready(service: Service) -> tuple[str, str, str]:
    response = await service.http.get("/health/ready")
    told = response.json()
    assert (response.status_code, told["status"], told["database"]) == (503, "not ready", "ok")
    return told["reason"], told["dispatcher"], told["webhook"]


@pytest.mark.parametrize("loop", ["_pump", "_keep", "_record"])
async def test_a_dispatcher_of_which_a_loop_has_ended_has_died(
    db: Database, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def end(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Worker, loop, end)
    async with serving(db) as service:
        with pytest.raises(RuntimeError, match="a bug"):
            await service.app.state["running"].dispatcher
        assert (await unready(service))[0] == "dispatcher-stopped"


async def test_not_ready_while_the_dispatcher_is_stuck(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim, and then the writing of outcomes, that does not come back."""
    go_on, standing = asyncio.Event(), asyncio.Event()

    def stand(what: str) -> None:
        real = getattr(Dispatch, what)

        async def wait(*args: Any) -> Any:
            standing.set()
            await go_on.wait()
            return await real(*args)

        monkeypatch.setattr(Dispatch, what, wait)

    async def stands_still(service: Service) -> None:
        await standing.wait()
        assert (await service.http.get("/health/ready")).status_code == 200
        monkeypatch.setattr(worker, "STUCK_SECONDS", -1.0)
        assert await unready(service) == ("dispatcher-stuck", "stuck", "ok")
        monkeypatch.undo()
        go_on.set()

    stand("has_due")
    async with serving(db) as service:
        await stands_still(service)
    go_on.clear()
    standing.clear()
    stand("record")
    async with serving(db) as service:
        await (await wedding(service)).send()
        await standing.wait()
        running = service.app.state["running"].worker
        running._pumped_at = time.monotonic() + 3600  # the pump goes on; only what was sent is not written
        await stands_still(service)


async def test_not_ready_while_webhooks_are_not_kept(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = asyncio.Event()
    async with serving(db, dispatch=False) as service:
        services = service.app.state["running"].use()

        async def wait(_bodies: object) -> None:
            await go_on.wait()

        services.webhooks.ingest = wait
        posted = asyncio.create_task(service.post_statuses(status("wamid.1", "sent", 1_900_000_000)))
        await until(lambda: _writing(services.intake), bool)
        assert (await service.http.get("/health/ready")).status_code == 200
        monkeypatch.setattr(intake, "STUCK_SECONDS", -1.0)
        assert await unready(service) == ("webhooks-stuck", "off", "stuck")
        go_on.set()
        assert (await posted).status_code == 200
        assert (await service.http.get("/health/ready")).status_code == 200, "nobody waits, so nothing is stuck"


async def _writing(taking: Intake) -> bool:
    return any(since is not None for since in taking._writers.values())


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
