"""The webhook's ingest: durable, matched, order-independent, and one bad item harms nobody."""

import asyncio
import itertools
import random
import time
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import FactRow, MessageRow, ReceiptRow, StatusItemRow
from app.domain.enums import MessageState, ReceiptFinding, RejectionReason
from app.whatsapp import webhook
from app.whatsapp.items import ParsedWebhook
from app.whatsapp.port import ProviderError
from tests.sending.world import UNKNOWN, Wedding, accepted, envelope, make_wedding, people, status, wamid
from tests.services.world import one, rows
from tests.statements import statements

pytestmark = pytest.mark.anyio

T = 1795500000


async def test_a_body_is_kept_byte_for_byte(wedding: Wedding) -> None:
    raw = b'{"object":"whatsapp_business_account","entry":[],"note":"\\u0000 \\ud800 \xc3\xa9"}'
    await wedding.webhooks.ingest([raw, b"no json at all \x00\xff"])
    kept = await rows(wedding.db, ReceiptRow)
    assert {receipt.body: bool(receipt.problem) for receipt in kept} == {raw: False, b"no json at all \x00\xff": True}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
async def test_any_order_and_repetition_gives_the_same_row(wedding: Wedding, order: tuple[int, ...]) -> None:
    await wedding.send()
    claim = (await wedding.claim(1))[0]
    await wedding.finish([claim], accepted)
    facts = [
        status(wamid(claim), "sent", T),
        status(wamid(claim), "delivered", T + 4),
        status(wamid(claim), "failed", T + 2, errors=[{"code": 131026, "title": "Message undeliverable"}]),
        status(wamid(claim), "read", T + 90),
    ]
    for index in order:
        await wedding.post(facts[index])
        await wedding.post(facts[index], facts[order[0]])
    row = await one(wedding.db, MessageRow, MessageRow.id == claim.message_id)
    assert row.state is MessageState.READ
    assert [int(at.timestamp()) if at else None for at in (row.sent_at, row.delivered_at, row.failed_at, row.read_at)] == [
        T, T + 4, T + 2, T + 90,
    ]  # fmt: skip
    assert row.failure_code == 131026
    assert len(await rows(wedding.db, FactRow, FactRow.message_id == claim.message_id)) == 5
    await wedding.check()


async def test_a_status_before_the_answer_is_matched_by_our_attempt_id(wedding: Wedding) -> None:
    await wedding.send()
    claim = (await wedding.claim(1))[0]
    await wedding.post(status(wamid(claim), "delivered", T, biz_opaque_callback_data=claim.attempt_id))
    row = await one(wedding.db, MessageRow, MessageRow.id == claim.message_id)
    assert (row.state, row.provider_message_id) == (MessageState.DELIVERED, wamid(claim))
    await wedding.finish([claim], UNKNOWN)
    assert (await one(wedding.db, MessageRow, MessageRow.id == claim.message_id)).state is MessageState.DELIVERED
    await wedding.check()


async def test_one_status_that_names_our_attempt_places_its_neighbours_too(wedding: Wedding) -> None:
    await wedding.send()
    claim = (await wedding.claim(1))[0]
    named = status(wamid(claim), "delivered", T + 4, biz_opaque_callback_data=claim.attempt_id)
    await wedding.post(status(wamid(claim), "sent", T), named, status(wamid(claim), "read", T + 9))
    items = await rows(wedding.db, StatusItemRow)
    assert {(item.finding, item.message_id) for item in items} == {(None, claim.message_id)}
    assert (await one(wedding.db, MessageRow, MessageRow.id == claim.message_id)).state is MessageState.READ
    await wedding.check()


async def test_a_status_that_came_before_its_id_was_known_is_taken_in(wedding: Wedding) -> None:
    await wedding.send()
    claim = (await wedding.claim(1))[0]
    await wedding.post(status(wamid(claim), "sent", T), status(wamid(claim), "read", T + 9))
    assert {item.finding for item in await rows(wedding.db, StatusItemRow)} == {ReceiptFinding.UNMATCHED}
    await wedding.finish([claim], accepted)
    row = await one(wedding.db, MessageRow, MessageRow.id == claim.message_id)
    assert row.state is MessageState.READ
    assert {(item.finding, item.message_id) for item in await rows(wedding.db, StatusItemRow)} == {
        (None, claim.message_id)
    }
    await wedding.check()


async def test_an_unconfirmed_message_is_settled_by_the_first_fact_that_names_it(wedding: Wedding) -> None:
    await wedding.send()
    claim = (await wedding.claim(1))[0]
    await wedding.finish([claim], UNKNOWN)
    now = int(time.time())
    await wedding.post(
        status("wamid.late", "failed", now, errors=[{"code": 131049}], biz_opaque_callback_data=claim.attempt_id)
    )
    row = await one(wedding.db, MessageRow, MessageRow.id == claim.message_id)
    assert (row.state, row.failure_code, row.provider_message_id) == (MessageState.FAILED, 131049, "wamid.late")
    found = await wedding.prechecks.precheck(wedding.world.coordinator, wedding.request())
    reasons = [candidate.reason for candidate in found.candidates if candidate.phone == claim.to]
    assert reasons == [RejectionReason.RECIPIENT_COOLING_DOWN], "131049 cools the recipient for a day"
    await wedding.check()


async def test_another_systems_message_on_our_number_is_kept_and_shown(wedding: Wedding) -> None:
    await wedding.post(status("wamid.foreign", "sent", T, biz_opaque_callback_data="run:42/inv:1"))
    await wedding.webhooks.ingest([envelope("999", statuses=[status("wamid.elsewhere", "sent", T)])])
    items = await rows(wedding.db, StatusItemRow)
    assert [item.finding for item in items] == [ReceiptFinding.UNMATCHED] * 2
    assert [item.number_id for item in items] == [wedding.number_id, None]
    (fact,) = await rows(wedding.db, FactRow)
    assert fact.message_id is None


async def test_a_status_on_the_wrong_number_is_not_matched_by_our_attempt_id(wedding: Wedding) -> None:
    other = await make_wedding(wedding.db, people(1))
    await wedding.send()
    claim = (await wedding.claim(1))[0]
    body = envelope(
        other.phone_number_id,
        statuses=[status("wamid.y", "read", T, biz_opaque_callback_data=claim.attempt_id)],
    )
    await wedding.webhooks.ingest([body])
    assert (await one(wedding.db, MessageRow, MessageRow.id == claim.message_id)).state is MessageState.SENDING


async def test_one_bad_item_harms_nobody(wedding: Wedding) -> None:
    run_id = await wedding.send()
    claims = await wedding.claim()
    await wedding.finish(claims, accepted)
    odd: list[Any] = [
        None,
        7,
        {},
        {"id": "x\u0000y", "status": "sent", "timestamp": "1"},
        {"id": 5, "status": [], "timestamp": -1},
    ]
    odd += [status("wamid.\ud800", "sent", T), status("wamid.z", "teleported", T), status("w", "sent", 10**18)]
    good = [status(wamid(claim), "delivered", T) for claim in claims]
    mixed = [*odd[:4], good[0], *odd[4:6], good[1], *odd[6:], good[2]]
    await wedding.post(*mixed)
    assert set((await wedding.states(run_id)).values()) == {MessageState.DELIVERED}
    findings = [item for item in await rows(wedding.db, StatusItemRow) if item.finding is ReceiptFinding.UNRECOGNISED]
    assert len(findings) >= 6
    assert all(item.explanation for item in findings)
    await wedding.check()


async def test_an_item_that_the_database_refuses_is_found_by_halving(
    wedding: Wedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await wedding.send()
    claims = await wedding.claim()
    await wedding.finish(claims, accepted)
    good = [status(wamid(claim), "delivered", T) for claim in claims]
    # The parser lets no such code through; whatever it may let through one day, the batch must survive it.
    poison = status("wamid.poison", "failed", T, errors=[{"code": 1, "title": "?"}])
    parse = webhook.parse

    def parse_poisoned(raw: bytes) -> ParsedWebhook:
        parsed = parse(raw)
        parsed.statuses = [
            replace(each, errors=(ProviderError(2**40),)) if each.message_id == "wamid.poison" else each
            for each in parsed.statuses
        ]
        return parsed

    monkeypatch.setattr(webhook, "parse", parse_poisoned)
    await wedding.webhooks.ingest([await wedding.body(good[0], poison, good[1]), await wedding.body(good[2])])
    assert set((await wedding.states(run_id)).values()) == {MessageState.DELIVERED}
    assert len(await rows(wedding.db, ReceiptRow)) == 2
    if not wedding.db.sqlite:  # SQLite keeps any integer
        kept = [item for item in await rows(wedding.db, StatusItemRow) if item.finding is ReceiptFinding.UNRECOGNISED]
        assert len(kept) == 1
        assert "could not be applied" in (kept[0].explanation or "")
    await wedding.check()


async def test_statements_do_not_grow_with_the_statuses_of_a_post(wedding: Wedding) -> None:
    counts = []
    for count in (5, 500):
        fresh = await make_wedding(wedding.db, people(count))
        await fresh.send()
        claims = await fresh.claim(count)
        await fresh.finish(claims, accepted)
        body = await fresh.body(*(status(wamid(claim), "delivered", T) for claim in claims))
        await fresh.post(status(wamid(claims[0]), "sent", T))  # asks for the number, once and for all
        with statements(wedding.db) as seen:
            await fresh.webhooks.ingest([body])
        counts.append(len([each for each in seen if not each.sql.startswith("BEGIN")]))
        await fresh.check()
    # Receipts, whose, lock, facts, items, messages, counters: docs/performance.md.
    assert counts == [7, 7]


async def test_storms_of_overlapping_batches_end_right(wedding: Wedding) -> None:
    """Two webhooks over the same messages in opposite orders, outcomes in between, full disorder and repetition."""
    big = await make_wedding(wedding.db, people(60))
    run_id = await big.send()
    claims = await big.claim(60)
    chance = random.Random(7)
    told = [
        status(wamid(claim), value, T + step, biz_opaque_callback_data=claim.attempt_id)
        for claim in claims
        for step, value in enumerate(("sent", "delivered", "read"))
    ]
    storm = told + chance.sample(told, 60)
    chance.shuffle(storm)
    parts = [storm[start : start + 20] for start in range(0, len(storm), 20)]
    bodies = [await big.body(*part) for part in parts]
    await asyncio.gather(
        *(big.webhooks.ingest([body]) for body in bodies),
        *(big.webhooks.ingest([body]) for body in reversed(bodies)),
        *(big.finish(claims[start : start + 10], accepted) for start in range(0, 60, 10)),
    )
    await big.dispatch.sweep()
    assert set((await big.states(run_id)).values()) == {MessageState.READ}
    await big.check()
    keys = await rows(big.db, FactRow, FactRow.number_id == big.number_id)
    assert len(keys) == 60 * 4


async def test_the_sweep_matches_what_two_units_missed_together(wedding: Wedding) -> None:
    await wedding.send()
    claim = (await wedding.claim(1))[0]
    await wedding.finish([claim], accepted)

    async def lose(uow: UnitOfWork) -> None:
        """As if the webhook had looked before the outcome's commit, and the outcome before the webhook's."""
        await uow.session.execute(sa.update(FactRow).values(message_id=None))
        await uow.session.execute(sa.update(StatusItemRow).values(message_id=None, finding=ReceiptFinding.UNMATCHED))

    await wedding.post(status("wamid.unrelated", "sent", T))
    await wedding.db.write(lose)

    async def insert(uow: UnitOfWork) -> None:
        await uow.session.execute(
            sa.update(FactRow)
            .where(FactRow.provider_message_id == "wamid.unrelated")
            .values(provider_message_id=wamid(claim))
        )

    await wedding.db.write(insert)
    await wedding.dispatch.sweep()
    assert (await one(wedding.db, MessageRow, MessageRow.id == claim.message_id)).state is MessageState.SENT
    await wedding.check()
