"""``replay`` brings in what an older parser could not read, through the same door, once, and says what it did."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.tables import (
    AttemptRow,
    AuditRow,
    DoNotMessageRow,
    FactRow,
    MessageRow,
    ReceiptRow,
    RunCountersRow,
    StatusItemRow,
)
from app.domain import ids
from app.domain.enums import AuditAction, MessageState, ReceiptFinding
from app.domain.errors import NotFoundError
from app.domain.lifecycle import FactStatus
from app.services import evidence, replay
from app.services.replay import Replay, Replayed
from app.services.verification import Verification
from app.whatsapp import webhook, wire
from app.whatsapp.kept import read_again
from app.whatsapp.port import Evidence, Unknown
from tests.sending.world import Wedding, accepted, make_wedding, people, status, wamid
from tests.services.world import contents, one, rows

pytestmark = pytest.mark.anyio

T = int(time.time()) - 3600
EVERYTHING = (MessageRow, FactRow, RunCountersRow, StatusItemRow, AttemptRow, AuditRow, ReceiptRow, DoNotMessageRow)


@pytest.fixture
async def wedding(db: Database) -> Wedding:
    return await make_wedding(db, people(4))


@contextmanager
def an_older_parser(monkeypatch: pytest.MonkeyPatch, *unknown: str) -> Iterator[None]:
    """One that does not know these statuses yet."""
    with monkeypatch.context() as patch:
        for each in unknown:
            patch.delitem(webhook._STATUSES, each)
        yield


async def again(wedding: Wedding, run_id: str | None = None, *, apply: bool = False) -> Replayed:
    return await Replay(wedding.db, read_again).replay(run_id, apply=apply)


async def holds(wedding: Wedding) -> bool:
    await wedding.check()
    return (await Verification(wedding.db, read_again).verify()).failed == []


def moves(done: Replayed) -> dict[str, tuple[MessageState, MessageState]]:
    return {message_id: (before.state, after.state) for message_id, (before, after) in done.changes.items()}


async def test_a_status_that_only_todays_parser_knows(wedding: Wedding, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = await wedding.send()
    claims = await wedding.claim()
    await wedding.finish(claims, accepted)
    with an_older_parser(monkeypatch, "delivered", "read"):
        await wedding.post(*(status(wamid(claim), "delivered", T) for claim in claims))
        await wedding.post(status(wamid(claims[0]), "read", T + 5), status(wamid(claims[0]), "delivered", T))
    assert {item.finding for item in await rows(wedding.db, StatusItemRow)} == {ReceiptFinding.UNRECOGNISED}
    assert set((await wedding.states(run_id)).values()) == {MessageState.ACCEPTED}
    assert [check.name for check in (await Verification(wedding.db, read_again).verify()).failed] == ["told"]

    monkeypatch.setattr(replay, "PAGE", 2)
    before = await contents(wedding.db, *EVERYTHING)
    trial = await again(wedding)
    assert await contents(wedding.db, *EVERYTHING) == before, "a trial writes nothing"
    told = {claim.message_id: (MessageState.ACCEPTED, MessageState.DELIVERED) for claim in claims}
    told[claims[0].message_id] = (MessageState.ACCEPTED, MessageState.READ)
    assert moves(trial) == told
    assert (trial.pieces, trial.answers, trial.missing, trial.unplaced, trial.pruned) == (6, 4, 6, 0, 0)

    done = await again(wedding, apply=True)
    assert moves(done) == told
    assert (await wedding.message(claims[0].message_id)).state is MessageState.READ
    assert (await wedding.counters(run_id)).reached_delivered == 4
    items = await rows(wedding.db, StatusItemRow)
    assert len(items) == 6
    assert {(item.finding, item.explanation) for item in items} == {(None, None)}
    assert await holds(wedding)

    settled = await contents(wedding.db, *EVERYTHING)
    nothing = await again(wedding, apply=True)
    assert (nothing.missing, nothing.changes) == (0, {})
    assert await contents(wedding.db, *EVERYTHING) == settled, "a second time changes nothing"


async def test_an_item_that_could_not_be_read_at_all(wedding: Wedding, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was not even known whose it is; its own text says so now, by our attempt's name."""
    await wedding.send()
    (claim,) = await wedding.claim(1)
    await wedding.finish([claim], Unknown(Evidence(error="ReadTimeout")))
    with monkeypatch.context() as patch:
        patch.setattr(wire, "read_time", lambda _: None)
        await wedding.post(status("wamid.late", "delivered", T, biz_opaque_callback_data=claim.attempt_id))
    item = await one(wedding.db, StatusItemRow)
    assert (item.finding, item.message_id) == (ReceiptFinding.UNRECOGNISED, None)
    done = await again(wedding, apply=True)
    assert moves(done) == {claim.message_id: (MessageState.UNCONFIRMED, MessageState.DELIVERED)}
    message = await wedding.message(claim.message_id)
    assert (message.state, message.provider_message_id) == (MessageState.DELIVERED, "wamid.late")
    item = await one(wedding.db, StatusItemRow)
    assert (item.finding, item.message_id, item.status) == (None, claim.message_id, "delivered")
    assert await holds(wedding)


async def test_an_answer_that_only_todays_rules_understand(wedding: Wedding) -> None:
    await wedding.send()
    claims = await wedding.claim()
    taken = json.dumps({"messages": [{"id": f"wamid.{claims[0].message_id}"}]})
    final = json.dumps({"error": {"code": 131026, "message": "Message undeliverable"}})
    await wedding.finish(claims[:1], Unknown(Evidence(http_status=200, body=taken)))
    await wedding.finish(claims[1:2], Unknown(Evidence(http_status=400, body=final)))
    await wedding.finish(claims[2:3], Unknown(Evidence(http_status=502, body="<html>Bad gateway</html>")))
    await wedding.finish(claims[3:], Unknown(Evidence(error="ReadTimeout")))
    await wedding.post(status(f"wamid.{claims[0].message_id}", "read", T))
    trial = await again(wedding)
    told = {
        claims[0].message_id: (MessageState.UNCONFIRMED, MessageState.ACCEPTED),
        claims[1].message_id: (MessageState.UNCONFIRMED, MessageState.FAILED),
    }
    assert moves(trial) == told
    assert (trial.answers, trial.missing) == (2, 2)
    done = await again(wedding, apply=True)
    told[claims[0].message_id] = (MessageState.UNCONFIRMED, MessageState.READ)
    assert moves(done) == told, "with the id the status that waited for it is taken in"
    (entry,) = await wedding.world.audit(AuditAction.RUN_RESUME)
    assert entry.after == {"states": {"READ": 1, "FAILED": 1}}
    states = {each.id: each.state for each in await wedding.messages()}
    assert states[claims[0].message_id] is MessageState.READ
    assert [states[claim.message_id] for claim in claims[2:]] == [MessageState.UNCONFIRMED] * 2
    assert await holds(wedding)
    assert (await again(wedding, apply=True)).changes == {}


async def test_one_id_is_not_bound_twice(wedding: Wedding) -> None:
    await wedding.send()
    first, second = (await wedding.claim())[:2]
    await wedding.finish([first], accepted)
    taken = json.dumps({"messages": [{"id": wamid(first)}]})
    await wedding.finish([second], Unknown(Evidence(http_status=200, body=taken)))
    await again(wedding, apply=True)
    message = await wedding.message(second.message_id)
    assert (message.state, message.provider_message_id) == (MessageState.ACCEPTED, None)
    report = await Verification(wedding.db, read_again).verify()
    assert [offence.id for offence in report.checks["identity"].examples] == [second.message_id]


async def test_facts_that_lie_beside_their_message_and_rows_that_are_behind(wedding: Wedding) -> None:
    await wedding.send()
    claims = await wedding.claim()
    await wedding.finish(claims, accepted)
    await wedding.post(status(wamid(claims[0]), "read", T), status(wamid(claims[1]), "sent", T))

    async def lose(uow: UnitOfWork) -> None:
        """As if two units had missed each other and no sweep had come."""
        moved = sa.update(MessageRow).where(MessageRow.id == claims[0].message_id)
        await uow.session.execute(sa.update(FactRow).where(FactRow.status == FactStatus.READ).values(message_id=None))
        await uow.session.execute(moved.values(read_at=None, state=MessageState.ACCEPTED))
        behind = sa.update(MessageRow).where(MessageRow.id == claims[1].message_id)
        await uow.session.execute(behind.values(sent_at=None, state=MessageState.ACCEPTED))
        counted = {"read": 0, "sent": 0, "accepted": 4, "reached_sent": 0, "reached_delivered": 0, "reached_read": 0}
        await uow.session.execute(sa.update(RunCountersRow).values(counted))

    await wedding.db.write(lose)
    told = {
        claims[0].message_id: (MessageState.ACCEPTED, MessageState.READ),
        claims[1].message_id: (MessageState.ACCEPTED, MessageState.SENT),
    }
    assert moves(await again(wedding)) == told
    assert moves(await again(wedding, apply=True)) == told
    assert await holds(wedding)


async def test_what_was_pruned_is_skipped_and_said(wedding: Wedding, monkeypatch: pytest.MonkeyPatch) -> None:
    await wedding.send()
    claims = await wedding.claim()
    await wedding.finish(claims, accepted)
    with an_older_parser(monkeypatch, "delivered"):
        await wedding.post(*(status(wamid(claim), "delivered", T) for claim in claims))

    async def prune(uow: UnitOfWork) -> None:
        await uow.session.execute(sa.update(ReceiptRow).values(body=None))
        gone = StatusItemRow.provider_message_id.in_([wamid(claim) for claim in claims[1:]])
        await uow.session.execute(sa.update(StatusItemRow).where(gone).values(item=None))

    await wedding.db.write(prune)
    done = await again(wedding, apply=True)
    assert (done.pieces, done.pruned, done.missing) == (1, 3, 1)
    assert moves(done) == {claims[0].message_id: (MessageState.ACCEPTED, MessageState.DELIVERED)}


async def test_one_run_alone(wedding: Wedding, monkeypatch: pytest.MonkeyPatch) -> None:
    other = await make_wedding(wedding.db, people(2), number_id=wedding.number_id)
    runs = [await wedding.send(), await other.send()]
    claims = await wedding.claim()
    await wedding.finish(claims, Unknown(Evidence(error="ReadTimeout")))
    with monkeypatch.context() as patch:
        patch.setattr(wire, "read_time", lambda _: None)
        await wedding.post(
            *(status(wamid(claim), "sent", T, biz_opaque_callback_data=claim.attempt_id) for claim in claims)
        )
    for run_id in runs:
        mine = {claim.message_id for claim in claims if claim.run_id == run_id}
        assert set(moves(await again(wedding, run_id, apply=True))) == mine
    assert (await again(wedding)).missing == 0
    for nothing in (ids.new_id(ids.SEND_RUN), "x"):
        with pytest.raises(NotFoundError):
            await again(wedding, nothing)


async def test_it_is_audited_where_a_state_changed(wedding: Wedding, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = await wedding.send()
    claims = await wedding.claim()
    await wedding.finish(claims, accepted)
    await wedding.post(status(wamid(claims[2]), "delivered", T))
    with an_older_parser(monkeypatch, "sent"):
        await wedding.post(*(status(wamid(claim), "sent", T) for claim in claims[:3]))
    await again(wedding)
    assert await wedding.world.audit(AuditAction.RUN_RESUME) == []
    await again(wedding, apply=True)
    (entry,) = await wedding.world.audit(AuditAction.RUN_RESUME)
    assert (entry.run_id, entry.actor_text, entry.actor_id) == (run_id, "the service", None)
    # The third learnt a time, its state stayed.
    assert entry.before == {"states": {"ACCEPTED": 2}}
    assert entry.after == {"states": {"SENT": 2}}


async def test_a_stop_that_was_not_understood_blocks_now(wedding: Wedding, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = await wedding.send()
    (claim,) = await wedding.claim(1)
    await wedding.finish([claim], accepted)
    with monkeypatch.context() as patch:
        patch.setattr(wire, "read_time", lambda _: None)
        await wedding.post(status(wamid(claim), "failed", T, errors=[{"code": 131050}]))
    assert await rows(wedding.db, DoNotMessageRow) == []
    await again(wedding, apply=True)
    assert claim.to in {entry.phone for entry in await rows(wedding.db, DoNotMessageRow)}
    assert MessageState.FAILED in (await wedding.states(run_id)).values()
    assert await holds(wedding)


async def test_what_is_about_nobody_is_kept_as_a_fact(wedding: Wedding, monkeypatch: pytest.MonkeyPatch) -> None:
    with an_older_parser(monkeypatch, "read"):
        await wedding.post(status("wamid.foreign", "read", T, biz_opaque_callback_data="run:42"))
    trial = await again(wedding)
    assert (trial.missing, trial.unplaced, trial.changes) == (1, 1, {})
    await again(wedding, apply=True)
    assert (await one(wedding.db, FactRow)).message_id is None
    assert (await one(wedding.db, StatusItemRow)).finding is ReceiptFinding.UNMATCHED
    assert (await again(wedding)).missing == 0


async def test_two_replays_at_once_keep_each_item_once(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    wedding = await make_wedding(db, people(30))
    await wedding.send()
    await wedding.deliver_all()
    messages = await wedding.messages()
    with an_older_parser(monkeypatch, "read"):
        await wedding.post(*(status(str(each.provider_message_id), "read", T) for each in messages))
        await wedding.post(*(status(f"wamid.foreign.{index}", "read", T) for index in range(30)))
    monkeypatch.setattr(replay, "PAGE", 7)
    await asyncio.gather(*(again(wedding, apply=True) for _ in range(4)))
    assert len(await rows(db, StatusItemRow)) == 60
    assert {each.state for each in await wedding.messages()} == {MessageState.READ}
    assert await holds(wedding)


async def test_an_item_that_the_database_refuses_stops_no_other(
    wedding: Wedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    await wedding.send()
    claims = await wedding.claim()
    await wedding.finish(claims, accepted)
    with an_older_parser(monkeypatch, "sent"):
        await wedding.post(*(status(wamid(claim), "sent", T) for claim in claims))
    take: Any = replay._take
    bad = (await rows(wedding.db, StatusItemRow))[1].id

    async def refusing(uow: UnitOfWork, piece_ids: list[str]) -> Any:
        pairs = await take(uow, piece_ids)
        if bad in piece_ids:
            uow.session.add(RunCountersRow(run_id=claims[0].run_id, changed_at=None))
            await uow.session.flush()
        return pairs

    monkeypatch.setattr(replay, "_take", refusing)
    done = await again(wedding, apply=True)
    assert (done.refused, len(done.changes)) == (1, 3)
    assert evidence.PAGE == 500
