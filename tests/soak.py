"""``make soak``: minutes of kills, storms, blocks and edits on PostgreSQL with several processes, and then the reckoning.

What is done, and at which named moments processes die, follows from ``--seed``; how they race is the machine's own affair.
In the end ``invites verify`` must be clean, and the books must be those of the simulator, which knows what it took.
"""

import argparse
import asyncio
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from app import checkpoints
from app.db.engine import Database, UnitOfWork
from app.db.tables import AttemptRow, MessageRow
from app.domain.audience import Audience
from app.domain.enums import EventStatus, MessageState, ParameterSource, SendRunStatus, TemplateComponent
from app.domain.errors import ConflictError
from app.domain.requests import FromRun, SendRequest
from app.domain.template_parameters import TemplateParameter
from app.services.reading.guests import GuestUnitFilter
from tests.databases import Databases
from tests.faults.process import REQUEST_LEFT
from tests.faults.running import NoAnswerError, Process
from tests.faults.support import OPEN, OWNER, SEND, Place, phones, place

GUESTS = phones(300)
WORKERS = 3
PAUSE = (0.2, 2.0)
"""Seconds between two acts."""
SETTLE = 180.0
"""Seconds for everything to come to rest at the end."""
RATE = "80"
"""Messages a second: slow enough that something is always being sent when a process dies."""
LEASE = "4"
MISFORTUNES = (
    "--duplicates", "0.3", "--disorder", "1", "--cut", "0.02", "--server-errors", "0.02", "--server-errors-accepted", "0.5", "--held", "0.05",
    "--fail", "131026=0.03", "--refuse", "131021=0.01",
)  # fmt: skip


@dataclass
class Soak:
    at: Place
    seed: int
    workers: list[Process | None] = field(default_factory=lambda: [None] * WORKERS)
    service: Process | None = None
    chance: random.Random = field(init=False)
    """Of the present act: its own, so that one act's course does not change what the later ones are."""
    happened: Counter[str] = field(default_factory=Counter)
    deaths: int = 0
    blocked: dict[str, datetime] = field(default_factory=dict)
    """When the entry for a phone was known to be committed."""
    reviving: asyncio.Lock = field(default_factory=asyncio.Lock)

    def acts(self) -> Iterator[Callable[[], Awaitable[None]]]:
        """Without end; each is a function of the seed and of its place."""
        choices = [self.kill_worker] * 6 + [self.kill_service] * 3 + [self.send] * 3
        choices += [self.block, self.opt_out, self.edit, self.storm, self.pause_and_resume, self.cancel, self.retry]
        place_ = 0
        while True:
            self.chance = random.Random(f"{self.seed}:{place_}")
            place_ += 1
            yield self.chance.choice(choices)

    async def run(self, minutes: float) -> None:
        self.chance = random.Random(self.seed)
        await self.revive()
        started = told = time.monotonic()
        for act in self.acts():
            if (now := time.monotonic()) - started > minutes * 60:
                break
            if now - told > 15:
                told = now
                messages = len(await self.at.messages())
                print(f"  {now - started:.0f} s: {messages} messages, {self.deaths} kills", flush=True)
            await self.revive()
            await act()
            self.happened[act.__name__.replace("_", " ")] += 1
            await asyncio.sleep(self.chance.uniform(*PAUSE))

    async def revive(self, *, mortal: bool = True) -> None:
        """Start whatever is dead; half of it will die at a moment of its own."""
        async with self.reviving:
            for index, worker in enumerate(self.workers):
                if worker is None or self._died(worker):
                    self.workers[index] = await self._start(self.at.worker, mortal=mortal)
            if self.service is None or self._died(self.service):
                self.service = await self._start(lambda **how: self.at.serve("--no-dispatch", **how), mortal=mortal)

    def _died(self, process: Process) -> bool:
        if process.alive:
            return False
        assert process.exit_code == -9, f"{process.log.name} ended by itself: {process.output()[-2000:]}"
        self.deaths += 1
        return True

    async def _start(self, start: Callable[..., Awaitable[Process]], *, mortal: bool) -> Process:
        faults = ""
        if mortal and self.chance.random() < 0.5:
            moment = self.chance.choice([*checkpoints.ALL, REQUEST_LEFT])
            faults = f"{moment}@{self.chance.randint(1, 40)}:kill"
        try:
            return await start(faults=faults)
        except NoAnswerError:
            self.deaths += 1
            return await start()

    async def kill_worker(self) -> None:
        self._kill(self.chance.choice(self.workers))

    async def kill_service(self) -> None:
        self._kill(self.service)

    def _kill(self, victim: Process | None) -> None:
        assert victim is not None
        victim.process.kill()
        victim.process.join()

    async def send(self) -> None:
        """Everybody is invited to one more event, with a double click; who gets no answer asks again."""
        services = self.at.services
        event = await services.events.create_event(
            OWNER,
            workspace_id=self.at.workspace_id,
            title=f"Event {self.happened['send'] + 1}",
            starts_at=datetime.now(UTC) + timedelta(90),
            venue=None,
        )
        await services.events.update_event(OWNER, id=event.id, status=EventStatus.PUBLISHED)
        await self._send(SendRequest(event.id, "will_you_come", "en", _TITLE, Audience(), None))

    async def retry(self) -> None:
        """What of one run has failed or was cancelled is sent once more, in a run of its own."""
        run_ids = await self.at.run_ids()
        if run_ids:
            run_id = self.chance.choice(sorted(run_ids))
            event_id = (await self.at.services.reader.runs(OWNER, [run_id]))[run_id].row.event_id
            again = FromRun(run_id, (MessageState.FAILED, MessageState.CANCELLED))
            await self._send(SendRequest(event_id, "will_you_come", "en", _TITLE, None, again))

    async def _send(self, request: SendRequest) -> None:
        precheck = await self.at.services.prechecks.precheck(OWNER, request)
        if precheck.token is not None:
            await asyncio.gather(*(self._click(precheck.token) for _ in range(2)))

    async def _click(self, token: str) -> None:
        while True:
            try:
                await self.at.ask(SEND, token=token)
            except NoAnswerError:
                await self.revive()
            else:
                return

    async def block(self) -> None:
        phone = self.chance.choice(GUESTS)
        await self.at.services.blocks.add(OWNER, workspace_id=self.at.workspace_id, phone=phone, reason="asked")
        self.blocked.setdefault(phone, datetime.now(UTC))

    async def opt_out(self) -> None:
        await self.at.meta.order("inbound", {"from": self.chance.choice(GUESTS), "preference": "stop"})

    async def edit(self) -> None:
        page = await self.at.services.reader.guest_units(OWNER, self.at.workspace_id, GuestUnitFilter(), first=100)
        unit = self.chance.choice(page.nodes)
        await self.at.services.guests.update_guest_unit(OWNER, id=unit.id, inviteable=not unit.inviteable)

    async def storm(self) -> None:
        """Statuses pile up at Meta for a while and then come all at once."""
        await self.at.meta.order("pause")
        await asyncio.sleep(self.chance.uniform(1, 4))
        await self.at.meta.order("resume")

    async def pause_and_resume(self) -> None:
        for run_id in await self._runs(SendRunStatus.RUNNING):
            try:
                await self.at.services.runs.pause(OWNER, id=run_id)
                await asyncio.sleep(0.2)
                await self.at.services.runs.resume(OWNER, id=run_id)
            except ConflictError:
                continue  # it was over meanwhile

    async def cancel(self) -> None:
        for run_id in (await self._runs(SendRunStatus.RUNNING))[:1]:
            try:
                await self.at.services.runs.cancel(OWNER, id=run_id)
            except ConflictError:
                continue

    async def _runs(self, *statuses: SendRunStatus) -> list[str]:
        runs = await self.at.services.reader.runs(OWNER, await self.at.run_ids())
        return sorted(run_id for run_id, run in runs.items() if run.status in statuses)

    async def settle(self) -> bool:
        """Start and resume what stands still, and wait until nothing is left to send and Meta has told all."""
        until = time.monotonic() + SETTLE
        while time.monotonic() < until:
            await self.revive(mortal=False)
            for run_id in await self._runs(SendRunStatus.STOPPED, SendRunStatus.PAUSED):
                await self.at.services.runs.resume(OWNER, id=run_id)
            if not OPEN & {each.state for each in await self.at.messages()} and await self.at.meta_is_idle():
                await asyncio.sleep(1)  # a last sweep
                return True
            await asyncio.sleep(1)
        return False


_TITLE = (TemplateParameter(TemplateComponent.BODY, None, "event_title", None, ParameterSource.EVENT_TITLE, None),)


@dataclass(frozen=True)
class Reckoning:
    messages: Sequence[MessageRow]
    duplicates: list[str]
    """Messages that Meta took twice, or second ones to somebody who had one of the event."""
    lost: list[str]
    """Messages that Meta took, and whose row does not say what Meta told of them."""
    after_block: list[str]
    """Messages that were claimed although an entry for their phone had been committed."""


async def reckon(soak: Soak) -> Reckoning:
    """The rows against what the simulator took and told."""
    rows = {each.id: each for each in await soak.at.messages()}
    taken = [(each["callback"].partition(".")[0], each["told"]) for each in (await soak.at.meta.state())["messages"]]
    told = {message_id: MessageState(state.upper()) for message_id, state in taken}
    twice = [message_id for message_id, times in Counter(message_id for message_id, _ in taken).items() if times > 1]
    live: dict[tuple[str, str | None], list[str]] = {}
    for message_id in told:
        if (row := rows.get(message_id)) and row.state is not MessageState.FAILED:
            live.setdefault((row.event_id, row.phone), []).append(message_id)
    twice += [message_id for message_ids in live.values() for message_id in message_ids[1:]]
    lost = [
        message_id
        for message_id, state in told.items()
        if message_id not in rows or rows[message_id].state is not state
    ]

    async def claimed(uow: UnitOfWork) -> list[str]:
        query = sa.select(MessageRow.id, MessageRow.phone, AttemptRow.claimed_at).join(AttemptRow)
        found = await uow.session.execute(query.where(MessageRow.phone.in_(soak.blocked)))
        return [message_id for message_id, phone, at in found if at > soak.blocked[phone or ""]]

    return Reckoning(list(rows.values()), twice, lost, await soak.at.db.read(claimed))


async def soak(minutes: float, seed: int) -> int:
    """0 when nothing was lost, doubled or wrongly sent."""
    databases = Databases()
    url = await asyncio.to_thread(databases.make, "postgres")
    db = Database(url)
    try:
        with tempfile.TemporaryDirectory(prefix="invites-soak-") as folder:
            env = {"SEND_RATE": RATE, "FAULT_LEASE": LEASE, "SEND_CONCURRENCY": "8"}
            async with place(Path(folder), db, url, guests=GUESTS, simulator=MISFORTUNES, **env) as at:
                soaking = Soak(at, seed)
                await soaking.run(minutes)
                print("  letting it come to rest", flush=True)
                settled = await soaking.settle()
                found = await reckon(soaking)
                verify = at.start("verify")
                await asyncio.to_thread(verify.process.join, SETTLE)
                clean = verify.exit_code == 0
                print(verify.output())
    finally:
        await db.close()
    states = Counter(each.state.value for each in found.messages)
    print("acts     ", ", ".join(f"{name} {times}" for name, times in sorted(soaking.happened.items())))
    print("states   ", ", ".join(f"{name} {times}" for name, times in states.most_common()))
    for name, ids in (("duplicate", found.duplicates), ("lost", found.lost), ("after block", found.after_block)):
        for each in ids[:20]:
            print(f"  {name}: {each}")
    print(
        f"messages {len(found.messages)}, duplicates {len(found.duplicates)}, lost {len(found.lost)}, sent to the blocked"
        f" {len(found.after_block)}, kills survived {soaking.deaths}, verify {'clean' if clean else 'NOT clean'}, seed {seed}"
    )
    if not settled:
        print(f"It did not come to rest within {SETTLE:g} seconds.")
    return int(bool(found.duplicates or found.lost or found.after_block or not clean or not settled))


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long things go wrong (5)")
    parser.add_argument("--seed", type=int, default=None, help="what goes wrong when; printed, and drawn if left out")
    given = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    print(f"seed {seed}, {given.minutes:g} minutes, {WORKERS} workers, {len(GUESTS)} guests an event", flush=True)
    return asyncio.run(soak(given.minutes, seed))


if __name__ == "__main__":
    sys.exit(main())
