"""``verify`` finds every lie that can be written into a database, names it, and cries wolf at nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.db.counters import COLUMNS
from app.db.engine import Database, UnitOfWork
from app.db.tables import (
    AttemptRow,
    FactRow,
    MessageRow,
    MessageSourceRow,
    RunBreakdownRow,
    RunCountersRow,
    SendRunRow,
    StatusItemRow,
)
from app.domain import ids
from app.domain.enums import MessageState, SendRunKind, SendRunStatus
from app.domain.errors import NotFoundError
from app.domain.lifecycle import FactStatus
from app.domain.requests import FromRun, to_json
from app.services import evidence, verification
from app.services.base import utc_now
from app.services.checks import EXAMPLES, KINDS, Report
from app.services.verification import CLOCKS, Verification
from app.whatsapp.kept import read_again
from app.whatsapp.port import Behaviour
from tests.sending.test_worker import FakeMeta, working
from tests.sending.world import NOT_SENT, UNKNOWN, Wedding, accepted, make_wedding, people, refused, status, wamid
from tests.services.world import contents, one

pytestmark = pytest.mark.anyio

T = int(time.time()) - 3600
STATES = ("READ", "DELIVERED", "FAILED", "REFUSED", "UNCONFIRMED", "SENDING", "QUEUED", "REJECTED")


@dataclass
class Story:
    """A run with a message in every kind of state; ``ids`` by what became of it."""

    wedding: Wedding
    run_id: str
    ids: dict[str, str]

    @property
    def db(self) -> Database:
        return self.wedding.db

    async def verify(self, run_id: str | None = None) -> Report:
        return await Verification(self.db, read_again).verify(run_id)

    async def wrong(self) -> dict[str, list[str]]:
        """The offenders by check."""
        report = await self.verify()
        return {check.name: [offence.id for offence in check.examples] for check in report.failed}

    async def execute(self, *statements: Any) -> None:
        async def unit(uow: UnitOfWork) -> None:
            for statement in statements:
                await uow.session.execute(statement.execution_options(synchronize_session=False))

        await self.db.write(unit)

    async def change(self, name: str, **values: Any) -> str:
        """Overwrite a message behind everybody's back; its id."""
        await self.execute(sa.update(MessageRow).where(MessageRow.id == self.ids[name]).values(**values))
        return self.ids[name]

    @asynccontextmanager
    async def changed(self, name: str, **values: Any) -> AsyncIterator[str]:
        """The same for a while."""
        message = await self.wedding.message(self.ids[name])
        yield await self.change(name, **values)
        await self.change(name, **{each: getattr(message, each) for each in values})
        assert await self.wrong() == {}


@pytest.fixture
async def story(db: Database) -> Story:
    wedding = await make_wedding(db, people(len(STATES)))
    run_id = await wedding.send()
    claims = await wedding.claim(7)
    named = dict(zip(STATES, claims, strict=False))
    found = {name: claim.message_id for name, claim in named.items()}
    (rejected,) = [each for each in await wedding.messages(run_id) if each.id not in found.values()]
    assert rejected.phone is not None
    await wedding.blocks.add(
        wedding.world.coordinator, workspace_id=wedding.world.workspace_id, phone=rejected.phone, reason="asked for it"
    )
    await wedding.finish([named["READ"], named["DELIVERED"], named["FAILED"]], accepted)
    await wedding.finish([named["REFUSED"]], refused(131026, Behaviour.FINAL))
    await wedding.finish([named["UNCONFIRMED"]], UNKNOWN)
    await wedding.finish([named["QUEUED"]], NOT_SENT)
    failed: dict[str, Any] = {"errors": [{"code": 130472, "title": "Held back"}]}
    await wedding.post(
        status(wamid(named["READ"]), "read", T + 60),
        status(wamid(named["READ"]), "sent", T),
        status(wamid(named["DELIVERED"]), "failed", T + 1, **failed),
        status(wamid(named["DELIVERED"]), "delivered", T + 2),
        status(wamid(named["FAILED"]), "failed", T + 3, **failed),
    )
    return Story(wedding, run_id, {**found, "REJECTED": rejected.id})


async def test_a_true_database_holds(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = await contents(story.db, MessageRow, FactRow, RunCountersRow, StatusItemRow)
    for page in (evidence.PAGE, 2):
        monkeypatch.setattr(verification, "PAGE", page)
        report = await story.verify()
        assert {check.name: check.examples for check in report.failed} == {}
        looked_at = {name: check.looked_at for name, check in report.checks.items()}
        assert looked_at == {
            "phones": 8, "live": 8, "identity": 8, "unasked": 8, "candidates": 1, "states": 8, "progress": 8, "matched": 0,
            "counters": 1, "author": 1, "proven": 9, "told": 9, "dispatch": 8,
        }  # fmt: skip
    assert await contents(story.db, MessageRow, FactRow, RunCountersRow, StatusItemRow) == kept


def test_every_check_holds_a_promise() -> None:
    assert {promise for promise, _, _ in KINDS.values()} <= set(range(1, 12))
    assert {1, 3, 4, 8, 11} <= {promise for promise, _, _ in KINDS.values()}


async def test_a_row_that_vanished(story: Story) -> None:
    queued = story.ids["QUEUED"]
    gone = [
        sa.delete(kind).where(key == queued)
        for kind, key in (
            (AttemptRow, AttemptRow.message_id),
            (MessageSourceRow, MessageSourceRow.message_id),
            (MessageRow, MessageRow.id),
        )
    ]
    await story.execute(*gone)
    assert await story.wrong() == {"candidates": [story.run_id], "counters": [story.run_id]}
    # Also when somebody brought the counters in line: the audit entry of the send knows better.
    await story.execute(sa.update(RunCountersRow).values(queued=RunCountersRow.queued - 1))
    assert await story.wrong() == {"candidates": [story.run_id]}


async def test_a_state_that_is_none(story: Story) -> None:
    await story.change("READ", state=sa.literal_column("'LOST'"))
    wrong = await story.wrong()
    assert wrong["states"] == [story.ids["READ"]]
    assert wrong["counters"] == [story.run_id]


async def test_every_counter_that_is_off(story: Story) -> None:
    for name in COLUMNS:
        counter = getattr(RunCountersRow, name)
        await story.execute(sa.update(RunCountersRow).values({name: counter + 1}))
        report = await story.verify()
        (offence,) = report.checks["counters"].examples
        assert offence.id == story.run_id
        assert f"{name} is " in offence.what
        assert bool(report.checks["candidates"].offending) is not name.startswith("reached_")
        await story.execute(sa.update(RunCountersRow).values({name: counter - 1}))


async def test_a_breakdown_and_a_completion_that_are_off(story: Story) -> None:
    await story.execute(sa.update(RunBreakdownRow).where(RunBreakdownRow.key == "130472").values(count=7))
    report = await story.verify()
    assert "FAILED 130472 is 7, rows say 1" in report.checks["counters"].examples[0].what
    await story.execute(
        sa.update(RunBreakdownRow).where(RunBreakdownRow.key == "130472").values(count=1),
        sa.update(RunCountersRow).values(completed_at=utc_now()),
    )
    report = await story.verify()
    assert report.checks["counters"].examples[0].what == "it counts as completed"
    assert [check.name for check in report.failed] == ["counters"]


async def test_a_row_that_its_facts_do_not_make(story: Story) -> None:
    lies: list[tuple[str, dict[str, Any]]] = [
        ("READ", {"read_at": None, "state": MessageState.SENT}),
        ("READ", {"sent_at": utc_now()}),
        ("READ", {"state": MessageState.DELIVERED}),
        ("FAILED", {"failure_code": 131026}),
        ("FAILED", {"failure_title": "Something else"}),
        ("QUEUED", {"state": MessageState.ACCEPTED}),
        ("UNCONFIRMED", {"delivered_at": utc_now(), "state": MessageState.DELIVERED}),
    ]
    for name, values in lies:
        async with story.changed(name, **values) as offender:
            assert (await story.wrong())["progress"] == [offender]


async def test_a_fact_that_nobody_told(story: Story) -> None:
    made_up = FactRow(
        id=ids.new_id(ids.FACT), number_id=story.wedding.number_id, provider_message_id=f"wamid.{story.ids['READ']}",
        status=FactStatus.DELIVERED, at=utc_now(), error_code=0, message_id=story.ids["READ"], digest="",
        received_at=utc_now(),
    )  # fmt: skip

    async def unit(uow: UnitOfWork) -> None:
        uow.session.add(made_up)

    await story.db.write(unit)
    assert await story.wrong() == {"proven": [made_up.id], "progress": [story.ids["READ"]]}


async def test_a_status_and_an_answer_that_are_no_facts(story: Story) -> None:
    await story.execute(sa.delete(FactRow).where(FactRow.status == FactStatus.READ))
    item = await one(story.db, StatusItemRow, StatusItemRow.status == "read")
    assert await story.wrong() == {"told": [item.id], "progress": [story.ids["READ"]]}
    gone = sa.and_(FactRow.message_id == story.ids["REFUSED"], FactRow.error_code == 131026)
    await story.execute(sa.delete(FactRow).where(gone))
    wrong = await story.wrong()
    assert sorted(wrong["told"]) == sorted([item.id, f"{story.ids['REFUSED']}.1"])
    assert story.ids["REFUSED"] in wrong["progress"]


async def test_evidence_that_was_pruned_still_vouches_and_is_told(story: Story) -> None:
    await story.execute(sa.update(StatusItemRow).values(item=None))
    report = await story.verify()
    assert report.failed == []
    assert (report.pruned, report.checks["told"].looked_at) == (5, 4)


async def test_a_state_that_its_attempts_did_not_leave(story: Story) -> None:
    lies: list[tuple[str, dict[str, Any], str]] = [
        ("SENDING", {"lease_until": None}, "without a claim and its lease"),
        ("SENDING", {"claim_id": ids.new_id(ids.CLAIM)}, "not that of its last attempt"),
        ("SENDING", {"attempt_count": 2}, "it counts 2 attempts, 1 are kept"),
        ("QUEUED", {"claim_id": ids.new_id(ids.CLAIM)}, "still claimed"),
        ("QUEUED", {"lease_until": utc_now()}, "still claimed"),
        ("QUEUED", {"state": MessageState.UNCONFIRMED}, "the fate of its last attempt is known"),
        ("UNCONFIRMED", {"state": MessageState.QUEUED}, "may have reached WhatsApp"),
        ("UNCONFIRMED", {"state": MessageState.CANCELLED}, "may have reached WhatsApp"),
        ("REJECTED", {"rejected_at": None}, "without a reason and its time"),
        ("QUEUED", {"state": MessageState.CANCELLED}, "CANCELLED without its time"),
        ("READ", {"lease_until": utc_now()}, "it is READ and still claimed"),
    ]
    for name, values, told in lies:
        async with story.changed(name, **values) as offender:
            (offence,) = (await story.verify()).checks["dispatch"].examples
            assert offence.id == offender
            assert told in offence.what


async def test_attempts_that_contradict_the_state(story: Story) -> None:
    await story.execute(
        sa.update(AttemptRow).where(AttemptRow.message_id == story.ids["SENDING"]).values(finished_at=utc_now())
    )
    assert (await story.wrong()) == {"dispatch": [story.ids["SENDING"]]}


async def test_two_messages_of_a_run_to_one_phone(story: Story) -> None:
    message = await story.wedding.message(story.ids["SENDING"])
    other = await story.change("QUEUED", phone=message.phone)
    assert set((await story.wrong())["phones"]) == {other, message.id}


async def test_a_message_under_two_of_metas_ids(story: Story) -> None:
    offender = await story.change("READ", second_message_id="wamid.second")
    assert await story.wrong() == {"identity": [offender]}
    await story.change("READ", second_message_id=None)
    # A fact of one message that is attached to another.
    await story.execute(
        sa.update(FactRow).where(FactRow.status == FactStatus.READ).values(message_id=story.ids["DELIVERED"])
    )
    assert (await story.wrong())["identity"] == [story.ids["DELIVERED"]]


async def test_what_was_cancelled_or_never_claimed_and_is_known_to_whatsapp(story: Story) -> None:
    offender = await story.change("READ", cancelled_at=utc_now())
    assert await story.wrong() == {"unasked": [offender]}
    await story.change("READ", cancelled_at=None)
    await story.wedding.post(status("wamid.x", "sent", T, biz_opaque_callback_data=f"{story.ids['REJECTED']}.1"))
    assert (await story.wrong())["unasked"] == [story.ids["REJECTED"]]
    # Nor was it ever handed over.
    await story.change("REJECTED", rejected_at=None)
    assert (await story.wrong())["unasked"] == [story.ids["REJECTED"]]


async def test_a_fact_that_lies_beside_its_message(story: Story) -> None:
    fact = await one(story.db, FactRow, FactRow.status == FactStatus.READ)
    alone = sa.update(FactRow).where(FactRow.id == fact.id)
    await story.execute(alone.values(message_id=None))
    assert "matched" not in await story.wrong(), "the sweep of a dispatcher may be about to match it"
    await story.execute(alone.values(received_at=utc_now() - CLOCKS - timedelta(seconds=5)))
    assert (await story.wrong())["matched"] == [fact.id]


async def test_a_run_without_an_author(story: Story) -> None:
    run = await story.wedding.run(story.run_id)
    copied = {column.key: getattr(run, column.key) for column in sa.inspect(SendRunRow).columns}
    made = SendRunRow(**copied | {"id": ids.new_id(ids.SEND_RUN), "idempotency_key": "x"})

    async def unit(uow: UnitOfWork) -> None:
        uow.session.add(made)
        await uow.session.flush()
        uow.session.add(RunCountersRow(run_id=made.id, changed_at=utc_now(), completed_at=utc_now()))

    await story.db.write(unit)
    assert await story.wrong() == {"author": [made.id]}
    await story.execute(sa.delete(RunCountersRow).where(RunCountersRow.run_id == made.id))
    assert await story.wrong() == {"author": [made.id], "counters": [made.id]}


async def test_a_second_live_invite_that_nobody_asked_for(story: Story) -> None:
    wedding = story.wedding
    second = await wedding.send(wedding.request(include_already_invited=True))
    assert await story.wrong() == {}, "it was asked for"
    await story.execute(sa.update(SendRunRow).where(SendRunRow.id == second).values(request=to_json(wedding.request())))
    first = {each.phone for each in await wedding.messages(story.run_id) if each.state is not MessageState.REJECTED}
    failed = {(await wedding.message(story.ids[each])).phone for each in ("FAILED", "REFUSED")}
    live = [
        each.id
        for each in await wedding.messages(second)
        if each.phone in first - failed and each.state is MessageState.QUEUED
    ]
    wrong = await story.wrong()
    # The one that arrived after all had failed before the second run was made; nobody could know.
    delivered = (await wedding.message(story.ids["DELIVERED"])).phone
    expected = {each for each in live if (await wedding.message(each)).phone != delivered}
    assert set(wrong) == {"live"}
    assert set(wrong["live"]) == expected
    assert len(expected) == 4
    await story.execute(sa.update(SendRunRow).where(SendRunRow.id == second).values(kind=SendRunKind.TEST))
    assert await story.wrong() == {}, "a test counts nowhere"


async def test_retries_that_were_asked_for_are_no_second_invites(story: Story) -> None:
    wedding = story.wedding
    await wedding.send(wedding.request(from_run=FromRun(story.run_id, (MessageState.UNCONFIRMED,))))
    second = await wedding.send(wedding.request(from_run=FromRun(story.run_id, (MessageState.FAILED,))))
    await wedding.deliver_all()
    assert {each.state for each in await wedding.messages(second)} == {MessageState.ACCEPTED}
    # Too late: the message that had failed arrives all the same.
    await wedding.post(status(f"wamid.{story.ids['FAILED']}", "delivered", T + 9))
    assert await story.wrong() == {}


async def test_more_than_can_be_named(db: Database) -> None:
    wedding = await make_wedding(db, people(EXAMPLES + 5))
    run_id = await wedding.send()
    story = Story(wedding, run_id, {})
    await story.execute(sa.update(MessageRow).values(second_message_id="wamid.second", phone="+919876500000"))
    report = await story.verify()
    for name in ("identity", "phones"):
        check = report.checks[name]
        assert (check.offending, len(check.examples)) == (EXAMPLES + 5, EXAMPLES)


async def test_one_run_alone(story: Story) -> None:
    other = await make_wedding(story.db, people(2))
    other_run = await other.send()
    await story.change("READ", sent_at=None)
    await story.execute(sa.delete(FactRow).where(FactRow.status == FactStatus.READ))
    assert (await story.verify(other_run)).failed == []
    assert (await story.verify(other_run)).runs == 1
    assert {check.name for check in (await story.verify(story.run_id)).failed} == {"progress", "told"}
    for nothing in (ids.new_id(ids.SEND_RUN), "run_1", "x"):
        with pytest.raises(NotFoundError):
            await story.verify(nothing)


async def test_no_false_alarm_while_a_run_is_being_sent(db: Database) -> None:
    """Claims, outcomes, statuses, a block and a cancel go on while it looks."""
    wedding = await make_wedding(db, people(120))
    run_id = await wedding.send()
    meta = FakeMeta()
    story = Story(wedding, run_id, {})
    sent = 0

    async def tell() -> None:
        nonlocal sent
        while (await wedding.run(run_id)).status is not SendRunStatus.COMPLETED:
            fresh, sent = meta.asked[sent:], len(meta.asked)
            told = [
                status(f"wamid.{each.attempt_id}", value, T, biz_opaque_callback_data=each.attempt_id)
                for each in fresh
                for value in ("read", "sent", "delivered")
            ]
            for start in range(0, len(told), 7):
                await wedding.post(*told[start : start + 7])
            await asyncio.sleep(0.01)

    looks = 0
    async with working(wedding, meta):
        telling = asyncio.create_task(tell())
        while not telling.done():
            report = await story.verify()
            assert {check.name: check.examples for check in report.failed} == {}
            looks += 1
        await telling
    assert looks > 2
    assert await story.wrong() == {}
    assert {each.state for each in await wedding.messages(run_id)} <= {MessageState.READ, MessageState.ACCEPTED}
