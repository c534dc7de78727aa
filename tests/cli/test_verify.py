"""``invites verify``, ``invites replay`` and what ``doctor`` says about messages."""

import json
import time
from dataclasses import dataclass
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.tables import FactRow, MessageRow
from app.domain import ids
from app.domain.lifecycle import FactStatus
from app.services.base import utc_now
from app.services.checks import EXAMPLES, KINDS
from tests.cli.commands import invites, the_line, with_database
from tests.sending.world import UNKNOWN, accepted, make_wedding, people, status, wamid

GUESTS = EXAMPLES + 3


@dataclass
class Sent:
    url: str
    run_id: str
    message_ids: list[str]

    def execute(self, *statements: sa.Executable) -> None:
        async def run(db: Database) -> None:
            async def unit(uow: UnitOfWork) -> None:
                for statement in statements:
                    await uow.session.execute(statement.execution_options(synchronize_session=False))

            await db.write(unit)

        with_database(self.url, run)


@pytest.fixture
def sent(migrated: str) -> Sent:
    """A run of which everything was read, but for one message of which nobody knows."""

    async def send(db: Database) -> Sent:
        wedding = await make_wedding(db, people(GUESTS))
        run_id = await wedding.send()
        claims = await wedding.claim()
        await wedding.finish(claims[1:], accepted)
        await wedding.finish(claims[:1], UNKNOWN)
        await wedding.post(*(status(wamid(claim), "read", int(time.time())) for claim in claims[1:]))
        return Sent(migrated, run_id, [claim.message_id for claim in claims])

    return with_database(migrated, send)


def test_what_holds_is_said_and_exits_0(sent: Sent, settings: pytest.MonkeyPatch) -> None:
    settings.setenv("COLUMNS", "120")
    result = invites("verify")
    assert result.exit_code == 0, result.stdout
    assert "Everything holds." in result.stdout
    for _, title, _ in KINDS.values():
        assert title in result.stdout
    assert invites("verify", "--run", sent.run_id).exit_code == 0


def test_what_is_wrong_is_named_and_exits_1(sent: Sent) -> None:
    sent.execute(sa.update(MessageRow).values(second_message_id="wamid.HBgMOTE5ODc2NTAwMDAw"))
    result = invites("verify")
    assert result.exit_code == 1
    assert the_line(result) == f"1 of {len(KINDS)} checks failed."
    assert f"Promise 1: WhatsApp took each message once: {GUESTS} wrong" in result.stdout
    assert sum(message_id in result.stdout for message_id in sent.message_ids) == EXAMPLES
    assert "and 3 more" in result.stdout
    assert "wamid" not in result.output, "Meta's ids hold the phone"
    assert "+9198765" not in result.output


def test_for_programs(sent: Sent) -> None:
    fine = json.loads(invites("verify", "--json").stdout)
    assert (fine["holds"], fine["runs"], fine["prunedStatuses"]) == (True, 1, 0)
    assert [check["check"] for check in fine["checks"]] == list(KINDS)
    message_id = sent.message_ids[3]
    sent.execute(sa.update(MessageRow).where(MessageRow.id == message_id).values(sent_at=utc_now()))
    result = invites("verify", "--json", "--run", sent.run_id)
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["holds"] is False
    (wrong,) = [check for check in told["checks"] if check["wrong"]]
    assert (wrong["promise"], wrong["lookedAt"]) == (4, GUESTS)
    assert [example["id"] for example in wrong["examples"]] == [message_id]


@pytest.mark.parametrize("command", ["verify", "replay"])
def test_a_run_that_is_none(migrated: str, command: str) -> None:
    for run_id in (ids.new_id(ids.SEND_RUN), "nonsense"):
        result = invites(command, "--run", run_id)
        assert result.exit_code == 1
        assert the_line(result) == "There is no run with this id."


@pytest.mark.parametrize("command", ["verify", "replay"])
def test_a_database_that_is_not_migrated(settings: pytest.MonkeyPatch, command: str) -> None:
    settings.setenv("DATABASE_URL", "sqlite:///nothing-here.db")
    result = invites(command)
    assert result.exit_code == 1
    assert the_line(result).endswith("Run: invites migrate")


def test_replay_says_what_would_change_then_does_it_once(sent: Sent) -> None:
    message_id = sent.message_ids[5]
    sent.execute(
        sa.delete(FactRow).where(FactRow.message_id == message_id, FactRow.status == FactStatus.READ),
        sa.update(MessageRow).where(MessageRow.id == message_id).values(read_at=None, state="ACCEPTED"),
    )
    trial = invites("replay")
    assert trial.exit_code == 0
    (line,) = [line for line in trial.stdout.splitlines() if message_id in line]
    assert line.split() == [message_id, "ACCEPTED", "READ", "read"]
    assert "Facts that were missing: 1." in trial.stdout
    assert "Nothing was written. To write it: invites replay --apply" in trial.stdout
    assert "progress" not in trial.stdout
    assert "Promise 11" in invites("verify").stdout, "the trial wrote nothing"
    assert "Messages brought up to date: 1." in invites("replay", "--apply").stdout
    again = invites("replay")
    assert "Facts that were missing: 0." in again.stdout
    assert message_id not in again.stdout


def test_doctor_warns_of_the_unconfirmed_and_fails_for_what_was_taken_twice(
    sent: Sent, settings: pytest.MonkeyPatch
) -> None:
    settings.setenv("UNCONFIRMED_AFTER", "600")
    fresh = invites("doctor")
    assert fresh.exit_code == 0, fresh.stdout
    assert "Unconfirmed" not in fresh.stdout
    sent.execute(sa.update(MessageRow).values(state_since=utc_now() - timedelta(seconds=700)))
    overdue = invites("doctor")
    assert overdue.exit_code == 0
    assert "warn  Unconfirmed Messages for longer than UNCONFIRMED_AFTER: 1." in overdue.stdout
    sent.execute(
        sa.update(MessageRow).where(MessageRow.id == sent.message_ids[2]).values(second_message_id="wamid.second")
    )
    twice = invites("doctor")
    assert twice.exit_code == 1
    assert "fail  Twice       Messages that WhatsApp took under two ids: 1." in twice.stdout
