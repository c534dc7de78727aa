"""An installation whose processes can be made to fail: a simulated Meta, the service, and a wedding, on one database."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from app.auth import issue_token
from app.config import Settings, described
from app.db.engine import Database, UnitOfWork
from app.db.tables import AttemptRow, AuditRow, MessageRow, SendRunRow
from app.domain.audience import Audience
from app.domain.enums import AuditAction, EventStatus, MessageState, ParameterSource, TemplateComponent
from app.domain.requests import SendRequest
from app.domain.template_parameters import TemplateParameter
from app.main import build_meta, build_services
from app.metrics import Metrics
from app.services.base import Actor
from app.services.bundle import Services
from app.whatsapp.simulator.webhooks import sign
from tests.faults.process import wake_file
from tests.faults.running import LONGEST, NoAnswerError, Process, fork
from tests.logged import check_files
from tests.sending.world import assert_counters, assert_facts, assert_receipts, envelope
from tests.services.world import guest
from tests.whatsapp_simulator.support import NUMBER, SECRET, TOKEN, Meta

OWNER = Actor("owner@example.org", "Owner")
BLOCKED = 3
"""Which guest is blocked before anything is sent."""
OPEN = {MessageState.QUEUED, MessageState.SENDING}
"""States of which something must become by itself."""

SEND = """
mutation($token: String!) {
  sendInvites(input: {precheckToken: $token}) { __typename ... on SendInvitesSuccess { replayed run { id } } }
}
"""


@dataclass
class Place:
    """An installation; ``serve`` makes one process of it the one that is spoken to."""

    folder: Path
    db: Database
    env: dict[str, str]
    processes: list[Process] = field(default_factory=list)
    service: Process = field(init=False)
    http: httpx.AsyncClient = field(init=False)
    meta: Meta = field(init=False)
    services: Services = field(init=False)
    """Of the test's own process, for all that is to go well."""
    workspace_id: str = field(init=False)
    event_id: str = field(init=False)

    @property
    def settings(self) -> Settings:
        return Settings.from_env(self.env)

    def wake(self, stall: int = 1) -> None:
        """Lets every process go on that is in its nth stall."""
        wake_file(Path(self.env["FAULT_WAKE"]), stall).touch()

    def start(self, *arguments: str, faults: str = "", **env: str) -> Process:
        """``invites``, which has said nothing yet."""
        own = {name.upper() for name, _, _ in described()}
        inherited = {name: value for name, value in os.environ.items() if name not in own}
        log = self.folder / f"{len(self.processes)}-{arguments[0]}.log"
        self.processes.append(fork(arguments, inherited | self.env | {"FAULTS": faults} | env, log))
        return self.processes[-1]

    async def worker(self, *, faults: str = "", **env: str) -> Process:
        started = self.start("worker", faults=faults, **env)
        await started.says("Sending from")
        return started

    async def serve(self, *options: str, faults: str = "", **env: str) -> Process:
        """Meta posts to it from now on. Raises NoAnswerError when it dies on the way."""
        self.service = self.start("serve", "--port", "0", *options, faults=faults, **env)
        address = (await self.service.says(r"Listening on \S+(?=,)")).rpartition(" ")[2]
        self.http.base_url = httpx.URL(address)
        await self.meta.order("options", {"webhook_url": f"{address}/webhooks/whatsapp"})
        return self.service

    async def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        """The answer, errors and all. Raises NoAnswerError."""
        try:
            answer = await self.http.post("/graphql", json={"query": document, "variables": variables})
        except httpx.TransportError as error:
            raise NoAnswerError(type(error).__name__) from None
        content: dict[str, Any] = answer.json()
        return content

    async def post(self, *statuses: dict[str, Any]) -> int:
        """A webhook of Meta's, signed; how it was answered."""
        raw = envelope(NUMBER, statuses=list(statuses))
        answer = await self.http.post(
            "/webhooks/whatsapp", content=raw, headers={"X-Hub-Signature-256": sign(SECRET, raw)}
        )
        return answer.status_code

    async def token(self) -> str:
        sources = {"event_title": ParameterSource.EVENT_TITLE}
        parameters = tuple(
            TemplateParameter(TemplateComponent.BODY, None, name, None, source, None)
            for name, source in sources.items()
        )
        request = SendRequest(self.event_id, "will_you_come", "en", parameters, Audience())
        precheck = await self.services.prechecks.precheck(OWNER, request)
        assert precheck.token is not None, precheck.blockers
        return precheck.token

    async def send(self, token: str) -> str:
        """The run's id, from the service that is spoken to. Raises NoAnswerError."""
        answer = await self.ask(SEND, token=token)
        assert "errors" not in answer, answer
        return str(answer["data"]["sendInvites"]["run"]["id"])

    async def run_ids(self) -> list[str]:
        return await self.db.read(lambda uow: _column(uow, SendRunRow.id))

    async def authors(self) -> int:
        """How many audit entries say that somebody sent."""
        actions = await self.db.read(lambda uow: _column(uow, AuditRow.action))
        return actions.count(AuditAction.INVITE_SEND)

    async def messages(self) -> list[MessageRow]:
        async def unit(uow: UnitOfWork) -> list[MessageRow]:
            return list(await uow.session.scalars(sa.select(MessageRow).order_by(MessageRow.position)))

        return await self.db.read(unit)

    async def states(self) -> dict[str, MessageState]:
        """By phone, of everybody who was not rejected."""
        messages = await self.messages()
        return {each.phone or "": each.state for each in messages if each.state is not MessageState.REJECTED}

    async def attempts(self, phone: str) -> list[AttemptRow]:
        async def unit(uow: UnitOfWork) -> list[AttemptRow]:
            query = sa.select(AttemptRow).join(MessageRow, MessageRow.id == AttemptRow.message_id)
            return list(await uow.session.scalars(query.where(MessageRow.phone == phone).order_by(AttemptRow.n)))

        return await self.db.read(unit)

    async def truth(self) -> dict[str, MessageState]:
        """By phone, what Meta has told of each message that it took. Fails when somebody was sent two."""
        accepted = await self.meta.accepted()
        assert set(accepted["recipients"].values()) <= {1}, "somebody got it twice"
        assert set(accepted["callbacks"].values()) <= {1}, "one attempt was two requests"
        messages = (await self.meta.state())["messages"]
        return {each["to"]: MessageState(each["told"].upper()) for each in messages}

    async def check(self) -> None:
        """Counters equal rows, rows equal their facts, Meta's ids are bound where they belong."""
        theirs = {each["to"]: each["id"] for each in (await self.meta.state())["messages"]}
        for message in await self.messages():
            assert message.second_message_id is None
            assert message.provider_message_id in {None, theirs.get(message.phone or "")}
            known = message.accepted_at or message.sent_at or message.delivered_at or message.read_at
            assert message.provider_message_id or not known, "Meta told something, and its id was not kept"
        await self.db.read(assert_counters)
        await self.db.read(assert_facts)
        await self.db.read(assert_receipts)

    async def is_done(self) -> bool:
        """Nothing is left to send, and everything sent has its outcome or has lost it."""
        return not OPEN & set((await self.states()).values())

    async def meta_is_idle(self) -> bool:
        """It has told all it had to tell, and was answered 200."""
        return bool((await self.meta.state())["idle"])

    async def let_leases_run_out(self) -> None:
        """As if their time had passed, for nobody waits half a minute; a sweep has yet to see it."""

        async def unit(uow: UnitOfWork) -> None:
            over = datetime.now(UTC) - timedelta(seconds=1)
            leased = MessageRow.lease_until.is_not(None)
            await uow.session.execute(sa.update(MessageRow).where(leased).values(lease_until=over))

        await self.db.write(unit)


@asynccontextmanager
async def place(
    folder: Path, db: Database, url: str, *, guests: Sequence[str], simulator: Sequence[str] = (), **env: str
) -> AsyncIterator[Place]:
    """With a simulator that runs, and a wedding: ``guests`` (phones), of whom one is blocked, and two without a usable phone."""
    made = Place(folder, db, _environment(folder, url) | env)
    headers = {"Authorization": f"Bearer {issue_token(made.settings, OWNER.subject, OWNER.display_name, timedelta(1))}"}
    try:
        meta = made.start("simulate-meta", "--port", "0", "--journal", made.env["FAULT_JOURNAL"], *_QUICK, *simulator)
        made.env["META_GRAPH_URL"] = (await meta.says(r"http://[\d.]+:\d+(?=\. )")).strip()
        async with (
            httpx.AsyncClient(headers=headers, timeout=LONGEST, trust_env=False) as made.http,
            httpx.AsyncClient(
                base_url=made.env["META_GRAPH_URL"],
                headers={"Authorization": f"Bearer {TOKEN}"},
                timeout=LONGEST,
                trust_env=False,
            ) as client,
        ):
            made.meta = Meta(client)
            await _marry(made, guests)
            yield made
    finally:
        for process in reversed(made.processes):
            process.close()
    check_files(folder)


NOWHERE = "http://127.0.0.1:1/"
"""Where statuses go in vain until a service is there: without any address the simulator would plan none."""
_QUICK = (
    "--status-delay", "0", "--linger", "0", "--late", "0.05", "--latency", "0.05", "--retry-first", "0.02",
    "--retry-longest", "0.1", "--batch", "3", "--webhook-url", NOWHERE,
)  # fmt: skip


def _environment(folder: Path, url: str) -> dict[str, str]:
    return {
        "AUTH_SECRET": "only for the tests of faults - long enough for them",
        "DATABASE_URL": url,
        "META_PHONE_NUMBER_ID": NUMBER,
        "META_WABA_ID": "200000000000001",
        "META_ACCESS_TOKEN": TOKEN,
        "META_APP_SECRET": SECRET,
        "SEND_TIMEOUT": "1",
        "SEND_RATE": "1000",
        "SEND_CONCURRENCY": "4",
        "LOG_FORMAT": "plain",
        "FAULT_JOURNAL": str(folder / "journal"),
        "FAULT_WAKE": str(folder / "wake"),
    }


async def _marry(made: Place, guests: Sequence[str]) -> None:
    meta = build_meta(made.settings)
    assert meta is not None
    async with meta:
        made.services = services = await build_services(made.settings, made.db, meta, Metrics())
        workspace = await services.workspaces.create_workspace(
            OWNER, name="Asha & Rohan", default_region="IN", timezone="Asia/Kolkata"
        )
        await services.templates.sync(OWNER, workspace_id=workspace.id)
    event = await services.events.create_event(
        OWNER, workspace_id=workspace.id, title="Sangeet", starts_at=datetime.now(UTC) + timedelta(90), venue=None
    )
    await services.events.update_event(OWNER, id=event.id, status=EventStatus.PUBLISHED)
    phones: list[str | None] = [*guests, None, "98200 1"]
    rows = [guest(f"Guest {number:04}", phone, row=number) for number, phone in enumerate(phones, start=1)]
    await services.guests.import_guests(OWNER, workspace_id=workspace.id, csv=None, rows=rows, file_name=None)
    await services.blocks.add(OWNER, workspace_id=workspace.id, phone=guests[BLOCKED], reason="asked by phone")
    made.workspace_id, made.event_id = workspace.id, event.id


def phones(count: int) -> list[str]:
    return [f"+9198765{number:05}" for number in range(count)]


async def _column(uow: UnitOfWork, column: Any) -> list[Any]:
    return list(await uow.session.scalars(sa.select(column)))
