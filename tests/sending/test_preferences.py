"""Stop and resume: whether a guest is blocked is a function of what they said and when, not of how it arrives."""

import time
from collections.abc import Sequence
from itertools import chain, permutations

import pytest

from app.db.blocks import blocked_phones
from app.db.tables import DoNotMessageRow
from app.domain.enums import DoNotMessageSource, MessageState
from app.domain.stop_words import DEFAULT_STOP_WORDS, stop_word_key
from app.services.webhooks import Webhooks
from tests.sending.world import Wedding, change, preference, webhook_body
from tests.services.world import guest, rows

pytestmark = pytest.mark.anyio

T = int(time.time()) - 3600

Said = tuple[str, int]

STORIES: dict[str, tuple[tuple[Said, ...], bool]] = {
    "a stop": ((("stop", 1),), True),
    "a resume alone": ((("resume", 1),), False),
    "taken back": ((("stop", 1), ("resume", 2)), False),
    "stopped after all": ((("resume", 1), ("stop", 2)), True),
    "at the same second": ((("stop", 1), ("resume", 1)), True),
    "stopped again": ((("stop", 1), ("resume", 2), ("stop", 3)), True),
    "typed, then allowed": ((("word", 1), ("resume", 2)), False),
    "allowed, then typed": ((("stop", 1), ("resume", 2), ("word", 3)), True),
    "there and back": ((("stop", 1), ("resume", 2), ("stop", 3), ("resume", 4)), False),
    "told twice": ((("stop", 1), ("stop", 1), ("resume", 2), ("resume", 2)), False),
}


async def item(wedding: Wedding, said: Said, digits: str) -> dict[str, object]:
    """What Meta posts of it."""
    what, second = said
    number = wedding.phone_number_id
    if what == "word":
        inbound = {
            "from": digits,
            "id": "wamid.in",
            "timestamp": str(T + second),
            "type": "text",
            "text": {"body": "STOP"},
        }
        return change(number, messages=[inbound])
    return change(number, "user_preferences", user_preferences=[preference(what, T + second, digits)])


async def is_blocked(wedding: Wedding, phone: str) -> bool:
    found = await wedding.db.read(
        lambda uow: blocked_phones(
            uow, workspace_id=wedding.world.workspace_id, number_id=wedding.number_id, phones=[phone]
        )
    )
    return phone in found


def hooks(wedding: Wedding) -> Webhooks:
    return Webhooks(wedding.db, stop_words=frozenset(map(stop_word_key, DEFAULT_STOP_WORDS)))


def orders(story: Sequence[Said]) -> list[tuple[Said, ...]]:
    return sorted(set(permutations(story)))


@pytest.mark.parametrize("name", STORIES)
async def test_every_order_of_arrival_ends_the_same(wedding: Wedding, name: str) -> None:
    """One by one, and everything once more at the end, as Meta repeats itself."""
    story, blocked = STORIES[name]
    webhooks = hooks(wedding)
    for index, order in enumerate(orders(story)):
        digits = f"9198765{index:05}"
        for said in chain(order, order):
            await webhooks.ingest([webhook_body(await item(wedding, said, digits))])
        assert await is_blocked(wedding, f"+{digits}") is blocked, order


@pytest.mark.parametrize("name", STORIES)
async def test_what_arrives_in_one_post_ends_the_same(wedding: Wedding, name: str) -> None:
    story, blocked = STORIES[name]
    changes = []
    for index, order in enumerate(orders(story)):
        changes += [await item(wedding, said, f"9198765{index:05}") for said in order]
    await hooks(wedding).ingest([webhook_body(*changes)])
    for index, order in enumerate(orders(story)):
        assert await is_blocked(wedding, f"+9198765{index:05}") is blocked, order


@pytest.mark.parametrize("order", list(permutations([("stop", 1, "5215512345678"), ("resume", 2, "525512345678")])))
async def test_a_resume_counts_for_every_spelling(wedding: Wedding, order: tuple[tuple[str, int, str], ...]) -> None:
    for what, second, digits in order:
        await hooks(wedding).ingest([webhook_body(await item(wedding, (what, second), digits))])
    for phone in ("+5215512345678", "+525512345678"):
        assert not await is_blocked(wedding, phone)


@pytest.mark.parametrize("order", list(permutations([("stop", 1, "5491123456789"), ("resume", 2, "541123456789")])))
async def test_a_resume_lifts_nothing_of_a_neighbour(wedding: Wedding, order: tuple[tuple[str, int, str], ...]) -> None:
    """In Argentina the other spelling may be another person's line: the stop holds for both, until it is taken back there."""
    for what, second, digits in order:
        await hooks(wedding).ingest([webhook_body(await item(wedding, (what, second), digits))])
    assert await is_blocked(wedding, "+541123456789")
    await hooks(wedding).ingest([webhook_body(await item(wedding, ("resume", 3), "5491123456789"))])
    assert not await is_blocked(wedding, "+541123456789")


async def test_a_resume_from_the_future_counts_from_when_it_was_heard(wedding: Wedding) -> None:
    next_year = 365 * 86400
    for phone, what in (("+919876500001", "word"), ("+919876500002", "stop")):
        await hooks(wedding).ingest([webhook_body(await item(wedding, ("resume", next_year), phone[1:]))])
        await hooks(wedding).ingest([webhook_body(await item(wedding, (what, next_year), phone[1:]))])
        assert await is_blocked(wedding, phone), what


async def test_a_late_stop_that_was_taken_back_turns_nobody_away(wedding: Wedding) -> None:
    run_id = await wedding.send()
    await wedding.post_preferences(preference("resume", T + 5))
    await wedding.post_preferences(preference("stop", T))
    (entry,) = await rows(wedding.db, DoNotMessageRow)
    assert (entry.active, entry.revoke_reason) == (False, "The guest allowed such messages again in WhatsApp.")
    assert (await wedding.states(run_id))["Guest 00001"] is MessageState.QUEUED


async def test_the_entry_shows_the_newest_stop_and_its_evidence(wedding: Wedding) -> None:
    await wedding.post_preferences(preference("stop", T))
    word = await item(wedding, ("word", 9), "919876500001")
    await hooks(wedding).ingest([webhook_body(word)])
    await wedding.post_preferences(preference("stop", T + 4))
    (entry,) = await rows(wedding.db, DoNotMessageRow)
    assert (entry.source, entry.created_at.timestamp()) == (DoNotMessageSource.INBOUND_STOP_WORD, T + 9)
    assert "STOP" in str(entry.evidence)


async def test_no_resume_lifts_what_a_member_or_a_list_blocked(wedding: Wedding) -> None:
    world = wedding.world
    await wedding.blocks.add(world.admin, workspace_id=world.workspace_id, phone="+919876500001", reason="asked")
    await wedding.post_preferences(preference("resume", T + 99))
    await wedding.post_preferences(preference("stop", T), preference("resume", T + 100))
    active = {(entry.source, entry.active) for entry in await rows(wedding.db, DoNotMessageRow)}
    assert active == {(DoNotMessageSource.MEMBER, True), (DoNotMessageSource.META_STOP, False)}
    await world.import_rows(guest("Guest 00001", "+919876500001"))
    found = await wedding.prechecks.precheck(world.coordinator, wedding.request())
    assert found.rejected_count == 1
