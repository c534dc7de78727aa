"""Every count of a summary equals what counting the rows gives."""

import random
from collections import Counter
from datetime import timedelta

import pytest

from app.db.engine import Database
from app.db.tables import EventRow, MessageRow, SendRunRow
from app.domain.enums import MessageState, RejectionReason, SendRunKind, SendRunStatus
from app.services.reading import Summary
from tests.reading.world import NOW, UNCONFIRMED_AFTER, World, actor, reader

pytestmark = pytest.mark.anyio

ASHA = actor("asha")


def _expected(messages: list[MessageRow]) -> Summary:
    states = Counter(message.state for message in messages)
    failed = Counter(message.failure_code or None for message in messages if message.state is MessageState.FAILED)
    return Summary(
        states={state: states[state] for state in MessageState},
        reached_accepted=sum(m.provider_message_id is not None for m in messages),
        reached_sent=sum(bool(m.sent_at or m.delivered_at or m.read_at) for m in messages),
        reached_delivered=sum(bool(m.delivered_at or m.read_at) for m in messages),
        reached_read=sum(m.read_at is not None for m in messages),
        unconfirmed_overdue=sum(
            m.state is MessageState.UNCONFIRMED and m.state_since < NOW - UNCONFIRMED_AFTER for m in messages
        ),
        rejections=dict(
            Counter(m.rejection_reason for m in messages if m.state is MessageState.REJECTED and m.rejection_reason)
        ),
        failures=dict(failed),
    )


async def _world(db: Database, seed: int) -> tuple[list[EventRow], dict[SendRunRow, list[MessageRow]]]:
    """Two events; the first has three invite runs and a test run, the second none."""
    chance = random.Random(seed)
    world = World(db)
    number = world.number()
    workspace = world.workspace("Wedding", number)
    owner, template = world.member(workspace, "asha"), world.template(number, "invite")
    events = [world.event(workspace), world.event(workspace, "Mehndi", 2)]
    kinds = [SendRunKind.INVITE, SendRunKind.INVITE, SendRunKind.INVITE, SendRunKind.TEST]
    runs = [world.run(events[0], template, owner, kind=kind) for kind in kinds]
    for run in runs[1:]:
        for _ in range(40):
            world.message(
                run,
                chance.choice(list(MessageState)),
                reason=chance.choice([None, RejectionReason.DO_NOT_MESSAGE, RejectionReason.ALREADY_INVITED]),
                code=chance.choice([None, 0, 131026, 131049]),
                since=NOW - chance.choice([timedelta(0), UNCONFIRMED_AFTER, UNCONFIRMED_AFTER * 2]),
            )
    found = {run: world.messages[run.id] for run in runs}
    await world.save()
    return events, found


@pytest.mark.parametrize("seed", range(3))
async def test_summaries_equal_the_rows(db: Database, seed: int) -> None:
    events, runs = await _world(db, seed)
    views = await reader(db).runs(ASHA, [run.id for run in runs])
    found = {run_id: view.summary for run_id, view in views.items()}
    assert found == {run.id: _expected(messages) for run, messages in runs.items()}
    assert all(summary.candidates == len(runs[run]) for run in runs if (summary := found[run.id]))
    assert any(summary.unconfirmed_overdue for summary in found.values())

    invited = [message for run, messages in runs.items() if run.kind is SendRunKind.INVITE for message in messages]
    of_events = await reader(db).event_summaries(ASHA, [event.id for event in events])
    assert of_events == {events[0].id: _expected(invited), events[1].id: _expected([])}
    assert of_events[events[0].id].eligible == sum(message.state is not MessageState.REJECTED for message in invited)


async def test_order_of_the_figures(db: Database) -> None:
    events, _runs = await _world(db, 1)
    summary = (await reader(db).event_summaries(ASHA, [events[0].id]))[events[0].id]
    assert list(summary.states) == list(MessageState)
    assert list(summary.rejections) == [reason for reason in RejectionReason if reason in summary.rejections]
    assert list(summary.failures.values()) == sorted(summary.failures.values(), reverse=True)
    assert None in summary.failures
    assert 0 not in summary.failures


async def test_rate_and_estimate(db: Database) -> None:
    """Counted is what left the queue for good within ten seconds; the estimate divides what is left by it."""
    world = World(db)
    number = world.number()
    workspace = world.workspace("Wedding", number)
    owner, template, event = world.member(workspace, "asha"), world.template(number, "invite"), world.event(workspace)
    running, young, paused = (
        world.run(event, template, owner),
        world.run(event, template, owner, created_at=NOW - timedelta(seconds=4)),
        world.run(event, template, owner, status=SendRunStatus.PAUSED),
    )
    for run in (running, young, paused):
        for _ in range(30):
            world.message(run, MessageState.QUEUED)
        for outcome, behaviour, age in (
            ("ACCEPTED", None, 1),
            ("UNKNOWN", None, 9),
            ("REFUSED", "FINAL", 3),
            ("ACCEPTED", None, 2),
            ("ACCEPTED", None, 11),
            ("REFUSED", "LATER", 1),
            ("NOT_SENT", None, 1),
        ):
            at = NOW - timedelta(seconds=age)
            message = world.message(run, MessageState.ACCEPTED)
            world.attempt(message, 1, claimed_at=at, finished_at=at, outcome=outcome, behaviour=behaviour)
    world.attempt(message, 2, claimed_at=NOW, finished_at=None, outcome=None)
    await world.save()
    rates = await reader(db).rates(ASHA, [running.id, young.id, paused.id])
    assert (rates[running.id].per_second, rates[running.id].estimated_completion_at) == (
        0.4,
        NOW + timedelta(seconds=75),
    )
    assert (rates[young.id].per_second, rates[young.id].estimated_completion_at) == (1.0, NOW + timedelta(seconds=30))
    assert (rates[paused.id].per_second, rates[paused.id].estimated_completion_at) == (0.4, None)


async def test_status_of_a_run_is_derived_and_filtered(db: Database) -> None:
    world = World(db)
    number = world.number()
    workspace = world.workspace("Wedding", number)
    owner, template, event = world.member(workspace, "asha"), world.template(number, "invite"), world.event(workspace)
    expected: dict[SendRunStatus, list[str]] = {status: [] for status in SendRunStatus}
    for stored in set(SendRunStatus) - {SendRunStatus.COMPLETED}:
        for state in (MessageState.QUEUED, MessageState.READ):
            run = world.run(event, template, owner, status=stored)
            world.message(run, state)
            completed = state is MessageState.READ and stored is not SendRunStatus.CANCELLED
            expected[SendRunStatus.COMPLETED if completed else stored].append(run.id)
    await world.save()
    source = reader(db)
    for status, run_ids in expected.items():
        views = (await source.workspace_runs(ASHA, workspace.id, statuses=[status], first=50)).nodes
        assert {view.row.id for view in views} == set(run_ids)
        assert {view.status for view in views} == {status}
    both = [SendRunStatus.COMPLETED, SendRunStatus.CANCELLED]
    assert len((await source.workspace_runs(ASHA, workspace.id, statuses=both, first=50)).nodes) == 5
