"""The Do-Not-Message list: the workspace's own, and of the number only what concerns a guest of the workspace."""

import pytest

from app.db.engine import Database
from app.db.tables import DoNotMessageRow, MessageRow
from app.domain.enums import DoNotMessageSource, MessageState, Role
from app.services.reading import BlockEvidence
from tests.reading.world import World, actor, reader

pytestmark = pytest.mark.anyio

ASHA, MEERA = actor("asha"), actor("meera")


async def test_entries_of_the_number_show_where_they_match_a_guest(db: Database) -> None:
    world = World(db)
    number, elsewhere = world.number(), world.number()
    mine, theirs = world.workspace("Mine", number), world.workspace("Theirs", number)
    world.member(mine, "asha")
    world.member(theirs, "meera")
    world.unit(mine, "Sharma family", phone="+919820000001")
    world.person(world.unit(mine, "Gupta"), "Amit", "+5511987654321")
    world.person(world.unit(theirs, "Khan"), "Zara", "+919820000003")
    own = world.block("+919820000003", workspace=mine)  # whose name only the other family knows
    of_unit = world.block("+919820000001", number=number)
    of_person = world.block("+551187654321", number=number)  # Meta's other spelling
    of_theirs = world.block("+919820000003", number=number)
    of_nobody = world.block("+919820000004", number=number)
    not_ours = world.block("+919820000001", number=elsewhere)
    revoked = world.block("+919820000008", workspace=mine, active=False)
    await world.save()
    source = reader(db)

    async def listed(who: object, workspace_id: str, **more: object) -> set[str]:
        page = await source.do_not_message(who, workspace_id, first=100, **more)  # type: ignore[arg-type]
        return {entry.id for entry in page.nodes}

    assert await listed(ASHA, mine.id) == {own.id, of_unit.id, of_person.id}
    assert await listed(MEERA, theirs.id) == {of_theirs.id}
    assert await listed(ASHA, mine.id, active=False) == {revoked.id}
    assert await listed(ASHA, mine.id, active=None) == {own.id, of_unit.id, of_person.id, revoked.id}
    every = [own, of_unit, of_person, of_theirs, of_nobody, not_ours, revoked]
    by_id = await source.rows(ASHA, DoNotMessageRow, [entry.id for entry in every])
    assert by_id.keys() == {own.id, of_unit.id, of_person.id, revoked.id}

    for search, found in {
        "98200 00003": {own.id},
        "amit": {of_person.id},
        "SHARMA": {of_unit.id},
        "zara": set(),
        "gupta": set(),  # the phone is Amit's, not the household's
        "%": set(),
        "": {own.id, of_unit.id, of_person.id},
    }.items():
        assert await listed(ASHA, mine.id, search=search) == found, search


async def test_one_actor_in_two_workspaces_gets_each_list_by_itself(db: Database) -> None:
    world = World(db)
    number = world.number()
    first, second = world.workspace("First", number), world.workspace("Second", number)
    for workspace in (first, second):
        world.member(workspace, "asha")
    world.unit(first, "Sharma", phone="+919820000001")
    own = world.block("+919820000002", workspace=second)
    of_number = world.block("+919820000001", number=number)
    await world.save()
    source = reader(db)
    assert [entry.id for entry in (await source.do_not_message(ASHA, first.id, first=9)).nodes] == [of_number.id]
    assert [entry.id for entry in (await source.do_not_message(ASHA, second.id, first=9)).nodes] == [own.id]


async def test_evidence_is_for_those_who_may_read_receipts(db: Database) -> None:
    world = World(db)
    number = world.number()
    mine, theirs = world.workspace("Mine", number), world.workspace("Theirs", number)
    world.member(mine, "asha")
    world.member(mine, "meera", Role.FAMILY_COORDINATOR)
    world.member(theirs, "meera", Role.PARENT_ADMIN)
    world.person(world.unit(mine, "Gupta"), "Amit", "+919820000001")
    world.person(world.unit(theirs, "Khan"), "Zara", "+919820000002")
    receipt = world.receipt(number)
    ours, zaras = world.block("+919820000001", number=number), world.block("+919820000002", number=number)
    for entry in (ours, zaras):
        entry.evidence, entry.receipt_id = '{"value":"stop"}', receipt.id
    listed = world.block("+919820000001", workspace=mine)
    listed.evidence = {"row": 3}
    by_hand = world.block("+919820000009", workspace=mine)
    await world.save()

    found = await reader(db).block_evidence(ASHA, [ours.id, zaras.id, listed.id, by_hand.id, "nonsense"])
    assert found == {
        ours.id: BlockEvidence({"value": "stop"}, receipt.id),
        listed.id: BlockEvidence({"row": 3}, None),
        by_hand.id: BlockEvidence(None, None),
    }
    meeras = await reader(db).block_evidence(MEERA, [ours.id, zaras.id, listed.id])
    assert meeras == {
        zaras.id: BlockEvidence({"value": "stop"}, receipt.id),
        listed.id: BlockEvidence({"row": 3}, None),
    }, "a coordinator of the one, an admin of the other"


async def test_evidence_of_a_refused_message_is_for_its_workspace(db: Database) -> None:
    """Of an old entry nobody knows which message it is about, so nobody reads it."""
    world = World(db)
    number = world.number()
    template = world.template(number, "invite")
    entries: list[str] = []
    for subject, role in (("asha", Role.OWNER), ("meera", Role.OWNER), ("ravi", Role.FAMILY_COORDINATOR)):
        workspace = world.workspace(f"Wedding of {subject}", number)
        member = world.member(workspace, subject, role)
        for phone in ("+919820000001", "+919820000002", "+919820000003"):
            world.person(world.unit(workspace, "Gupta"), "Amit", phone)
        message = world.message(world.run(world.event(workspace), template, member), MessageState.FAILED)
        entry = world.block(f"+91982000000{len(entries) + 1}", number=number)
        entry.source, entry.evidence = DoNotMessageSource.META_CODE_131050, {"of": subject}
        entry.message_id = message.id if subject != "meera" else None
        entries.append(entry.id)
    await world.save()
    asked = reader(db).block_evidence
    assert await asked(ASHA, entries) == {entries[0]: BlockEvidence({"of": "asha"}, None)}
    assert await asked(MEERA, entries) == {}
    assert await asked(actor("ravi"), entries) == {}, "the message is theirs, but not the right to read receipts"


async def test_what_is_on_its_way_is_the_workspaces_own(db: Database) -> None:
    world = World(db)
    number = world.number()
    mine, theirs = world.workspace("Mine", number), world.workspace("Theirs", number)
    template = world.template(number, "invite")
    messages: dict[str, list[MessageRow]] = {}
    for workspace, subject in ((mine, "asha"), (theirs, "meera")):
        member = world.member(workspace, subject)
        world.person(world.unit(workspace, "Gupta"), "Amit", "+525512345678")
        run = world.run(world.event(workspace), template, member)
        messages[subject] = [
            world.message(run, state, phone="+525512345678")
            for state in (MessageState.SENT, MessageState.ACCEPTED, MessageState.READ, MessageState.QUEUED)
        ]
        world.message(run, MessageState.SENT, phone="+525512345679")
    of_number = world.block("+5215512345678", number=number)
    own = world.block("+525512345678", workspace=mine)
    await world.save()
    for who, subject, entries in ((ASHA, "asha", [of_number, own]), (MEERA, "meera", [of_number])):
        found = await reader(db).on_their_way(who, [of_number.id, own.id])
        wanted = [messages[subject][1].id, messages[subject][0].id]
        assert {key: [each.id for each in value] for key, value in found.items()} == {
            entry.id: wanted for entry in entries
        }
    assert await reader(db).on_their_way(actor("stranger"), [of_number.id, own.id]) == {}
