"""A wedding with a run of any size, made by the product for one guest and then copied in the database, with its counters."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.config import Settings
from app.db.engine import Database, UnitOfWork
from app.db.migrate import upgrade
from app.db.tables import AttemptRow, MessageRow, RunCountersRow
from app.domain.audience import Audience
from app.domain.enums import EventStatus, MessageState, ParameterSource, TemplateComponent
from app.domain.guest_list import GuestRow
from app.domain.ids import CLAIM, new_id
from app.domain.requests import SendRequest
from app.domain.template_parameters import TemplateParameter
from app.main import build_services
from app.metrics import Metrics
from app.services.base import Actor
from app.services.bundle import Services
from app.services.sends import SendSuccess
from app.whatsapp.port import NumberProfile, ProviderTemplate
from benchmarks.stage import settings
from benchmarks.statuses import SPACE, SPREAD

OWNER = Actor("owner@example.org", "Owner")
BODY = "Dear {{guest_name}}, we invite you to {{event_title}} on {{event_date}}, {{event_venue}}."
SOURCES = {
    "guest_name": ParameterSource.GUEST_NAME,
    "event_title": ParameterSource.EVENT_TITLE,
    "event_date": ParameterSource.EVENT_DATE,
    "event_venue": ParameterSource.EVENT_VENUE,
}
PARAMETERS = tuple(
    TemplateParameter(TemplateComponent.BODY, None, name, None, source, None) for name, source in SOURCES.items()
)


class OneTemplate:
    """A directory with the one template that is sent."""

    async def list_templates(self, waba_id: str) -> list[ProviderTemplate]:
        del waba_id
        components = [{"type": "BODY", "text": BODY}]
        return [ProviderTemplate("1", "invite", "en", "APPROVED", "UTILITY", None, "NAMED", None, components)]

    async def number_profile(self, phone_number_id: str) -> NumberProfile:
        del phone_number_id
        return NumberProfile(None, None, None, None, None)


@dataclass(slots=True)
class World:
    """One wedding; ``event`` makes further celebrations of it."""

    db: Database
    services: Services
    workspace_id: str
    serial: int = 0

    async def event(self) -> str:
        made = await self.services.events.create_event(
            OWNER, workspace_id=self.workspace_id, title="Reception", starts_at=datetime.now(UTC) + timedelta(90),
            venue="Hall",
        )  # fmt: skip
        await self.services.events.update_event(OWNER, id=made.id, status=EventStatus.PUBLISHED)
        return made.id

    async def request(self) -> SendRequest:
        """For everybody of the wedding, to an event of its own."""
        return SendRequest(await self.event(), "invite", "en", PARAMETERS, Audience())

    async def send(self) -> str:
        """Precheck and send to everybody; returns the run's id."""
        precheck = await self.services.prechecks.precheck(OWNER, await self.request())
        assert precheck.token is not None, precheck.blockers
        result = await self.services.sends.send_invites(OWNER, token=precheck.token)
        assert isinstance(result, SendSuccess), result
        return result.run.id

    async def import_guests(self, count: int) -> None:
        """Four guests in three households. No phone is the household's own, so each guest gets a message."""
        rows = [
            GuestRow(k, f"Household {k * 3 // 4}", f"Guest {k}", f"+9198{k:08d}", None, (), primary=False)
            for k in range(1, count + 1)
        ]
        await self.services.guests.import_guests(
            OWNER, workspace_id=self.workspace_id, csv=None, rows=rows, file_name=None
        )

    async def run_of(self, count: int, state: MessageState = MessageState.ACCEPTED) -> tuple[int, str]:
        """A run with ``count`` messages in ``state`` beside a cancelled one; returns its serial number and its id.

        Accepted ones have their attempt and fact, as if they had been sent. The wedding has one guest.
        """
        self.serial += 1
        serial, run_id = self.serial, await self.send()
        await self.db.write(lambda uow: _copy(uow, run_id, serial, count, state))
        if not self.db.sqlite:
            async with self.db.writer.connect() as connection:
                plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
                await plain.execute(sa.text("VACUUM ANALYZE"))
        return serial, run_id


@asynccontextmanager
async def world_at(url: str, guests: int = 1) -> AsyncIterator[World]:
    """A migrated database with a wedding of so many guests."""
    await upgrade(url)
    chosen = Settings.from_env(settings(url))
    db = Database(url)
    try:
        services = await build_services(chosen, db, OneTemplate(), Metrics())
        made = await services.workspaces.create_workspace(
            OWNER, name="Benchmark", default_region="IN", timezone="Asia/Kolkata"
        )
        await services.templates.sync(OWNER, workspace_id=made.id)
        world = World(db, services, made.id)
        await world.import_guests(guests)
        yield world
    finally:
        await db.close()


async def _copy(uow: UnitOfWork, run_id: str, serial: int, count: int, state: MessageState) -> None:
    series, pad, as_id = _dialect(uow, count)
    name = f"'0199{serial:08x}70008000' || {pad('n', 12)}"
    changed = {
        "id": as_id(name),
        "position": "n",
        "phone": "'+9198' || "
        + ("printf('%08d', n % 100000000)" if uow.sqlite else "lpad((n % 100000000)::text, 8, '0')"),
        "recipient_name": "'Guest ' || n",
        "search_key": "'guest ' || n",
        "state": f"'{state.name}'",
    }
    wamid = f"'wamid.HBgMOTE5ODAwMDAwMDAwFQIAERgS' || {pad(f'(n * {SPREAD}) % {SPACE}', 8)} || '{serial:08x}'"
    accepted = state is MessageState.ACCEPTED
    if accepted:
        changed |= {"provider_message_id": wamid, "accepted_at": "state_since", "attempt_count": "1"}
    columns = [column.name for column in MessageRow.__table__.columns]
    picked = ", ".join(changed.get(column) or f'"{column}"' for column in columns)
    run = sa.bindparam("run", run_id, type_=MessageRow.run_id.type)

    async def execute(text: str, *more: sa.BindParameter[Any]) -> None:
        await uow.session.execute(sa.text(text).bindparams(run, *more))

    quoted = ", ".join(f'"{column}"' for column in columns)
    await execute(
        f"INSERT INTO invite_messages ({quoted}) {series[0]} SELECT {picked} FROM {series[1]}, "  # noqa: S608 - our own numbers
        "(SELECT * FROM invite_messages WHERE run_id = :run AND position = 0) AS original"
    )
    await execute(
        "UPDATE invite_messages SET state = 'CANCELLED', cancelled_at = state_since WHERE run_id = :run AND position = 0"
    )
    if accepted:
        claim = sa.bindparam("claim", new_id(CLAIM), type_=AttemptRow.claim_id.type)
        attempt = "message_id, n, claim_id, claimed_at, finished_at, outcome, http_status, provider_message_id, fenced"
        await execute(
            f"INSERT INTO attempts ({attempt}) SELECT id, 1, :claim, state_since, state_since, 'ACCEPTED', 200, "  # noqa: S608 - names alone
            "provider_message_id, false FROM invite_messages WHERE run_id = :run AND position > 0",
            claim,
        )
        fact = "id, number_id, provider_message_id, status, at, error_code, message_id, digest, received_at"
        await execute(
            f"INSERT INTO facts ({fact}) SELECT id, number_id, provider_message_id, 'ACCEPTED', state_since, 0, id, "  # noqa: S608 - names alone
            "'0123456789abcdef', state_since FROM invite_messages WHERE run_id = :run AND position > 0"
        )
    counts = {"queued": 0, "cancelled": 1} | {state.name.lower(): count}
    if accepted:
        counts["reached_accepted"] = count
    await uow.session.execute(sa.update(RunCountersRow).where(RunCountersRow.run_id == run_id).values(**counts))


def _dialect(uow: UnitOfWork, count: int) -> tuple[tuple[str, str], Any, Any]:
    if uow.sqlite:
        numbers = f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})"  # noqa: S608 - a number
        return (numbers, "numbers"), lambda value, width: f"printf('%0{width}x', {value})", lambda text: text
    series = f"(SELECT generate_series(1, {count})::bigint AS n) AS numbers"
    return ("", series), lambda value, width: f"lpad(to_hex({value}), {width}, '0')", lambda text: f"({text})::uuid"
