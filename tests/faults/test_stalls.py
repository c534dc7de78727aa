"""A worker is frozen, event loop and all, until its lease has run out and another process has given its message up.

Then it goes on where it stood. What it knows late is taken in for what it is: a fact always, an intention never.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.checkpoints import CLAIM_PICKED, SEND_ANSWERED, SEND_STARTING, before_commit, committed
from app.db.engine import Database
from app.domain.enums import MessageState
from tests.faults.process import REQUEST_LEFT, STALLING
from tests.faults.running import Process, eventually
from tests.faults.support import BLOCKED, OWNER, Place, phones, place

pytestmark = [pytest.mark.anyio, pytest.mark.process]

GUESTS = phones(6)
INVITED = {phone for index, phone in enumerate(GUESTS) if index != BLOCKED}
SLOW = GUESTS[0]
"""The first in the queue, and the one that the slow worker has."""
ALONE = {"SEND_CONCURRENCY": "1"}
"""So that the slow worker has one message and no other."""


@dataclass(frozen=True)
class Stall:
    """Where the worker is frozen, what Meta answers to it, and what its message is in the end."""

    moment: str
    ends: set[MessageState]
    sent: bool
    script: tuple[dict[str, Any], ...] = ()
    lease: str = ""
    """Seconds, where it has to run out by the worker's own clock as well."""


FINAL = ({"answer": "REFUSE", "code": 131026},)
PASSING = ({"answer": "REFUSE", "code": 131056},)
UNCONFIRMED, ACCEPTED, FAILED = MessageState.UNCONFIRMED, MessageState.ACCEPTED, MessageState.FAILED
STALLS = {
    "a late acceptance is a fact": Stall(SEND_ANSWERED, {ACCEPTED}, sent=True),
    "a late permanent refusal settles it": Stall(SEND_ANSWERED, {FAILED}, sent=False, script=FINAL),
    "a late passing refusal is evidence": Stall(SEND_ANSWERED, {UNCONFIRMED}, sent=False, script=PASSING),
    "no request starts after the deadline": Stall(committed("claim"), {UNCONFIRMED}, sent=False, lease="0.5"),
    # The one window that is documented: frozen between the last look at the deadline and the socket.
    "a request that starts late is the only one": Stall(SEND_STARTING, {ACCEPTED}, sent=True),
    # The timeout of the frozen call has passed as well; which of the two it sees first is the event loop's affair.
    "an answer that waited too long may be lost": Stall(REQUEST_LEFT, {ACCEPTED, UNCONFIRMED}, sent=True),
}


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS.keys())
async def test_a_worker_that_stalls_past_its_lease(
    stall: Stall, tmp_path: Path, db: Database, database_url: str
) -> None:
    async with place(tmp_path, db, database_url, guests=GUESTS) as wedding:
        await wedding.meta.order("pause")
        await wedding.meta.order("scripts", {SLOW: list(stall.script)})
        slow = await stalled(wedding, f"{stall.moment}@1:stall", FAULT_LEASE=stall.lease)
        if not stall.lease:
            await wedding.let_leases_run_out()
        await wedding.serve()

        async def given_up() -> bool:
            return (await wedding.states())[SLOW] is UNCONFIRMED and await wedding.is_done()

        await eventually(given_up)
        assert await wedding.states() == dict.fromkeys(INVITED, ACCEPTED) | {SLOW: UNCONFIRMED}

        wedding.wake()

        async def told() -> bool:
            return all(each.finished_at for each in await wedding.attempts(SLOW))

        await eventually(told)
        states, truth = await wedding.states(), await wedding.truth()
        assert states.pop(SLOW) in stall.ends
        assert states == dict.fromkeys(INVITED - {SLOW}, ACCEPTED)
        assert truth.keys() == (INVITED if stall.sent else INVITED - {SLOW})
        assert [each.fenced for each in await wedding.attempts(SLOW)] == [True]

        await wedding.check()

        await wedding.meta.order("resume")
        await eventually(wedding.meta_is_idle)
        truth = await wedding.truth()
        assert ACCEPTED not in truth.values()
        settled = await wedding.states()
        assert settled.pop(SLOW) in ({truth[SLOW]} if stall.sent else stall.ends)
        assert settled == {phone: state for phone, state in truth.items() if phone != SLOW}
        assert (await slow.end())[0] == 0
        await wedding.check()


async def test_a_claim_that_stalls_half_written_keeps_its_message(
    tmp_path: Path, db: Database, database_url: str
) -> None:
    """Its lock is its own: nobody else sends what it is about to claim, and nobody else has to wait for it."""
    async with place(tmp_path, db, database_url, guests=GUESTS) as wedding:
        slow = await stalled(wedding, f"{CLAIM_PICKED}@1:stall-within")
        other = wedding.start("worker")  # which on SQLite waits for the frozen writer before it says a word

        async def others_are_sent() -> bool:
            states = await wedding.states()
            return all(states[phone] is ACCEPTED for phone in INVITED - {SLOW})

        if db.sqlite:
            assert nobody_else_can_write(database_url)
        else:
            await eventually(others_are_sent)
        assert (await wedding.states())[SLOW] is MessageState.QUEUED
        await end_well(wedding, 1, slow, other)


async def test_an_outcome_that_stalls_half_written_is_not_given_up(
    tmp_path: Path, db: Database, database_url: str
) -> None:
    """Its lease is over, and every sweep passes the row by that it is about to write."""
    writing = before_commit("outcomes")
    async with place(tmp_path, db, database_url, guests=GUESTS) as wedding:
        # It does not sweep itself, so that its own message is not given up on the way from one stall to the other; and what
        # it sends on that way may be answered while it is frozen, however long that takes.
        own = {"FAULT_SWEEP": "1000", "SEND_TIMEOUT": "60"}
        slow = await stalled(wedding, f"{SEND_ANSWERED}@1:stall;{writing}@1:stall-within", **own)
        await wedding.let_leases_run_out()
        wedding.wake()
        await slow.says(f"{STALLING} {writing}")
        swept = committed("leases")
        other = wedding.start("worker", faults=f"{swept}@3:stall-within")  # it only says so: it is awake already
        if db.sqlite:
            assert nobody_else_can_write(database_url)
        else:
            await other.says(f"{STALLING} {swept}")
        assert (await wedding.states())[SLOW] is MessageState.SENDING
        await end_well(wedding, 2, slow, other)


def nobody_else_can_write(database_url: str) -> bool:
    """A frozen transaction holds all of a SQLite file."""
    with closing(sqlite3.connect(database_url.partition("///")[2], timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            return "locked" in str(error)
    return False


async def end_well(wedding: Place, stall: int, *workers: Process) -> None:
    """Wake who is in its nth stall: all that was half written is written, and everybody has one message."""
    wedding.wake(stall)
    await eventually(wedding.is_done)
    assert await wedding.states() == dict.fromkeys(INVITED, ACCEPTED)
    assert (await wedding.truth()).keys() == INVITED
    await wedding.check()
    for worker in workers:
        await worker.says("Sending from")
        assert (await worker.end())[0] == 0


async def stalled(wedding: Place, faults: str, **env: str) -> Process:
    """A worker that stands at the first of ``faults`` with the first message of a new run."""
    slow = await wedding.worker(faults=faults, **ALONE, **env)
    await wedding.services.sends.send_invites(OWNER, token=await wedding.token())
    await slow.says(STALLING)
    return slow
