"""The provider's moods, each against the simulator: dispatcher, client, real sockets, webhook, database.

A script tells the simulator what the next requests for one guest get; the tables say what must become of the guest, the run
and the number. Nobody may ever be sent two messages, whatever the mood.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from litestar import Litestar

from app.db.engine import Database, UnitOfWork
from app.db.tables import AttemptRow, MessageRow, NumberRow
from app.domain.enums import MessageState, SendRunStatus
from app.http.webhook import PATH, webhook_route
from app.services.base import utc_now
from app.services.health import Health
from app.services.intake import Intake
from app.whatsapp.client import MetaClient
from app.whatsapp.simulator import create_simulator
from app.worker import Sending, Worker
from tests.databases import in_turn
from tests.sending.world import TEMPLATE, Wedding, make_wedding, people
from tests.services.world import rows
from tests.whatsapp_simulator.support import SECRET, TOKEN, Meta, options, serve

pytestmark = pytest.mark.anyio

TIMEOUT = 2.0
"""Seconds of a request: long enough for a slow machine, and what the one that hangs costs."""
TEMPLATES = [
    {
        "id": "300000000000001", "name": TEMPLATE, "language": "en", "status": "APPROVED", "category": "UTILITY",
        "parameter_format": "NAMED",
        "components": [{"type": "BODY", "text": "Dear {{guest_name}}, you are invited."}],
    }
]  # fmt: skip
QUEUED, SENDING, UNCONFIRMED = MessageState.QUEUED, MessageState.SENDING, MessageState.UNCONFIRMED
ACCEPTED = MessageState.ACCEPTED
DELIVERED, FAILED = MessageState.DELIVERED, MessageState.FAILED
DELIVERY = [{"status": "sent"}, {"status": "delivered"}]


@dataclass
class Place:
    """A wedding whose number the simulator plays."""

    wedding: Wedding
    meta: Meta

    async def script(self, steps: dict[str, list[dict[str, Any]]]) -> None:
        await self.meta.order("scripts", steps)

    async def attempts(self) -> list[AttemptRow]:
        return await rows(self.wedding.db, AttemptRow)

    async def by_phone(self, run_id: str) -> dict[str, MessageRow]:
        return {message.phone or "": message for message in await self.wedding.messages(run_id)}

    async def due_now(self) -> None:
        """Whoever waits for a later try waits no longer, and the number neither."""

        async def unit(uow: UnitOfWork) -> None:
            await uow.session.execute(
                sa.update(MessageRow).where(MessageRow.state == QUEUED).values(not_before=utc_now())
            )
            await uow.session.execute(sa.update(NumberRow).values(backoff_until=None))

        await self.wedding.db.write(unit)

    async def answered(self, least: int) -> bool:
        """So many requests have been made, and the outcome of each is written."""
        attempts = await self.attempts()
        return len(attempts) >= least and all(attempt.finished_at for attempt in attempts)


@asynccontextmanager
async def place(db: Database, guests: int) -> AsyncIterator[Place]:
    wedding = await make_wedding(db, people(guests))
    intake = Intake(wedding.webhooks)
    route = webhook_route(lambda: intake.put, app_secrets=[SECRET], verify_token=None)
    played = options(phone_number_id=wedding.phone_number_id, templates=TEMPLATES, linger=0.05)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        serve(create_simulator(played)) as meta_url,
        serve(Litestar([route], openapi_config=None, logging_config=None)) as url,
        httpx.AsyncClient(base_url=meta_url, headers=headers, timeout=30, trust_env=False) as client,
    ):
        meta = Meta(client)
        await meta.order("options", {"webhook_url": f"{url}{PATH}"})
        yield Place(wedding, meta)


@asynccontextmanager
async def dispatching(wedding: Wedding, meta_url: str, concurrency: int = 4) -> AsyncIterator[Worker]:
    """A dispatcher with Meta's real client."""
    async with MetaClient(
        base_url=meta_url, version="v26.0", access_token=TOKEN, timeout=TIMEOUT, concurrency=concurrency
    ) as sender:
        sending = Sending(wedding.number_id, wedding.phone_number_id, concurrency, TIMEOUT)
        stop = asyncio.Event()
        worker = Worker(wedding.dispatch, sender, sending)
        working = asyncio.create_task(worker.run(stop))
        try:
            yield worker
        finally:
            stop.set()
            await asyncio.wait_for(working, 20)


async def soon(holds: Callable[[], Awaitable[bool]]) -> None:
    """Asks now and then only: every question takes time from the dispatcher. The deadline only ends a test that hangs."""
    async with asyncio.timeout(60):
        while not await holds():
            await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Mood:
    """What the requests for one guest get, one after the other, and what is known of the guest."""

    steps: Sequence[dict[str, Any]]
    known: MessageState
    """After the first answer, with every webhook held back."""
    told: MessageState
    """Once Meta has told all it knows."""
    requests: int = 1
    held: bool = False


def answer(kind: str, **more: Any) -> dict[str, Any]:
    return {"answer": kind, "statuses": DELIVERY} | more


MOODS = {
    "taken": Mood([answer("OK")], ACCEPTED, DELIVERED),
    "held for quality assessment": Mood([answer("HELD")], ACCEPTED, DELIVERED, held=True),
    "final for this message": Mood([answer("REFUSE", code=131026)], FAILED, FAILED),
    "later": Mood([answer("REFUSE", code=131056), answer("OK")], QUEUED, DELIVERED, requests=2),
    "later, although it is a 500": Mood(
        [answer("ERROR_JSON", code=131016), answer("OK")], QUEUED, DELIVERED, requests=2
    ),
    "a 500 whose code proves that nothing was taken": Mood(
        [answer("ERROR_JSON", code=2), answer("OK")], QUEUED, DELIVERED, requests=2
    ),
    # Nobody knows of these nine. One more would stop the number; see STOPS.
    "a 500 with HTML, not taken": Mood([answer("ERROR_HTML")], UNCONFIRMED, UNCONFIRMED),
    "a 500 with HTML, taken": Mood([answer("ERROR_HTML", accepted=True)], UNCONFIRMED, DELIVERED),
    "a 500 with JSON, code 1": Mood([answer("ERROR_JSON", code=1)], UNCONFIRMED, UNCONFIRMED),
    "a 500 with JSON, code 131000": Mood([answer("ERROR_JSON", accepted=True)], UNCONFIRMED, DELIVERED),
    "an empty body": Mood([answer("EMPTY")], UNCONFIRMED, DELIVERED),
    "a 200 that is not JSON": Mood([answer("GARBAGE")], UNCONFIRMED, DELIVERED),
    "a 200 without an id": Mood([answer("NO_ID")], UNCONFIRMED, DELIVERED),
    "a connection that is cut": Mood([answer("CUT")], UNCONFIRMED, DELIVERED),
    "no answer at all": Mood([answer("HANG", accepted=False)], UNCONFIRMED, UNCONFIRMED),
}


async def test_what_becomes_of_one_guest_in_each_mood(db: Database) -> None:
    """All in one run, so each also shows that it does nothing to the others."""
    async with place(db, len(MOODS)) as at:
        wedding, meta = at.wedding, at.meta
        moods = dict(zip([phone or "" for _, phone in people(len(MOODS))], MOODS, strict=True))
        await meta.order("pause")
        await at.script({phone: list(MOODS[name].steps) for phone, name in moods.items()})
        run_id = await wedding.send()
        async with dispatching(wedding, str(meta.client.base_url)) as worker:
            await soon(lambda: at.answered(len(MOODS)))
            known = await at.by_phone(run_id)
            assert {moods[phone]: (row.state, row.held) for phone, row in known.items()} == {
                name: (mood.known, mood.held) for name, mood in MOODS.items()
            }
            await at.due_now()
            worker.wake()
            await soon(lambda: at.answered(sum(mood.requests for mood in MOODS.values())))
            await meta.order("resume")
            await meta.idle()
        told = await at.by_phone(run_id)
        assert {moods[phone]: (row.state, row.attempt_count) for phone, row in told.items()} == {
            name: (mood.told, mood.requests) for name, mood in MOODS.items()
        }
        assert not any(row.held for row in told.values())
        assert (await wedding.run(run_id)).status is not SendRunStatus.STOPPED
        assert not (await wedding.number()).paused
        assert set((await meta.accepted())["recipients"].values()) == {1}
        await wedding.check()


@dataclass(frozen=True)
class Stop:
    """What everybody's request gets until the mood is over, and what it does to the run and the number."""

    step: dict[str, Any]
    asked: MessageState
    """What those are whose request was made."""
    least: int = 1
    """Requests before anything stops."""
    run: SendRunStatus = SendRunStatus.STOPPED
    paused: bool = False


STOPS = {
    "stop the run": Stop(answer("REFUSE", code=132001), QUEUED),
    "ten equal refusals in a row stop the run": Stop(answer("REFUSE", code=131026), FAILED, least=10),
    "stop the number": Stop(answer("REFUSE", code=190), QUEUED, paused=True),
    "ten unknown outcomes in a row stop the number": Stop(answer("ERROR_HTML"), UNCONFIRMED, least=10, paused=True),
    "slow the number": Stop(answer("REFUSE", code=130429), QUEUED, run=SendRunStatus.RUNNING),
}
SPARE = 8
"""More guests than it takes to stop: the requests under way meanwhile must not use them up."""


@pytest.mark.parametrize(("database_url", "mood"), in_turn(STOPS), indirect=["database_url"])
async def test_what_stops_and_what_goes_on_once_the_mood_is_over(db: Database, mood: str) -> None:
    """One request at a time, so that "in a row" is what it says."""
    stop = STOPS[mood]
    guests = people(stop.least + SPARE)
    async with place(db, len(guests)) as at:
        wedding, meta = at.wedding, at.meta
        phones = [phone or "" for _, phone in guests]
        await at.script({phone: [stop.step] for phone in phones})
        run_id = await wedding.send()
        async with dispatching(wedding, str(meta.client.base_url), concurrency=1) as worker:

            async def has_stopped() -> bool:
                run, number = await wedding.run(run_id), await wedding.number()
                stopped = run.status is SendRunStatus.STOPPED or number.backoff_until is not None
                return stopped and await at.answered(stop.least)

            await soon(has_stopped)
            run, number = await wedding.run(run_id), await wedding.number()
            assert (run.status, number.paused) == (stop.run, stop.paused)
            assert bool(run.status_reason and run.next_step) is (stop.run is SendRunStatus.STOPPED)
            rows: dict[str, MessageRow] = {}

            async def at_rest() -> bool:
                # A number that is only slowed makes its next request while we look.
                rows.update(await at.by_phone(run_id))
                return all(row.state is not SENDING for row in rows.values())

            await soon(at_rest)
            asked = {phone for phone, row in rows.items() if row.attempt_count}
            assert stop.least <= len(asked) < len(guests)
            stood = {phone: row.state for phone, row in rows.items()}
            assert stood == dict.fromkeys(phones, QUEUED) | dict.fromkeys(asked, stop.asked)
            assert {row.retry_count for row in await wedding.messages(run_id)} == {0}, "nobody is blamed for it"

            await at.script({phone: [answer("OK")] for phone in phones})
            if stop.run is SendRunStatus.STOPPED:
                await wedding.runs.resume(wedding.world.admin, id=run_id)
            await at.due_now()
            worker.wake()
            left = {phone for phone, state in stood.items() if state is QUEUED}

            async def gone_on() -> bool:
                found = await at.by_phone(run_id)
                return all(found[phone].accepted_at for phone in left)

            await soon(gone_on)
            await meta.idle()
        ended = {phone: row.state for phone, row in (await at.by_phone(run_id)).items()}
        assert ended == dict.fromkeys(phones, DELIVERED) | dict.fromkeys(set(phones) - left, stop.asked)
        assert (await meta.accepted())["recipients"] == dict.fromkeys(left, 1)
        await wedding.check()


@pytest.mark.parametrize(
    "nowhere", ["http://meta.invalid", "http://127.0.0.1:1"], ids=["no such name (RFC 6761)", "nobody listens"]
)
async def test_a_request_that_never_left_leaves_nobody_unconfirmed(db: Database, nowhere: str) -> None:
    wedding = await make_wedding(db, people(3))
    run_id = await wedding.send()
    async with dispatching(wedding, nowhere):

        async def backs_off() -> bool:
            number, attempts = await wedding.number(), await rows(db, AttemptRow)
            return number.backoff_until is not None and all(attempt.finished_at for attempt in attempts)

        await soon(backs_off)
        assert {attempt.outcome for attempt in await rows(db, AttemptRow)} == {"NOT_SENT"}
        assert {(row.state, row.retry_count) for row in await wedding.messages(run_id)} == {(QUEUED, 0)}
        number = await wedding.number()
        assert (number.unknown_streak, number.paused) == (0, False)
        assert number.backoff_seconds >= 1.0
    await wedding.check()


async def test_a_message_that_was_taken_twice_raises_the_alarm(db: Database) -> None:
    async with place(db, 2) as at:
        wedding, meta = at.wedding, at.meta
        twice, once = [phone or "" for _, phone in people(2)]
        await at.script({twice: [answer("OK", twice=True)], once: [answer("OK")]})
        run_id = await wedding.send()
        async with dispatching(wedding, str(meta.client.base_url)):
            await soon(lambda: at.answered(2))
            await meta.idle()
        found = await at.by_phone(run_id)
        theirs = {message["id"] for message in (await meta.state())["messages"] if message["to"] == twice}
        assert {found[twice].provider_message_id, found[twice].second_message_id} == theirs
        assert found[once].second_message_id is None
        assert {row.state for row in found.values()} == {DELIVERED}
        concerns = await Health(db).concerns()
        assert concerns is not None
        assert concerns.taken_twice == 1
        await wedding.check()
