"""The dispatcher's loops: it sends, waits, survives a database that is away, and drains at the end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.exc import OperationalError

import app.worker
from app.domain.enums import MessageState
from app.services.breakers import Finished
from app.services.claims import Claim, Lease
from app.services.dispatch import Dispatch
from app.whatsapp.port import Accepted, Evidence, Outcome, TemplateMessage
from app.worker import Sending, Worker, lease_for
from tests.sending.world import LEASE, NOT_SENT, Wedding, make_wedding, people
from tests.whatsapp_simulator.support import until

pytestmark = pytest.mark.anyio


class FakeMeta:
    """Accepts everything, once it is let; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[TemplateMessage] = []
        self.open = asyncio.Event()
        self.open.set()
        self.answer: Callable[[TemplateMessage], Outcome] = lambda message: Accepted(
            f"wamid.{message.attempt_id}", held=False, evidence=Evidence(http_status=200)
        )

    async def send(self, message: TemplateMessage) -> Outcome:
        self.asked.append(message)
        await self.open.wait()
        return self.answer(message)


@asynccontextmanager
async def working(wedding: Wedding, meta: FakeMeta, dispatch: Dispatch | None = None) -> AsyncIterator[asyncio.Event]:
    """A running worker; set the event to end it, or leave."""
    sending = Sending(wedding.number_id, wedding.phone_number_id, concurrency=8, timeout=5)
    worker = Worker(dispatch or wedding.dispatch, meta, sending)
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        meta.open.set()
        await asyncio.wait_for(task, 20)


async def states(wedding: Wedding, run_id: str) -> set[MessageState]:
    return set((await wedding.states(run_id)).values())


async def test_it_sends_everything_once_with_the_values_that_were_frozen(wedding: Wedding) -> None:
    meta = FakeMeta()
    run_id = await wedding.send()
    async with working(wedding, meta):
        await until(lambda: states(wedding, run_id), lambda found: found == {MessageState.ACCEPTED})
    assert sorted(message.to for message in meta.asked) == ["+919876500000", "+919876500001", "+919876500002"]
    first = next(message for message in meta.asked if message.to == "+919876500000")
    parameter = {"type": "text", "parameter_name": "guest_name", "text": "Guest 00000"}
    assert first.components == [{"type": "body", "parameters": [parameter]}]
    assert first.attempt_id.startswith("msg_")
    await wedding.check()


async def test_never_more_requests_at_once_than_allowed(wedding: Wedding) -> None:
    big = await make_wedding(wedding.db, people(30))
    meta = FakeMeta()
    meta.open.clear()
    run_id = await big.send()
    async with working(big, meta):
        await until(lambda: asyncio.sleep(0, len(meta.asked)), lambda asked: asked == 8)
        await asyncio.sleep(0.2)
        assert len(meta.asked) == 8
        meta.open.set()
        await until(lambda: states(big, run_id), lambda found: found == {MessageState.ACCEPTED})


class Slow(Dispatch):
    """Writes no outcome before it is let."""

    def __init__(self, wedding: Wedding) -> None:
        super().__init__(wedding.db, rate=1000, lease=LEASE)
        self.open = asyncio.Event()

    async def record(self, number_id: str, finished: Sequence[Finished]) -> None:
        await self.open.wait()
        await super().record(number_id, finished)


async def test_nothing_is_claimed_while_too_much_is_unwritten(
    wedding: Wedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.worker, "MOST_UNWRITTEN", 8)
    big = await make_wedding(wedding.db, people(30))
    meta, slow = FakeMeta(), Slow(big)
    run_id = await big.send()
    async with working(big, meta, slow):
        await until(lambda: asyncio.sleep(0, len(meta.asked)), lambda asked: asked == 8)
        await asyncio.sleep(0.2)
        assert len(meta.asked) == 8
        slow.open.set()
        await until(lambda: states(big, run_id), lambda found: found == {MessageState.ACCEPTED})


class Told(Dispatch):
    """Keeps what the pump asks and whether it got all of it."""

    def __init__(self, wedding: Wedding) -> None:
        super().__init__(wedding.db, rate=1000, lease=LEASE)
        self.steps: list[tuple[str, bool]] = []

    async def has_due(self, number_id: str) -> bool:
        found = await super().has_due(number_id)
        self.steps.append(("due", found))
        return found

    async def take_tokens(self, number_id: str, wanted: int) -> int:
        taken = await super().take_tokens(number_id, wanted)
        self.steps.append(("tokens", taken > 0))
        return taken

    async def claim(self, number_id: str, limit: int, turn: int) -> list[Claim]:
        taken = await super().claim(number_id, limit, turn)
        self.steps.append(("claim", len(taken) == limit))
        return taken


async def test_what_is_surely_due_is_not_asked_for(wedding: Wedding) -> None:
    """Of a full claim there is more; after any other, tokens are taken only when something is due: they would be lost."""
    big = await make_wedding(wedding.db, people(30))
    told = Told(big)
    run_id = await big.send()
    async with working(big, FakeMeta(), told):
        await until(lambda: states(big, run_id), lambda found: found == {MessageState.ACCEPTED})
        await until(lambda: asyncio.sleep(0, told.steps[-1]), lambda last: last == ("due", False))
    after = {
        ("due", True): "tokens", ("due", False): "due", ("tokens", True): "claim", ("tokens", False): "due",
        ("claim", True): "tokens", ("claim", False): "due",
    }  # fmt: skip
    assert [step for step, _ in told.steps] == ["due", *(after[step] for step in told.steps[:-1])]
    assert {("claim", True), ("claim", False)} <= set(told.steps)


async def test_the_end_lets_requests_finish_and_starts_no_new_ones(wedding: Wedding) -> None:
    big = await make_wedding(wedding.db, people(30))
    meta = FakeMeta()
    meta.open.clear()
    run_id = await big.send()
    async with working(big, meta) as stop:
        await until(lambda: asyncio.sleep(0, len(meta.asked)), lambda asked: asked == 8)
        stop.set()
        await asyncio.sleep(0.1)
        meta.open.set()
    assert len(meta.asked) == 8
    counted = [state for state in (await big.states(run_id)).values() if state is MessageState.ACCEPTED]
    assert len(counted) == 8
    assert await states(big, run_id) == {MessageState.ACCEPTED, MessageState.QUEUED}
    await big.check()


async def test_what_was_claimed_ahead_of_a_free_slot_is_given_back_at_the_end(wedding: Wedding) -> None:
    big = await make_wedding(wedding.db, people(40))
    meta = FakeMeta()

    def quick_at_first(message: TemplateMessage) -> Outcome:
        if len(meta.asked) == 8:
            meta.open.clear()
        return FakeMeta().answer(message)

    meta.answer = quick_at_first
    run_id = await big.send()
    async with working(big, meta) as stop:
        claimed = await until(
            lambda: big.states(run_id), lambda found: list(found.values()).count(MessageState.QUEUED) < 40 - 16
        )
        assert len(meta.asked) == 16, "the rest waits for a slot"
        stop.set()
        await asyncio.sleep(0.1)
        meta.open.set()
    assert len(meta.asked) == 16
    after = await big.states(run_id)
    assert list(after.values()).count(MessageState.ACCEPTED) == 16
    given_back = {after[name] for name, state in claimed.items() if state is MessageState.SENDING}
    assert given_back == {MessageState.ACCEPTED, MessageState.QUEUED}
    await big.check()


async def test_a_claim_whose_lease_is_nearly_over_is_given_back_without_a_request(wedding: Wedding) -> None:
    meta = FakeMeta()
    run_id = await wedding.send()
    late = Dispatch(wedding.db, rate=1000, lease=Lease(duration=20.0, reserve=20.0))
    async with working(wedding, meta, late):
        await asyncio.sleep(0.5)
    assert meta.asked == []
    assert await states(wedding, run_id) == {MessageState.QUEUED}
    assert (await wedding.number()).backoff_until is None, "says nothing about the network"
    await wedding.check()


async def test_an_unexpected_error_in_the_sender_is_an_unknown_outcome(wedding: Wedding) -> None:
    meta = FakeMeta()

    def explode(_message: TemplateMessage) -> Outcome:
        raise RuntimeError("a bug")

    meta.answer = explode
    run_id = await wedding.send()
    async with working(wedding, meta):
        await until(lambda: states(wedding, run_id), lambda found: found == {MessageState.UNCONFIRMED})
    assert len(meta.asked) == 3


class Flaky(Dispatch):
    """A database that is away for the first few calls of everything."""

    def __init__(self, wedding: Wedding, times: int) -> None:
        super().__init__(wedding.db, rate=1000, lease=LEASE)
        self.left = {"claim": times, "record": times, "sweep": times}

    def _away(self, what: str) -> None:
        if self.left[what]:
            self.left[what] -= 1
            raise OperationalError("SELECT 1", {}, Exception("connection refused"))

    async def claim(self, number_id: str, limit: int, turn: int) -> list[Claim]:
        self._away("claim")
        return await super().claim(number_id, limit, turn)

    async def record(self, number_id: str, finished: list[Finished]) -> None:  # type: ignore[override]
        self._away("record")
        await super().record(number_id, finished)

    async def sweep(self, *, everything: bool = False) -> None:
        self._away("sweep")
        await super().sweep(everything=everything)


async def test_it_goes_on_by_itself_when_the_database_comes_back(wedding: Wedding) -> None:
    meta = FakeMeta()
    run_id = await wedding.send()
    flaky = Flaky(wedding, times=2)
    async with working(wedding, meta, flaky):
        await until(lambda: states(wedding, run_id), lambda found: found == {MessageState.ACCEPTED})
    assert flaky.left == {"claim": 0, "record": 0, "sweep": 0}
    assert len(meta.asked) == 3, "an outcome that could not be written at once is written later, not sent again"
    await wedding.check()


async def test_a_network_that_is_away_costs_no_invite(wedding: Wedding) -> None:
    meta = FakeMeta()
    meta.answer = lambda _message: NOT_SENT
    run_id = await wedding.send()
    async with working(wedding, meta):
        await until(lambda: asyncio.sleep(0, len(meta.asked)), lambda asked: asked >= 3)
        await asyncio.sleep(0.3)
        assert await states(wedding, run_id) == {MessageState.QUEUED}
        assert len(meta.asked) == 3, "the number backs off instead of trying in a tight loop"
        meta.answer = FakeMeta().answer
        await until(lambda: states(wedding, run_id), lambda found: found == {MessageState.ACCEPTED})


def test_a_lease_outlives_a_request_that_starts_at_the_last_moment() -> None:
    lease = lease_for(30.0)
    assert lease.reserve > 30.0
    assert lease.duration - lease.reserve > 30.0
