"""``eraseGuest``: nothing personal is left anywhere, everything else stays true, and nobody messages the guest again."""

import contextlib
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.db import engine
from app.db.blocks import blocked_phones, require_keys
from app.db.engine import Database, UnitOfWork
from app.db.tables import (
    AttemptRow,
    DoNotMessageRow,
    FactRow,
    GuestUnitRow,
    MessageRow,
    PersonRow,
    ReceiptRow,
    RunBreakdownRow,
    RunCountersRow,
)
from app.domain import ids
from app.domain.audience import Audience
from app.domain.enums import AuditAction, DoNotMessageSource, ErasureReason, MessageState, RejectionReason, Role
from app.domain.errors import ConflictError, ForbiddenError, NotFoundError, UnavailableError
from app.domain.pseudonyms import Pseudonyms, is_pseudonym
from app.services.dispatch import Dispatch
from app.services.erasure import Erasures
from app.services.guests import Guests
from app.services.reading import Reader
from app.services.replay import Replay
from app.services.webhooks import Webhooks
from app.whatsapp.kept import read_again
from app.whatsapp.port import Unknown
from tests.privacy.database import needles_of, places
from tests.privacy.meta import real_wamid, taken
from tests.privacy.zebedee import (
    ASKED,
    DIGITS,
    HOUSEHOLD,
    NAME,
    OTHER,
    PHONE,
    T,
    erase,
    holds,
    live_through_everything,
    of_zebedee,
    zebedees_wedding,
)
from tests.sending.world import LEASE, NOT_SENT, Wedding, make_wedding, preference, status
from tests.services.world import STRANGER, contents, guest, one, rows

pytestmark = pytest.mark.anyio


@pytest.fixture
async def wedding(db: Database) -> Wedding:
    return await zebedees_wedding(db)


async def test_nothing_of_the_guest_is_left_in_any_column(wedding: Wedding) -> None:
    message_ids = await live_through_everything(wedding)
    await holds(wedding)
    needles = of_zebedee(message_ids)
    before = {place.partition(".")[0] for place, _ in await places(wedding.db, needles)}
    assert before == {
        "guest_units", "people", "tags", "guest_import_rows", "invite_messages", "attempts", "facts", "status_items",
        "receipts", "do_not_message", "do_not_message_spellings", "send_runs",
    }, "or the test looks for too little"  # fmt: skip
    counts = await contents(wedding.db, RunCountersRow, RunBreakdownRow)
    states = [(each.id, each.state, each.delivered_at, each.read_at) for each in await wedding.messages()]
    digests = {each.id: each.digest for each in await rows(wedding.db, ReceiptRow)}

    await erase(wedding)
    assert await places(wedding.db, needles) == set()
    assert await contents(wedding.db, RunCountersRow, RunBreakdownRow) == counts
    assert [(each.id, each.state, each.delivered_at, each.read_at) for each in await wedding.messages()] == states
    assert {each.id: each.digest for each in await rows(wedding.db, ReceiptRow)} == digests
    assert await places(wedding.db, [OTHER, "Asha Rao"]) != set(), "nobody else is touched"
    await holds(wedding)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_file_keeps_nothing_in_its_free_pages(wedding: Wedding) -> None:
    message_ids = await live_through_everything(wedding)
    await erase(wedding)

    path = Path(wedding.db.url.database or "")
    files = [path, path.with_name(f"{path.name}-wal")]
    content = "".join(file.read_bytes().decode("latin-1").casefold() for file in files if file.exists())
    assert [needle for needle in of_zebedee(message_ids) if needle.casefold() in content] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_somebody_who_reads_meanwhile_only_delays_what_becomes_of_the_log(
    wedding: Wedding, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine, "SETTLE_SECONDS", 0.01)
    with contextlib.closing(sqlite3.connect(wedding.db.url.database or "")) as reader, caplog.at_level("INFO"):
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM people").fetchone() != (0,)
        await erase(wedding)
    assert "still holds" in caplog.text
    assert await wedding.db.settle_log()


async def test_a_later_import_brings_the_guest_back_but_no_message(wedding: Wedding) -> None:
    await live_through_everything(wedding)
    await erase(wedding)
    await wedding.world.import_rows(guest(NAME, "+91 98123 45678", HOUSEHOLD))
    back = await wedding.world.person(NAME)
    assert (back.phone, back.archived, back.erased_at) == (PHONE, False, None)
    precheck = await wedding.prechecks.precheck(wedding.world.coordinator, wedding.request())
    assert precheck.rejections[RejectionReason.DO_NOT_MESSAGE] == 1
    run_id = await wedding.send(wedding.request(include_already_invited=True))
    assert (await wedding.states(run_id))[NAME] is MessageState.REJECTED
    unit = await wedding.world.unit(HOUSEHOLD)
    assert await Reader(wedding.db, unconfirmed_after=timedelta(1)).blocked_units(wedding.world.owner, [unit.id]) == {
        unit.id: True
    }
    await holds(wedding)


async def test_a_claim_turns_away_whose_message_was_queued_past_the_block(wedding: Wedding) -> None:
    """The last guard alone: a row that no erasure has seen."""
    await erase(wedding)
    run_id = await wedding.send()
    stray = sa.update(MessageRow).where(MessageRow.run_id == run_id).values(phone=PHONE)

    async def slip(uow: UnitOfWork) -> None:
        await uow.session.execute(stray)

    await wedding.db.write(slip)
    assert await wedding.claim() == []
    (message,) = await wedding.messages(run_id)
    assert message.rejection_reason is RejectionReason.DO_NOT_MESSAGE


@pytest.mark.parametrize("phone", ["+525512345678", "+5215512345678"])
async def test_every_spelling_stays_blocked(wedding: Wedding, phone: str) -> None:
    await wedding.world.import_rows(guest("Lupita", "+525512345678"))
    await erase(wedding, (await wedding.world.person("Lupita")).id)
    found = await wedding.db.read(
        lambda uow: blocked_phones(
            uow, workspace_id=wedding.world.workspace_id, number_id=wedding.number_id, phones=[phone, OTHER]
        )
    )
    assert phone in found
    assert OTHER not in found


async def test_what_waits_is_turned_away_and_what_is_on_its_way_is_a_conflict(wedding: Wedding) -> None:
    run_id = await wedding.send()
    claims = await wedding.claim()
    before = await contents(wedding.db, MessageRow, PersonRow, DoNotMessageRow)
    with pytest.raises(ConflictError, match="in a minute"):
        await erase(wedding)
    assert await contents(wedding.db, MessageRow, PersonRow, DoNotMessageRow) == before, "all or nothing"
    await wedding.finish(claims, NOT_SENT)
    await erase(wedding)
    (message,) = [each for each in await wedding.messages(run_id) if each.erased_at]
    assert (message.state, message.rejection_reason) == (MessageState.REJECTED, RejectionReason.DO_NOT_MESSAGE)
    assert len(await wedding.claim()) == 1, "the other guest's"
    await wedding.check()


async def test_statuses_that_come_late_count_and_leave_nothing(wedding: Wedding) -> None:
    await wedding.send(wedding.request(Audience(search=NAME)))
    (claim,) = await wedding.claim()
    await wedding.finish([claim], taken)
    wamid = (await wedding.message(claim.message_id)).provider_message_id or ""
    await erase(wedding)
    for _ in range(2):
        await wedding.post(status(wamid, "delivered", T, recipient_id=DIGITS), status(wamid, "read", T + 1))
    await wedding.post(status(wamid, "failed", T + 2, errors=[{"code": 131026, "title": "Undeliverable"}]))
    message = await wedding.message(claim.message_id)
    assert (message.state, message.second_message_id) == (MessageState.READ, None)
    assert is_pseudonym(message.provider_message_id)
    assert await places(wedding.db, needles_of(phones=[PHONE], names=[NAME], message_ids=[wamid])) == set()
    await holds(wedding)


async def test_an_answer_that_comes_late_counts_and_leaves_nothing(wedding: Wedding) -> None:
    await wedding.send(wedding.request(Audience(search=NAME)))
    (claim,) = await wedding.claim()
    await wedding.expire_leases()
    await erase(wedding)
    wamid = real_wamid(PHONE, int(claim.message_id[-8:], 16))
    await wedding.post(status(wamid, "sent", T, biz_opaque_callback_data=claim.attempt_id, recipient_id=DIGITS))
    await wedding.finish([claim], taken)
    message = await wedding.message(claim.message_id)
    assert (message.state, message.second_message_id) == (MessageState.SENT, None)
    assert await places(wedding.db, needles_of(phones=[PHONE], names=[NAME], message_ids=[wamid])) == set()
    await holds(wedding)


async def test_what_a_replay_read_in_an_answer_stays_true_without_it(wedding: Wedding) -> None:
    await wedding.send(wedding.request(Audience(search=NAME)))
    (claim,) = await wedding.claim()
    answer = taken(claim).evidence
    await wedding.finish([claim], Unknown(answer))
    assert (await Replay(wedding.db, read_again).replay(apply=True)).missing == 1
    await erase(wedding)
    assert (await wedding.message(claim.message_id)).state is MessageState.ACCEPTED
    assert (await one(wedding.db, AttemptRow)).answer is None
    await holds(wedding)


async def test_one_of_a_household_goes_and_the_others_stay(wedding: Wedding) -> None:
    await wedding.world.import_rows(guest("Meera", "+919800000021", HOUSEHOLD, row=1))
    await wedding.send()
    await wedding.deliver_all()
    await erase(wedding, (await wedding.world.person(NAME)).id)
    unit = await wedding.world.unit(HOUSEHOLD)
    assert (unit.erased_at, unit.archived) == (None, False)
    assert (await wedding.world.person("Meera")).phone == "+919800000021"
    assert sorted(each.recipient_name for each in await wedding.messages()) == ["Asha Rao", "Erased guest", "Meera"]
    await erase(wedding, (await wedding.world.person("Meera")).id)
    assert (await one(wedding.db, GuestUnitRow, GuestUnitRow.id == unit.id)).erased_at, "with the last one it goes"
    await holds(wedding)


async def test_a_phone_that_somebody_else_has_now_is_theirs(wedding: Wedding) -> None:
    run_id = await wedding.send()
    await wedding.deliver_all()
    zebedee = await wedding.world.person(NAME)
    guests = Guests(wedding.db)
    await guests.update_person(wedding.world.owner, id=zebedee.id, phone=None)
    await guests.update_person(wedding.world.owner, id=(await wedding.world.person("Asha Rao")).id, phone=PHONE)
    await erase(wedding, zebedee.id)
    assert (await wedding.world.person("Asha Rao")).phone == PHONE
    assert await rows(wedding.db, DoNotMessageRow) == []
    names = {each.recipient_name: each.phone for each in await wedding.messages(run_id)}
    assert names == {"Erased guest": None, "Asha Rao": OTHER}


async def test_erasing_twice_changes_nothing(wedding: Wedding) -> None:
    unit = await wedding.world.unit(HOUSEHOLD)
    person = await wedding.world.person(NAME)
    first = await erase(wedding, unit.id)
    before = await contents(wedding.db, GuestUnitRow, PersonRow, DoNotMessageRow, MessageRow)
    again = await erase(wedding, unit.id, ErasureReason.NO_CONSENT)
    assert (again.at, again.replayed, first.replayed) == (first.at, True, False)
    assert (await erase(wedding, person.id)).replayed
    assert await contents(wedding.db, GuestUnitRow, PersonRow, DoNotMessageRow, MessageRow) == before
    (entry,) = await wedding.world.audit(AuditAction.GUEST_ERASE)
    assert (entry.text, entry.target_id) == ("Erased a guest (GUEST_REQUEST)", unit.id)
    assert entry.after is not None
    assert entry.after["blocks"] == 1
    with pytest.raises(ConflictError, match="erased"):
        await Guests(wedding.db).update_guest_unit(wedding.world.owner, id=unit.id, archived=False)
    with pytest.raises(ConflictError, match="erased"):
        await Guests(wedding.db).update_person(wedding.world.owner, id=person.id, name="Zebedee")


async def test_who_may(wedding: Wedding) -> None:
    unit = await wedding.world.unit(HOUSEHOLD)
    erasures = Erasures(wedding.db)
    with pytest.raises(ForbiddenError):
        await erasures.erase_guest(wedding.world.coordinator, id=unit.id, reason=ASKED)
    for row_id in (unit.id, ids.new_id(ids.PERSON), ids.new_id(ids.EVENT), "nonsense"):
        with pytest.raises(NotFoundError):
            await erasures.erase_guest(STRANGER, id=row_id, reason=ASKED)
    (refused,) = await wedding.world.audit(AuditAction.ACCESS_REFUSED)
    assert refused.target_id == unit.id
    for role in (Role.OWNER, Role.PARENT_ADMIN):
        await erasures.erase_guest(wedding.world.actors[role], id=unit.id, reason=ASKED)
    assert len(await rows(wedding.db, DoNotMessageRow)) == 1


async def test_other_families_of_the_number_keep_what_is_theirs(wedding: Wedding) -> None:
    other = await make_wedding(wedding.db, [("Zeb", PHONE)], number_id=wedding.number_id)
    await other.send()
    await other.deliver_all()
    await wedding.post_preferences(preference("stop", T, DIGITS))
    theirs = await contents(wedding.db, MessageRow, AttemptRow, FactRow)
    await erase(wedding)
    assert await contents(wedding.db, MessageRow, AttemptRow, FactRow) == theirs
    assert (await other.world.person("Zeb")).phone == PHONE
    sources = {(each.source, is_pseudonym(each.phone)) for each in await rows(wedding.db, DoNotMessageRow)}
    assert sources == {(DoNotMessageSource.META_STOP, False), (DoNotMessageSource.ERASURE, True)}
    assert {each.body for each in await rows(wedding.db, ReceiptRow)} == {None}


async def test_a_guests_resume_lifts_the_stop_and_never_the_erasure(wedding: Wedding) -> None:
    await wedding.post_preferences(preference("stop", T, DIGITS))
    await erase(wedding)
    await wedding.post_preferences(preference("stop", T + 1, DIGITS))
    entries = await rows(wedding.db, DoNotMessageRow)
    assert len(entries) == 2, "the stop is found again and not kept anew"
    await wedding.post_preferences(preference("resume", T + 2, DIGITS))
    active = {each.source: each.active for each in await rows(wedding.db, DoNotMessageRow)}
    assert active == {DoNotMessageSource.META_STOP: False, DoNotMessageSource.ERASURE: True}


async def test_another_key_sends_nothing_rather_than_to_the_erased(wedding: Wedding, database_url: str) -> None:
    await wedding.send(wedding.request(Audience(search="Asha")))
    await erase(wedding)
    new, old = b"another key of the tests, also long", b"a key for erasing, of the tests only"
    for keys, fine in (([new], False), ([], False), ([new, old], True)):
        elsewhere = Database(database_url, pseudonyms=Pseudonyms(keys))
        try:
            if fine:
                assert len(await Dispatch(elsewhere, rate=100, lease=LEASE).claim(wedding.number_id, 10, 0)) == 1
                await elsewhere.read(require_keys)
            else:
                with pytest.raises(UnavailableError, match="ERASURE_SECRET"):
                    await Dispatch(elsewhere, rate=100, lease=LEASE).claim(wedding.number_id, 10, 0)
                with pytest.raises(UnavailableError, match="ERASURE_SECRET"):
                    await elsewhere.read(require_keys)
        finally:
            await elsewhere.close()


async def test_ids_of_an_older_key_are_found_again(wedding: Wedding, database_url: str) -> None:
    await wedding.send(wedding.request(Audience(search=NAME)))
    (claim,) = await wedding.claim()
    await wedding.finish([claim], taken)
    wamid = (await wedding.message(claim.message_id)).provider_message_id or ""
    await erase(wedding)
    keys = [b"another key of the tests, also long", b"a key for erasing, of the tests only"]
    elsewhere = Database(database_url, pseudonyms=Pseudonyms(keys))
    try:
        await Webhooks(elsewhere).ingest([await wedding.body(status(wamid, "read", T))])
    finally:
        await elsewhere.close()
    message = await wedding.message(claim.message_id)
    assert (message.state, message.second_message_id) == (MessageState.READ, None)
    await holds(wedding)
