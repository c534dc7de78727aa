"""A worker is frozen, event loop and all, until its lease has run out and another process has given its message up.

Then it goes on where it stood. What it knows late is taken in for what it is: a fact always, an intention never.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.checkpoints import SEND_ANSWERED, SEND_STARTING, committed
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
        slow = await stalled(wedding, stall.moment, lease=stall.lease)
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


async def stalled(wedding: Place, moment: str, how: str = "stall", lease: str = "") -> Process:
    """A worker that stands at ``moment`` with the first message of a new run."""
    slow = await wedding.worker(faults=f"{moment}@1:{how}", FAULT_LEASE=lease, **ALONE)
    await wedding.services.sends.send_invites(OWNER, token=await wedding.token())
    await slow.says(STALLING)
    return slow
