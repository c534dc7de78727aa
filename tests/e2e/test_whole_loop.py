"""The whole loop over real sockets: guests, precheck, send, a hostile Meta, webhooks, summaries. Both databases."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx
import pytest
import sqlalchemy as sa

from app.config import Settings
from app.db.engine import Database, UnitOfWork
from app.db.tables import MessageRow
from app.domain.audience import Audience
from app.domain.enums import EventStatus, MessageState, ParameterSource, RejectionReason, TemplateComponent
from app.domain.requests import SendRequest
from app.domain.template_parameters import TemplateParameter
from app.main import Running, create_app
from app.services.base import Actor
from app.services.bundle import Services
from app.services.reading.summaries import Summary
from app.services.sends import SendSuccess
from app.whatsapp.simulator import SimulatorOptions, create_simulator
from tests.sending.world import assert_counters
from tests.services.world import WEDDING_DAY, guest
from tests.whatsapp_simulator.support import NUMBER, SECRET, TOKEN, Meta, serve, until

pytestmark = pytest.mark.anyio

OWNER = Actor("owner@example.org", "Owner")
GUESTS = 150


@dataclass
class Loop:
    """A served service and the simulator that it talks to."""

    meta: Meta
    services: Services
    db: Database
    url: str
    settings: Settings

    async def summary(self, run_id: str) -> Summary:
        return (await self.services.reader.runs(OWNER, [run_id]))[run_id].summary


@asynccontextmanager
async def whole_loop(database_url: str, **options: Any) -> AsyncIterator[Loop]:
    """``options`` are the simulator's."""
    quick: dict[str, Any] = {"status_delay": 0.0, "linger": 0.0, "late": 0.2, "retry_first": 0.02, "hang_limit": 5.0}
    simulator = create_simulator(SimulatorOptions(access_token=TOKEN, app_secret=SECRET, **(quick | options)))
    async with serve(simulator) as meta_url:
        settings = Settings.from_env(
            {
                "AUTH_SECRET": "only for the whole loop - long enough for it",
                "DATABASE_URL": database_url,
                "META_GRAPH_URL": meta_url,
                "META_PHONE_NUMBER_ID": NUMBER,
                "META_WABA_ID": "200000000000001",
                "META_ACCESS_TOKEN": TOKEN,
                "META_APP_SECRET": SECRET,
                "META_VERIFY_TOKEN": "v" * 20,
                "SEND_RATE": "1000",
                "SEND_CONCURRENCY": "32",
                "SEND_TIMEOUT": "2",
            }
        )
        app = create_app(settings)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            serve(app) as url,
            httpx.AsyncClient(base_url=meta_url, headers=headers, timeout=30, trust_env=False) as client,
        ):
            meta = Meta(client)
            await meta.order("options", {"webhook_url": f"{url}/webhooks/whatsapp"})
            services = cast("Running", app.state.running).use()
            yield Loop(meta, services, services.db, url, settings)


async def prepare(loop: Loop, guests: int = GUESTS) -> SendRequest:
    """A workspace with a published event, synced templates, and guests of which two may not be invited."""
    services = loop.services
    workspace = await services.workspaces.create_workspace(
        OWNER, name="Wedding", default_region="IN", timezone="Asia/Kolkata"
    )
    event = await services.events.create_event(
        OWNER, workspace_id=workspace.id, title="Sangeet", starts_at=WEDDING_DAY, venue="The Lawns"
    )
    await services.events.update_event(OWNER, id=event.id, status=EventStatus.PUBLISHED)
    await services.templates.sync(OWNER, workspace_id=workspace.id)
    rows = [guest(f"Guest {index:04}", f"+9198765{index:05}", row=index + 1) for index in range(guests)]
    rows += [guest("No Phone", None, row=guests + 1), guest("Odd Phone", "12", row=guests + 2)]
    await services.guests.import_guests(OWNER, workspace_id=workspace.id, csv=None, rows=rows, file_name=None)
    await services.blocks.add(OWNER, workspace_id=workspace.id, phone="+919876500003", reason="asked by phone")
    body = TemplateComponent.BODY
    sources = (
        ("guest_name", ParameterSource.GUEST_NAME),
        ("event_title", ParameterSource.EVENT_TITLE),
        ("event_date", ParameterSource.EVENT_DATE),
        ("event_time", ParameterSource.EVENT_TIME),
        ("event_venue", ParameterSource.EVENT_VENUE),
    )
    parameters = tuple(TemplateParameter(body, None, name, None, source, None) for name, source in sources)
    card = TemplateParameter(
        TemplateComponent.HEADER, None, None, None, ParameterSource.MEDIA_URL, "https://example.org/card.jpg"
    )
    return SendRequest(event.id, "wedding_invite", "en", (card, *parameters), Audience())


async def send(loop: Loop, request: SendRequest) -> str:
    precheck = await loop.services.prechecks.precheck(OWNER, request)
    assert precheck.token is not None, precheck.blockers
    result = await loop.services.sends.send_invites(OWNER, token=precheck.token)
    assert isinstance(result, SendSuccess)
    return result.run.id


async def finished(loop: Loop, run_id: str) -> Summary:
    """The summary once nothing is left to send and the simulator has posted all it wanted to."""
    await until(lambda: loop.summary(run_id), lambda summary: not waiting(summary))
    await loop.meta.idle()
    return await loop.summary(run_id)


async def test_every_eligible_guest_is_accepted_once_and_every_state_is_final_and_right(database_url: str) -> None:
    """20 % duplicates, full disorder, failures and held messages; what the simulator knows is the truth."""
    async with whole_loop(
        database_url, duplicates=0.2, disorder=1.0, batch=7, fail_codes={131026: 0.1, 131049: 0.05}, held=0.1, seed=5
    ) as loop:
        run_id = await send(loop, await prepare(loop))
        summary = await finished(loop, run_id)
        accepted = await loop.meta.accepted()
        assert accepted["total"] == GUESTS - 1
        assert set(accepted["recipients"].values()) == {1}
        assert "+919876500003" not in accepted["recipients"]
        truth = {message["to"]: message["state"].upper() for message in (await loop.meta.state())["messages"]}
        ours = await loop.db.read(lambda uow: states_by_phone(uow, run_id))
        assert ours == truth
        assert Counter(truth.values()).keys() >= {"READ", "DELIVERED", "FAILED"}
        assert summary.candidates == GUESTS + 2 == sum(summary.states.values())
        assert summary.rejections == {
            RejectionReason.DO_NOT_MESSAGE: 1,
            RejectionReason.MALFORMED_PHONE: 1,
            RejectionReason.MISSING_PHONE: 1,
        }
        await loop.db.read(assert_counters)


async def test_a_hostile_network_makes_nothing_twice_and_loses_nobody(database_url: str) -> None:
    """Cut connections, answers without sense, 500s: accepted or not, each recipient at most once, and shown as it is."""
    async with whole_loop(
        database_url, cut=0.15, server_errors=0.1, server_errors_accepted=0.5, disorder=1.0, seed=3
    ) as loop:
        run_id = await send(loop, await prepare(loop, 80))
        for _ in range(40):
            summary = await loop.summary(run_id)
            if not waiting(summary):
                break
            run = (await loop.services.reader.runs(OWNER, [run_id]))[run_id].row
            if run.status == "STOPPED":  # ten unknown outcomes in a row: the breaker did its work
                await loop.services.runs.resume(OWNER, id=run_id)
            await asyncio.sleep(0.3)
        await finished(loop, run_id)
        accepted = (await loop.meta.accepted())["recipients"]
        assert set(accepted.values()) == {1}

        async def lost() -> set[str]:
            """Those of whom nobody knows; a status still under way may settle some of them."""
            states = await loop.db.read(lambda uow: states_by_phone(uow, run_id))
            assert set(states.values()) <= {"UNCONFIRMED", "SENT", "DELIVERED", "READ"}
            return {phone for phone, state in states.items() if state == "UNCONFIRMED"}

        unconfirmed = await until(lost, lambda phones: not phones & accepted.keys())
        assert unconfirmed, "the seed must leave somebody whose request was lost on the way"
        await loop.db.read(assert_counters)


def waiting(summary: Summary) -> int:
    return summary.states[MessageState.QUEUED] + summary.states[MessageState.SENDING]


async def states_by_phone(uow: UnitOfWork, run_id: str) -> dict[str, str]:
    """Of everybody who was not rejected."""
    query = sa.select(MessageRow.phone, MessageRow.state).where(
        MessageRow.run_id == run_id, MessageRow.state != MessageState.REJECTED
    )
    return {phone or "": state.value for phone, state in await uow.session.execute(query)}
