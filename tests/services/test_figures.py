"""The figures of the whole database equal what counting rows gives, and are read by small indexes."""

import random
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.db import facts
from app.db.engine import Database, UnitOfWork
from app.db.facts import NewFact
from app.db.tables import MessageRow, NumberRow, SendRunRow
from app.domain.enums import MessageState, SendRunStatus
from app.domain.lifecycle import FactStatus
from app.services.figures import OPEN, Figures, Watch, figures
from tests.reading.world import World
from tests.statements import plans, statements

pytestmark = pytest.mark.anyio

AFTER = timedelta(minutes=15)
OUTCOMES = [("ACCEPTED", None), ("REFUSED", "FINAL"), ("REFUSED", "STOP_RUN"), ("NOT_SENT", None), ("UNKNOWN", None)]


def now() -> datetime:
    return datetime.now(UTC)


async def read(db: Database) -> Figures:
    return await db.read(lambda uow: figures(uow, AFTER))


async def unmatched(db: Database, number: NumberRow, ages: list[timedelta]) -> None:
    """Facts about messages that somebody else sent from the number."""

    async def unit(uow: UnitOfWork) -> None:
        await facts.insert(
            uow,
            [
                NewFact(number.id, f"wamid.other.{n}", FactStatus.SENT, now(), 0, None, None, None, None, now() - age)
                for n, age in enumerate(ages)
            ],
        )

    await db.write(unit)


@pytest.mark.parametrize("seed", range(3))
async def test_figures_equal_the_rows(db: Database, seed: int) -> None:
    chance = random.Random(seed)
    world = World(db)
    numbers = [world.number(), world.number()]
    numbers[1].paused = True
    runs: dict[SendRunRow, list[MessageRow]] = {}
    attempts: Counter[tuple[str, str | None]] = Counter()
    for number in numbers:
        workspace = world.workspace("Wedding", number)
        owner, template, event = (
            world.member(workspace, "asha"),
            world.template(number, "invite"),
            world.event(workspace),
        )
        for status in (*SendRunStatus, *OPEN):
            run = world.run(event, template, owner, status=status)
            for _ in range(chance.randrange(12)):
                message = world.message(
                    run, chance.choice(list(MessageState)), since=now() - chance.choice([AFTER / 2, AFTER * 2]),
                    not_before=now() + timedelta(minutes=chance.randrange(-60, 60)),
                    second_message_id=chance.choice([None, None, "wamid.second"]),
                )  # fmt: skip
                age = timedelta(seconds=chance.choice([5, 500]))
                outcome, behaviour = chance.choice(OUTCOMES)
                world.attempt(
                    message, 1, claimed_at=now() - age, finished_at=now() - age, outcome=outcome, behaviour=behaviour
                )
                attempts[outcome, behaviour] += age < timedelta(minutes=1)
            runs[run] = world.messages[run.id]
    await world.save()
    await unmatched(db, numbers[0], [timedelta(minutes=1)] * 3 + [timedelta(minutes=30)] * 2)

    found = await read(db)

    everything = [message for messages in runs.values() for message in messages]
    lost = [message for message in everything if message.state is MessageState.UNCONFIRMED]
    assert found.sending == sum(message.state is MessageState.SENDING for message in everything)
    assert found.unconfirmed == len(lost)
    assert found.concerns.unconfirmed_overdue == sum(message.state_since < now() - AFTER for message in lost)
    oldest = max((now() - message.state_since for message in lost), default=timedelta(0))
    assert found.unconfirmed_oldest_seconds == pytest.approx(oldest.total_seconds(), abs=30)
    assert found.concerns.taken_twice == sum(message.second_message_id is not None for message in everything)
    assert found.unmatched_facts == 3
    assert found.attempts == {key: count for key, count in attempts.items() if count}
    assert {number: each.paused for number, each in found.numbers.items()} == {
        number.phone_number_id: number.paused for number in numbers
    }
    _compare_runs(found, numbers, runs)


def _compare_runs(found: Figures, numbers: list[NumberRow], runs: dict[SendRunRow, list[MessageRow]]) -> None:
    waiting = {MessageState.QUEUED, MessageState.SENDING}
    for number in numbers:
        for status in OPEN:
            mine = [
                messages
                for run, messages in runs.items()
                if run.number_id == number.id and run.status is status and any(m.state in waiting for m in messages)
            ]
            each = found.open_runs.get((number.phone_number_id, status))
            assert (each.runs if each else 0) == len(mine)
            queued = [message for messages in mine for message in messages if message.state is MessageState.QUEUED]
            assert (each.queued if each else 0) == len(queued)
            due = [now() - message.not_before for message in queued if message.not_before < now()]
            late = max(due, default=timedelta(0)).total_seconds() if status is SendRunStatus.RUNNING else 0
            assert (each.oldest_due_seconds if each else 0) == pytest.approx(late, abs=30)
    assert {status for _, status in found.open_runs} <= set(OPEN)


async def test_an_empty_database_has_figures_too(db: Database) -> None:
    found = await read(db)
    assert (found.numbers, found.open_runs, found.attempts) == ({}, {}, {})
    assert (found.sending, found.unconfirmed, found.unconfirmed_oldest_seconds, found.unmatched_facts) == (0, 0, 0, 0)


async def test_nothing_that_grows_with_what_was_ever_sent_is_read_through(db: Database) -> None:
    world = World(db)
    number = world.number()
    workspace = world.workspace("Wedding", number)
    owner, template, event = world.member(workspace, "asha"), world.template(number, "invite"), world.event(workspace)
    old = now() - timedelta(days=30)
    for _ in range(500):
        run = world.run(event, template, owner, status=SendRunStatus.COMPLETED)
        for _ in range(6):
            message = world.message(run, MessageState.READ, since=old)
            world.attempt(message, 1, claimed_at=old, finished_at=old, outcome="ACCEPTED", behaviour=None)
    world.message(world.run(event, template, owner), MessageState.QUEUED, not_before=old)
    await world.save()
    await unmatched(db, number, [timedelta(days=30)] * 3_000)

    async def analyze(uow: UnitOfWork) -> None:
        if not uow.sqlite:
            await uow.session.execute(sa.text("ANALYZE"))

    await db.write(analyze)
    with statements(db) as asked:
        assert (await read(db)).open_runs
    found = await plans(db, asked)
    assert found
    tables = "invite_messages|facts|attempts|send_runs"
    whole = rf"SCAN ({tables})(?! USING)" if db.sqlite else rf"Seq Scan on ({tables})"
    assert re.findall(whole, found) == [], found
    for index in (
        "ix_send_runs_open",
        "ix_invite_messages_due",
        "ix_facts_unmatched_recent",
        "ix_attempts_finished",
    ):
        assert index in found


async def test_however_often_it_is_asked_the_database_is_read_once(db: Database) -> None:
    watch = Watch(db, AFTER)
    first = await watch.latest()
    assert first is not None
    with statements(db) as asked:
        await watch.latest()
        assert asked == []
        watch._stale_at = 0.0
        await watch.latest()
        assert any(each.reads for each in asked)
    assert (await watch.latest()) is not first


async def test_a_database_that_is_away_or_not_migrated_gives_none(
    tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for url in (
        f"sqlite+aiosqlite:///{tmp_path}/missing/x.db",
        f"sqlite+aiosqlite:///{tmp_path}/empty.db",
        "postgresql+asyncpg://nobody@127.0.0.1:1/x",
    ):
        elsewhere = Database(url)
        assert await Watch(elsewhere, AFTER).latest() is None
        await elsewhere.close()
    assert len(caplog.records) == 3
