"""What Meta says around and after an erasure: it counts, it blocks, and it brings nothing back."""

import time

import pytest

from app.db.engine import Database
from app.db.tables import AttemptRow, DoNotMessageRow, DoNotMessageSpellingRow, FactRow, GuestResumeRow
from app.domain.audience import Audience
from app.domain.enums import AuditAction, DoNotMessageSource, MessageState
from app.domain.lifecycle import FactStatus
from app.domain.pseudonyms import is_pseudonym
from app.services.claims import Claim
from app.whatsapp.port import Behaviour, Evidence, ProviderError, Refused
from tests.privacy.database import needles_of, places
from tests.privacy.meta import real_wamid, taken
from tests.privacy.zebedee import DIGITS, HOUSEHOLD, NAME, PHONE, T, erase, holds, zebedees_wedding
from tests.sending.world import Wedding, change, make_wedding, preference, status, webhook_body
from tests.services.world import guest, one, rows

pytestmark = pytest.mark.anyio

SENT_TO = {"recipient_id": DIGITS}
STOPPED = {"errors": [{"code": 131050, "title": f"{NAME} stopped", "error_data": {"details": f"of {DIGITS}"}}]}
UNDELIVERABLE = {"errors": [{"code": 131026, "title": f"To {NAME}", "error_data": {"details": f"not to {DIGITS}"}}]}


@pytest.fixture
async def wedding(db: Database) -> Wedding:
    return await zebedees_wedding(db)


async def claimed(wedding: Wedding) -> Claim:
    await wedding.send(wedding.request(Audience(search=NAME)))
    (claim,) = await wedding.claim()
    return claim


async def accepted(wedding: Wedding) -> tuple[str, str]:
    """A message to Zebedee that Meta has taken: its id and Meta's."""
    claim = await claimed(wedding)
    await wedding.finish([claim], taken)
    return claim.message_id, (await wedding.message(claim.message_id)).provider_message_id or ""


async def left(wedding: Wedding, *message_ids: str) -> set[tuple[str, str]]:
    return await places(wedding.db, needles_of(phones=[PHONE], names=[NAME], message_ids=message_ids))


async def come_back(wedding: Wedding) -> str:
    """Imported again: the new household's id."""
    await wedding.world.import_rows(guest(NAME, PHONE, HOUSEHOLD))
    return (await wedding.world.unit(HOUSEHOLD)).id


async def test_who_came_back_and_resumed_again_is_erased_again(wedding: Wedding) -> None:
    for second in (0, 5):
        await wedding.post_preferences(preference("resume", T + second, DIGITS))
        await erase(wedding, await come_back(wedding))
    kept = await one(wedding.db, GuestResumeRow)
    assert (is_pseudonym(kept.phone), kept.at.timestamp()) == (True, T + 5)
    await holds(wedding)


@pytest.mark.parametrize("code", [0, 131026])
async def test_what_meta_repeats_after_an_erasure_is_erased_again(wedding: Wedding, code: int) -> None:
    foreign = real_wamid(PHONE, 77)
    told = status(foreign, "failed" if code else "read", T, **SENT_TO, **(UNDELIVERABLE if code else {}))
    for _ in range(2):
        await wedding.post(told)
        await erase(wedding, await come_back(wedding))
    fact = await one(wedding.db, FactRow)
    assert (is_pseudonym(fact.provider_message_id), fact.error_code) == (True, code)
    assert await left(wedding, foreign) == set()


async def test_the_least_digest_stays_of_what_is_kept_under_both_names(wedding: Wedding) -> None:
    digests = set()
    for words in ("one", "two", "three", "four"):
        errors = [{"code": 131026, "title": words}]
        await wedding.post(status(real_wamid(PHONE, 77), "failed", T, errors=errors, **SENT_TO))
        digests |= {each.digest for each in await rows(wedding.db, FactRow)}
        await erase(wedding, await come_back(wedding))
    assert len(digests) == 4
    assert (await one(wedding.db, FactRow)).digest == min(digests)


async def test_a_late_stop_by_status_blocks_under_pseudonyms(wedding: Wedding) -> None:
    message_id, wamid = await accepted(wedding)
    await erase(wedding)
    await wedding.post(status(wamid, "failed", T + 2, **SENT_TO, **STOPPED))
    assert (await wedding.message(message_id)).failure_code == 131050
    assert await left(wedding, wamid) == set()
    await holds(wedding)
    await is_blocked_in_secret(wedding)


async def test_a_late_stop_by_answer_blocks_under_pseudonyms(wedding: Wedding) -> None:
    claim = await claimed(wedding)
    await wedding.expire_leases()
    await erase(wedding)
    error = ProviderError(131050, f"{NAME} stopped", f"of {DIGITS}")
    answer = Evidence(http_status=400, body=f'{{"to":"{DIGITS}"}}')
    await wedding.finish([claim], Refused(error, Behaviour.FINAL, False, 0.0, answer))
    assert (await wedding.message(claim.message_id)).failure_code == 131050
    assert await left(wedding) == set()
    await holds(wedding)
    await is_blocked_in_secret(wedding)


async def is_blocked_in_secret(wedding: Wedding) -> None:
    (entry,) = await rows(wedding.db, DoNotMessageRow, DoNotMessageRow.source == DoNotMessageSource.META_CODE_131050)
    spelt = await rows(wedding.db, DoNotMessageSpellingRow, DoNotMessageSpellingRow.entry_id == entry.id)
    assert (entry.active, entry.evidence, entry.number_id) == (True, None, wedding.number_id)
    assert all(map(is_pseudonym, [entry.phone, *(each.spelling for each in spelt)]))
    await wedding.post_preferences(preference("resume", int(time.time()) + 9, DIGITS))
    assert not (await one(wedding.db, DoNotMessageRow, DoNotMessageRow.id == entry.id)).active, "found by the phone"


async def test_a_second_id_is_known_again(wedding: Wedding) -> None:
    claim = await claimed(wedding)
    await wedding.finish([claim], taken)
    second = real_wamid(PHONE, 990)
    await wedding.post(status(second, "sent", T, biz_opaque_callback_data=claim.attempt_id, **SENT_TO))
    await erase(wedding)
    before = await wedding.message(claim.message_id)
    await wedding.post(status(second, "delivered", T + 1, **SENT_TO))
    message = await wedding.message(claim.message_id)
    assert (message.state, message.second_message_id) == (MessageState.DELIVERED, before.second_message_id)
    assert await left(wedding, second) == set()
    await wedding.check()


async def test_what_came_before_its_id_was_known_is_taken_in(wedding: Wedding) -> None:
    claim = await claimed(wedding)
    await wedding.expire_leases()
    await erase(wedding)
    wamid = real_wamid(PHONE, int(claim.message_id[-8:], 16))
    await wedding.post(status(wamid, "delivered", T + 3, **SENT_TO))
    await wedding.post(status(wamid, "sent", T, biz_opaque_callback_data=claim.attempt_id, **SENT_TO))
    message = await wedding.message(claim.message_id)
    assert (message.state, is_pseudonym(message.provider_message_id)) == (MessageState.DELIVERED, True)
    assert await left(wedding, wamid) == set()
    await holds(wedding)


@pytest.mark.parametrize("repeated", [False, True])
async def test_another_familys_message_takes_in_what_was_erased_unmatched(wedding: Wedding, repeated: bool) -> None:
    other = await make_wedding(wedding.db, [("Zeb", PHONE)], number_id=wedding.number_id)
    await other.send()
    (claim,) = await other.claim()
    wamid = real_wamid(PHONE, int(claim.message_id[-8:], 16))
    delivered = status(wamid, "delivered", T, **SENT_TO)
    await other.post(delivered)
    await erase(wedding)
    if repeated:
        await other.post(delivered)
    await other.finish([claim], taken)
    message = await other.message(claim.message_id)
    assert (message.state, message.provider_message_id) == (MessageState.DELIVERED, wamid)
    await other.post(delivered)
    (kept,) = await rows(wedding.db, FactRow, FactRow.status == FactStatus.DELIVERED)
    assert kept.provider_message_id == wamid
    await holds(other)


async def test_metas_words_go_and_the_codes_stay(wedding: Wedding) -> None:
    message_id, wamid = await accepted(wedding)
    await wedding.post(status(wamid, "failed", T + 2, **SENT_TO, **UNDELIVERABLE))
    before = await wedding.message(message_id)
    assert before.failure_title
    await erase(wedding)
    await wedding.post(status(wamid, "failed", T + 2, **SENT_TO, **UNDELIVERABLE))
    message = await wedding.message(message_id)
    assert (message.failure_code, message.failed_at) == (131026, before.failed_at)
    assert await left(wedding, wamid) == set()
    await holds(wedding)


async def test_the_words_of_a_refusal_go(wedding: Wedding) -> None:
    claim = await claimed(wedding)
    error = ProviderError(131026, f"To {NAME}", f"not to {DIGITS}")
    await wedding.finish([claim], Refused(error, Behaviour.FINAL, False, 0.0, Evidence(http_status=400)))
    digest = (await wedding.message(claim.message_id)).failure_digest
    await erase(wedding)
    message, attempt = await wedding.message(claim.message_id), await one(wedding.db, AttemptRow)
    assert (message.failure_code, message.failure_digest, attempt.code) == (131026, digest, 131026)
    assert await left(wedding) == set()
    await holds(wedding)


async def test_a_body_of_two_numbers_is_found_by_either(db: Database) -> None:
    wedding, other = await make_wedding(db), await make_wedding(db)
    await wedding.world.import_rows(guest(NAME, PHONE, HOUSEHOLD))
    inbound = {"from": DIGITS, "id": real_wamid(PHONE, 78), "timestamp": str(T), "type": "text", "text": {"body": "hi"}}
    body = webhook_body(
        change(other.phone_number_id, statuses=[status("wamid.x", "sent", T)]),
        change(wedding.phone_number_id, messages=[inbound], contacts=[{"wa_id": DIGITS}]),
    )
    await wedding.webhooks.ingest([body])
    await erase(wedding)
    assert await left(wedding) == set()


async def test_the_trail_counts_nothing_of_another_family(wedding: Wedding) -> None:
    other = await make_wedding(wedding.db, [("Zeb", PHONE)], number_id=wedding.number_id)
    await other.send()
    (claim,) = await other.claim()
    await other.finish([claim], taken)
    wamid = (await other.message(claim.message_id)).provider_message_id or ""
    await other.post(status(wamid, "delivered", T, **SENT_TO))
    await erase(wedding)
    (entry,) = await wedding.world.audit(AuditAction.GUEST_ERASE)
    assert entry.after == {
        "reason": "GUEST_REQUEST", "people": 1, "households": 1, "messages": 0, "importRows": 3, "blocks": 1,
    }  # fmt: skip
