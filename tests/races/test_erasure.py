"""An erasure against whatever could write the guest anew at the same moment, from both sides."""

import pytest
import sqlalchemy as sa

from app.checkpoints import CLAIM_PICKED, before_commit
from app.db.engine import Database
from app.db.tables import MessageRow, SendRunRow
from app.domain.audience import Audience
from app.domain.enums import ErasureReason, MessageState, RejectionReason
from app.domain.errors import ConflictError
from app.domain.pseudonyms import is_pseudonym
from app.services.erasure import Erased, Erasures
from app.services.sends import PrecheckStale
from tests.privacy.database import needles_of, places
from tests.privacy.meta import taken
from tests.races.barriers import ended, holding, postgresql_only, waits
from tests.sending.world import Wedding, make_wedding, status
from tests.services.world import guest

pytestmark = pytest.mark.anyio

T = 1795500000
NAME, PHONE = "Zebedee Quill", "+919812345678"
ERASURE_READY = before_commit("erasure")


@pytest.fixture
async def wedding(db: Database) -> Wedding:
    return await make_wedding(db, [(NAME, PHONE), ("Asha Rao", "+919800000014")])


async def erase(wedding: Wedding, unit_id: str) -> Erased:
    return await Erasures(wedding.db).erase_guest(wedding.world.admin, id=unit_id, reason=ErasureReason.GUEST_REQUEST)


async def left(wedding: Wedding, *message_ids: str) -> set[tuple[str, str]]:
    return await places(wedding.db, needles_of(phones=[PHONE], names=[NAME], message_ids=message_ids))


async def test_a_status_that_waits_for_the_erasure_counts_and_leaves_nothing(wedding: Wedding) -> None:
    """It has found the message by Meta's own id, and the message has another one when the wait is over."""
    await wedding.send()
    claims = await wedding.claim()
    await wedding.finish(claims, taken)
    (claim,) = [claim for claim in claims if claim.to == PHONE]
    wamid = (await wedding.message(claim.message_id)).provider_message_id or ""
    unit = await wedding.world.unit(NAME)
    async with holding(ERASURE_READY) as gate:
        erasing = await gate.hold(erase(wedding, unit.id))
        posting = gate.start(wedding.post(status(wamid, "read", T, recipient_id=PHONE[1:])))
        await waits(wedding.db, posting)
        gate.release()
        await ended(erasing)
        await ended(posting)
    message = await wedding.message(claim.message_id)
    assert (message.state, message.second_message_id) == (MessageState.READ, None)
    assert is_pseudonym(message.provider_message_id)
    assert await left(wedding, wamid) == set()
    await wedding.check()


async def test_an_erasure_waits_for_the_claim_under_way_and_then_gives_up(wedding: Wedding) -> None:
    await wedding.send()
    unit = await wedding.world.unit(NAME)
    async with holding(CLAIM_PICKED) as gate:
        claiming = await gate.hold(wedding.claim())
        erasing = gate.start(erase(wedding, unit.id))
        await waits(wedding.db, erasing)
        gate.release()
        assert len(await ended(claiming)) == 2
        with pytest.raises(ConflictError, match="in a minute"):
            await ended(erasing)
    assert (await wedding.world.unit(NAME)).erased_at is None


async def test_a_claim_waits_for_the_erasure_under_way_and_spares_the_guest(wedding: Wedding) -> None:
    await wedding.send()
    unit = await wedding.world.unit(NAME)
    async with holding(ERASURE_READY) as gate:
        erasing = await gate.hold(erase(wedding, unit.id))
        claiming = gate.start(wedding.claim())
        await waits(wedding.db, claiming)
        gate.release()
        await ended(erasing)
        assert [claim.to for claim in await ended(claiming)] == ["+919800000014"]


async def test_an_erasure_waits_for_the_send_under_way_and_erases_that_too(wedding: Wedding) -> None:
    token = await wedding.token()
    unit = await wedding.world.unit(NAME)
    async with holding(before_commit("plan")) as gate:
        sending = await gate.hold(wedding.sends.send_invites(wedding.world.admin, token=token))
        erasing = gate.start(erase(wedding, unit.id))
        await waits(wedding.db, erasing)
        gate.release()
        await ended(sending)
        await ended(erasing)
    assert await left(wedding) == set()
    states = {each.recipient_name: (each.state, each.rejection_reason) for each in await wedding.messages()}
    assert states["Erased guest"] == (MessageState.REJECTED, RejectionReason.DO_NOT_MESSAGE)
    await wedding.check()


async def test_a_send_waits_for_the_erasure_under_way_and_is_stale(wedding: Wedding) -> None:
    token = await wedding.token()
    unit = await wedding.world.unit(NAME)
    async with holding(ERASURE_READY) as gate:
        erasing = await gate.hold(erase(wedding, unit.id))
        sending = gate.start(wedding.sends.send_invites(wedding.world.admin, token=token))
        await waits(wedding.db, sending)
        gate.release()
        await ended(erasing)
        assert isinstance(await ended(sending), PrecheckStale)
    assert await left(wedding) == set()


async def test_an_import_waits_for_the_erasure_and_brings_a_new_row(wedding: Wedding) -> None:
    unit = await wedding.world.unit(NAME)
    async with holding(ERASURE_READY) as gate:
        erasing = await gate.hold(erase(wedding, unit.id))
        importing = gate.start(wedding.world.import_rows(guest(NAME, PHONE)))
        await waits(wedding.db, importing)
        gate.release()
        await ended(erasing)
        await ended(importing)
    again = await wedding.world.unit(NAME)
    assert (again.id != unit.id, again.archived) == (True, False)
    assert set((await wedding.states(await wedding.send())).values()) == {MessageState.REJECTED, MessageState.QUEUED}


@postgresql_only
async def test_an_erasure_that_waits_for_a_run_holds_none_of_its_messages(wedding: Wedding) -> None:
    """Or it and a cancel, which takes first the run and then its messages, would each wait for the other."""
    await wedding.send(wedding.request(Audience(search=NAME)))
    unit = await wedding.world.unit(NAME)
    async with holding(ERASURE_READY) as gate, wedding.db.connection() as cancelling:
        await cancelling.execute(sa.select(SendRunRow.id).with_for_update(key_share=True))
        erasing = gate.start(erase(wedding, unit.id))
        await waits(wedding.db, erasing)
        taken_too = await cancelling.execute(sa.select(MessageRow.id).with_for_update(nowait=True))
        assert len(taken_too.all()) == 1
        await cancelling.rollback()
        gate.release()
        await ended(erasing)
    assert await left(wedding) == set()
