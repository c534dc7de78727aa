"""The lines of a send and of a webhook carry the ids by which they are found, and nobody's phone."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from app import logs
from app.db.engine import Database, UnitOfWork
from app.db.tables import MessageRow, ReceiptRow
from app.whatsapp.port import Accepted, Behaviour, Evidence, Outcome, Unknown, in_short
from tests.schema.service import FakeMeta, Service, serving, status, wamid, wedding
from tests.sending.world import refused
from tests.whatsapp_simulator.support import until

pytestmark = [pytest.mark.anyio, pytest.mark.either_database]


class Lines(logging.Handler):
    """What would be written, parsed."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logs.JsonFormatter())
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))  # here, while the context is the one of the line

    def about(self, logger: str, part: str) -> list[dict[str, Any]]:
        found = [json.loads(text) for text in self.texts]
        return [each for each in found if each["logger"] == logger and part in each["text"]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, logger = Lines(), logging.getLogger("app")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.setLevel(before)
    logger.removeHandler(handler)
    assert not any("98000000" in text or "wamid." in text.replace("wamid.\\u2022", "") for text in handler.texts)


async def message_ids(db: Database, run: str) -> set[str]:
    async def unit(uow: UnitOfWork) -> set[str]:
        return set(await uow.session.scalars(sa.select(MessageRow.id).where(MessageRow.run_id == run)))

    return await db.read(unit)


async def receipt_ids(db: Database) -> set[str]:
    async def unit(uow: UnitOfWork) -> set[str]:
        return set(await uow.session.scalars(sa.select(ReceiptRow.id)))

    return await db.read(unit)


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (None, "attempt 1: accepted"),
        (Unknown(Evidence(error="ReadTimeout")), "attempt 1: Unknown (ReadTimeout)"),
        (refused(131026, Behaviour.FINAL), "attempt 1: refused with code 131026 (FINAL)"),
    ],
)
async def test_attempts(db: Database, lines: Lines, outcome: Outcome | None, text: str) -> None:
    meta = FakeMeta()
    meta.outcome = outcome
    async with serving(db, meta=meta) as service:
        run = await (await wedding(service)).send()
        await until(lambda: _found(lines, text), lambda found: len(found) == 2)
    found = lines.about("app.worker", text)
    assert {entry["run"] for entry in found} == {run}
    assert {entry["message"] for entry in found} == await message_ids(db, run)


async def _found(lines: Lines, text: str) -> list[dict[str, Any]]:
    return lines.about("app.worker", text)


async def test_what_goes_wrong_while_sending(db: Database, lines: Lines) -> None:
    class Broken(FakeMeta):
        async def send(self, message: Any) -> Outcome:
            raise RuntimeError(f"cannot send to {message.to}")

    async with serving(db, meta=Broken()) as service:
        run = await (await wedding(service)).send()
        await until(lambda: _found(lines, "unexpected error"), lambda found: len(found) == 2)
    found = lines.about("app.worker", "unexpected error")
    assert {entry["message"] for entry in found} == await message_ids(db, run)
    assert all("cannot send to" in entry["text"] for entry in found)


async def test_a_stopped_run(db: Database, lines: Lines) -> None:
    meta = FakeMeta()
    meta.outcome = refused(132001, Behaviour.STOP_RUN)
    async with serving(db, meta=meta) as service:
        run = await (await wedding(service)).send()
        await until(lambda: _stopped(lines), lambda found: len(found) > 0)
    assert {entry["run"] for entry in lines.about("app.services.runs", "stopped the run")} == {run}


async def _stopped(lines: Lines) -> list[dict[str, Any]]:
    return lines.about("app.services.runs", "stopped the run")


async def test_webhooks(db: Database, lines: Lines) -> None:
    async with serving(db, dispatch=False) as service:
        answer = await service.post_statuses(status("wamid.HBgLOTE5ODAwMDAwMDA3", "sent", 1_900_000_000))
    (entry,) = lines.about("app.services.webhooks", "taken in")
    assert {entry["delivery"]} == await receipt_ids(db)
    assert entry["request"] == answer.headers["X-Request-Id"]


async def test_a_message_that_was_taken_twice(db: Database, lines: Lines) -> None:
    async with serving(db) as service:
        run = await (await wedding(service)).send()
        await until(lambda: _found(lines, "accepted"), lambda found: len(found) == 2)
        await until(lambda: _accepted(service, run), lambda count: count == 2)
        attempt = service.meta.sent[0].attempt_id
        callback = {"biz_opaque_callback_data": attempt}
        await service.post_statuses(status(wamid("another"), "sent", 1_900_000_000, **callback))
    (entry,) = lines.about("app.services.statuses", "twice")
    assert (entry["run"], entry["message"]) == (run, attempt.partition(".")[0])
    assert {entry["delivery"]} == await receipt_ids(db)
    assert entry["level"] == "ERROR"


async def _accepted(service: Service, run: str) -> int:
    query = "query($r: ID!) { sendRun(id: $r) { summary { accepted } } }"
    count: int = (await service.data(query, {"r": run}))["sendRun"]["summary"]["accepted"]
    return count


async def test_a_failed_request_is_found_by_its_id(db: Database, lines: Lines) -> None:
    async with serving(db, dispatch=False) as service:

        async def fail(_bodies: object) -> None:
            raise RuntimeError("a bug")

        service.app.state["running"].use().webhooks.ingest = fail
        answer = await service.post_statuses(status("wamid.1", "sent", 1_900_000_000))
        assert answer.status_code == 500
    (entry,) = lines.about("app.main", "/webhooks/whatsapp failed")
    assert entry["request"] == answer.headers["X-Request-Id"]


def test_meta_s_words_are_not_in_the_line_of_an_attempt() -> None:
    """They may quote the guest's phone or name."""
    said = refused(131026, Behaviour.FINAL)
    assert said.error.title not in in_short(said)
    assert in_short(Accepted("wamid.1", held=False, evidence=Evidence())) == "accepted"
