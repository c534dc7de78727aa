"""The service is killed at every named moment, started again, and let finish; then its books are compared with Meta's.

Nobody got a message twice, nobody vanished, and every state is what is known: what was lost on the way is UNCONFIRMED
until a status of Meta's, which names the attempt, settles it.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app import checkpoints
from app.checkpoints import before_commit, committed
from app.db.engine import Database
from app.db.tables import PersonRow
from app.domain.enums import MessageState
from tests.databases import in_turn
from tests.faults.process import REQUEST_LEFT
from tests.faults.running import NoAnswerError, eventually
from tests.faults.support import BLOCKED, OWNER, Place, phones, place
from tests.services.world import one

pytestmark = [pytest.mark.anyio, pytest.mark.process]

GUESTS = phones(10)
INVITED = {phone for index, phone in enumerate(GUESTS) if index != BLOCKED}
CANDIDATES = len(GUESTS) + 2
HANDED_OVER = {MessageState.ACCEPTED, MessageState.SENT, MessageState.DELIVERED, MessageState.READ}
NOBODY_SECONDS = 0.4
"""How long a dispatcher has for sending what it must not send; it sends what it may in a tenth of that."""


@dataclass(frozen=True)
class Crash:
    """Which processes die where, one after the other, and what is lost by it at least."""

    faults: tuple[str, ...]
    accepted_unknown: bool = False
    """Somebody whose message Meta took is UNCONFIRMED until Meta says more."""
    never_sent: bool = False
    """Somebody is UNCONFIRMED for good whose message Meta never saw."""
    nobody: bool = False
    """Nobody is ever UNCONFIRMED."""


def crash(moment: str, nth: int = 1, *, after: str | None = None, **lost: bool) -> Any:
    """At the nth time of a moment; ``after`` another death, whose lost leases are the next process's first work."""
    faults = (f"{moment}@{nth}:kill",) if after is None else (f"{after}@3:kill", f"{moment}@{nth}:kill")
    return pytest.param(Crash(faults, **lost), id=moment)


CRASHES = [
    crash(before_commit("plan"), nobody=True),
    crash(committed("plan")),
    crash(checkpoints.CLAIM_LOCKED, 2),
    crash(checkpoints.CLAIM_PICKED, 2),
    crash(before_commit("claim"), 2),
    crash(committed("claim"), 2, never_sent=True),
    crash(checkpoints.SEND_STARTING, 3, never_sent=True),
    crash(REQUEST_LEFT, 3, accepted_unknown=True),
    crash(checkpoints.SEND_ANSWERED, 3, accepted_unknown=True),
    crash(before_commit("outcomes"), 2, accepted_unknown=True),
    crash(committed("outcomes"), 2),
    crash(checkpoints.WEBHOOK_RECEIVED, 2, nobody=True),
    crash(before_commit("webhook"), 2, nobody=True),
    crash(committed("webhook"), 2, nobody=True),
    crash(before_commit("leases"), after=checkpoints.SEND_ANSWERED, accepted_unknown=True),
    crash(committed("leases"), after=checkpoints.SEND_ANSWERED, accepted_unknown=True),
    crash(before_commit("sweep"), after=checkpoints.SEND_ANSWERED, accepted_unknown=True),
    crash(committed("sweep"), after=checkpoints.SEND_ANSWERED, accepted_unknown=True),
]


@dataclass
class Mortal:
    """The service of a place, started again whenever it has died, each time with the next of ``faults`` and then without."""

    place: Place
    faults: tuple[str, ...]
    deaths: list[int | None] = field(default_factory=list)

    async def live(self) -> None:
        while True:
            if self.deaths:
                await self.place.let_leases_run_out()
            faults = self.faults[len(self.deaths)] if len(self.deaths) < len(self.faults) else ""
            try:
                await self.place.serve(faults=faults)
            except NoAnswerError:
                self.deaths.append(await self.place.service.ended())
            else:
                return

    async def revive(self) -> None:
        self.deaths.append(await self.place.service.ended())
        await self.live()

    async def send(self, token: str) -> str:
        """Like somebody who got no answer: again, with the same token."""
        while True:
            try:
                return await self.place.send(token)
            except NoAnswerError:
                await self.revive()

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        async def held() -> bool:
            if not self.place.service.alive:
                await self.revive()
            return await holds()

        await eventually(held)


@pytest.mark.parametrize("crash", CRASHES)
async def test_a_run_survives_a_kill(crash: Crash, tmp_path: Path, db: Database, database_url: str) -> None:
    async with place(tmp_path, db, database_url, guests=GUESTS) as wedding:
        await wedding.meta.order("pause")
        service = Mortal(wedding, crash.faults)
        await service.live()
        token = await wedding.token()
        run_id = await service.send(token)

        await service.until(wedding.is_done)
        states, sent = await wedding.states(), await wedding.truth()
        assert states.keys() == INVITED >= sent.keys()
        unknown = {phone for phone, state in states.items() if state is MessageState.UNCONFIRMED}
        assert {phone for phone, state in states.items() if state is MessageState.ACCEPTED} == states.keys() - unknown
        assert INVITED - sent.keys() <= unknown, "somebody counts as accepted whom Meta does not know"
        assert not crash.nobody or not unknown
        assert not crash.accepted_unknown or unknown & sent.keys()
        assert not crash.never_sent or unknown - sent.keys()

        await wedding.meta.order("resume")

        await service.until(wedding.meta_is_idle)
        assert await service.send(token) == run_id
        assert service.deaths == [-signal.SIGKILL] * len(crash.faults), wedding.service.output()
        truth = await wedding.truth()
        assert truth.keys() == sent.keys(), "something was sent after all"
        assert await wedding.states() == dict.fromkeys(INVITED, MessageState.UNCONFIRMED) | truth
        assert MessageState.ACCEPTED not in truth.values(), "Meta has told what became of each"
        assert len(await wedding.messages()) == CANDIDATES
        assert (await wedding.run_ids(), await wedding.authors()) == ([run_id], 1)
        await wedding.check()


# Each act's name, the mutation, and who gets a message when it is in force.
ACTS: dict[str, tuple[str, set[str]]] = {
    "block": (
        'addDoNotMessage(input: {workspaceId: "%(workspace)s", phone: "%(phone)s", reason: "asked"})',
        INVITED - {GUESTS[0]},
    ),
    "pause": ('pauseSendRun(id: "%(run)s")', set()),
    "cancel": ('cancelSendRun(id: "%(run)s")', set()),
    "resume": ('resumeSendRun(id: "%(run)s")', INVITED),
    "erasure": ('eraseGuest(input: {id: "%(person)s", reason: GUEST_REQUEST})', INVITED - {GUESTS[0]}),
}
ACT_MOMENTS = [checkpoints.BLOCK_LOCKED, *(moment(act) for moment in (before_commit, committed) for act in ACTS)]


@pytest.mark.parametrize(("database_url", "moment"), in_turn(ACT_MOMENTS), indirect=["database_url"])
async def test_an_act_is_whole_or_never_was(moment: str, tmp_path: Path, db: Database, database_url: str) -> None:
    """An operator's act whose process is killed: after its commit it holds, before it nothing of it is left."""
    name = moment.partition(":")[0]
    (act, reached), holds = ACTS[name], moment == committed(name)
    if not holds:
        reached = set() if name == "resume" else INVITED
    async with place(tmp_path, db, database_url, guests=GUESTS) as wedding:
        service = await wedding.serve("--no-dispatch", faults=f"{moment}@1:kill")
        run_id = await wedding.send(await wedding.token())
        if name == "resume":
            await wedding.services.runs.pause(OWNER, id=run_id)
        person = await one(db, PersonRow, PersonRow.phone == GUESTS[0])
        names = {"run": run_id, "workspace": wedding.workspace_id, "phone": GUESTS[0], "person": person.id}
        with pytest.raises(NoAnswerError):
            await wedding.ask(f"mutation {{ {act % names} {{ id }} }}")
        assert await service.ended() == -signal.SIGKILL
        await wedding.check()

        await wedding.serve()
        if reached:
            await eventually(wedding.is_done)
        else:
            await asyncio.sleep(NOBODY_SECONDS)
        assert (await wedding.truth()).keys() == reached
        states = await wedding.states()
        assert {phone for phone, state in states.items() if state in HANDED_OVER} == reached
        if name == "cancel" and holds:
            assert set(states.values()) == {MessageState.CANCELLED}
        await wedding.check()


def test_every_moment_has_its_crash() -> None:
    killed_at = {fault.partition("@")[0] for each in CRASHES for fault in each.values[0].faults}
    assert killed_at | set(ACT_MOMENTS) == {*checkpoints.ALL, REQUEST_LEFT}
