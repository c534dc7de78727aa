"""Faults of the webhook's ingest that were found once by looking hard. None may return."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app import checkpoints
from app.db import facts
from app.db.engine import Database, UnitOfWork
from app.db.facts import NewFact
from app.db.tables import DoNotMessageRow, FactRow, StatusItemRow
from app.domain.enums import DoNotMessageSource, MessageState, ReceiptFinding
from app.domain.lifecycle import FactStatus
from app.services.webhooks import Webhooks
from tests.sending.world import (
    Wedding,
    accepted,
    change,
    envelope,
    make_wedding,
    people,
    preference,
    status,
    wamid,
    webhook_body,
)
from tests.services.world import one, rows
from tests.statements import plans, statements

pytestmark = pytest.mark.anyio

T = 1795500000


async def test_a_status_that_nobody_knows_stays_unrecognised_once_its_message_is_known(wedding: Wedding) -> None:
    await wedding.send()
    (claim,) = await wedding.claim(1)
    await wedding.post(status(wamid(claim), "teleported", T))
    await wedding.finish([claim], accepted)
    item = await one(wedding.db, StatusItemRow)
    assert (item.finding, item.message_id) == (ReceiptFinding.UNRECOGNISED, claim.message_id)
    assert item.explanation


@pytest.mark.parametrize("together", [False, True])
async def test_one_failure_told_in_two_wordings_is_shown_alike_in_any_order(wedding: Wedding, together: bool) -> None:
    await wedding.send()
    claims = (await wedding.claim())[:2]
    await wedding.finish(claims, accepted)
    wordings = ["Message undeliverable", "Undeliverable message"]
    for claim, order in zip(claims, (wordings, wordings[::-1]), strict=True):
        failed = [status(wamid(claim), "failed", T, errors=[{"code": 131026, "title": title}]) for title in order]
        if together:
            await wedding.post(*failed)
        else:
            for each in failed:
                await wedding.post(each)
    for claim in claims:
        row = await wedding.message(claim.message_id)
        fact = await one(wedding.db, FactRow, FactRow.message_id == claim.message_id, FactRow.status == "failed")
        assert (row.failure_title, row.failure_digest) == (fact.title, fact.digest)
        assert fact.title in wordings
    await wedding.check()


async def ingest_stop_word(wedding: Wedding) -> None:
    inbound = {"from": "919876500001", "id": "wamid.in", "timestamp": str(T), "type": "text", "text": {"body": "stop"}}
    hooks = Webhooks(wedding.db, stop_words=frozenset({"stop"}))
    await hooks.ingest([envelope(wedding.phone_number_id, messages=[inbound])])


async def test_a_guest_takes_back_a_typed_stop_in_whatsapp(wedding: Wedding) -> None:
    """Nobody here may lift what a guest asked for, so the guest must be able to."""
    await ingest_stop_word(wedding)
    entry = await one(wedding.db, DoNotMessageRow)
    assert (entry.source, entry.active) == (DoNotMessageSource.INBOUND_STOP_WORD, True)
    await wedding.post_preferences(preference("resume", T + 50))
    assert not (await one(wedding.db, DoNotMessageRow)).active


async def test_a_stop_of_nobody_in_particular_is_left_for_a_person_to_see(wedding: Wedding) -> None:
    """Meta may name a guest by an id of its own alone, which no entry can hold."""
    nameless = preference("stop", T) | {"wa_id": None, "user_id": "IN.918273645"}
    await wedding.post_preferences(nameless)
    item = await one(wedding.db, StatusItemRow)
    assert item.finding is ReceiptFinding.UNRECOGNISED
    assert "by hand" in (item.explanation or "")
    assert await rows(wedding.db, DoNotMessageRow) == []


async def test_the_time_of_the_last_webhook_is_remembered_only_once_committed(wedding: Wedding) -> None:
    """The number's row is touched every 20 s; a touch that was rolled back must not count."""

    async def fail(moment: str) -> None:
        if moment == checkpoints.before_commit("webhook"):
            raise OSError("the database went away")

    checkpoints.install(fail)
    try:
        with pytest.raises(OSError, match="went away"):
            await wedding.post(status("wamid.any", "sent", T))
    finally:
        checkpoints.install(None)
    assert (await wedding.number()).last_webhook_at is None
    await wedding.post(status("wamid.any", "sent", T))
    assert (await wedding.number()).last_webhook_at is not None


async def test_statements_do_not_grow_with_the_guests_who_stop_in_a_post(db: Database) -> None:
    """131050 for a hundred messages, and a hundred Stops: as many statements as for two."""
    counts = []
    for count in (2, 100):
        big = await make_wedding(db, people(2 * count))
        run_id = await big.send()
        claims = await big.claim(count)
        await big.finish(claims, accepted)
        waiting = [row for row in await big.messages(run_id) if row.state is MessageState.QUEUED]
        stopped = [status(wamid(claim), "failed", T, errors=[{"code": 131050}]) for claim in claims]
        for each, claim in zip(stopped, claims, strict=True):
            each["recipient_id"] = claim.to.removeprefix("+")
        stops = [preference("stop", T, (row.phone or "").removeprefix("+")) for row in waiting]
        number = big.phone_number_id
        body = webhook_body(
            change(number, statuses=stopped), change(number, "user_preferences", user_preferences=stops)
        )
        with statements(db) as seen:
            await big.webhooks.ingest([body])
        counts.append(len(seen))
        blocked = await rows(db, DoNotMessageRow, DoNotMessageRow.number_id == big.number_id)
        assert len(blocked) == 2 * count
        assert sorted(set((await big.states(run_id)).values())) == [MessageState.FAILED, MessageState.REJECTED]
        await big.check()
    assert counts[0] == counts[1]


async def test_the_sweep_does_not_read_through_what_others_sent_from_the_number(wedding: Wedding) -> None:
    """Facts of another system on our number never match; there may be millions, and the sweep comes every second."""
    old = datetime(2026, 1, 1, tzinfo=UTC)

    async def insert(uow: UnitOfWork) -> None:
        foreign = [
            NewFact(wedding.number_id, f"wamid.foreign.{n}", FactStatus.SENT, old, 0, None, None, None, None, old)
            for n in range(3_000)
        ]
        await facts.insert(uow, foreign)
        if not uow.sqlite:
            await uow.session.execute(sa.text("ANALYZE facts"))

    await wedding.db.write(insert)
    with statements(wedding.db) as seen:
        await wedding.dispatch.sweep()
    (asked,) = [each for each in seen if "FROM facts" in each.sql]
    assert "ix_facts_unmatched_recent" in await plans(wedding.db, [asked])


async def test_facts_that_were_missed_before_this_process_started_are_matched_at_its_start(wedding: Wedding) -> None:
    await wedding.send()
    (claim,) = await wedding.claim(1)
    await wedding.finish([claim], accepted)
    long_ago = datetime.now(UTC) - timedelta(days=2)

    async def miss(uow: UnitOfWork) -> None:
        """As two units leave it that did not see each other."""
        fact = NewFact(wedding.number_id, wamid(claim), FactStatus.SENT, long_ago, 0, None, None, None, None, long_ago)
        await facts.insert(uow, [fact])

    await wedding.db.write(miss)
    await wedding.dispatch.sweep()
    assert (await wedding.message(claim.message_id)).state is MessageState.ACCEPTED
    await wedding.dispatch.sweep(everything=True)
    assert (await wedding.message(claim.message_id)).state is MessageState.SENT
    await wedding.check()


@pytest.mark.parametrize("read_first", [False, True])
async def test_what_is_told_of_a_second_id_is_taken_in_whichever_comes_first(
    wedding: Wedding, read_first: bool
) -> None:
    """Only its own id was looked up for a message: a status of the second without our attempt id matched nothing."""
    await wedding.send()
    (claim,) = await wedding.claim(1)
    await wedding.finish([claim], accepted)
    told = [
        status("wamid.second", "sent", T, biz_opaque_callback_data=claim.attempt_id),
        status("wamid.second", "read", T + 9),
    ]
    for each in reversed(told) if read_first else told:
        await wedding.post(each)
    row = await wedding.message(claim.message_id)
    assert (row.state, row.second_message_id) == (MessageState.READ, "wamid.second")
    assert {fact.message_id for fact in await rows(wedding.db, FactRow)} == {claim.message_id}
    await wedding.check()


@pytest.mark.parametrize("together", [False, True])
async def test_a_status_that_is_no_fact_gives_its_neighbours_no_message(wedding: Wedding, together: bool) -> None:
    """It did when they came in one body, and not when they came in two."""
    await wedding.send()
    (claim,) = await wedding.claim(1)
    unheard = status(wamid(claim), "teleported", T, biz_opaque_callback_data=claim.attempt_id)
    sent = status(wamid(claim), "sent", T)
    for body in [[unheard, sent]] if together else [[unheard], [sent]]:
        await wedding.post(*body)
    assert (await wedding.message(claim.message_id)).state is MessageState.SENDING
    items = await rows(wedding.db, StatusItemRow)
    assert [(item.status, item.message_id) for item in items] == [("teleported", claim.message_id), ("sent", None)]
    await wedding.finish([claim], accepted)
    assert (await wedding.message(claim.message_id)).state is MessageState.SENT
    await wedding.check()
