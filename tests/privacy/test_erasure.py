"""``eraseGuest``: nothing personal is left anywhere, everything else stays true, and nobody messages the guest again."""

import base64
import contextlib
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

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
    StatusItemRow,
)
from app.domain import ids
from app.domain.audience import Audience
from app.domain.enums import AuditAction, DoNotMessageSource, ErasureReason, MessageState, RejectionReason, Role
from app.domain.errors import ConflictError, ForbiddenError, NotFoundError, UnavailableError
from app.domain.pseudonyms import Pseudonyms, is_pseudonym
from app.services.claims import Claim
from app.services.erasure import Erased, Erasures
from app.services.guests import Guests
from app.services.replay import Replay
from app.services.verification import Verification
from app.whatsapp.kept import read_again
from app.whatsapp.port import Accepted, Evidence, Outcome, Unknown
from tests.databases import PSEUDONYMS
from tests.privacy.database import needles_of, places
from tests.sending.world import Wedding, change, make_wedding, preference, status, webhook_body
from tests.services.world import STRANGER, contents, guest, one, rows

pytestmark = pytest.mark.anyio

T = int(time.time()) - 3600
NAME, ALIAS, HOUSEHOLD = "Zebedee Quill", "Zeb Q. Quill", "The Quillfeathers"
PHONE, OTHER = "+919812345678", "+919800000014"
DIGITS = PHONE.removeprefix("+")
ASKED = ErasureReason.GUEST_REQUEST


def real_wamid(phone: str, serial: int) -> str:
    """As Meta makes them: three bytes, the digits, and a rest of its own."""
    raw = b"\x1c\x18\x0c" + phone.removeprefix("+").encode() + b"\x15\x02\x00\x11\x18\x14" + f"{serial:020x}".encode()
    return "wamid." + base64.b64encode(raw).decode()


def taken(claim: Claim) -> Outcome:
    """As Meta answers: with the phone in two spellings, and in the id."""
    message_id = real_wamid(claim.to, int(claim.message_id[-8:], 16))
    contact = f'{{"input":"{claim.to}","wa_id":"{claim.to[1:]}"}}'
    body = f'{{"contacts":[{contact}],"messages":[{{"id":"{message_id}"}}]}}'
    return Accepted(message_id, held=False, evidence=Evidence(http_status=200, body=body))


@pytest.fixture
async def wedding(db: Database) -> Wedding:
    """Zebedee, of whom everything is known twice, and one other guest."""
    made = await make_wedding(db)
    zebedee = guest(NAME, "098123 45678", HOUSEHOLD, tags=["Quill cousins", "everybody"])
    await made.world.import_rows(
        zebedee, guest(ALIAS, PHONE, HOUSEHOLD, row=2), guest("Asha Rao", OTHER, "The Raos", row=3, tags=["everybody"])
    )
    await made.world.import_csv(f"name,phone,household\n{NAME},+91 98123-45678,{HOUSEHOLD}\n")
    return made


async def erase(wedding: Wedding, row_id: str | None = None, reason: ErasureReason = ASKED) -> Erased:
    if row_id is None:
        row_id = (await wedding.world.unit(HOUSEHOLD)).id
    return await Erasures(wedding.db).erase_guest(wedding.world.admin, id=row_id, reason=reason)


async def live_through_everything(wedding: Wedding) -> list[str]:
    """Sent, delivered, seen, failed, edited, blocked, stopped, written back; Meta's ids of it all."""
    await Guests(wedding.db).update_person(
        wedding.world.owner, id=(await wedding.world.person(NAME)).id, name=f"{NAME} Jr"
    )
    run_id = await wedding.send(wedding.request(Audience(search="Quillfeath")))
    (claim,) = await wedding.claim()
    await wedding.finish([claim], taken)
    wamid = (await wedding.message(claim.message_id)).provider_message_id or ""
    told = {"recipient_id": DIGITS}
    await wedding.post(status(wamid, "sent", T, **told), status(wamid, "delivered", T + 5, **told))
    await wedding.post(status(wamid, "delivered", T + 5, **told), status("wamid.of-nobody", "sent", T, **told))
    foreign = real_wamid(PHONE, 77)
    await wedding.post(status(foreign, "read", T, **told), status(foreign, "played", T, **told))
    number = await wedding.phone_number_id()
    inbound = {"from": DIGITS, "id": real_wamid(PHONE, 78), "timestamp": str(T), "type": "text", "text": {"body": NAME}}
    await wedding.webhooks.ingest([webhook_body(change(number, messages=[inbound], contacts=[{"wa_id": DIGITS}]))])
    await wedding.blocks.add(
        wedding.world.owner, workspace_id=wedding.world.workspace_id, phone=PHONE, reason=f"{NAME} called"
    )
    await wedding.post_preferences(preference("stop", T + 9, DIGITS))
    await wedding.send(wedding.request())
    assert (await wedding.counters(run_id)).delivered == 1
    return [wamid, foreign, real_wamid(PHONE, 78), "wamid.of-nobody"]


def of_zebedee(message_ids: Sequence[str]) -> list[str]:
    names = [NAME, ALIAS, HOUSEHOLD, "Quill"]
    return needles_of(phones=[PHONE], names=names, message_ids=message_ids)


async def holds(wedding: Wedding) -> None:
    await wedding.check()
    assert (await Verification(wedding.db, read_again).verify()).failed == []
    replayed = await Replay(wedding.db, read_again).replay()
    assert (replayed.missing, replayed.changes) == (0, {})


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


async def test_a_file_keeps_nothing_in_its_free_pages(wedding: Wedding) -> None:
    if not wedding.db.sqlite:
        pytest.skip("PostgreSQL has no file of ours; what vacuum does is in docs/privacy.md")
    message_ids = await live_through_everything(wedding)
    await erase(wedding)

    path = Path(wedding.db.url.database or "")
    with contextlib.closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0, "the log is in the file now"
    content = path.read_bytes().decode("latin-1").casefold()
    assert [needle for needle in of_zebedee(message_ids) if needle.casefold() in content] == []
