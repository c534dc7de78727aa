"""Do-Not-Message: every role blocks, admins lift, and nobody lifts what Meta says."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from app.db.blocks import blocked_phones
from app.db.engine import Database, UnitOfWork
from app.db.number_blocks import NumberBlock, insert_number_blocks
from app.db.tables import AuditRow, DoNotMessageRow, DoNotMessageSpellingRow
from app.domain import ids
from app.domain.enums import AuditAction, DoNotMessageSource, Role
from app.domain.errors import BadInputError, ConflictError, ForbiddenError, NotFoundError
from app.domain.phone import spellings
from app.services.blocks import Blocks
from app.services.guests import Guests
from app.services.workspaces import Workspaces
from tests.services.world import STRANGER, World, contents, guest, make_world, one, rows

pytestmark = pytest.mark.anyio

P1, P2 = "+919876543210", "+919876543211"
MEXICO = "+525512345678"
SAID_AT = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.fixture
def blocks(db: Database) -> Blocks:
    return Blocks(db)


async def blocked(world: World, phones: list[str]) -> set[str]:
    """Those of the phones that are blocked, asked for by name and as everybody."""

    async def unit(uow: UnitOfWork) -> set[str]:
        scope = {"workspace_id": world.workspace_id, "number_id": world.number_id}
        named, everybody = [await blocked_phones(uow, **scope, phones=asked) for asked in (phones, None)]
        assert [each in named for each in phones] == [each in everybody for each in phones]
        return {each for each in phones if each in named}

    return await world.db.read(unit)


async def block_number(world: World, phone: str, evidence: Any = None) -> set[tuple[str, str]]:
    async def insert(uow: UnitOfWork) -> set[tuple[str, str]]:
        await uow.lock_number(world.number_id, exclusive=True)
        stop = NumberBlock(
            world.number_id, phone, DoNotMessageSource.META_STOP, "Asked Meta to stop", SAID_AT, evidence, None
        )
        return await insert_number_blocks(uow, [stop])

    return await world.db.write(insert)


@pytest.mark.parametrize("role", Role)
async def test_every_member_blocks(world: World, blocks: Blocks, role: Role) -> None:
    entry = await blocks.add(
        world.actors[role], workspace_id=world.workspace_id, phone="098765 43210", reason=" Does not want\nthis "
    )
    stored = await one(world.db, DoNotMessageRow)
    assert (stored.id, stored.phone, stored.reason) == (entry.id, P1, "Does not want\nthis")
    assert (stored.source, stored.active, stored.workspace_id, stored.number_id) == (
        DoNotMessageSource.MEMBER, True, world.workspace_id, None,
    )  # fmt: skip
    assert await blocked(world, [P1, P2]) == {P1}
    (audited,) = await world.audit(AuditAction.BLOCK_ADD)
    assert (audited.actor_id, audited.target_id, audited.before) == (stored.created_by, entry.id, None)
    assert (audited.text, audited.after) == (
        "Blocked +91•••••3210",
        {"phone": "+91•••••3210", "active": True},
    )


async def test_all_spellings_of_a_phone_are_blocked(world: World, blocks: Blocks) -> None:
    await blocks.add(world.owner, workspace_id=world.workspace_id, phone=MEXICO, reason="no")
    keys = spellings(MEXICO)
    assert len(keys) == 2
    assert {row.spelling for row in await rows(world.db, DoNotMessageSpellingRow)} == keys
    assert await blocked(world, [*keys, P1]) == keys
    assert await blocked(world, []) == set()


async def test_blocking_again_returns_the_entry_that_is_there(world: World, blocks: Blocks) -> None:
    first = await blocks.add(world.owner, workspace_id=world.workspace_id, phone=P1, reason="first")
    again = await blocks.add(world.coordinator, workspace_id=world.workspace_id, phone="98765-43210", reason="second")
    assert (again.id, again.reason) == (first.id, "first")
    assert len(await world.audit(AuditAction.BLOCK_ADD)) == 1


@pytest.mark.parametrize("with_number", [True, False])
async def test_blocking_at_once_makes_one_entry(world: World, blocks: Blocks, with_number: bool) -> None:
    workspace_id = world.workspace_id
    if not with_number:
        workspace = await Workspaces(world.db, None).create_workspace(
            world.owner, name="No number", default_region="IN", timezone="Asia/Kolkata"
        )
        workspace_id = workspace.id
    entries = await asyncio.gather(
        *(blocks.add(world.owner, workspace_id=workspace_id, phone=P1, reason=f"reason {n}") for n in range(5))
    )
    assert len({entry.id for entry in entries}) == 1
    assert len(await rows(world.db, DoNotMessageRow)) == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"phone": "12345"}, "phone"),
        ({"phone": ""}, "phone"),
        ({"phone": "Ravi"}, "phone"),
        ({"reason": " \n "}, "reason"),
        ({"reason": "r" * 501}, "reason"),
    ],
)
async def test_a_block_is_refused_for_bad_input(
    world: World, blocks: Blocks, given: dict[str, str], field: str
) -> None:
    good = {"workspace_id": world.workspace_id, "phone": P1, "reason": "no"}
    with pytest.raises(BadInputError) as refused:
        await blocks.add(world.owner, **(good | given))
    assert refused.value.field == field
    assert await rows(world.db, DoNotMessageRow) == []


@pytest.mark.parametrize("role", Role)
async def test_who_lifts_a_block(world: World, blocks: Blocks, role: Role) -> None:
    entry = await blocks.add(world.coordinator, workspace_id=world.workspace_id, phone=P1, reason="no")
    lift = blocks.revoke(world.actors[role], id=entry.id, reason="a mistake")
    if role is Role.FAMILY_COORDINATOR:
        with pytest.raises(ForbiddenError):
            await lift
        assert await blocked(world, [P1]) == {P1}
        (refusal,) = await world.audit(AuditAction.ACCESS_REFUSED)
        assert (refusal.text, refusal.target_id) == ("Refused: lift a block", entry.id)
        return
    lifted = await lift
    assert (lifted.active, lifted.revoke_reason, lifted.revoked_at is None) == (False, "a mistake", False)
    assert await blocked(world, [P1]) == set()
    (audited,) = await world.audit(AuditAction.BLOCK_REVOKE)
    assert audited.actor_id == lifted.revoked_by
    assert audited.before == {"phone": "+91•••••3210", "active": True}
    assert audited.after == {"phone": "+91•••••3210", "active": False}

    again = await blocks.revoke(world.owner, id=entry.id, reason="once more")
    assert (again.revoke_reason, again.revoked_at) == ("a mistake", lifted.revoked_at), "stays as it is"
    assert len(await world.audit(AuditAction.BLOCK_REVOKE)) == 1
    anew = await blocks.add(world.owner, workspace_id=world.workspace_id, phone=P1, reason="after all")
    assert anew.id != entry.id
    assert await blocked(world, [P1]) == {P1}


async def test_lifting_wants_a_reason(world: World, blocks: Blocks) -> None:
    entry = await blocks.add(world.owner, workspace_id=world.workspace_id, phone=P1, reason="no")
    with pytest.raises(BadInputError) as refused:
        await blocks.revoke(world.owner, id=entry.id, reason=" ")
    assert refused.value.field == "reason"


async def test_a_block_is_the_workspaces_own(world: World, blocks: Blocks) -> None:
    other = await make_world(world.db, number_id=world.number_id)
    entry = await blocks.add(world.owner, workspace_id=world.workspace_id, phone=P1, reason="no")
    assert await blocked(other, [P1]) == set()
    for actor in (other.owner, STRANGER):
        for entry_id in (entry.id, ids.new_id(ids.DO_NOT_MESSAGE), "nonsense"):
            with pytest.raises(NotFoundError):
                await blocks.revoke(actor, id=entry_id, reason="let me")
        with pytest.raises(NotFoundError):
            await blocks.add(actor, workspace_id=world.workspace_id, phone=P2, reason="let me")
    assert await blocked(world, [P1, P2]) == {P1}
    assert await world.audit(AuditAction.ACCESS_REFUSED) == []
    refusals = await rows(world.db, AuditRow, AuditRow.action == AuditAction.ACCESS_REFUSED)
    assert len(refusals) == 8


async def test_what_meta_blocked_holds_for_every_workspace_of_the_number(world: World) -> None:
    other = await make_world(world.db, number_id=world.number_id)
    elsewhere = await make_world(world.db)
    evidence = {"value": "stop\ud800\x00"}
    for _ in range(2):
        assert await block_number(world, P1, evidence) == {(world.number_id, P1)}
    assert await blocked(world, [P1]) == await blocked(other, [P1]) == {P1}
    assert await blocked(elsewhere, [P1]) == set()
    assert (await one(world.db, DoNotMessageRow)).evidence == evidence


async def test_a_phone_may_be_blocked_by_a_member_and_by_meta(world: World, blocks: Blocks) -> None:
    ours = await blocks.add(world.owner, workspace_id=world.workspace_id, phone=P1, reason="no")
    await block_number(world, P1)
    assert len(await rows(world.db, DoNotMessageRow)) == 2
    await blocks.revoke(world.owner, id=ours.id, reason="yes")
    assert await blocked(world, [P1]) == {P1}, "still blocked"


@pytest.mark.parametrize("via", ["person", "household"])
async def test_what_meta_blocked_is_lifted_by_nobody(world: World, blocks: Blocks, via: str) -> None:
    other = await make_world(world.db, number_id=world.number_id)
    await block_number(world, MEXICO)
    entry = await one(world.db, DoNotMessageRow)
    with pytest.raises(NotFoundError):
        await blocks.revoke(world.owner, id=entry.id, reason="not yet a guest of this wedding")
    household = guest("Ravi", P1, "Rao") if via == "household" else guest("Ravi", MEXICO, "Rao")
    await world.import_rows(household)
    if via == "household":
        unit = await world.unit("Rao")
        await Guests(world.db).update_guest_unit(world.owner, id=unit.id, delivery_phone=MEXICO)
    before = await contents(world.db, DoNotMessageRow)
    for actor in (world.owner, world.admin):
        with pytest.raises(ConflictError, match=r"nobody here can lift the block. The guest can: .* choose Resume"):
            await blocks.revoke(actor, id=entry.id, reason="please")
    with pytest.raises(ForbiddenError):
        await blocks.revoke(world.coordinator, id=entry.id, reason="please")
    for actor in (other.owner, STRANGER):
        with pytest.raises(NotFoundError):
            await blocks.revoke(actor, id=entry.id, reason="please")
    assert await contents(world.db, DoNotMessageRow) == before


async def test_what_meta_blocked_is_known_to_each_wedding_by_its_own_guests(world: World, blocks: Blocks) -> None:
    other = await make_world(world.db, number_id=world.number_id)
    await block_number(world, P1)
    entry = await one(world.db, DoNotMessageRow)
    for each in (world, other):
        await each.import_rows(guest("Ravi", P1))
        with pytest.raises(ConflictError):
            await blocks.revoke(each.owner, id=entry.id, reason="please")


async def test_a_block_waits_for_a_claim_that_is_under_way(world: World, blocks: Blocks) -> None:
    """Promise 2: no claim commits after a block that it did not see, because the block waits for it."""
    claiming, may_end = asyncio.Event(), asyncio.Event()

    async def claim(uow: UnitOfWork) -> None:
        await uow.lock_number(world.number_id)
        await uow.session.execute(sa.select(1))  # SQLite takes its lock with the first statement
        claiming.set()
        await may_end.wait()

    claimed = asyncio.create_task(world.db.write(claim))
    await claiming.wait()
    blocking = asyncio.create_task(blocks.add(world.owner, workspace_id=world.workspace_id, phone=P1, reason="no"))
    await asyncio.sleep(0.2)
    assert not blocking.done()
    may_end.set()
    await asyncio.gather(claimed, blocking)
    assert len(await blocked(world, [P1])) == 1
