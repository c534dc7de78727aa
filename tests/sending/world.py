"""A wedding that is ready to send, a sender that does as it is told, and helpers to drive the dispatcher by hand."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.db import facts
from app.db.counters import COLUMNS, CounterMoves
from app.db.engine import Database, UnitOfWork
from app.db.messages import STANDING_COLUMNS, standing_of
from app.db.tables import (
    EventRow,
    MessageRow,
    NumberRow,
    ReceiptRow,
    RunBreakdownRow,
    RunCountersRow,
    SendRunRow,
    StatusItemRow,
    TemplateRow,
)
from app.domain import ids
from app.domain.audience import Audience
from app.domain.enums import (
    EventStatus,
    MessageState,
    ParameterSource,
    TemplateCategory,
    TemplateComponent,
    TemplateStatus,
)
from app.domain.lifecycle import NOTHING_KNOWN, settle
from app.domain.requests import SendRequest
from app.domain.template_parameters import TemplateParameter
from app.services.base import utc_now
from app.services.blocks import Blocks
from app.services.breakers import Finished
from app.services.claims import Claim, Lease
from app.services.dispatch import Dispatch
from app.services.events import Events
from app.services.prechecks import Prechecks
from app.services.runs import Runs
from app.services.sends import Sends, SendSuccess
from app.services.tokens import TokenSigner
from app.services.webhooks import Webhooks
from app.whatsapp.port import Accepted, Behaviour, Evidence, NotSent, Outcome, ProviderError, Refused, Unknown
from tests.services.world import World, guest, make_world, name_at_meta, one

SECRET = b"a secret of the tests, long enough for them"
TEMPLATE = "wedding_invite"
LEASE = Lease(duration=60.0, reserve=20.0)
NOTHING = Evidence()


@dataclass
class Wedding:
    """A world with a published event and an approved template with one named parameter."""

    world: World
    event: EventRow
    template_id: str
    db: Database
    prechecks: Prechecks = field(init=False)
    sends: Sends = field(init=False)
    runs: Runs = field(init=False)
    dispatch: Dispatch = field(init=False)
    webhooks: Webhooks = field(init=False)
    blocks: Blocks = field(init=False)

    def __post_init__(self) -> None:
        self.prechecks = Prechecks(self.db, TokenSigner(SECRET))
        self.sends = Sends(self.db, self.prechecks)
        self.runs = Runs(self.db)
        self.dispatch = Dispatch(self.db, rate=100_000, lease=LEASE)
        self.webhooks = Webhooks(self.db)
        self.blocks = Blocks(self.db)

    @property
    def number_id(self) -> str:
        return self.world.number_id

    @property
    def phone_number_id(self) -> str:
        return name_at_meta(self.number_id)

    def request(self, audience: Audience | None = None, **more: Any) -> SendRequest:
        if "from_run" not in more and audience is None:
            audience = Audience()
        return SendRequest(self.event.id, TEMPLATE, "en", (guest_name(),), audience, **more)

    async def token(self, request: SendRequest | None = None) -> str:
        precheck = await self.prechecks.precheck(self.world.coordinator, request or self.request())
        assert precheck.token is not None, precheck.blockers
        return precheck.token

    async def send(self, request: SendRequest | None = None) -> str:
        """Precheck and send as the Parent Admin; returns the run's id."""
        result = await self.sends.send_invites(self.world.admin, token=await self.token(request))
        assert isinstance(result, SendSuccess), result
        assert not result.replayed
        return result.run.id

    async def claim(self, limit: int = 100) -> list[Claim]:
        return await self.dispatch.claim(self.number_id, limit, 0)

    @staticmethod
    def finished(claims: Sequence[Claim], outcome: Outcome | Callable[[Claim], Outcome]) -> list[Finished]:
        return [Finished(claim, outcome(claim) if callable(outcome) else outcome, utc_now()) for claim in claims]

    async def finish(self, claims: Sequence[Claim], outcome: Outcome | Callable[[Claim], Outcome]) -> None:
        await self.dispatch.record(self.number_id, self.finished(claims, outcome))

    async def deliver_all(self) -> None:
        """Claim and accept until nothing is due."""
        while claims := await self.claim():
            await self.finish(claims, accepted)

    async def post(self, *statuses: dict[str, Any]) -> None:
        await self.webhooks.ingest([await self.body(*statuses)])

    async def body(self, *statuses: dict[str, Any]) -> bytes:
        return envelope(self.phone_number_id, statuses=list(statuses))

    async def post_preferences(self, *preferences: dict[str, Any]) -> None:
        """What guests chose in WhatsApp, see ``preference``."""
        value = {"user_preferences": list(preferences)}
        await self.webhooks.ingest([webhook_body(change(self.phone_number_id, "user_preferences", **value))])

    async def number(self) -> NumberRow:
        return await one(self.db, NumberRow, NumberRow.id == self.number_id)

    async def run(self, run_id: str) -> SendRunRow:
        return await one(self.db, SendRunRow, SendRunRow.id == run_id)

    async def counters(self, run_id: str) -> RunCountersRow:
        return await one(self.db, RunCountersRow, RunCountersRow.run_id == run_id)

    async def message(self, message_id: str) -> MessageRow:
        return await one(self.db, MessageRow, MessageRow.id == message_id)

    async def messages(self, run_id: str | None = None) -> list[MessageRow]:
        async def unit(uow: UnitOfWork) -> list[MessageRow]:
            query = sa.select(MessageRow).order_by(MessageRow.run_id, MessageRow.position)
            if run_id is not None:
                query = query.where(MessageRow.run_id == run_id)
            return list(await uow.session.scalars(query))

        return await self.db.read(unit)

    async def states(self, run_id: str) -> dict[str, MessageState]:
        return {message.recipient_name: message.state for message in await self.messages(run_id)}

    async def check(self) -> None:
        """Promises 3, 4 and 8: every counter equals what counting rows gives, every row what folding its facts gives."""
        await self.db.read(assert_counters)
        await self.db.read(assert_facts)
        await self.db.read(assert_receipts)

    async def expire_leases(self) -> None:
        """Let every lease run out, as when a worker stalls, and let the sweep see it."""

        async def unit(uow: UnitOfWork) -> None:
            over = utc_now() - timedelta(seconds=1)
            leased = MessageRow.lease_until.is_not(None)
            await uow.session.execute(sa.update(MessageRow).where(leased).values(lease_until=over))

        await self.db.write(unit)
        await self.dispatch.sweep()


def guest_name() -> TemplateParameter:
    return TemplateParameter(TemplateComponent.BODY, None, "guest_name", None, ParameterSource.GUEST_NAME, None)


async def make_wedding(
    db: Database, guests: Sequence[tuple[str, str | None]] = (), number_id: str | None = None
) -> Wedding:
    """``guests`` are (name, phone), each a household of its own; ``number_id`` shares the number of another wedding."""
    world = await make_world(db, number_id=number_id)
    event = await world.event()
    event = await Events(db).update_event(world.owner, id=event.id, status=EventStatus.PUBLISHED)
    template_id = "" if number_id else await add_template(db, world.number_id)
    if guests:
        await world.import_rows(*(guest(name, phone, row=row) for row, (name, phone) in enumerate(guests, start=1)))
    return Wedding(world, event, template_id, db)


async def add_template(db: Database, number_id: str, **changes: Any) -> str:
    row = TemplateRow(
        **{
            "id": ids.new_id(ids.TEMPLATE),
            "number_id": number_id,
            "name": TEMPLATE,
            "language": "en",
            "status": TemplateStatus.APPROVED,
            "category": TemplateCategory.UTILITY,
            "parameter_format": "NAMED",
            "components": [{"type": "BODY", "text": "Dear {{guest_name}}, you are invited."}],
            "synced_at": datetime.now(UTC),
        }
        | changes
    )

    async def unit(uow: UnitOfWork) -> str:
        uow.session.add(row)
        return row.id

    return await db.write(unit)


def people(count: int, start: int = 0) -> list[tuple[str, str | None]]:
    """Made-up guests with valid Indian mobiles."""
    return [(f"Guest {index:05}", f"+9198765{index:05}") for index in range(start, start + count)]


def wamid(claim: Claim) -> str:
    return f"wamid.{claim.message_id}"


def accepted(claim: Claim) -> Outcome:
    return Accepted(wamid(claim), held=False, evidence=NOTHING)


def refused(code: int, behaviour: Behaviour, *, slows: bool = False, retry_after: float = 0.0) -> Refused:
    return Refused(ProviderError(code, "title", "details"), behaviour, slows, retry_after, NOTHING)


UNKNOWN = Unknown(Evidence(error="ReadTimeout"))
NOT_SENT = NotSent(Evidence(error="ConnectError"))


def status(message_id: str, value: str, at: int, **more: Any) -> dict[str, Any]:
    return {"id": message_id, "status": value, "timestamp": str(at), "recipient_id": "919876500000"} | more


def preference(value: str, at: int, phone: str = "919876500001") -> dict[str, Any]:
    """A guest's own "stop" or "resume" in WhatsApp, as Meta tells it."""
    return {"wa_id": phone, "value": value, "category": "marketing_messages", "detail": "-", "timestamp": at}


def change(phone_number_id: str, kind: str = "messages", **value: Any) -> dict[str, Any]:
    """One change of a webhook body, of the field ``kind``."""
    metadata = {"display_phone_number": "15550100001", "phone_number_id": phone_number_id}
    return {"field": kind, "value": {"messaging_product": "whatsapp", "metadata": metadata} | value}


def webhook_body(*changes: dict[str, Any]) -> bytes:
    """A webhook body as Meta frames it."""
    entry = {"id": "215589313241560", "time": 1795500000, "changes": list(changes)}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def envelope(phone_number_id: str, **value: Any) -> bytes:
    """One webhook body of the field ``messages``."""
    return webhook_body(change(phone_number_id, **value))


async def assert_counters(uow: UnitOfWork) -> None:
    counted = CounterMoves()
    for row in await uow.session.execute(sa.select(*STANDING_COLUMNS)):
        standing = standing_of(row)
        counted.move(standing.run_id, None, standing.place)
    for counters in await uow.session.scalars(sa.select(RunCountersRow)):
        expected = counted._columns.get(counters.run_id, Counter())
        stored = {name: getattr(counters, name) for name in COLUMNS}
        assert stored == {name: expected.get(name, 0) for name in COLUMNS}, counters.run_id
        assert (counters.completed_at is not None) == (stored["queued"] + stored["sending"] == 0)
    stored_parts = {
        (part.run_id, part.state, part.key): part.count
        for part in await uow.session.scalars(sa.select(RunBreakdownRow))
        if part.count
    }
    assert stored_parts == {key: count for key, count in counted._breakdowns.items() if count}


async def assert_facts(uow: UnitOfWork) -> None:
    """What a row shows is the fold of its stored facts and of nothing else."""
    standings = [standing_of(row) for row in await uow.session.execute(sa.select(*STANDING_COLUMNS))]
    folded = await facts.of_messages(uow, [standing.id for standing in standings])
    for standing in standings:
        assert standing.progress == folded.get(standing.id, NOTHING_KNOWN), standing.id
        assert standing.state is settle(standing.state, standing.progress), standing.id


async def assert_receipts(uow: UnitOfWork) -> None:
    """Every status item has its receipt: no foreign key says so."""
    kept = sa.select(ReceiptRow.id)
    assert (
        await uow.session.scalars(sa.select(StatusItemRow.id).where(StatusItemRow.receipt_id.not_in(kept)))
    ).all() == []
