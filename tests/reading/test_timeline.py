"""The timeline tells everything that is kept about a message, in order, with evidence for those who may see it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.db.engine import Database
from app.domain.enums import (
    AuditAction,
    DoNotMessageSource,
    MessageState,
    RejectionReason,
    Role,
    TimelineKind,
    TimelineSource,
)
from app.services.reading.timeline import _BLOCKED_BY, MAX_ITEMS, TimelineItem
from tests.reading.world import NOW, World, actor, reader

pytestmark = pytest.mark.anyio

ASHA, ZARA = actor("asha"), actor("zara")
K, S, F = TimelineKind, MessageState, TimelineSource
PHONE = "+919800000007"


def _after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


class _Told:
    """One message whose claim ran out, whose answer came late, and whose statuses came out of order and twice.

    Its phone was blocked by a member and then let go, and the guest said stop; other entries are nobody's business here.
    """

    def __init__(self, db: Database) -> None:
        self.world = world = World(db)
        number = world.number()
        self.workspace = world.workspace("Wedding", number)
        self.owner = world.member(self.workspace, "asha", Role.PARENT_ADMIN)
        world.member(self.workspace, "zara", Role.FAMILY_COORDINATOR)
        self.run = world.run(world.event(self.workspace), world.template(number, "invite"), self.owner)
        world.unit(self.workspace, "The Raos", phone=PHONE)
        self.message = world.message(self.run, S.DELIVERED, phone=PHONE, created_at=NOW + _after(0.2))
        world.audit(
            self.workspace,
            AuditAction.INVITE_SEND,
            "Sent to 1",
            run_id=self.run.id,
            actor_id=self.owner.id,
            at=NOW + _after(0.2),
        )
        world.audit(self.workspace, AuditAction.EXPORT, "Exported", run_id=self.run.id, at=NOW + _after(1))
        world.audit(self.workspace, AuditAction.RUN_PAUSE, "Elsewhere", at=NOW)
        world.attempt(
            self.message, 1, claimed_at=NOW + _after(0.5), finished_at=NOW + _after(2), outcome="REFUSED", behaviour="LATER",
            code=131056, answer={"body": "later"},
        )  # fmt: skip
        world.attempt(
            self.message, 2, claimed_at=NOW + _after(10), finished_at=NOW + _after(100.5), outcome="ACCEPTED", fenced=True,
            lease_expired_at=NOW + _after(70), answer={"body": "ok"},
        )  # fmt: skip
        self.receipt = receipt = world.receipt(number)
        world.block(
            PHONE, workspace=self.workspace, created_at=NOW + _after(3), created_by=self.owner.id, active=False,
            revoked_at=NOW + _after(5), revoked_by=self.owner.id, evidence={"row": "kept"},
        )  # fmt: skip
        world.block(
            PHONE, number=number, source=DoNotMessageSource.META_STOP, created_at=NOW + _after(60),
            evidence='{"value":"stop"}', receipt_id=receipt.id,
        )  # fmt: skip
        world.block(PHONE, workspace=world.workspace("Another", number), created_at=NOW + _after(6))
        world.block(PHONE, number=world.number(), created_at=NOW + _after(6))
        world.block("+919800000014", workspace=self.workspace, created_at=NOW + _after(6))
        # Meta's times are whole seconds, and the first one looks older than the claim.
        world.status(receipt, self.message, "sent", NOW + _after(10), received_at=NOW + _after(10.9))
        world.status(receipt, self.message, "delivered", NOW + _after(30), received_at=NOW + _after(31))
        world.status(receipt, self.message, "sent", NOW + _after(10), received_at=NOW + _after(40), repeated=True)
        world.status(receipt, self.message, "failed", NOW + _after(20), received_at=NOW + _after(41), error_code=131026)
        world.status(receipt, self.message, "played", NOW + _after(50), received_at=NOW + _after(51))
        world.status(receipt, world.message(self.run, S.SENT), "sent", NOW)


@pytest.fixture
async def told(db: Database) -> _Told:
    made = _Told(db)
    await made.world.save()
    return made


async def test_everything_in_order(told: _Told, db: Database) -> None:
    items = await reader(db).timeline(ASHA, told.message.id)
    assert [
        ((item.at - NOW).total_seconds(), item.kind, item.source, item.state, _marks(item), item.raw) for item in items
    ] == [
        (0, K.PLANNED, F.SERVICE, S.QUEUED, "", None),
        (0, K.AUDIT, F.MEMBER, None, "by a member", None),
        (0, K.CLAIMED, F.SERVICE, S.SENDING, "", None),
        (2, K.PROVIDER_ANSWER, F.META, None, "", {"body": "later"}),
        (3, K.BLOCKED, F.MEMBER, None, "by a member", {"row": "kept"}),
        (5, K.BLOCKED, F.MEMBER, None, "by a member", None),
        (10, K.CLAIMED, F.SERVICE, S.SENDING, "", None),
        (10, K.STATUS, F.META, S.SENT, "", {"status": "sent"}),
        (10, K.STATUS, F.META, S.SENT, "repeated late", {"status": "sent"}),
        (20, K.STATUS, F.META, S.FAILED, "late", {"status": "failed"}),
        (30, K.STATUS, F.META, S.DELIVERED, "", {"status": "delivered"}),
        (50, K.STATUS, F.META, None, "", {"status": "played"}),
        (60, K.BLOCKED, F.GUEST, None, "", {"value": "stop"}),
        (70, K.LEASE_EXPIRED, F.SERVICE, S.UNCONFIRMED, "", None),
        (100, K.FENCED, F.META, S.ACCEPTED, "", {"body": "ok"}),
    ]  # fmt: skip
    assert [item.at for item in items] == sorted(item.at for item in items)
    assert {item.actor_id for item in items} == {told.owner.id, None}
    assert all(item.text.endswith((".", "Sent to 1")) for item in items)
    assert "Not reachable on WhatsApp" in items[9].text
    assert {item.receipt_id for item in items if item.kind is K.STATUS} == {told.receipt.id}
    assert items[12].text == "The phone was put on the Do-Not-Message list: the guest pressed Stop in WhatsApp."
    assert items[12].receipt_id == told.receipt.id


def _marks(item: TimelineItem) -> str:
    marks = {"repeated": item.repeated, "late": item.late, "by a member": item.actor_id is not None}
    return " ".join(name for name, holds in marks.items() if holds)


def test_every_source_of_a_block_has_its_words() -> None:
    assert set(_BLOCKED_BY) == set(DoNotMessageSource)


async def test_without_receipt_read_the_same_but_no_evidence(told: _Told, db: Database) -> None:
    full = await reader(db).timeline(ASHA, told.message.id)
    assert await reader(db).timeline(ZARA, told.message.id) == [replace(item, raw=None) for item in full]


async def test_what_was_never_sent(told: _Told, db: Database) -> None:
    world = told.world
    run = world.run(world.event(told.workspace, "Mehndi", 2), world.template(world.number(), "other"), told.owner)
    at_once = world.message(run, S.REJECTED, reason=RejectionReason.DO_NOT_MESSAGE)
    later = world.message(run, S.REJECTED, reason=RejectionReason.DO_NOT_MESSAGE, created_at=NOW - _after(60))
    cancelled = world.message(run, S.CANCELLED, cancelled_at=NOW + _after(5))
    lost = world.message(run, S.UNCONFIRMED)
    refused = world.message(run, S.FAILED)
    world.attempt(lost, 1, claimed_at=NOW, finished_at=NOW + _after(1), outcome="UNKNOWN")
    world.attempt(refused, 1, claimed_at=NOW, finished_at=NOW + _after(1), outcome="NOT_SENT")
    world.attempt(
        refused,
        2,
        claimed_at=NOW + _after(2),
        finished_at=NOW + _after(3),
        outcome="REFUSED",
        behaviour="FINAL",
        code=131021,
    )
    world.attempt(lost, 2, claimed_at=NOW + _after(9), finished_at=None, outcome=None)
    await world.save()

    async def kinds(message_id: str) -> list[tuple[TimelineKind, MessageState | None]]:
        return [(item.kind, item.state) for item in await reader(db).timeline(ASHA, message_id)]

    assert await kinds(at_once.id) == [(K.PLANNED, S.REJECTED), (K.BLOCKED, S.REJECTED)]
    assert await kinds(later.id) == [(K.PLANNED, S.QUEUED), (K.BLOCKED, S.REJECTED)]
    assert await kinds(cancelled.id) == [(K.PLANNED, S.QUEUED), (K.CANCELLED, S.CANCELLED)]
    assert await kinds(lost.id) == [
        (K.PLANNED, S.QUEUED), (K.CLAIMED, S.SENDING), (K.PROVIDER_ANSWER, S.UNCONFIRMED), (K.CLAIMED, S.SENDING),
    ]  # fmt: skip
    assert await kinds(refused.id) == [
        (K.PLANNED, S.QUEUED), (K.CLAIMED, S.SENDING), (K.PROVIDER_ANSWER, S.QUEUED), (K.CLAIMED, S.SENDING),
        (K.PROVIDER_ANSWER, S.FAILED),
    ]  # fmt: skip
    blocked = (await reader(db).timeline(ASHA, at_once.id))[1]
    assert "Do-Not-Message" in blocked.text


async def test_a_flood_of_repeats_is_cut(told: _Told, db: Database) -> None:
    for second in range(MAX_ITEMS + 50):
        told.world.status(told.receipt, told.message, "read", NOW + _after(200 + second), repeated=True)
    await told.world.save()
    items = await reader(db).timeline(ASHA, told.message.id)
    assert len(items) == MAX_ITEMS
    assert items[0].kind is K.PLANNED
