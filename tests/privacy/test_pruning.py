"""``invites prune``: texts and old audit go, facts and counts stay, and what checks and replays says what it skips."""

from datetime import UTC, datetime, timedelta

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
from app.services import base, pruning
from app.services.audit import months_before
from app.services.pruning import Pruning
from app.services.replay import Replay
from app.services.verification import Verification
from app.whatsapp.kept import read_again
from tests.privacy.database import places
from tests.sending.world import UNKNOWN, Wedding, accepted, make_wedding, people, status, wamid
from tests.services.world import contents, rows

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
