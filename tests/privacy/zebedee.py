"""A guest of whom everything is known, and what it takes to forget him."""

import time
from collections.abc import Sequence

from app.db.engine import Database
from app.domain.audience import Audience
from app.domain.enums import ErasureReason
from app.services.erasure import Erased, Erasures
from app.services.guests import Guests
from app.services.replay import Replay
from app.services.verification import Verification
from app.whatsapp.kept import read_again
from tests.privacy.database import needles_of
from tests.privacy.meta import real_wamid, taken
from tests.sending.world import Wedding, change, make_wedding, preference, status, webhook_body
from tests.services.world import guest

T = int(time.time()) - 3600
NAME, ALIAS, HOUSEHOLD = "Zebedee Quill", "Zeb Q. Quill", "The Quillfeathers"
PHONE, OTHER = "+919812345678", "+919800000014"
DIGITS = PHONE.removeprefix("+")
ASKED = ErasureReason.GUEST_REQUEST


async def zebedees_wedding(db: Database) -> Wedding:
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
    number = wedding.phone_number_id
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
