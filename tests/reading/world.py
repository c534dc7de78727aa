"""Small worlds, inserted directly as rows: what the reader reads does not depend on the services that write."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from app.db.engine import Database, UnitOfWork
from app.db.tables import (
    AttemptRow,
    AuditRow,
    Base,
    DoNotMessageRow,
    DoNotMessageSpellingRow,
    EventRow,
    GuestImportRow,
    GuestUnitRow,
    GuestUnitTagRow,
    ImportRowRow,
    MemberRow,
    MessageRow,
    MessageSourceRow,
    NumberRow,
    PersonRow,
    ReceiptRow,
    RunBreakdownRow,
    RunCountersRow,
    SendRunRow,
    StatusItemRow,
    TagRow,
    TemplateRow,
    WorkspaceRow,
)
from app.domain import ids
from app.domain.audience import Audience
from app.domain.enums import (
    AuditAction,
    DoNotMessageSource,
    EventStatus,
    EventVisibility,
    ImportOutcome,
    MessageState,
    PhoneStatus,
    ReceiptFinding,
    RejectionReason,
    Role,
    SendRunKind,
    SendRunStatus,
    Side,
    TemplateCategory,
    TemplateStatus,
)
from app.domain.guest_list import tag_key
from app.domain.phone import spellings
from app.domain.requests import SendRequest, to_json
from app.domain.search import search_key
from app.domain.text import name_key
from app.services.base import Actor
from app.services.reading import Reader

R = TypeVar("R", bound=Base)

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
UNCONFIRMED_AFTER = timedelta(hours=1)


def reader(db: Database) -> Reader:
    return Reader(db, unconfirmed_after=UNCONFIRMED_AFTER, clock=lambda: NOW)


def actor(subject: str) -> Actor:
    return Actor(subject, subject.title())


@dataclass
class World:
    """Collects rows; ``save`` writes them with the counters of every run, counted here from its messages."""

    db: Database
    rows: list[Base] = field(default_factory=list)
    messages: dict[str, list[MessageRow]] = field(default_factory=dict)

    def add(self, row: R) -> R:
        self.rows.append(row)
        return row

    async def save(self) -> None:
        rows = [*self.rows, *(part for run_id in self.messages for part in self._counters(run_id))]
        self.rows, self.messages = [], {}

        async def unit(uow: UnitOfWork) -> None:
            for table in Base.metadata.sorted_tables:  # parents first
                uow.session.add_all([row for row in rows if row.__table__ is table])
                await uow.session.flush()

        await self.db.write(unit)

    def _counters(self, run_id: str) -> Sequence[Base]:
        messages = self.messages[run_id]
        states = Counter(message.state.value.lower() for message in messages)
        parts = Counter(
            (
                message.state,
                str(message.rejection_reason if message.state is MessageState.REJECTED else message.failure_code or 0),
            )
            for message in messages
            if message.state in {MessageState.REJECTED, MessageState.FAILED}
        )
        reached = {
            "reached_accepted": sum(message.provider_message_id is not None for message in messages),
            "reached_sent": sum(bool(m.sent_at or m.delivered_at or m.read_at) for m in messages),
            "reached_delivered": sum(bool(m.delivered_at or m.read_at) for m in messages),
            "reached_read": sum(m.read_at is not None for m in messages),
        }
        done = not states["queued"] + states["sending"]
        return [
            RunCountersRow(run_id=run_id, changed_at=NOW, completed_at=NOW if done else None, **states, **reached),
            *(
                RunBreakdownRow(run_id=run_id, state=state, key=key, count=count)
                for (state, key), count in parts.items()
            ),
        ]

    def number(self) -> NumberRow:
        return self.add(
            NumberRow(
                id=ids.new_id(ids.NUMBER), phone_number_id=ids.new_id(ids.NUMBER), created_at=NOW, last_webhook_at=NOW
            )
        )

    def workspace(self, name: str, number: NumberRow | None) -> WorkspaceRow:
        return self.add(
            WorkspaceRow(
                id=ids.new_id(ids.WORKSPACE), name=name, default_region="IN", timezone="Asia/Kolkata",
                number_id=number and number.id, roles_that_send=[Role.OWNER, Role.PARENT_ADMIN], created_at=NOW,
            )
        )  # fmt: skip

    def member(
        self, workspace: WorkspaceRow, subject: str, role: Role = Role.OWNER, *, active: bool = True
    ) -> MemberRow:
        return self.add(
            MemberRow(
                id=ids.new_id(ids.MEMBER), workspace_id=workspace.id, subject=subject, display_name=subject.title(),
                role=role, active=active, created_at=NOW,
            )
        )  # fmt: skip

    def event(
        self,
        workspace: WorkspaceRow,
        title: str = "Sangeet",
        position: int = 1,
        status: EventStatus = EventStatus.PUBLISHED,
    ) -> EventRow:
        return self.add(
            EventRow(
                id=ids.new_id(ids.EVENT), workspace_id=workspace.id, title=title, starts_at=NOW, status=status,
                visibility=EventVisibility.INVITE_ONLY, position=position, created_at=NOW, updated_at=NOW,
            )
        )  # fmt: skip

    def unit(
        self, workspace: WorkspaceRow, name: str, *, side: Side = Side.BRIDE, phone: str | None = None, **more: Any
    ) -> GuestUnitRow:
        return self.add(
            GuestUnitRow(
                id=ids.new_id(ids.GUEST_UNIT), workspace_id=workspace.id, name=name, name_key=name_key(name), side=side,
                delivery_phone=phone, created_at=NOW, updated_at=NOW, **{"archived": False, "inviteable": True} | more,
            )
        )  # fmt: skip

    def person(
        self, unit: GuestUnitRow, name: str, phone: str | None = None, *, raw: str | None = None, archived: bool = False
    ) -> PersonRow:
        status = PhoneStatus.VALID if phone else PhoneStatus.MALFORMED if raw else PhoneStatus.MISSING
        return self.add(
            PersonRow(
                id=ids.new_id(ids.PERSON), workspace_id=unit.workspace_id, guest_unit_id=unit.id, name=name,
                name_key=name_key(name), also_known_as=[], raw_phone=raw or phone, phone=phone, phone_status=status,
                archived=archived, created_at=NOW, updated_at=NOW,
            )
        )  # fmt: skip

    def tag(self, workspace: WorkspaceRow, name: str, *units: GuestUnitRow) -> TagRow:
        tag = self.add(TagRow(id=ids.new_id(ids.TAG), workspace_id=workspace.id, name=name, key=tag_key(name)))
        for unit in units:
            self.add(GuestUnitTagRow(guest_unit_id=unit.id, tag_id=tag.id))
        return tag

    def guest_import(self, member: MemberRow, *outcomes: ImportOutcome) -> GuestImportRow:
        made = self.add(
            GuestImportRow(
                id=ids.new_id(ids.GUEST_IMPORT), workspace_id=member.workspace_id, created_by=member.id, created_at=NOW,
                row_count=len(outcomes), outcomes=dict(Counter(outcomes)),
            )
        )  # fmt: skip
        for row, outcome in enumerate(outcomes, start=1):
            self.add(ImportRowRow(import_id=made.id, row=row, outcome=outcome, name=f"Guest {row}"))
        return made

    def template(self, number: NumberRow, name: str, status: TemplateStatus = TemplateStatus.APPROVED) -> TemplateRow:
        return self.add(
            TemplateRow(
                id=ids.new_id(ids.TEMPLATE), number_id=number.id, name=name, language="en", status=status,
                category=TemplateCategory.UTILITY, parameter_format="NAMED", components=[], synced_at=NOW,
            )
        )  # fmt: skip

    def run(
        self, event: EventRow, template: TemplateRow, member: MemberRow, *, kind: SendRunKind = SendRunKind.INVITE,
        status: SendRunStatus = SendRunStatus.RUNNING, created_at: datetime = NOW - timedelta(hours=3),
    ) -> SendRunRow:  # fmt: skip
        request = to_json(SendRequest(event.id, template.name, "en", audience=Audience()))
        run = SendRunRow(
            id=ids.new_id(ids.SEND_RUN), workspace_id=event.workspace_id, event_id=event.id, number_id=template.number_id,
            template_id=template.id, template_name=template.name, template_language="en", recipe={}, kind=kind,
            status=status, request=request, idempotency_key=ids.new_id(ids.SEND_RUN), created_by=member.id, created_at=created_at,
        )  # fmt: skip
        self.messages[run.id] = []
        return self.add(run)

    def message(
        self, run: SendRunRow, state: MessageState, *units: GuestUnitRow, name: str = "Asha", phone: str | None = None,
        reason: RejectionReason | None = None, code: int | None = None, since: datetime = NOW, **more: Any,
    ) -> MessageRow:  # fmt: skip
        """In ``state``, with the times that go with it; standing for ``units``."""
        position = len(self.messages[run.id])
        told = state in {MessageState.ACCEPTED, MessageState.SENT, MessageState.DELIVERED, MessageState.READ}
        if state is MessageState.REJECTED:
            reason = reason or RejectionReason.MISSING_PHONE
        message = MessageRow(
            id=ids.new_id(ids.MESSAGE), run_id=run.id, workspace_id=run.workspace_id, event_id=run.event_id,
            number_id=run.number_id, kind=run.kind, position=position, recipient_name=name, phone=phone,
            search_key=search_key(name, phone), state=state, state_since=since, rejection_reason=reason,
            rejected_at=NOW if reason else None, values=[], text=f"Dear {name}",
            provider_message_id=f"wamid.{run.id}.{position}" if told else None,
            sent_at=NOW if state is MessageState.SENT else None,
            delivered_at=NOW if state is MessageState.DELIVERED else None,
            read_at=NOW if state is MessageState.READ else None,
            failed_at=NOW if state is MessageState.FAILED else None, failure_code=code,
            **{"created_at": NOW, "updated_at": NOW, "not_before": NOW, "held": False} | more,
        )  # fmt: skip
        self.messages[run.id].append(message)
        self.add(message)
        for ordinal, unit in enumerate(units):
            self.add(MessageSourceRow(message_id=message.id, ordinal=ordinal, guest_unit_id=unit.id, person_id=None))
        return message

    def attempt(
        self,
        message: MessageRow,
        n: int,
        *,
        claimed_at: datetime,
        finished_at: datetime | None,
        outcome: str | None,
        **more: Any,
    ) -> AttemptRow:
        return self.add(
            AttemptRow(
                message_id=message.id, n=n, claim_id=ids.new_id(ids.CLAIM), claimed_at=claimed_at, finished_at=finished_at,
                outcome=outcome, **{"fenced": False} | more,
            )
        )  # fmt: skip

    def block(
        self, phone: str, *, workspace: WorkspaceRow | None = None, number: NumberRow | None = None, **more: Any
    ) -> DoNotMessageRow:
        entry = self.add(
            DoNotMessageRow(
                id=ids.new_id(ids.DO_NOT_MESSAGE), workspace_id=workspace and workspace.id, number_id=number and number.id,
                phone=phone, reason="asked",
                **{"source": DoNotMessageSource.MEMBER, "active": True, "created_at": NOW} | more,
            )
        )  # fmt: skip
        for spelling in spellings(phone):
            self.add(DoNotMessageSpellingRow(entry_id=entry.id, spelling=spelling))
        return entry

    def audit(self, workspace: WorkspaceRow | None, action: AuditAction, text: str = "did it", **more: Any) -> AuditRow:
        return self.add(
            AuditRow(
                id=ids.new_id(ids.AUDIT), workspace_id=workspace and workspace.id, action=action, actor_text="somebody",
                text=text, **{"at": NOW} | more,
            )
        )  # fmt: skip

    def receipt(self, number: NumberRow | None, problem: str | None = None) -> ReceiptRow:
        return self.add(
            ReceiptRow(
                id=ids.new_id(ids.RECEIPT),
                number_id=number and number.id,
                received_at=NOW,
                digest="00",
                problem=problem,
            )
        )

    def status(
        self, receipt: ReceiptRow, message: MessageRow | None, status: str, at: datetime, **more: Any
    ) -> StatusItemRow:
        return self.add(
            StatusItemRow(
                id=ids.new_id(ids.STATUS_ITEM), receipt_id=receipt.id, number_id=receipt.number_id,
                message_id=message and message.id, status=status, at=at,
                **{"received_at": at, "repeated": False, "item": f'{{"status":"{status}"}}'} | more,
            )
        )  # fmt: skip


@dataclass
class Family:
    """One workspace with at least one of everything."""

    number: NumberRow
    workspace: WorkspaceRow
    owner: MemberRow
    event: EventRow
    unit: GuestUnitRow
    person: PersonRow
    template: TemplateRow
    guest_import: GuestImportRow
    run: SendRunRow
    message: MessageRow
    block: DoNotMessageRow
    number_block: DoNotMessageRow
    entry: AuditRow


def family(world: World, number: NumberRow, subject: str, phones: Callable[[], str]) -> Family:
    """The owner is ``subject``; ``<subject>-coordinator`` and the inactive ``<subject>-gone`` are there too."""
    workspace = world.workspace(f"Wedding of {subject}", number)
    owner = world.member(workspace, subject)
    world.member(workspace, f"{subject}-coordinator", Role.FAMILY_COORDINATOR)
    world.member(workspace, f"{subject}-gone", active=False)
    event = world.event(workspace)
    unit = world.unit(workspace, "Sharma", phone=phones())
    person = world.person(unit, "Asha Sharma", phones())
    world.tag(workspace, "Close family", unit)
    template = world.template(number, f"invite_{subject}")
    run = world.run(event, template, owner)
    message = world.message(run, MessageState.DELIVERED, unit, phone=unit.delivery_phone)
    world.attempt(message, 1, claimed_at=NOW, finished_at=NOW, outcome="ACCEPTED")
    receipt = world.receipt(number)
    world.status(receipt, message, "delivered", NOW)
    world.status(receipt, None, "sent", NOW, finding=ReceiptFinding.UNMATCHED, explanation="No such message.")
    assert person.phone
    return Family(
        number, workspace, owner, event, unit, person, template,
        world.guest_import(owner, ImportOutcome.CREATED), run, message,
        world.block(phones(), workspace=workspace), world.block(person.phone, number=number),
        world.audit(workspace, AuditAction.INVITE_SEND, run_id=run.id, actor_id=owner.id, target_id=event.id),
    )  # fmt: skip


def phones() -> Callable[[], str]:
    """Made-up Indian numbers, each once."""
    counter = iter(range(1_000_000))
    return lambda: f"+9198{next(counter):08d}"
