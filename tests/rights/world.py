"""Two families on one number, and a third of the first one's owner on a number of its own; each with one of everything.

What only the first owner may see is found by itself: every text in every table that is not there for the others too.
"""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.tables import AuditRow, Base, DoNotMessageRow, ImportRowRow, NumberRow
from app.domain import ids
from app.domain.audience import Audience
from app.domain.enums import (
    AuditAction,
    DoNotMessageSource,
    MessageState,
    ParameterSource,
    ReceiptFinding,
    RejectionReason,
    Role,
    TemplateComponent,
)
from app.domain.rendering import EventFields, resolve
from app.domain.requests import SendRequest
from app.domain.search import search_key
from app.domain.template_parameters import TemplateParameter
from app.domain.templates import inspect
from app.domain.text import name_key
from app.services.base import REFUSALS, Refusals, utc_now
from app.services.prechecks import Prechecks
from app.services.tokens import Pin
from tests.reading.world import Family, World, actor, family, phones
from tests.schema.service import Service, serving

GUEST_NAME = TemplateParameter(TemplateComponent.BODY, None, "guest_name", None, ParameterSource.GUEST_NAME, None)
_BODY = [{"type": "BODY", "text": "Dear {{guest_name}}, come to our wedding."}]
_SHORTEST = 4
"""Characters of a text that could betray anything; shorter ones are in every answer."""


@dataclass(frozen=True)
class Things:
    """What the arguments of an operation are filled with: the ids, tokens and names of one family."""

    workspace: str
    event: str
    unit: str
    person: str
    guest_import: str
    run: str
    message: str
    block: str
    number_block: str
    member: str
    template: str
    entry: str
    token: str
    name: str
    """Of a guest."""
    template_name: str

    @property
    def nodes(self) -> dict[str, str]:
        """An id of each type that can be fetched by ``node``."""
        return {
            "Workspace": self.workspace, "Event": self.event, "GuestUnit": self.unit, "Person": self.person,
            "GuestImport": self.guest_import, "SendRun": self.run, "InviteMessage": self.message,
            "DoNotMessageEntry": self.block, "Member": self.member, "MessageTemplate": self.template,
            "AuditEntry": self.entry,
        }  # fmt: skip


@dataclass
class Families:
    """``asha`` owns the first two, ``meera`` the third; ``asha-admin``, ``asha-coordinator`` and ``asha-gone`` exist."""

    service: Service
    asha: Things
    alone: Things
    """Asha's other wedding, whose number serves nobody else."""
    meera: Things
    nothing: Things
    """Well-formed, signed, and of nothing that exists."""
    stop: str
    """The Do-Not-Message entry of a guest of asha and of meera, whom Meta told asha with code 131050 to leave alone."""
    secrets: frozenset[str]
    """Texts that nobody but asha's people may read."""

    def leaked(self, body: str) -> list[str]:
        return sorted(secret for secret in self.secrets if secret in body)


@asynccontextmanager
async def families(db: Database) -> AsyncIterator[Families]:
    REFUSALS[db] = Refusals(1_000_000)  # the walks ask for more than any person may
    async with serving(db, dispatch=False) as service:
        services = service.app.state["running"].use()
        world, phone = World(db), phones()
        number = await db.write(lambda uow: _poor(uow, services.number_id))
        theirs = await _saved(world, number, "meera", phone)
        stop = _shared_guest(world, number, theirs, phone())
        await world.save()
        common = await texts(db)
        mine = await _saved(world, number, "asha", phone)
        await _stopped(world, stop, mine)
        shared = {mine.template.id, mine.template.name}
        apart = world.number()
        apart.paused, apart.paused_reason = True, "Meta wants a payment of asha."
        alone = await _saved(world, apart, "asha-alone", phone, owner="asha")
        secrets = {each for each in await texts(db) - common - shared if len(each) >= _SHORTEST}
        asha, separate, meera = [await _things(services.prechecks, each) for each in (mine, alone, theirs)]
        # Of her templates only that of the other number is not meera's too.
        asha = replace(asha, template=separate.template)
        nothing = _nothing(services.prechecks)
        yield Families(service, asha, separate, meera, nothing, stop.id, frozenset(secrets))


async def _poor(uow: UnitOfWork, number_id: str) -> NumberRow:
    """The service's number, so rated that every precheck warns."""
    number = await uow.session.get_one(NumberRow, number_id)
    number.quality_rating = "RED"
    return number


async def _saved(world: World, number: NumberRow, name: str, phone: Any, *, owner: str | None = None) -> Family:
    """A family whose every text names it, and with one of everything that a type can show."""
    made = family(world, number, name, phone)
    if owner is None:
        world.member(made.workspace, f"{name}-admin", Role.PARENT_ADMIN)
    else:
        made.owner.subject = owner
    made.event.title, made.event.venue = f"Sangeet of {name}", f"Palace of {name}"
    made.unit.name, made.unit.name_key = f"The {name} household", name_key(f"The {name} household")
    made.person.name, made.person.name_key = f"Cousin of {name}", name_key(f"Cousin of {name}")
    made.message.recipient_name = f"Uncle of {name}"
    made.message.text = f"Dear Uncle of {name}"
    made.message.search_key = search_key(made.message.recipient_name, made.message.phone)
    made.message.values = [made.message.recipient_name]
    made.message.failed_at, made.message.failure_code = made.message.created_at, 131026
    made.message.rejected_at = made.message.created_at
    made.message.rejection_reason = RejectionReason.NOT_INVITEABLE
    world.message(made.run, MessageState.QUEUED, made.unit, name=f"Aunt of {name}", phone=phone())
    world.message(made.run, MessageState.FAILED, made.unit, name=f"Niece of {name}", phone=phone(), code=131026)
    made.block.reason = made.number_block.reason = f"{name} was asked"
    made.block.created_by = made.owner.id
    lost = world.message(made.run, MessageState.UNCONFIRMED, made.unit, name=f"Nephew of {name}", phone=phone())
    lost.state_since -= timedelta(days=2)
    for guest in (made.unit, made.person):
        guest.consent_at = guest.consent_recorded_at = made.message.created_at
        guest.consent_evidence, guest.consent_recorded_by = f"{name} says yes", made.owner.id
    # A number's templates are seen by all who send from it, so their names tell nothing.
    made.template.name = made.run.template_name = f"invite_{ids.new_id(ids.TEMPLATE)[-8:]}"
    made.template.components = _BODY
    fields = EventFields(made.event.title, made.event.starts_at, "Asia/Kolkata", made.event.venue)
    made.run.recipe = resolve(inspect(_BODY, "NAMED"), (GUEST_NAME,), fields).freeze()
    made.entry.text, made.entry.actor_text = f"Sent for {name}", f"{name} herself"
    for row in world.rows:
        if isinstance(row, ImportRowRow):
            row.name, row.message, row.guest_unit_id = f"Row of {name}", f"Odd row of {name}", made.unit.id
    no_phone = world.unit(made.workspace, f"{made.unit.name} without a phone")
    world.tag(made.workspace, "family", made.unit, no_phone)
    world.tag(made.workspace, f"Friends of {name}", made.unit)
    world.status(
        world.receipt(number), None, "sent", made.message.created_at, finding=ReceiptFinding.UNMATCHED,
        explanation=f"Nothing fits {name}.", item=f'{{"of":"a guest of {name}"}}',
        provider_message_id=f"wamid.of-{name}",
    )  # fmt: skip
    world.audit(made.workspace, AuditAction.ROLE_CHANGE, f"Governance of {name}", actor_id=made.owner.id)
    await world.save()
    return made


def _shared_guest(world: World, number: NumberRow, theirs: Family, phone: str) -> DoNotMessageRow:
    """A guest of both families who is blocked for the number; first as one of ``theirs``."""
    world.person(world.unit(theirs.workspace, "The common friends"), "Friend of both", phone)
    stop = world.block(phone, number=number)
    stop.source = DoNotMessageSource.META_CODE_131050
    return stop


async def _stopped(world: World, stop: DoNotMessageRow, mine: Family) -> None:
    """The guest is one of ``mine`` too, and Meta's word about a message of ``mine`` is the evidence."""
    world.person(world.unit(mine.workspace, "The common friends"), "Friend of both", stop.phone)
    receipt = world.receipt(None)
    await world.save()
    told = {"id": "wamid.of-the-stop", "biz_opaque_callback_data": f"{mine.message.id}.1"}

    async def tell(uow: UnitOfWork) -> None:
        entry = await uow.session.get_one(DoNotMessageRow, stop.id)
        entry.message_id, entry.receipt_id, entry.evidence = mine.message.id, receipt.id, json.dumps(told)

    await world.db.write(tell)


async def _things(prechecks: Prechecks, made: Family) -> Things:
    request = SendRequest(
        made.event.id, made.template.name, "en", (GUEST_NAME,), audience=Audience(), include_already_invited=True
    )
    found = await prechecks.precheck(actor(made.owner.subject), request)
    assert bool(found.token) != bool(found.blockers)
    return Things(
        workspace=made.workspace.id, event=made.event.id, unit=made.unit.id, person=made.person.id,
        guest_import=made.guest_import.id, run=made.run.id, message=made.message.id, block=made.block.id,
        number_block=made.number_block.id, member=made.owner.id, template=made.template.id, entry=made.entry.id,
        token=found.token or _signed(prechecks, made.workspace.id, made.event.id), name=made.unit.name, template_name=made.template.name,
    )  # fmt: skip


def _nothing(prechecks: Prechecks) -> Things:
    event, workspace = ids.new_id(ids.EVENT), ids.new_id(ids.WORKSPACE)
    return Things(
        workspace=workspace, event=event, unit=ids.new_id(ids.GUEST_UNIT), person=ids.new_id(ids.PERSON),
        guest_import=ids.new_id(ids.GUEST_IMPORT), run=ids.new_id(ids.SEND_RUN), message=ids.new_id(ids.MESSAGE),
        block=ids.new_id(ids.DO_NOT_MESSAGE), number_block=ids.new_id(ids.DO_NOT_MESSAGE),
        member=ids.new_id(ids.MEMBER), template=ids.new_id(ids.TEMPLATE), entry=ids.new_id(ids.AUDIT),
        token=_signed(prechecks, workspace, event), name="No such household", template_name="no_template",
    )  # fmt: skip


def _signed(prechecks: Prechecks, workspace: str, event: str) -> str:
    """A token that this service made, though not of a send that could be."""
    request = SendRequest(event, "no_template", "en", (GUEST_NAME,), audience=Audience())
    return prechecks.signer.pack(Pin(workspace, request, 1, 0, utc_now() + timedelta(minutes=5), "", "", ""))


async def texts(db: Database) -> set[str]:
    """Every text that any table holds, those within JSON too."""
    return {text for row in await contents(db, Base.metadata.sorted_tables) for text in _texts(row)}


async def contents(db: Database, tables: list[sa.Table]) -> list[tuple[Any, ...]]:
    """All rows of these tables, each with the name of its table before it."""

    async def unit(uow: UnitOfWork) -> list[tuple[Any, ...]]:
        return [(table.name, *row) for table in tables for row in await uow.session.execute(sa.select(table))]

    return await db.read(unit)


async def entries(db: Database, known: Sequence[AuditRow] = ()) -> list[AuditRow]:
    """The audit trail, oldest first, behind the last one that is known."""
    query = sa.select(AuditRow).order_by(AuditRow.id)
    if known:
        query = query.where(AuditRow.id > known[-1].id)

    async def unit(uow: UnitOfWork) -> list[AuditRow]:
        return list((await uow.session.execute(query)).scalars())

    return await db.read(unit)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        if value.startswith("{"):
            yield from _texts(json.loads(value))
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _texts(each)
