"""A wedding with a run of any size, made by the product for one guest and then copied in the database, with its counters."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from app.config import Settings
from app.db.bulk import write
from app.db.engine import Database, UnitOfWork
from app.db.migrate import upgrade
from app.db.tables import AttemptRow, GuestUnitRow, MessageRow, PersonRow, RunCountersRow
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
from benchmarks.copying import Copier
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

    async def run_of(
        self, count: int, state: MessageState = MessageState.ACCEPTED, *, evidence: bool = True
    ) -> tuple[int, str]:
        """A run with ``count`` messages in ``state`` beside a cancelled one; returns its serial number and its id.

        Accepted ones have their attempt and fact, as if they had been sent; left out where nobody looks for ``evidence``.
        The wedding has one guest.
        """
        self.serial += 1
        serial, run_id = self.serial, await self.send()
        await self.db.write(lambda uow: _messages(uow, run_id, serial, count, state))
        if evidence and state is MessageState.ACCEPTED:
            await self.db.write(lambda uow: _evidence(uow, run_id))
        await self.settle()
        return serial, run_id

    async def settle(self) -> None:
        """As PostgreSQL's autovacuum leaves it after a while."""
        if not self.db.sqlite:
            async with self.db.writer.connect() as connection:
                plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
                await plain.execute(sa.text("VACUUM ANALYZE"))

    async def another(self, guests: int = 1) -> "World":
        """Another wedding of the same number, with so many guests: four in three households, each with a phone.

        No phone is the household's own, so each guest gets a message.
        """
        made = await self.services.workspaces.create_workspace(
            OWNER, name="Benchmark", default_region="IN", timezone="Asia/Kolkata"
        )
        rows = [GuestRow(1, "Household 0", "Guest 1", "+919800000001", None, (), primary=False)]
        await self.services.guests.import_guests(OWNER, workspace_id=made.id, csv=None, rows=rows, file_name=None)
        if guests > 1:
            mark = made.id[-12:]
            await self.db.write(lambda uow: _guests(uow, made.id, mark, guests))
            await self.settle()
        return World(self.db, self.services, made.id, self.serial)


@asynccontextmanager
async def world_at(url: str, guests: int = 1) -> AsyncIterator[World]:
    """A migrated database with a wedding of so many guests."""
    await upgrade(url)
    chosen = Settings.from_env(settings(url))
    db = Database(url)
    try:
        services = await build_services(chosen, db, OneTemplate(), Metrics())
        world = await World(db, services, "").another(guests)
        await services.templates.sync(OWNER, workspace_id=world.workspace_id)
        yield world
    finally:
        await db.close()


async def _messages(uow: UnitOfWork, run_id: str, serial: int, count: int, state: MessageState) -> None:
    """Copies of the run's first message, which is cancelled, and the counters that follow."""
    copier = Copier(uow)
    wamid = f"{copier.hexadecimal(f'(n * {SPREAD}) % {SPACE}', 8)} || '{serial:08x}'"
    changed = {
        "id": copier.uuid(f"'0199{serial:08x}70008000' || {copier.hexadecimal('n', 12)}"),
        "position": "n",
        "phone": f"'+9197' || {copier.padded('n % 100000000', 8)}",
        "recipient_name": "'Guest ' || n",
        "search_key": "'guest ' || n",
        "state": f"'{state.name}'",
    }
    if state is MessageState.ACCEPTED:
        changed |= {
            "provider_message_id": f"'wamid.HBgMOTE5ODAwMDAwMDAwFQIAERgS' || {wamid}",
            "accepted_at": "state_since",
            "attempt_count": "1",
        }
    first = sa.and_(MessageRow.run_id == run_id, MessageRow.position == 0)
    await copier.copy(MessageRow, first, range(1, count + 1), changed)
    cancelled = {"state": MessageState.CANCELLED, "cancelled_at": MessageRow.state_since}
    await write(uow, sa.update(MessageRow).where(first).values(cancelled))
    counts = {"queued": 0, "cancelled": 1} | {state.name.lower(): count}
    if state is MessageState.ACCEPTED:
        counts["reached_accepted"] = count
    done = {} if state is MessageState.QUEUED else {"completed_at": RunCountersRow.changed_at}
    await write(uow, sa.update(RunCountersRow).where(RunCountersRow.run_id == run_id).values(**counts, **done))


async def _evidence(uow: UnitOfWork, run_id: str) -> None:
    """An attempt and a fact for each accepted message."""
    of_run = sa.bindparam("run", run_id, type_=MessageRow.run_id.type)
    claim = sa.bindparam("claim", new_id(CLAIM), type_=AttemptRow.claim_id.type)
    attempts = (
        "INSERT INTO attempts "
        "(message_id, n, claim_id, claimed_at, finished_at, outcome, http_status, provider_message_id, fenced) "
        "SELECT id, 1, :claim, state_since, state_since, 'ACCEPTED', 200, provider_message_id, false "
        "FROM invite_messages WHERE run_id = :run AND position > 0"
    )
    facts = (
        "INSERT INTO facts "
        "(id, number_id, provider_message_id, status, at, error_code, message_id, digest, received_at) "
        "SELECT id, number_id, provider_message_id, 'ACCEPTED', state_since, 0, id, '0123456789abcdef', state_since "
        "FROM invite_messages WHERE run_id = :run AND position > 0"
    )
    await uow.session.execute(sa.text(attempts).bindparams(of_run, claim))
    await uow.session.execute(sa.text(facts).bindparams(of_run))


async def _guests(uow: UnitOfWork, workspace_id: str, mark: str, count: int) -> None:
    """Copies of the workspace's one guest and household. ``mark`` (12 hex digits) keeps ids of two weddings apart."""
    copier = Copier(uow)

    def named(kind: int, number: str) -> str:
        return copier.uuid(f"'0198{mark[:8]}7{kind:03d}8{mark[8:11]}' || {copier.hexadecimal(number, 12)}")

    households = range(1, count * 3 // 4 + 1)
    phone = f"'+9198' || {copier.padded('n', 8)}"
    name, key = "'Household ' || n", "'household ' || n"
    unit = {"id": named(1, "n"), "name": name, "name_key": key}
    await copier.copy(GuestUnitRow, GuestUnitRow.workspace_id == workspace_id, households, unit)
    person = {
        "id": named(2, "n"), "guest_unit_id": named(1, "(n * 3 / 4)"), "name": "'Guest ' || n", "name_key": "'guest ' || n",
        "raw_phone": phone, "phone": phone,
    }  # fmt: skip
    await copier.copy(PersonRow, PersonRow.workspace_id == workspace_id, range(2, count + 1), person)
