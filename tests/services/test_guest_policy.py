"""What a guest list and an operator say of policy: who must not be messaged, and who has agreed to be."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.tables import AuditRow, DoNotMessageRow, DoNotMessageSpellingRow, GuestImportRow, GuestUnitRow
from app.domain.consent import Consent
from app.domain.enums import AuditAction, DoNotMessageSource, ImportOutcome, Role
from app.domain.errors import BadInputError, NotFoundError
from app.services.blocks import Blocks
from app.services.guests import Guests
from app.services.workspaces import Workspaces
from tests.services.world import STRANGER, World, import_results, one, rows

pytestmark = pytest.mark.anyio

P1, P2, MEXICO = "+919876543210", "+919876543211", "+525512345678"
MARCH = datetime(2026, 3, 1, tzinfo=UTC)

LIST = f"""name,phone,do not message,consent,consent source
Ravi,{P1},asked in March,,
Sita,{P2},no,yes,signed form
Ana,{MEXICO},x,2026-03-01 call,
Nobody,,yes,,
"""


@pytest.fixture
def guests(db: Database) -> Guests:
    return Guests(db)


async def outcomes(world: World, done: GuestImportRow) -> list[tuple[ImportOutcome, str | None]]:
    return [(row.outcome, row.message) for row in await import_results(world.db, done)]


async def test_a_list_blocks_whom_it_says_must_not_be_messaged(world: World) -> None:
    done = await world.import_csv(LIST)
    ravi, ana = await rows(world.db, DoNotMessageRow)
    assert (ravi.phone, ravi.source, ravi.active) == (P1, DoNotMessageSource.IMPORT, True)
    assert (ravi.workspace_id, ravi.number_id) == (world.workspace_id, None)
    assert ravi.reason == "Guest list guests.csv, row 1: asked in March"
    assert ravi.evidence == {"list": "Guest list guests.csv", "row": 1, "text": "asked in March"}
    assert (ana.phone, ana.reason) == (MEXICO, "Guest list guests.csv, row 3: x")
    keys = {(row.entry_id, row.spelling) for row in await rows(world.db, DoNotMessageSpellingRow)}
    assert keys == {(ravi.id, P1), (ana.id, MEXICO), (ana.id, "+5215512345678")}
    said = [message or "" for _, message in await outcomes(world, done)]
    assert ["Do-Not-Message list now" in message for message in said] == [True, False, True, False]
    assert "there is no phone to put on the Do-Not-Message list" in said[3]


async def test_each_block_of_a_list_is_audited(world: World) -> None:
    await world.import_csv(LIST)
    ravi, ana = await rows(world.db, DoNotMessageRow)
    entries = await world.audit(AuditAction.BLOCK_ADD)
    assert [entry.target_id for entry in entries] == [ravi.id, ana.id]
    assert {entry.actor_id for entry in entries} == {ravi.created_by}
    assert (entries[0].text, entries[0].after) == (
        "Blocked +91•••••3210",
        {"phone": "+91•••••3210", "active": True},
    )
    (imported,) = await world.audit(AuditAction.GUEST_IMPORT)
    assert isinstance(imported.after, dict)
    assert (imported.after["blocked"], imported.after["consents"]) == (2, 2)


async def test_the_same_list_again_changes_nothing(world: World) -> None:
    await world.import_csv(LIST)
    before = [(entry.id, entry.created_at) for entry in await rows(world.db, DoNotMessageRow)]
    consent = (await world.person("Sita")).consent_recorded_at
    again = await world.import_csv(LIST)
    assert {outcome for outcome, _ in await outcomes(world, again)} == {ImportOutcome.UNCHANGED}
    assert [(entry.id, entry.created_at) for entry in await rows(world.db, DoNotMessageRow)] == before
    assert (await world.person("Sita")).consent_recorded_at == consent


async def test_a_list_blocks_the_known_phone_of_a_name(world: World) -> None:
    await world.import_csv(f"name,phone\nRavi,{P1}\n")
    done = await world.import_csv("name,phone,opt out\nRavi,,yes\n")
    assert (await one(world.db, DoNotMessageRow)).phone == P1
    assert [outcome for outcome, _ in await outcomes(world, done)] == [ImportOutcome.SKIPPED_NO_PHONE]


async def test_a_list_blocks_every_number_of_a_guest(world: World) -> None:
    done = await world.import_csv(f'name,phone,do not message\nRavi,"{P1} / {P2}",yes\n')
    assert [entry.phone for entry in await rows(world.db, DoNotMessageRow)] == [P1, P2]
    assert "2 phones of this guest are on the Do-Not-Message list now." in str(await outcomes(world, done))


async def test_whom_a_list_blocks_without_a_phone_is_not_invited_when_one_comes(world: World) -> None:
    """Nor with the list that brings it: it no longer says no, and nobody has looked."""
    done = await world.import_csv("name,phone,do not message\nNobody,,yes\nN,call Ravi,yes\nSita,,\n")
    assert ["the household is not invited" in str(message) for _, message in await outcomes(world, done)] == [
        True, True, False,
    ]  # fmt: skip
    await world.import_csv(f"name,phone\nNobody,{P1}\nN,{P2}\nSita,{MEXICO}\n")
    units = {unit.name: unit.inviteable for unit in await rows(world.db, GuestUnitRow)}
    assert units == {"Nobody": False, "N": False, "Sita": True}
    assert await rows(world.db, DoNotMessageRow) == []


async def test_a_known_household_is_not_invited_any_more(world: World) -> None:
    await world.import_csv(f"name,household,phone\nRavi,Rao,{P1}\nNani,Rao,\n")
    done = await world.import_csv("name,household,phone,dnd\nNani,Rao,,asked by phone\n")
    assert not (await one(world.db, GuestUnitRow)).inviteable
    assert [outcome for outcome, _ in await outcomes(world, done)] == [ImportOutcome.SKIPPED_NO_PHONE]
    again = await world.import_csv("name,household,phone,dnd\nNani,Rao,,asked by phone\n")
    assert [outcome for outcome, _ in await outcomes(world, again)] == [ImportOutcome.UNCHANGED]


async def test_a_list_blocks_again_what_was_taken_back(world: World) -> None:
    """Rather one too many: a list that still says no wins over an older change of mind, and the row says so."""
    await world.import_csv(LIST)
    (ravi, _) = await rows(world.db, DoNotMessageRow)
    await Blocks(world.db).revoke(world.admin, id=ravi.id, reason="he wants to come")
    await world.import_csv(LIST)
    assert [entry.active for entry in await rows(world.db, DoNotMessageRow)] == [False, True, True]


async def test_a_list_of_a_workspace_without_number_blocks_too(world: World, guests: Guests) -> None:
    workspace = await Workspaces(world.db, None).create_workspace(
        world.owner, name="No number", default_region="IN", timezone="Asia/Kolkata"
    )
    await guests.import_guests(world.owner, workspace_id=workspace.id, csv=LIST, rows=None, file_name=None)
    assert {entry.workspace_id for entry in await rows(world.db, DoNotMessageRow)} == {workspace.id}


async def test_consent_of_a_list_is_kept_with_who_when_and_what(world: World) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    await world.import_csv(LIST)
    sita, ana, ravi = [await world.person(name) for name in ("Sita", "Ana", "Ravi")]
    assert sita.consent_evidence == "Guest list guests.csv, row 2: yes, signed form"
    assert sita.consent_at is not None
    assert began < sita.consent_at == sita.consent_recorded_at
    assert (ana.consent_at, ana.consent_evidence) == (MARCH, "Guest list guests.csv, row 3: 2026-03-01 call")
    assert ana.consent_recorded_by == (await one(world.db, GuestImportRow)).created_by
    assert (ravi.consent_at, ravi.consent_evidence, ravi.consent_recorded_at) == (None, None, None)


async def test_a_day_to_come_counts_as_now(world: World) -> None:
    await world.import_csv(f"name,phone,consent\nRavi,{P1},2126-03-01\n")
    ravi = await world.person("Ravi")
    assert ravi.consent_at == ravi.consent_recorded_at


async def test_no_list_takes_a_consent_away(world: World, guests: Guests) -> None:
    await world.import_csv(f"name,phone,consent\nRavi,{P1},2026-03-01\n")
    done = await world.import_csv(f"name,phone,consent\nRavi,{P1},no\n")
    assert [outcome for outcome, _ in await outcomes(world, done)] == [ImportOutcome.UNCHANGED]
    assert (await world.person("Ravi")).consent_at == MARCH


@pytest.mark.parametrize("role", Role)
async def test_a_member_records_a_guests_consent(world: World, guests: Guests, role: Role) -> None:
    await world.import_csv(LIST)
    ravi = await world.person("Ravi")
    kept = await guests.update_person(world.actors[role], id=ravi.id, consent=Consent(" said so\non the phone ", MARCH))
    assert (kept.consent_at, kept.consent_evidence) == (MARCH, "said so\non the phone")
    (audited,) = await world.audit(AuditAction.GUEST_EDIT)
    assert audited.actor_id == kept.consent_recorded_by
    assert (audited.before, audited.after) == (
        {"consent": None},
        {"consent": {"at": "2026-03-01T00:00:00+00:00", "evidence": "(a text)"}},
    )
    again = await guests.update_person(world.owner, id=ravi.id, consent=Consent("said so\non the phone"))
    assert again.consent_recorded_by == kept.consent_recorded_by, "the same again keeps its first recording"
    assert len(await world.audit(AuditAction.GUEST_EDIT)) == 1


async def test_a_consent_is_taken_off_the_record(world: World, guests: Guests) -> None:
    await world.import_csv(LIST)
    sita = await guests.update_person(world.owner, id=(await world.person("Sita")).id, consent=None)
    assert (sita.consent_at, sita.consent_evidence, sita.consent_recorded_at, sita.consent_recorded_by) == (None,) * 4
    (audited,) = await world.audit(AuditAction.GUEST_EDIT)
    assert audited.after == {"consent": None}


async def test_a_household_consents(world: World, guests: Guests) -> None:
    await world.import_csv(LIST)
    unit = await world.unit("Ravi")
    kept = await guests.update_guest_unit(world.coordinator, id=unit.id, consent=Consent("the father, by letter"))
    assert kept.consent_evidence == "the father, by letter"
    assert kept.consent_at == kept.consent_recorded_at
    assert (await guests.update_guest_unit(world.coordinator, id=unit.id, consent=None)).consent_at is None
    assert len(await world.audit(AuditAction.GUEST_EDIT)) == 2


@pytest.mark.parametrize(
    "consent",
    [
        Consent(" "),
        Consent("x" * 501),
        Consent("ok", datetime.now(UTC) + timedelta(days=1)),
        Consent("ok", datetime(2026, 3, 1)),  # noqa: DTZ001 - a time without offset is what is refused
    ],
)
async def test_a_consent_without_proof_or_to_come_is_refused(world: World, guests: Guests, consent: Consent) -> None:
    await world.import_csv(LIST)
    with pytest.raises(BadInputError) as refused:
        await guests.update_person(world.owner, id=(await world.person("Ravi")).id, consent=consent)
    assert refused.value.field == "consent"


async def test_a_strangers_consent_is_not_taken(world: World, guests: Guests) -> None:
    await world.import_csv(LIST)
    with pytest.raises(NotFoundError):
        await guests.update_person(STRANGER, id=(await world.person("Ravi")).id, consent=Consent("sure"))
    assert len(await rows(world.db, AuditRow, AuditRow.action == AuditAction.ACCESS_REFUSED)) == 1


async def test_a_list_that_blocks_waits_for_a_claim_that_is_under_way(world: World) -> None:
    """Promise 2 holds for lists too: no claim commits after a block that it did not see."""
    claiming, may_end = asyncio.Event(), asyncio.Event()

    async def claim(uow: UnitOfWork) -> None:
        await uow.lock_number(world.number_id)
        await uow.session.execute(sa.select(1))  # SQLite takes its lock with the first statement
        claiming.set()
        await may_end.wait()

    claimed = asyncio.create_task(world.db.write(claim))
    await claiming.wait()
    importing = asyncio.create_task(world.import_csv(LIST))
    # Long enough for an import that waits for nobody to be done.
    finished, _ = await asyncio.wait({importing}, timeout=1)
    assert not finished
    assert await rows(world.db, DoNotMessageRow) == []
    may_end.set()
    await asyncio.gather(claimed, importing)
    assert len(await rows(world.db, DoNotMessageRow)) == 2
