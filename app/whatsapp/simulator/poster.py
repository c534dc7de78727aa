"""Posts updates to the webhook: in batches, concurrently, late, twice or never, and again until it is answered with 200."""

import asyncio
import heapq
import itertools
import math
import random
import time
from dataclasses import dataclass
from typing import Final

import httpx

from app.whatsapp.simulator import webhooks
from app.whatsapp.simulator.fate import RANK
from app.whatsapp.simulator.ledger import AcceptedMessage
from app.whatsapp.simulator.options import SimulatorOptions
from app.whatsapp.simulator.webhooks import StatusUpdate, Update

_OK: Final = 200


@dataclass(slots=True)
class PostCounts:
    lost: int = 0
    """Statuses that happened and are never posted."""
    repeated: int = 0
    """Statuses posted once more than needed, by ``duplicates``."""
    acknowledged: int = 0
    """Updates, with repetitions, in POSTs that were answered with 200."""
    given_up: int = 0
    """Updates in POSTs that were tried ``post_attempts`` times."""
    posts: int = 0
    """POSTs answered with 200."""
    failed_posts: int = 0
    """POSTs answered with anything else, or not at all; each of them was tried again."""


class Poster:
    """Its memory is bounded by the messages accepted (see ``capacity``): a handful of updates for each."""

    def __init__(self, options: SimulatorOptions) -> None:
        self.options = options
        self.counts = PostCounts()
        self.in_flight = 0
        self._posting = 0
        self._paused = False
        # (tick, due, order of arrival, update): what falls into one tick is posted together, in the order of due.
        self._queue: list[tuple[float, float, int, Update]] = []
        self._arrivals = itertools.count()
        self._wake = asyncio.Event()
        self._random = random.Random(options.seed)  # noqa: S311 - repeatable noise, not a secret

    @property
    def pending(self) -> int:
        """Updates that wait for their time."""
        return len(self._queue)

    @property
    def paused(self) -> bool:
        return self._paused

    def pause(self) -> None:
        """No new POST begins. Those under way end."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._wake.set()

    def change(self, options: SimulatorOptions) -> None:
        self.options = options
        self._wake.set()

    def push_statuses(self, message: AcceptedMessage) -> None:
        """Plans every status of a message. Meta's times rise from sent to read in whatever order they are posted."""
        options, chance = self.options, self._random
        if options.webhook_url is None:
            return
        elapsed, moments = 0.0, []
        for _ in message.statuses:
            elapsed += options.status_delay * (1 + options.status_spread * chance.uniform(-1, 1))
            moments.append(elapsed)
        planned = sorted(range(len(moments)), key=lambda place: RANK.get(message.statuses[place].status, 0))
        happened = dict(zip(planned, moments, strict=True))
        start, due = time.monotonic(), 0.0
        for place, status in enumerate(message.statuses):
            if chance.random() < options.loss:
                self.counts.lost += 1
                continue
            # Late is possible, early is not: a webhook never tells what has yet to happen.
            due = max(due, happened[place])
            late = chance.uniform(0, options.late) if chance.random() < options.disorder else 0.0
            update = StatusUpdate(message, status, int(message.accepted_at + happened[place]))
            self._push(update, start + due + late)
            if chance.random() < options.duplicates:
                self.counts.repeated += 1
                self._push(update, start + due + late + chance.uniform(0, options.late))

    def push(self, update: Update) -> None:
        """Posts it as soon as possible."""
        self._push(update, time.monotonic())

    def _push(self, update: Update, due: float) -> None:
        linger = self.options.linger
        tick = math.ceil(due / linger) * linger if linger else due
        item = (tick, due, next(self._arrivals), update)
        heapq.heappush(self._queue, item)
        if self._queue[0] is item:
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled; what is pending then is not posted."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=self.options.concurrency)
        # Proxy settings of the environment are for the real Meta, not for a webhook on the next port.
        async with (
            httpx.AsyncClient(limits=limits, trust_env=False) as client,
            asyncio.TaskGroup() as posts,
        ):
            while True:
                self._wake.clear()
                pause = self._pause()
                if pause == 0:
                    updates = self._take()
                    posts.create_task(self._deliver(client, updates))
                    continue
                try:
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    def _pause(self) -> float | None:
        """Seconds until the next POST may begin; None when only a wake-up can tell."""
        if self._paused or not self._queue or self._posting >= self.options.concurrency:
            return None
        return max(0.0, self._queue[0][0] - time.monotonic())

    def _take(self) -> list[Update]:
        now = time.monotonic()
        updates: list[Update] = []
        while self._queue and self._queue[0][0] <= now and len(updates) < self.options.batch:
            updates.append(heapq.heappop(self._queue)[3])
        self._posting += 1
        self.in_flight += len(updates)
        return updates

    async def _deliver(self, client: httpx.AsyncClient, updates: list[Update]) -> None:
        raw = webhooks.body(self.options, updates)
        pause = self.options.retry_first
        for _ in range(self.options.post_attempts):
            if await self._post(client, raw):
                self.counts.posts += 1
                self.counts.acknowledged += len(updates)
                for update in updates:
                    if isinstance(update, StatusUpdate):
                        update.message.tell(update.status.status)
                break
            self.counts.failed_posts += 1
            await asyncio.sleep(pause)
            pause = min(pause * 2, self.options.retry_longest)
        else:
            self.counts.given_up += len(updates)
        self._posting -= 1
        self.in_flight -= len(updates)
        self._wake.set()

    async def _post(self, client: httpx.AsyncClient, raw: bytes) -> bool:
        """True when the webhook answered 200; Meta takes anything else, 201 and redirects too, for a failure."""
        if self.options.webhook_url is None:
            return False
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "facebookexternalua",
            "X-Hub-Signature-256": webhooks.sign(self.options.app_secret, raw),
        }
        try:
            answer = await client.post(
                self.options.webhook_url, content=raw, headers=headers, timeout=self.options.post_timeout
            )
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        return answer.status_code == _OK
