"""``invites prune``: texts and old audit go, facts and counts stay, and what checks and replays says what it skips."""

import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import anyio
import pytest
import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.tables import (
    AttemptRow,
    AuditRow,
    FactRow,
    ImportRowRow,
    MessageRow,
    ReceiptRow,
    RunCountersRow,
    SendRunRow,
    StatusItemRow,
)
from app.domain import ids
from app.domain.enums import AuditAction, ImportOutcome, MessageState
from app.services import base, pruning
from app.services.audit import months_before
from app.services.pruning import Pruning
from app.services.replay import Replay
from app.services.verification import Verification
from app.whatsapp.kept import read_again
from tests.privacy.database import places
from tests.reading.world import World
from tests.sending.world import UNKNOWN, Wedding, accepted, make_wedding, people, status, wamid
from tests.services.world import contents, rows
from tests.statements import plans, statements

pytestmark = pytest.mark.anyio

T = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
KINDS = ["Webhook bodies", "Statuses' texts", "Answers to requests", "Rows of import reports"]


@pytest.fixture
async def wedding(db: Database, monkeypatch: pytest.MonkeyPatch) -> Wedding:
    """Three guests, of whom two were reached and of one nobody knows; batches so small that there are several."""
    monkeypatch.setattr(pruning, "BATCH", 2)
    made = await make_wedding(db, people(3))
    await made.send()
    claims = await made.claim()
    await made.finish(claims[:2], accepted)
    await made.finish(claims[2:], UNKNOWN)
    for claim in claims[:2]:
        await made.post(status(wamid(claim), "delivered", T), status(wamid(claim), "read", T + 1))
    return made


def prune_in(db: Database, days: float) -> Pruning:
    return Pruning(db, days=90, months=12, clock=lambda: datetime.now(UTC) + timedelta(days=days))


async def test_texts_go_and_facts_stay(wedding: Wedding) -> None:
    facts = await contents(wedding.db, FactRow, MessageRow, RunCountersRow)
    young = await prune_in(wedding.db, 89).prune(apply=True)
    assert {each.what: each.rows for each in young} == dict.fromkeys(KINDS, 0) | {"Audit entries": 0}
    before = await contents(wedding.db, ReceiptRow, StatusItemRow, AttemptRow, ImportRowRow)
    trial = await prune_in(wedding.db, 91).prune()
    assert await contents(wedding.db, ReceiptRow, StatusItemRow, AttemptRow, ImportRowRow) == before
    done = await prune_in(wedding.db, 91).prune(apply=True)
    counted = dict(zip(KINDS, (2, 4, 3, 3), strict=True)) | {"Audit entries": 0}
    assert {each.what: each.rows for each in trial} == {each.what: each.rows for each in done} == counted

    assert await contents(wedding.db, FactRow, MessageRow, RunCountersRow) == facts
    receipts = await rows(wedding.db, ReceiptRow)
    assert [(each.body, len(each.digest)) for each in receipts] == [(None, 64)] * 2
    assert await places(wedding.db, ["recipient_id"]) == set(), "what Meta wrote is gone"
    await wedding.check()
    report = await Verification(wedding.db, read_again).verify()
    assert (report.failed, report.pruned, report.unaudited) == ([], 4, 0)
    replayed = await Replay(wedding.db, read_again).replay()
    assert (replayed.pruned, replayed.pieces, replayed.missing, replayed.changes) == (4, 0, 0, {})
    assert sum(each.rows for each in await prune_in(wedding.db, 91).prune(apply=True)) == 0


async def test_audit_goes_after_its_months_and_verify_says_so(
    wedding: Wedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = datetime.now(UTC) - timedelta(days=400)
    with monkeypatch.context() as patch:
        patch.setattr(base, "utc_now", lambda: old)
        patch.setattr(ids, "time", SimpleNamespace(time_ns=lambda: int(old.timestamp() * 1e9)))
        patch.setattr(ids, "_last", 0)
        run_id = await wedding.send(wedding.request(include_already_invited=True))
    assert (await prune_in(wedding.db, 0).prune())[-1].rows == 1
    await created(wedding, old - timedelta(days=1), SendRunRow.id != run_id)
    await created(wedding, old, SendRunRow.id == run_id)
    kept = {entry.id for entry in await rows(wedding.db, AuditRow) if entry.at > old}
    assert (await prune_in(wedding.db, 0).prune(apply=True))[-1].rows == 1
    assert {entry.id for entry in await rows(wedding.db, AuditRow)} == kept
    report = await Verification(wedding.db, read_again).verify()
    assert (report.failed, report.unaudited) == ([], 1)
    await created(wedding, old + timedelta(days=100), SendRunRow.id == run_id)
    report = await Verification(wedding.db, read_again).verify()
    assert [check.name for check in report.failed] == ["author"], "a younger run must have its entry"


async def test_where_nothing_is_due_nothing_is_written_and_nobody_waited_for(wedding: Wedding) -> None:
    async with wedding.db.connection() as writer:
        if wedding.db.sqlite:
            await writer.execute(sa.text("SELECT 1"))  # BEGIN IMMEDIATE: nobody else can write
        else:
            await writer.execute(sa.text("LOCK TABLE receipts, status_items, attempts, audit IN EXCLUSIVE MODE"))
        with anyio.fail_after(30):
            pruned = await prune_in(wedding.db, 89).prune(apply=True)
        await writer.rollback()
    assert [each.rows for each in pruned] == [0] * 5


async def test_what_somebody_has_locked_is_left_and_the_rest_goes(wedding: Wedding) -> None:
    if wedding.db.sqlite:
        pytest.skip("SQLite has no row locks: who writes locks the whole file, as the test above shows")
    async with wedding.db.connection() as other:
        query = sa.select(AttemptRow.n).order_by(AttemptRow.finished_at).limit(1).with_for_update()
        await other.execute(query)
        with anyio.fail_after(30):
            pruned = {each.what: each.rows for each in await prune_in(wedding.db, 91).prune(apply=True)}
        await other.rollback()
    assert pruned["Answers to requests"] == 2
    again = {each.what: each.rows for each in await prune_in(wedding.db, 91).prune(apply=True)}
    assert sum(again.values()) == again["Answers to requests"] == 1


async def test_answers_of_one_moment_all_go(wedding: Wedding) -> None:
    """More of them than a batch has."""

    async def unit(uow: UnitOfWork) -> None:
        await uow.session.execute(sa.update(AttemptRow).values(finished_at=datetime.now(UTC)))

    await wedding.db.write(unit)
    pruned = {each.what: each.rows for each in await prune_in(wedding.db, 91).prune(apply=True)}
    assert pruned["Answers to requests"] == 3


async def test_what_is_due_is_found_by_an_index(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH", 50)
    await _much_to_prune(db)
    with statements(db) as asked:
        pruned = {each.what: each.rows for each in await prune_in(db, 0).prune(apply=True)}
    assert pruned == dict.fromkeys([*KINDS, "Audit entries"], 120)
    for kind in ("SELECT", "UPDATE", "DELETE"):
        assert any(each.sql.startswith(kind) for each in asked), kind
    found = await plans(db, asked)
    tables = "receipts|status_items|attempts|guest_import_rows|audit"
    whole = rf"SCAN ({tables})" if db.sqlite else rf"Seq Scan on ({tables})"
    assert re.findall(whole, found) == [], found
    assert re.search("ix_attempts_(kept|finished)", found)


async def _much_to_prune(db: Database) -> None:
    """Of each kind 120 that are due and 3,000 that are not."""
    world, now = World(db), datetime.now(UTC)
    number = world.number()
    workspace = world.workspace("Wedding", number)
    owner = world.member(workspace, "asha")
    run = world.run(world.event(workspace), world.template(number, "invite"), owner)
    receipts = [world.receipt(number) for _ in range(3_120)]
    for n, receipt in enumerate(receipts):
        old = n < 120
        at = now - timedelta(days=400 if old else 1)
        receipt.body = b"{}"
        message = world.message(run, MessageState.READ)
        world.attempt(message, 1, claimed_at=at, finished_at=at, outcome="ACCEPTED", answer={"body": "{}"})
        item = world.status(receipt, message, "read", at)
        audited = world.audit(workspace, AuditAction.EXPORT, at=at)
        if old:
            receipt.id, item.id, audited.id = (_aged(row_id, at) for row_id in (receipt.id, item.id, audited.id))
            item.receipt_id = receipt.id
    imported = world.guest_import(owner, *[ImportOutcome.CREATED] * 120)
    imported.id = _aged(imported.id, now - timedelta(days=400))
    for row in world.rows:
        if isinstance(row, ImportRowRow):
            row.import_id = imported.id
    world.guest_import(owner, *[ImportOutcome.CREATED] * 3_000)
    await world.save()

    async def analyze(uow: UnitOfWork) -> None:
        if not uow.sqlite:
            await uow.session.execute(sa.text("ANALYZE"))

    await db.write(analyze)


def _aged(row_id: str, at: datetime) -> str:
    """The id as it would be, had it been made then."""
    prefix = row_id.partition("_")[0]
    return ids.first_at(prefix, at)[:16] + row_id[16:]


async def created(wedding: Wedding, at: datetime, which: sa.ColumnElement[bool]) -> None:
    async def unit(uow: UnitOfWork) -> None:
        await uow.session.execute(sa.update(SendRunRow).where(which).values(created_at=at))

    await wedding.db.write(unit)


def test_fewer_months_than_the_database_keeps_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 12"):
        Pruning(Database("sqlite+aiosqlite:///never.db"), days=1, months=11)


@pytest.mark.parametrize(
    ("moment", "months", "expected"),
    [("2026-11-24", 12, "2025-11-24"), ("2028-02-29", 12, "2027-02-28"), ("2026-01-31", 14, "2024-11-30")],
)
def test_months_before(moment: str, months: int, expected: str) -> None:
    day = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert months_before(day, months) == datetime.fromisoformat(expected).replace(tzinfo=UTC)
