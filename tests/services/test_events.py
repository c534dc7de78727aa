"""Events: draft and invite-only at first, their order, their statuses, and who may change what."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from app.db.tables import EventRow
from app.domain import ids
from app.domain.enums import AuditAction, EventStatus, EventVisibility, Role
from app.domain.errors import BadInputError, ConflictError, ForbiddenError, NotFoundError, TooLargeError
from app.domain.patch import UNSET, UnsetType
from app.services.events import MAX_EVENTS, Events
from tests.services.world import STRANGER, WEDDING_DAY, World, make_world, one, rows

pytestmark = pytest.mark.anyio

DRAFT, PUBLISHED, ARCHIVED = EventStatus
KOLKATA = timezone(timedelta(hours=5, minutes=30))


async def titles(world: World) -> list[str]:
    """In the workspace's order, which must be 1, 2, 3 …"""
    events = sorted(
        await rows(world.db, EventRow, EventRow.workspace_id == world.workspace_id), key=lambda event: event.position
    )
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    return [event.title for event in events]


@pytest.mark.parametrize("role", Role)
async def test_every_member_creates_events_that_nobody_sees_yet(world: World, role: Role) -> None:
    event = await Events(world.db).create_event(
        world.actors[role], workspace_id=world.workspace_id, title=" Mehndi\tnight ",
        starts_at=datetime(2026, 12, 1, 19, 0, tzinfo=KOLKATA), venue="  ",
    )  # fmt: skip
    stored = await one(world.db, EventRow)
    assert (stored.title, stored.starts_at, stored.venue) == ("Mehndi night", WEDDING_DAY, None)
    assert (stored.status, stored.visibility, stored.position) == (DRAFT, EventVisibility.INVITE_ONLY, 1)
    (entry,) = await world.audit(AuditAction.EVENT_EDIT)
    assert (entry.target_id, entry.before) == (event.id, None)
    assert entry.after == {
        "title": "Mehndi night", "startsAt": "2026-12-01T13:30:00Z", "venue": None, "status": "DRAFT",
        "visibility": "INVITE_ONLY", "position": 1,
    }  # fmt: skip


@pytest.mark.parametrize("role", Role)
async def test_every_member_edits_events(world: World, role: Role) -> None:
    event = await world.event()
    later = WEDDING_DAY + timedelta(days=1)
    await Events(world.db).update_event(
        world.actors[role], id=event.id, title="Haldi", venue="Taj", starts_at=later, status=PUBLISHED
    )
    stored = await one(world.db, EventRow)
    assert (stored.title, stored.venue, stored.starts_at, stored.status) == ("Haldi", "Taj", later, PUBLISHED)
    assert stored.updated_at > event.updated_at
    entry = (await world.audit(AuditAction.EVENT_EDIT))[-1]
    assert entry.before == {"title": "Sangeet", "venue": None, "startsAt": "2026-12-01T13:30:00Z", "status": "DRAFT"}
    assert entry.after == {"title": "Haldi", "venue": "Taj", "startsAt": "2026-12-02T13:30:00Z", "status": "PUBLISHED"}
    assert await world.audit(AuditAction.EVENT_VISIBILITY_CHANGE) == []


@pytest.mark.parametrize("role", Role)
async def test_who_may_change_the_visibility(world: World, role: Role) -> None:
    event = await world.event()
    change = Events(world.db).update_event(
        world.actors[role], id=event.id, title="Haldi", visibility=EventVisibility.PUBLIC
    )
    if role is Role.FAMILY_COORDINATOR:
        with pytest.raises(ForbiddenError):
            await change
        stored = await one(world.db, EventRow)
        assert (stored.title, stored.visibility) == ("Sangeet", EventVisibility.INVITE_ONLY), "all or nothing"
        (refusal,) = await world.audit(AuditAction.ACCESS_REFUSED)
        assert refusal.text == "Refused: change who may see an event"
    else:
        assert (await change).visibility is EventVisibility.PUBLIC
        (entry,) = await world.audit(AuditAction.EVENT_VISIBILITY_CHANGE)
        assert (entry.before, entry.after) == ({"visibility": "INVITE_ONLY"}, {"visibility": "PUBLIC"})
        assert (await world.audit(AuditAction.EVENT_EDIT))[-1].after == {"title": "Haldi"}


async def test_a_form_that_sends_everything_back_as_it_was_changes_nothing(world: World) -> None:
    event = await world.event()
    again = await Events(world.db).update_event(
        world.coordinator, id=event.id, title=event.title, starts_at=event.starts_at, venue=None, status=event.status,
        visibility=event.visibility, position=1,
    )  # fmt: skip
    assert again.updated_at == event.updated_at
    assert len(await world.audit(AuditAction.EVENT_EDIT, AuditAction.EVENT_VISIBILITY_CHANGE)) == 1


@pytest.mark.parametrize(
    ("old", "new", "possible"),
    [
        (DRAFT, PUBLISHED, True),
        (DRAFT, ARCHIVED, True),
        (PUBLISHED, DRAFT, True),
        (PUBLISHED, ARCHIVED, True),
        (ARCHIVED, DRAFT, True),
        (ARCHIVED, PUBLISHED, False),
        *((status, status, True) for status in EventStatus),
    ],
)
async def test_statuses(world: World, old: EventStatus, new: EventStatus, possible: bool) -> None:
    event = await world.event()
    events = Events(world.db)
    await events.update_event(world.owner, id=event.id, status=old)
    if possible:
        await events.update_event(world.owner, id=event.id, status=new)
    else:
        with pytest.raises(ConflictError, match="DRAFT first"):
            await events.update_event(world.owner, id=event.id, status=new)
    assert (await one(world.db, EventRow)).status is (new if possible else old)


@pytest.mark.parametrize(
    ("who", "position", "order"),
    [
        ("a", 1, "abcd"),
        ("a", 3, "bcad"),
        ("a", 4, "bcda"),
        ("d", 1, "dabc"),
        ("c", 2, "acbd"),
    ],
)
async def test_moving_an_event_shifts_those_between(world: World, who: str, position: int, order: str) -> None:
    other = await make_world(world.db)
    await other.event("theirs")
    events = {title: await world.event(title) for title in "abcd"}
    await Events(world.db).update_event(world.coordinator, id=events[who].id, position=position)
    assert "".join(await titles(world)) == order
    assert await titles(other) == ["theirs"]


@pytest.mark.parametrize("position", [0, -1, 3, 10**12])
async def test_a_place_that_is_none_is_refused(world: World, position: int) -> None:
    event = await world.event("a")
    await world.event("b")
    with pytest.raises(BadInputError, match="from 1 to 2") as refused:
        await Events(world.db).update_event(world.owner, id=event.id, position=position)
    assert refused.value.field == "position"


async def test_the_order_stays_dense_when_many_move_and_create_at_once(world: World) -> None:
    events = [await world.event(title) for title in "abcde"]
    moves = [
        Events(world.db).update_event(world.owner, id=event.id, position=place)
        for event, place in zip(events, (5, 1, 2, 4, 3), strict=True)
    ]
    await asyncio.gather(*moves, *(world.event(title) for title in "fgh"))
    assert sorted(await titles(world)) == list("abcdefgh")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"title": None}, "title"),
        ({"title": " "}, "title"),
        ({"title": "t" * 201}, "title"),
        ({"starts_at": None}, "startsAt"),
        ({"starts_at": datetime(2026, 12, 1)}, "startsAt"),  # noqa: DTZ001 - a time without offset is the point
        ({"venue": "v" * 301}, "venue"),
        ({"status": None}, "status"),
        ({"visibility": None}, "visibility"),
        ({"position": None}, "position"),
    ],
)
async def test_an_edit_is_refused_for_bad_input(world: World, given: dict[str, Any], field: str) -> None:
    event = await world.event()
    with pytest.raises(BadInputError) as refused:
        await Events(world.db).update_event(world.owner, id=event.id, **given)
    assert refused.value.field == field
    if given.keys() <= {"title", "starts_at", "venue"} and None not in given.values():
        good: dict[str, Any] = {
            "workspace_id": world.workspace_id,
            "title": "Haldi",
            "starts_at": datetime.now(UTC),
            "venue": None,
        }
        with pytest.raises(BadInputError) as refused:
            await Events(world.db).create_event(world.owner, **(good | given))
        assert refused.value.field == field


async def test_a_venue_can_be_cleared(world: World) -> None:
    event = await world.event()
    events = Events(world.db)
    await events.update_event(world.owner, id=event.id, venue="Taj")
    await events.update_event(world.owner, id=event.id, venue=None)
    assert (await one(world.db, EventRow)).venue is None
    assert (await world.audit(AuditAction.EVENT_EDIT))[-1].before == {"venue": "Taj"}


async def test_events_of_others_do_not_exist(world: World) -> None:
    theirs = await make_world(world.db)
    event = await theirs.event()
    events = Events(world.db)
    places: tuple[int | UnsetType, ...] = (UNSET, 1)
    for actor in (world.owner, STRANGER):
        for event_id in (event.id, ids.new_id(ids.EVENT), "nonsense", theirs.workspace_id):
            for place in places:
                with pytest.raises(NotFoundError):
                    await events.update_event(actor, id=event_id, title="mine", position=place)
        with pytest.raises(NotFoundError):
            await events.create_event(
                actor, workspace_id=theirs.workspace_id, title="mine", starts_at=WEDDING_DAY, venue=None
            )
    assert await titles(theirs) == ["Sangeet"]
    assert await theirs.audit(AuditAction.ACCESS_REFUSED) == [], "a family does not learn of strangers"


async def test_how_many_there_may_be(world: World) -> None:
    def create() -> Any:
        return Events(world.db).create_event(
            world.actors[Role.OWNER],
            workspace_id=world.workspace_id,
            title="One more",
            starts_at=WEDDING_DAY,
            venue=None,
        )

    for _ in range(MAX_EVENTS):
        await create()
    with pytest.raises(TooLargeError, match=f"at most {MAX_EVENTS} events"):
        await create()
    assert len(await titles(world)) == MAX_EVENTS
