"""What is still seen of the erased: the entry that blocks them, by their whole phone alone."""

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest

from app.db.engine import Database
from app.db.tables import DoNotMessageRow
from app.domain import ids
from app.domain.enums import ErasureReason, RejectionReason
from app.domain.errors import UnavailableError
from app.domain.pseudonyms import Pseudonyms, is_pseudonym
from app.services.erasure import Erasures
from app.services.prechecks import Prechecks
from app.services.reading import Reader
from app.services.tokens import TokenSigner
from tests.databases import PSEUDONYMS
from tests.sending.world import SECRET, Wedding, make_wedding
from tests.services.world import STRANGER, guest

pytestmark = pytest.mark.anyio

PHONE, LUPITA, OTHER = "+919812345678", "+525512345678", "+919812345670"


@pytest.fixture
async def wedding(db: Database) -> Wedding:
    """Two erased guests, one of whom has a phone of two spellings, and one who is blocked and known."""
    made = await make_wedding(db)
    await made.world.import_rows(guest("Zebedee", PHONE), guest("Lupita", LUPITA, row=2), guest("Asha", OTHER, row=3))
    for name in ("Zebedee", "Lupita"):
        person = await made.world.person(name)
        await Erasures(db).erase_guest(made.world.admin, id=person.id, reason=ErasureReason.GUEST_REQUEST)
    await made.blocks.add(made.world.owner, workspace_id=made.world.workspace_id, phone=OTHER, reason="asked us")
    return made


def reader(db: Database) -> Reader:
    return Reader(db, unconfirmed_after=timedelta(1))


async def found(wedding: Wedding, search: str, db: Database | None = None) -> Sequence[DoNotMessageRow]:
    page = await reader(db or wedding.db).do_not_message(
        wedding.world.admin, wedding.world.workspace_id, search=search, first=10
    )
    return page.nodes


@pytest.mark.parametrize(
    ("search", "of"),
    [
        ("+91 98123-45678", PHONE), ("098123 45678", PHONE), ("9812345678", PHONE), ("+919812345678", PHONE),
        ("+52 55 1234 5678", LUPITA), ("+52 1 55 1234 5678", LUPITA),
    ],
)  # fmt: skip
async def test_an_erased_guest_is_found_by_the_whole_phone_and_can_be_unblocked(
    wedding: Wedding, search: str, of: str
) -> None:
    (entry,) = await found(wedding, search)
    assert entry.phone in PSEUDONYMS.all_of(of)
    await wedding.world.import_rows(guest("Back again", of))
    await wedding.blocks.revoke(wedding.world.admin, id=entry.id, reason="wants to be invited again")
    precheck = await wedding.prechecks.precheck(wedding.world.admin, wedding.request())
    assert precheck.rejections.get(RejectionReason.DO_NOT_MESSAGE, 0) == 1, "Asha alone"


@pytest.mark.parametrize("search", ["98123", "812345678", "+919812345679", "Zebedee", "+44 20 7946 0958"])
async def test_by_nothing_less_than_that(wedding: Wedding, search: str) -> None:
    assert not any(is_pseudonym(entry.phone) for entry in await found(wedding, search))


async def test_by_no_part_of_a_hash(wedding: Wedding) -> None:
    (entry,) = await found(wedding, PHONE)
    digits = re.findall(r"\d+", entry.phone.rpartition(":")[2])
    assert digits
    for part in (entry.phone[-32:], *digits):
        assert all(not is_pseudonym(each.phone) for each in await found(wedding, part)), part
    assert len(await found(wedding, "erased")) == 2, "as which they are shown"


async def test_a_part_of_a_phone_still_finds_whom_the_list_shows(wedding: Wedding) -> None:
    assert [entry.phone for entry in await found(wedding, "98123")] == [OTHER]
    assert [entry.phone for entry in await found(wedding, OTHER)] == [OTHER]


async def test_a_stranger_finds_nobody(wedding: Wedding) -> None:
    for workspace_id in (wedding.world.workspace_id, ids.new_id(ids.WORKSPACE)):
        page = await reader(wedding.db).do_not_message(STRANGER, workspace_id, search=PHONE, first=10)
        assert page.nodes == []


async def test_without_the_key_lists_can_be_read_and_nothing_is_sent(wedding: Wedding, database_url: str) -> None:
    await wedding.world.import_rows(guest("Back again", PHONE))
    units = {name: (await wedding.world.unit(name)).id for name in ("Back again", "Asha")}
    for keys, knows in (([], False), ([b"another key of the tests, also long"], False), (None, True)):
        elsewhere = Database(database_url, pseudonyms=PSEUDONYMS if keys is None else Pseudonyms(keys))
        try:
            blocked = await reader(elsewhere).blocked_units(wedding.world.owner, list(units.values()))
            assert blocked == {units["Back again"]: knows, units["Asha"]: True}
            assert len(await found(wedding, PHONE, elsewhere)) == knows
            if not knows:
                with pytest.raises(UnavailableError, match="ERASURE_SECRET"):
                    await Prechecks(elsewhere, TokenSigner(SECRET)).precheck(wedding.world.admin, wedding.request())
        finally:
            await elsewhere.close()


async def test_the_erased_of_another_family_block_nobody_here(wedding: Wedding) -> None:
    other = await make_wedding(wedding.db, [("Zeb", PHONE)], number_id=wedding.number_id)
    unit = await other.world.unit("Zeb")
    assert await reader(wedding.db).blocked_units(other.world.owner, [unit.id]) == {unit.id: False}
    assert await found(other, PHONE) == []
