"""The dispatcher: takes due messages, calls Meta, records what became of it. Several may run at once, in any process.

Three loops share one process: the pump claims and sends, the recorder writes outcomes in batches, the keeper sweeps. Each
survives a database that is away: it waits, longer each time, and goes on by itself. Nothing is decided here; the rules
are in ``app.services``.
"""

import asyncio
import functools
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app import logs
from app.checkpoints import SEND_ANSWERED, SEND_STARTING, reached
from app.domain.rendering import Renderer, thaw
from app.services.base import utc_now
from app.services.breakers import Finished
from app.services.claims import Claim, Lease
from app.services.dispatch import Dispatch
from app.services.failures import database_is_away
from app.whatsapp.port import (
    Accepted,
    Behaviour,
    Evidence,
    NotSent,
    Outcome,
    ProviderError,
    Refused,
    Sender,
    TemplateMessage,
    Unknown,
    in_short,
)

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
"""How long the pump sleeps when there is nothing to do and nobody in this process wakes it."""
PACE_SECONDS = 0.05
"""How long it waits for the bucket to fill; doubling, up to the above, while it stays empty (the number backs off)."""
SWEEP_SECONDS = 1.0
BATCH = 200
"""Outcomes a transaction."""
STARTS = 8
"""Requests that are started at a time: a hundred at once would hold up all answers and statements under way."""
GATHER_SECONDS = 0.03
"""How long the recorder waits for more outcomes before it writes: one commit, and one set of statements, serves many."""
MOST_UNWRITTEN = 10 * BATCH
"""Outcomes that wait for the recorder; beyond that nothing is claimed, so that memory stays bounded."""
LONGEST_PAUSE = 5.0
STUCK_SECONDS = 120.0
"""Longer than any wait that ends by itself: for a connection (60), for SQLite's lock (20)."""
DRAIN_SECONDS = 10.0
"""How long the end waits for a database that is away."""
RENDERERS = 32
FAILED = "could not %s; trying again: %s"
"""For the log; with a traceback but where the database is away, which says nothing new every few seconds."""

_STOPPED = Evidence(error="ShuttingDown")
_TOO_LATE = Evidence(error="LeaseNearlyOver")
_UNBUILDABLE = Refused(
    # What Meta would say to values that do not fit; said before a request is made, so it stops the run and costs nobody.
    error=ProviderError(132000, "The message could not be built", "Nothing was sent to WhatsApp."),
    behaviour=Behaviour.STOP_RUN,
    slows_number=False,
    retry_after=0.0,
    evidence=Evidence(error="CannotBuildMessage"),
)


def lease_for(timeout: float) -> Lease:
    """A lease that outlives a request which starts at the last allowed moment; ``timeout`` is SEND_TIMEOUT in seconds."""
    return Lease(duration=3 * timeout + 30, reserve=timeout + 10)


@dataclass(frozen=True, slots=True)
class Sending:
    """From which number, as whom at Meta, and how many requests at a time."""

    number_id: str
    phone_number_id: str
    concurrency: int
    timeout: float


class Worker:
    """One dispatcher for one number. ``wake`` makes it look for work at once."""

    def __init__(self, dispatch: Dispatch, sender: Sender, sending: Sending) -> None:
        self._dispatch = dispatch
        self._sender = sender
        self._sending = sending
        self._wake = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        self._finished: asyncio.Queue[Finished] = asyncio.Queue()
        self._renderers: OrderedDict[str, Renderer] = OrderedDict()
        self._stopping = False
        self._turn = 0
        self._dry = 0
        self._more = False
        """The last claim got all it asked for, so there is surely something due: no need to ask."""
        self._full = False
        """The pump waits for room."""
        self._unwritten = 0
        self._loops: tuple[asyncio.Task[None], ...] = ()
        self._pumped_at = self._recorded_at = time.monotonic()

    def wake(self) -> None:
        self._wake.set()

    @property
    def state(self) -> str:
        """``running``; ``stopped`` once a loop has ended; ``stuck`` when claims or outcomes stand for STUCK_SECONDS."""
        if any(each.done() for each in self._loops):
            return "stopped"
        waits_since = min(self._pumped_at, self._recorded_at) if self._unwritten else self._pumped_at
        return "stuck" if time.monotonic() - waits_since > STUCK_SECONDS else "running"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then drain: no new claims, requests under way end and are recorded.

        A loop that ends before ends the others too, sets ``stop``, and raises here what ended it: half a dispatcher
        would look alive.
        """
        recorder = asyncio.create_task(self._record())
        keeper = asyncio.create_task(self._keep(stop))
        pump = asyncio.create_task(self._pump(stop))
        self._loops = (recorder, keeper, pump)
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({stopped, *self._loops}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.set()
            self._stopping = True
            self.wake()
            await asyncio.gather(stopped, pump, keeper, return_exceptions=True)
            if self._calls:
                await asyncio.wait(self._calls, timeout=self._sending.timeout)
            await self._drain()
            recorder.cancel()
            await asyncio.gather(recorder, return_exceptions=True)
        for each in self._loops:
            if not each.cancelled() and (error := each.exception()):
                raise error

    async def _drain(self) -> None:
        """Wait for the recorder, but not for ever: with the database away the leases settle what we cannot write."""
        try:
            await asyncio.wait_for(self._finished.join(), DRAIN_SECONDS)
        except TimeoutError:
            log.error(  # noqa: TRY400 - that time ran out is all there is to say
                "%d outcomes could not be written before the end; they will be UNCONFIRMED", self._unwritten
            )

    async def _pump(self, stop: asyncio.Event) -> None:
        pause = _Pause()
        while not stop.is_set():
            self._pumped_at = time.monotonic()
            try:
                wait = await self._claim_some()
                pause.reset()
            except Exception as error:
                log.exception(FAILED, "claim messages", type(error).__name__, exc_info=not database_is_away(error))
                wait = pause.longer()
            if wait:
                await self._sleep(wait)

    async def _claim_some(self) -> float:
        """Start what may go out now; returns how long to wait before looking again."""
        if self._unwritten >= MOST_UNWRITTEN:
            return PACE_SECONDS
        if self._room < self._enough:
            self._full = True
            return IDLE_SECONDS
        number_id = self._sending.number_id
        if not self._more and not await self._dispatch.has_due(number_id):
            return IDLE_SECONDS
        allowed = await self._dispatch.take_tokens(number_id, self._room)
        if not allowed:
            self._more = False
            self._dry = min(self._dry + 1, 4)
            return min(IDLE_SECONDS, PACE_SECONDS * 2.0 ** (self._dry - 1))
        self._dry = 0
        self._turn += 1
        claims = await self._dispatch.claim(number_id, allowed, self._turn)
        self._more = len(claims) == allowed
        for place, claim in enumerate(claims, 1):
            task = asyncio.create_task(self._call(claim))
            self._calls.add(task)
            task.add_done_callback(self._over)
            if place % STARTS == 0:
                await asyncio.sleep(0)
        return 0.0

    @property
    def _room(self) -> int:
        """How many may be claimed now: what is claimed goes out at once, so that no pause or block comes in between."""
        return self._sending.concurrency - len(self._calls)

    @property
    def _enough(self) -> int:
        """Room that is worth a claim, which costs the same whatever it takes."""
        return max(1, self._sending.concurrency // 2)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        if self._full and self._room >= self._enough:
            self._full = False
            self.wake()

    async def _call(self, claim: Claim) -> None:
        """One provider call, with no transaction open; a task of its own, so what it logs is about this message."""
        with logs.about(run=claim.run_id, message=claim.message_id):
            outcome = await self._attempt(claim)
            level = logging.DEBUG if isinstance(outcome, Accepted) else logging.INFO
            log.log(level, "attempt %d: %s", claim.n, in_short(outcome))
        await reached(SEND_ANSWERED)
        self._finish(claim, outcome)

    def _finish(self, claim: Claim, outcome: Outcome) -> None:
        if not self._unwritten:
            self._recorded_at = time.monotonic()
        self._unwritten += 1
        self._finished.put_nowait(Finished(claim, outcome, utc_now()))

    async def _attempt(self, claim: Claim) -> Outcome:
        if self._stopping:
            return NotSent(_STOPPED, by_choice=True)
        if time.monotonic() > claim.deadline:
            return NotSent(_TOO_LATE, by_choice=True)
        return await self._send(claim)

    async def _send(self, claim: Claim) -> Outcome:
        try:
            message = self._message(claim)
        except Exception:  # a fault of ours, the same for all of the run: nothing left
            log.exception("the messages of run %s cannot be built", claim.run_id)
            return _UNBUILDABLE
        await reached(SEND_STARTING)
        try:
            return await self._sender.send(message)
        except Exception as error:  # a fault of ours: the request may have left
            log.exception("a provider call ended in an unexpected error")
            return Unknown(Evidence(error=type(error).__name__))

    def _message(self, claim: Claim) -> TemplateMessage:
        renderer = self._renderers.get(claim.run_id)
        if renderer is None:
            renderer = self._renderers[claim.run_id] = thaw(claim.recipe)
            if len(self._renderers) > RENDERERS:
                self._renderers.popitem(last=False)
        return TemplateMessage(
            phone_number_id=self._sending.phone_number_id,
            to=claim.to,
            template_name=claim.template_name,
            language=claim.language,
            components=renderer.components(claim.values),
            attempt_id=claim.attempt_id,
        )

    async def _record(self) -> None:
        while True:
            batch = [await self._finished.get()]
            if self._finished.qsize() < BATCH:
                await asyncio.sleep(GATHER_SECONDS)
            while len(batch) < BATCH and not self._finished.empty():
                batch.append(self._finished.get_nowait())
            await self._until_done(
                "record outcomes", functools.partial(self._dispatch.record, self._sending.number_id, batch)
            )
            self._recorded_at = time.monotonic()
            self._unwritten -= len(batch)
            for _ in batch:
                self._finished.task_done()

    async def _until_done(self, what: str, act: Callable[[], Awaitable[None]]) -> None:
        """Outcomes are known to nobody but us until they are written: try until it works or the process ends."""
        pause = _Pause()
        while True:
            try:
                await act()
            except Exception as error:
                log.exception(FAILED, what, type(error).__name__, exc_info=not database_is_away(error))
                await asyncio.sleep(pause.longer())
            else:
                return

    async def _keep(self, stop: asyncio.Event) -> None:
        pause = _Pause()
        everything = True
        while not stop.is_set():
            try:
                await self._dispatch.sweep(everything=everything)
                everything = False
                pause.reset()
                wait = SWEEP_SECONDS
            except Exception as error:
                log.exception(FAILED, "sweep", type(error).__name__, exc_info=not database_is_away(error))
                wait = pause.longer()
            try:
                await asyncio.wait_for(stop.wait(), wait)
            except TimeoutError:
                continue

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return
        self._wake.clear()


class _Pause:
    """Waits that double up to a limit, so that a database that is away is not hammered."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def longer(self) -> float:
        self._seconds = min(LONGEST_PAUSE, max(0.1, self._seconds * 2))
        return self._seconds

    def reset(self) -> None:
        self._seconds = 0.0
