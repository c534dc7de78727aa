"""``GET /metrics``: for whom, that it counts what happens, and what it never tells."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from app.config import Secret
from app.db.engine import Database, UnitOfWork
from app.db.tables import MessageRow, NumberRow
from app.domain.enums import MessageState
from app.domain.errors import ErrorCode, UnavailableError
from app.http.webhook import MAX_BYTES, Answer
from app.metrics import all_described
from app.metrics_of_database import FIGURES, OUTCOMES
from app.services.base import utc_now
from app.services.figures import Watch
from app.services.intake import WRITERS
from app.services.statuses import StatusEffect
from app.whatsapp.port import Evidence, Unknown
from tests.schema.service import NUMBER, Service, Wedding, serving, signed, status, wamid, wedding
from tests.schema.sockets import Socket
from tests.whatsapp_simulator.support import until

pytestmark = pytest.mark.anyio

TOKEN = "a-token-of-the-tests"
URL = "/webhooks/whatsapp"

Values = dict[tuple[str, ...], float]


@pytest.fixture
async def service(db: Database) -> AsyncIterator[Service]:
    async with serving(db, dispatch=False, metrics_token=Secret(TOKEN)) as made:
        yield made


@pytest.fixture
async def sending(db: Database) -> AsyncIterator[Service]:
    async with serving(db, metrics_token=Secret(TOKEN)) as made:
        yield made


async def page(service: Service) -> str:
    response = await service.http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    return response.text


async def scrape(service: Service, *, stale_at: float = 0.0) -> dict[str, Values]:
    """Samples by name and then by the values of their labels, in the order of the labels' names.

    The database is read anew, unless what was read of it before is ``stale_at`` a moment to come.
    """
    service.app.state["running"].use().figures._stale_at = stale_at
    found: dict[str, Values] = {}
    for family in text_string_to_metric_families(await page(service)):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def risen(before: Values | None, after: Values) -> Values:
    return {labels: rise for labels, value in after.items() if (rise := value - (before or {}).get(labels, 0.0))}


async def test_without_a_token_there_is_no_such_page(db: Database) -> None:
    async with serving(db, dispatch=False) as service:
        for headers in ({}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer "}, service.headers()):
            assert (await service.http.get("/metrics", headers=headers)).status_code == 404


@pytest.mark.parametrize(
    "given",
    [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN, f"Basic {TOKEN}", "Bearer ä"],
)
async def test_a_wrong_token_is_refused(service: Service, given: str | None) -> None:
    headers = {} if given is None else {b"Authorization": given.encode("latin-1")}
    response = await service.http.get("/metrics", headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert "invites_" not in response.text


async def test_the_page(service: Service) -> None:
    response = await service.http.get("/metrics", headers={"Authorization": f"bearer {TOKEN}"})
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    assert len(families) == len(list(text_string_to_metric_families(response.text))), "each once"
    assert {each.name.removesuffix("_total") for each in all_described()} == families.keys()
    for each in all_described():
        family = families[each.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (each.kind, each.meaning)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(each.labels), sample.name


async def test_figures_of_the_database(service: Service) -> None:
    run = await (await wedding(service)).send()

    async def lose(uow: UnitOfWork) -> None:
        messages = list(await uow.session.scalars(sa.select(MessageRow).where(MessageRow.run_id == run)))
        messages[0].state, messages[0].state_since = MessageState.UNCONFIRMED, utc_now() - timedelta(seconds=1000)
        messages[0].second_message_id = "wamid.second"
        messages[1].not_before = utc_now() - timedelta(seconds=100)
        await uow.session.execute(sa.update(NumberRow).values(paused=True, rate_share=0.25))

    await service.db.write(lose)
    found = await scrape(service)
    assert found["invites_database_up"] == {(): 1}
    # The run's counters were not told of the lost message: the queue is their sum.
    assert found["invites_queued_messages"] == {(NUMBER, "running"): 2, (NUMBER, "paused"): 0, (NUMBER, "stopped"): 0}
    assert found["invites_oldest_due_seconds"][NUMBER,] == pytest.approx(100, abs=30)
    assert found["invites_open_runs"] == {("running",): 1, ("paused",): 0, ("stopped",): 0}
    assert found["invites_number_paused"] == {(NUMBER,): 1}
    assert found["invites_send_rate_share"] == {(NUMBER,): 0.25}
    assert found["invites_unconfirmed_messages"] == found["invites_unconfirmed_overdue_messages"] == {(): 1}
    assert found["invites_unconfirmed_oldest_seconds"][()] == pytest.approx(1000, abs=30)
    assert found["invites_taken_twice_messages"] == {(): 1}
    assert "invites_last_webhook_timestamp_seconds" not in found
    await service.post_statuses(status("wamid.other", "sent", 1_900_000_000))
    found = await scrape(service)
    assert found["invites_unmatched_facts"] == {(): 1}
    assert found["invites_last_webhook_timestamp_seconds"][NUMBER,] == pytest.approx(time.time(), abs=30)


async def test_a_database_that_is_away_is_told_and_is_no_error(service: Service, tmp_path: Path) -> None:
    elsewhere = Database(f"sqlite+aiosqlite:///{tmp_path}/missing/x.db")
    service.app.state["running"].use().figures._db = elsewhere
    found = await scrape(service)
    await elsewhere.close()
    assert found["invites_database_up"] == {(): 0}
    assert {each.described.name for each in FIGURES}.isdisjoint(found)
    assert "invites_sends_total" in found


async def test_webhooks_by_their_answer(service: Service) -> None:
    before = await scrape(service)
    assert before["invites_webhook_requests_total"] == {(each.counted_as,): 0 for each in Answer} | {("failed",): 0}
    await service.http.post(URL, content=b"{}", headers=signed(b"{}"))
    await service.http.post(f"{URL}/", content=b"{}", headers=signed(b"{}"))
    await service.http.post(URL, content=b"{}")
    large = b"x" * (MAX_BYTES + 1)
    await service.http.post(URL, content=large, headers=signed(large))
    await service.http.get(URL)
    webhooks = service.app.state["running"].use().webhooks
    for error in (UnavailableError("away"), RuntimeError("a bug")):

        async def fail(_bodies: object, error: Exception = error) -> None:
            raise error

        webhooks.ingest = fail
        await service.http.post(URL, content=b"{}", headers=signed(b"{}"))
    after = await scrape(service)
    rise = risen(before.get("invites_webhook_requests_total"), after["invites_webhook_requests_total"])
    assert rise == {("kept",): 2, ("not_signed",): 1, ("too_large",): 1, ("busy",): 1, ("failed",): 1}
    assert after["invites_webhook_seconds_count"] == {(): 2}, "only what was kept tells how long keeping takes"
    assert after["invites_webhook_seconds_sum"][()] > 0
    assert ("0.25",) in after["invites_webhook_seconds_bucket"]
    assert after["invites_webhook_in_progress"] == {(): 0}


async def test_webhooks_that_wait_are_the_backlog(service: Service, db: Database) -> None:
    writing, go_on = asyncio.Semaphore(0), asyncio.Event()
    writers = 1 if db.sqlite else WRITERS

    async def wait(_bodies: object) -> None:
        writing.release()
        await go_on.wait()

    def post() -> asyncio.Task[Any]:
        return asyncio.create_task(service.http.post(URL, content=b"{}", headers=signed(b"{}")))

    service.app.state["running"].use().webhooks.ingest = wait
    posts = []
    for _ in range(writers):
        posts.append(post())
        await writing.acquire()
    posts += [post(), post()]
    try:
        await until(lambda: scrape(service), lambda found: found["invites_webhooks_waiting"] == {(): 2})
        assert (await scrape(service))["invites_webhook_in_progress"] == {(): writers + 2}
    finally:
        go_on.set()
        await asyncio.gather(*posts)
    found = await scrape(service)
    assert found["invites_webhook_in_progress"] == found["invites_webhooks_waiting"] == {(): 0}


async def test_statuses_by_their_effect(sending: Service) -> None:
    run = await (await wedding(sending)).send()
    await until(lambda: summary(sending, run), lambda found: found["accepted"] == 2)
    first, second = (wamid(message.attempt_id) for message in sending.meta.sent)
    at = 1_900_000_000
    await sending.post_statuses(status(first, "read", at + 2), status(second, "sent", at))
    await sending.post_statuses(status(first, "read", at + 2), status(first, "sent", at), status(first, "deleted", at))
    await sending.post_statuses(status("wamid.other", "sent", at))
    found = await scrape(sending)
    assert found["invites_statuses_total"] == {
        ("applied",): 2, ("repeated",): 1, ("late",): 1, ("unrecognised",): 1, ("unmatched",): 1,
    }  # fmt: skip
    assert {effect for (effect,) in found["invites_statuses_total"]} == set(StatusEffect)


async def summary(service: Service, run: str) -> dict[str, Any]:
    query = "query($r: ID!) { sendRun(id: $r) { summary { accepted unconfirmed failed queued sending } } }"
    found: dict[str, Any] = (await service.data(query, {"r": run}))["sendRun"]["summary"]
    return found


async def test_sends_claims_and_what_the_database_knows_of_them_agree(sending: Service) -> None:
    sending.meta.outcome = Unknown(Evidence(error="ReadTimeout"))
    run = await (await wedding(sending)).send()
    await until(lambda: summary(sending, run), lambda found: found["unconfirmed"] == 2)
    found = await scrape(sending)
    assert risen(None, found["invites_sends_total"]) == {("unknown",): 2}
    assert risen(None, found["invites_attempts_last_minute"]) == {("unknown",): 2}
    assert found["invites_claim_messages_sum"] == {(): 2}
    assert found["invites_send_seconds_count"] == {(): 2}
    assert found["invites_unconfirmed_messages"] == {(): 2}


async def test_graphql_by_type_and_code(service: Service) -> None:
    before = (await scrape(service)).get("invites_graphql_operations_total")
    await service.data("{ me { subject } }")
    await service.code("{ me { subject } }", by=None)
    await service.code('mutation { createWorkspace(input: {name: "", defaultRegion: "IN", timezone: "UTC"}) { id } }')
    await service.code("{ nothing }")
    await service.code("{")
    await service.code("{ me { subject } }" + " " * 70_000)
    services = service.app.state["running"].use()
    service.break_reader(None)
    assert await service.code("{ me { memberships { role } } }") == "INTERNAL"
    service.break_reader(services.reader)
    rise = risen(before, (await scrape(service))["invites_graphql_operations_total"])
    assert rise == {  # code, type
        ("OK", "query"): 1, ("UNAUTHENTICATED", "query"): 1, ("BAD_INPUT", "mutation"): 1, ("BAD_INPUT", "query"): 1,
        ("BAD_INPUT", "unread"): 1, ("TOO_LARGE", "unread"): 1, ("INTERNAL", "query"): 1,
    }  # fmt: skip


async def test_subscriptions_count_when_they_end(service: Service) -> None:
    made: Wedding = await wedding(service)
    run = await made.send()
    before = (await scrape(service))["invites_graphql_operations_total"]
    query = "subscription($r: ID!) { sendRunProgress(id: $r) { status } }"
    async with Socket(service.app, service.token()) as socket:
        await socket.subscribe("1", query, {"r": run})
        await socket.until("next")
        await socket.subscribe("2", query, {"r": "run_0"})
        await socket.until("next")
    ended = {("NOT_FOUND", "subscription"): 1, ("OK", "subscription"): 1}
    await until(
        lambda: scrape(service), lambda found: risen(before, found["invites_graphql_operations_total"]) == ended
    )


async def test_connections(service: Service) -> None:
    found = await scrape(service)
    expected: Values = {("read",): 10, ("write",): 1 if service.db.sqlite else 10}
    assert found["invites_db_connections_limit"] == expected
    assert found["invites_db_connections_in_use"] == dict.fromkeys(expected, 0)
    inside: list[float] = []

    async def look(uow: UnitOfWork) -> None:
        await uow.session.execute(sa.text("SELECT 1"))  # takes the connection
        inside.append(await _in_use(service))

    await service.db.write(look)
    assert inside == [1]
    assert await _in_use(service) == 0


async def _in_use(service: Service) -> float:
    """By a scrape that reads no database, and so takes no connection itself."""
    found = await scrape(service, stale_at=time.monotonic() + 60)
    return sum(found["invites_db_connections_in_use"].values())


async def test_nobody_is_named(sending: Service) -> None:
    run = await (await wedding(sending)).send()
    await until(lambda: summary(sending, run), lambda found: found["accepted"] == 2)
    await sending.post_statuses(status(wamid(sending.meta.sent[0].attempt_id), "read", 1_900_000_000))
    await sending.http.post(URL, content=b"{}", headers={"X-Request-Id": "request-of-anita"})
    text = await page(sending)
    for secret in (
        "98000",
        "wamid",
        "Rao",
        "Thomas",
        "anita",
        run,
        "msg_",
        "wsp_",
        "Sangeet",
        "request-of-anita",
        TOKEN,
    ):
        assert secret not in text, secret


async def test_labels_take_values_of_fixed_sets(sending: Service) -> None:
    run = await (await wedding(sending)).send()
    await until(lambda: summary(sending, run), lambda found: found["accepted"] == 2)
    await sending.answer("query WhoEver { me { subject } }")
    allowed: dict[str, Callable[[str], bool]] = {
        "status": str.isdecimal,
        "number": {NUMBER}.__contains__,
        "run_status": {"running", "paused", "stopped"}.__contains__,
        "outcome": set(OUTCOMES).__contains__,
        "effect": set(StatusEffect).__contains__,
        "answer": {"failed", *(each.counted_as for each in Answer)}.__contains__,
        "type": {"query", "mutation", "subscription", "unread"}.__contains__,
        "code": {"OK", *ErrorCode}.__contains__,
        "pool": {"read", "write"}.__contains__,
        "le": lambda _: True,
    }
    for family in text_string_to_metric_families(await page(sending)):
        for sample in family.samples:
            assert all(allowed[name](value) for name, value in sample.labels.items()), sample


async def test_two_apps_in_one_process_count_apart(service: Service) -> None:
    async with serving(service.db, dispatch=False, metrics_token=Secret(TOKEN)) as other:
        before = (await scrape(other))["invites_webhook_requests_total"]
        await service.http.post(URL, content=b"{}")
        assert risen(before, (await scrape(service))["invites_webhook_requests_total"]) == {("not_signed",): 1}
        assert (await scrape(other))["invites_webhook_requests_total"] == before


async def test_scrapes_at_the_same_time_read_the_database_once(service: Service) -> None:
    watch: Watch = service.app.state["running"].use().figures
    watch._stale_at = 0.0
    first, *others = await asyncio.gather(*(watch.latest() for _ in range(20)))
    assert first is not None
    assert all(other is first for other in others)
