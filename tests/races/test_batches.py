"""Units that touch many messages and runs: one order of locks, so that no two of them wait for each other."""

import asyncio
import random
import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from app.db.engine import Database
from app.domain.enums import MessageState, RejectionReason
from app.services.webhooks import Webhooks
from app.whatsapp.port import Behaviour
from tests.races.barriers import ended, sqlstates
from tests.sending.world import (
    Wedding,
    accepted,
    change,
    make_wedding,
    people,
    preference,
    refused,
    status,
    wamid,
    webhook_body,
)
from tests.statements import Statement, statements

pytestmark = pytest.mark.anyio

T = 1795500000
DEADLOCK = "40P01"

ORDER = ("numbers", "send_runs", "invite_messages", "run_counters")
"""The lock order of rows (design: numbers, runs by id, messages by id, counters last); the advisory lock precedes them all."""

_LOCKING = re.compile(r"FOR (?:NO KEY UPDATE|UPDATE|SHARE)(?: OF (\w+))?")
_FROM = re.compile(r"FROM (\w+)")
_WRITING = re.compile(r"UPDATE (\w+)")


def locks(seen: Sequence[Statement]) -> list[str]:
    """The tables whose rows are locked, statement by statement. SQLite has no FOR UPDATE; its writes come in the same order."""
    found: list[str] = []
    for statement, _ in seen:
        if "pg_advisory_xact_lock" in statement:
            found.append("advisory")
        elif match := _LOCKING.search(statement):
            found += [match[1]] if match[1] else _FROM.findall(statement)[:1]
        elif (match := _WRITING.match(statement)) and match[1] in {"invite_messages", "run_counters"}:
            # Runs and numbers are only written where they are locked already, whenever the session flushes them.
            found.append(match[1])
    return [table for table in found if table in {"advisory", *ORDER}]


def assert_in_order(taken: list[str]) -> None:
    ranks = [("advisory", *ORDER).index(table) for table in taken]
    assert ranks == sorted(ranks), taken


def assert_by_key(db: Database, seen: Sequence[Statement]) -> None:
    """An UPDATE of several rows locks them in the planner's order, so each table's are locked by key before. SQLite locks
    no rows.
    """
    if db.sqlite:
        return
    for table, key in (("invite_messages", "id"), ("run_counters", "run_id")):
        first = next(statement for statement in seen if locks([statement]) == [table])
        assert f"ORDER BY {table}.{key} FOR UPDATE" in " ".join(first.sql.split())


async def stop_body(wedding: Wedding, statuses: list[dict[str, object]], phones: list[str]) -> bytes:
    """Statuses, and guests who stop, in one body."""
    number = wedding.phone_number_id
    stops = [preference("stop", T, phone.removeprefix("+")) for phone in phones]
    return webhook_body(change(number, statuses=statuses), change(number, "user_preferences", user_preferences=stops))


async def test_a_webhook_locks_messages_before_counters(wedding: Wedding) -> None:
    big = await make_wedding(wedding.db, people(4))
    # Of a single run the counters are locked by adding to them.
    neighbour = await make_wedding(wedding.db, people(1), number_id=big.number_id)
    await neighbour.send()
    (theirs,) = await neighbour.claim()
    await neighbour.finish([theirs], accepted)
    run_id = await big.send()
    claims = await big.claim(3)
    await big.finish(claims[:2], accepted)
    (queued,) = [row for row in await big.messages(run_id) if row.state is MessageState.QUEUED]
    assert queued.phone is not None
    told = [
        status(wamid(claims[0]), "sent", T),
        status(wamid(claims[1]), "failed", T, errors=[{"code": 131050}]),
        status(wamid(claims[2]), "sent", T, biz_opaque_callback_data=claims[2].attempt_id),
        status(wamid(theirs), "sent", T),
    ]
    with statements(big.db) as seen:
        await big.webhooks.ingest([await stop_body(big, told, [queued.phone])])
    assert_in_order(locks(seen))
    assert_by_key(wedding.db, seen)
    row = await big.message(queued.id)
    assert (row.state, row.rejection_reason) == (MessageState.REJECTED, RejectionReason.DO_NOT_MESSAGE)
    await big.check()


async def test_outcomes_lock_messages_before_counters(wedding: Wedding) -> None:
    """A refusal with 131050 also turns away what is queued for the guest elsewhere on the number."""
    neighbour = await make_wedding(wedding.db, people(3), number_id=wedding.number_id)
    run_id = await wedding.send()
    claims = await wedding.claim()
    theirs = await neighbour.send()
    with statements(wedding.db) as seen:
        await wedding.dispatch.record(
            wedding.number_id,
            [
                *wedding.finished(claims[:1], accepted),
                *wedding.finished(claims[1:2], refused(131050, Behaviour.FINAL)),
                *wedding.finished(claims[2:], refused(190, Behaviour.STOP_NUMBER)),
            ],
        )
    assert_in_order(locks(seen))
    assert_by_key(wedding.db, seen)
    assert await wedding.states(run_id) == {
        "Guest 00000": MessageState.ACCEPTED,
        "Guest 00001": MessageState.FAILED,
        "Guest 00002": MessageState.QUEUED,
    }
    assert (await neighbour.states(theirs))["Guest 00001"] is MessageState.REJECTED
    await wedding.check()


async def test_claim_cancel_and_block_keep_the_order_too(wedding: Wedding) -> None:
    run_id = await wedding.send()
    runs, admin, workspace_id = wedding.runs, wedding.world.admin, wedding.world.workspace_id
    acts: tuple[Callable[[], Coroutine[Any, Any, object]], ...] = (
        lambda: wedding.claim(1),
        lambda: wedding.blocks.add(admin, workspace_id=workspace_id, phone="+919876500001", reason="asked"),
        lambda: runs.pause(admin, id=run_id),
        lambda: runs.resume(admin, id=run_id),
        lambda: runs.cancel(admin, id=run_id),
    )
    for act in acts:
        with statements(wedding.db) as seen:
            await act()
        assert_in_order(locks(seen))
    await wedding.check()


@pytest.mark.parametrize("seed", range(3))
async def test_batches_in_opposite_orders_never_deadlock(wedding: Wedding, seed: int) -> None:
    """Two webhook processes, the same messages of two runs forwards and backwards, queued guests who stop in between, and
    outcomes of both runs: whatever waits for whom, nobody waits in a circle.
    """
    big = await make_wedding(wedding.db, people(60))
    neighbour = await make_wedding(wedding.db, people(60), number_id=big.number_id)
    runs = [await big.send(), await neighbour.send()]
    claims = await big.claim(80)
    ours = {claim.message_id for claim in claims}
    waiting = [row for run_id in runs for row in await big.messages(run_id) if row.id not in ours]
    stopping = sorted({row.phone for row in waiting if row.phone})[::3]
    chance = random.Random(seed)
    told = [
        status(wamid(claim), value, T + step, biz_opaque_callback_data=claim.attempt_id)
        for claim in claims
        for step, value in enumerate(("sent", "delivered"))
    ]
    chance.shuffle(told)
    parts = [told[start : start + 16] for start in range(0, len(told), 16)]
    shares = [stopping[index :: len(parts)] for index in range(len(parts))]
    # Stops in every second body, of either side another one: those take the number's lock alone, and so never stand beside
    # each other.
    paired = list(enumerate(zip(parts, shares, strict=True)))
    bodies = [await stop_body(big, part, share if n % 2 else []) for n, (part, share) in paired]
    backwards = [
        await stop_body(big, part[::-1], [] if n % 2 else share[::-1]) for n, (part, share) in reversed(paired)
    ]
    other = Webhooks(big.db)
    with sqlstates(big.db) as states:
        await ended(
            asyncio.gather(
                *(big.webhooks.ingest([body]) for body in bodies),
                *(other.ingest([body]) for body in backwards),
                *(big.finish(claims[start : start + 20], accepted) for start in range(0, 80, 20)),
            )
        )
    assert DEADLOCK not in states
    await big.dispatch.sweep()
    rows = [row for run_id in runs for row in await big.messages(run_id)]
    assert {row.state for row in rows if row.id in ours} == {MessageState.DELIVERED}
    assert {row.phone for row in rows if row.state is MessageState.REJECTED} == set(stopping)
    assert len([row for row in rows if row.state is MessageState.QUEUED]) == 120 - 80 - len(
        [row for row in waiting if row.phone in stopping]
    )
    await big.check()
