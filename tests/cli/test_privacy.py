"""``invites prune``, and what no command shows."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.cli import prune as command
from app.db.engine import Database, UnitOfWork
from app.db.tables import ReceiptRow
from app.domain.enums import ErasureReason
from app.domain.pseudonyms import Pseudonyms
from app.services.erasure import Erasures
from app.services.pruning import Pruning
from tests.cli.commands import SECRET, invites, the_line, with_database
from tests.logged import found_in
from tests.sending.world import accepted, make_wedding, people, status, wamid

AGE = timedelta(days=100)


@pytest.fixture
def aged(migrated: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with a run that is a hundred days old, as far as pruning can tell."""

    async def live(db: Database) -> None:
        wedding = await make_wedding(db, people(2))
        await wedding.send()
        claims = await wedding.claim()
        await wedding.finish(claims, accepted)
        await wedding.post(*(status(wamid(claim), "read", 1795500000) for claim in claims))

    with_database(migrated, live)

    def later(db: Database, *, days: int, months: int) -> Pruning:
        return Pruning(db, days=days, months=months, clock=lambda: datetime.now(UTC) + AGE)

    monkeypatch.setattr(command, "Pruning", later)
    return migrated


def bodies(url: str) -> int:
    async def count(db: Database) -> int:
        async def unit(uow: UnitOfWork) -> int:
            query = sa.select(sa.func.count()).where(ReceiptRow.body.is_not(None))
            return (await uow.session.execute(query)).scalar_one()

        return await db.read(unit)

    return with_database(url, count)


def test_prune_says_what_is_due_then_lets_it_go_once(aged: str) -> None:
    trial = invites("prune")
    assert trial.exit_code == 0
    assert "Nothing was changed. To let it go: invites prune --apply" in trial.stdout
    counted = [line.split()[-1] for line in trial.stdout.splitlines() if "20" in line and "-" in line]
    assert counted == ["1", "2", "2", "2", "0"]
    assert bodies(aged) == 1
    assert invites("prune", "--apply").exit_code == 0
    assert bodies(aged) == 0
    again = invites("prune")
    assert "Nothing was changed" not in again.stdout
    verified = invites("verify")
    assert verified.exit_code == 0, verified.stdout
    assert "2 statuses have been pruned or erased" in verified.stdout
    assert "pruned or erased: 2 statuses" in invites("replay").stdout


def test_settings_say_for_how_long(aged: str, settings: pytest.MonkeyPatch) -> None:
    settings.setenv("RECEIPTS_KEPT_DAYS", "101")
    assert invites("prune", "--apply").exit_code == 0
    assert bodies(aged) == 1
    settings.setenv("AUDIT_KEPT_MONTHS", "11")
    result = invites("prune")
    assert result.exit_code == 1
    assert the_line(result) == "AUDIT_KEPT_MONTHS must be a whole number from 12 to 1200."
    assert invites("prune", "--aply").exit_code == 2


def test_prune_without_a_database(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("DATABASE_URL", "sqlite:///nothing-here.db")
    result = invites("prune")
    assert result.exit_code == 1
    assert the_line(result).endswith("Run: invites migrate")


def test_doctor_shows_no_secret(aged: str, settings: pytest.MonkeyPatch) -> None:
    assert aged
    for name, value in {
        "META_ACCESS_TOKEN": "token-for-tests", "META_APP_SECRET": "secret-for-tests", "META_PHONE_NUMBER_ID": "1",
        "META_WABA_ID": "2", "META_GRAPH_URL": "http://127.0.0.1:9", "META_VERIFY_TOKEN": "secret-for-tests",
        "ERASURE_SECRET": "only-for-tests: one key of erasures",
    }.items():  # fmt: skip
        settings.setenv(name, value)
    result = invites("doctor")
    assert result.exit_code == 1
    assert result.stdout.count("(hidden)") == 5
    assert found_in(result.output) == []
    settings.setenv("ERASURE_SECRET", "only-for-tests-only-for-tests-only-for-tests,short")
    result = invites("doctor")
    assert "keys of at least 32 bytes each" in result.stdout
    assert found_in(result.output) == []


def test_doctor_finds_a_lost_key_of_erasures(migrated: str, settings: pytest.MonkeyPatch) -> None:
    old = "only-for-tests: the key of an erasure"

    async def erased(db: Database) -> None:
        keyed = Database(db.url.render_as_string(hide_password=False), pseudonyms=Pseudonyms([old.encode()]))
        try:
            wedding = await make_wedding(keyed, people(1))
            person = await wedding.world.person("Guest 00000")
            await Erasures(keyed).erase_guest(wedding.world.admin, id=person.id, reason=ErasureReason.GUEST_REQUEST)
        finally:
            await keyed.close()

    with_database(migrated, erased)
    result = invites("doctor")
    assert result.exit_code == 1
    assert "fail  Erasure     Guests were erased with a key that is not set now" in result.stdout
    refused = invites("serve", "--port", "0")
    assert refused.exit_code == 1
    assert "Guests were erased with a key that is not set now" in the_line(refused)
    settings.setenv("ERASURE_SECRET", f"{SECRET}, {old}")
    result = invites("doctor")
    assert "ok    Erasure     whoever was erased is recognised" in result.stdout
    assert result.exit_code == 0, result.stdout
