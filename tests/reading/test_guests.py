"""Households: filters, search, phones, tags and blocks."""

import pytest

from app.db.engine import Database
from app.db.tables import GuestUnitRow, WorkspaceRow
from app.domain.enums import PhoneStatus, Side
from app.domain.errors import BadInputError
from app.services.reading import GuestUnitFilter
from tests.reading.world import World, actor, reader

pytestmark = pytest.mark.anyio

ASHA = actor("asha")
EVERYBODY = {"delivery", "person", "malformed", "missing", "gone"}


class _Guests:
    """Six households, one of them archived."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.world = World(db)
        self.number = self.world.number()
        self.workspace: WorkspaceRow = self.world.workspace("Wedding", self.number)
        self.world.member(self.workspace, "asha")
        add = self.world.unit
        self.units: dict[str, GuestUnitRow] = {
            "delivery": add(self.workspace, "Šarma 100%", phone="+919820012345"),
            "person": add(self.workspace, "Gupta_Family", side=Side.GROOM),
            "malformed": add(self.workspace, "O’Brien", side=Side.GROOM, inviteable=False),
            "missing": add(self.workspace, "Zara"),
            "gone": add(self.workspace, "Gone"),
            "archived": add(self.workspace, "Archived", archived=True, phone="+919820099999"),
        }
        person = self.world.person
        person(self.units["delivery"], "Nobody's phone", raw="call Ravi")
        person(self.units["person"], "अमित Gupta", "+5511987654321")
        person(self.units["person"], "Renée", raw="12")
        person(self.units["malformed"], "Pat", raw="N/A")
        person(self.units["missing"], "Zara")
        person(self.units["gone"], "Old", "+919820054321", archived=True)
        person(self.units["archived"], "Ancient", archived=True)
        self.world.tag(
            self.workspace, "Close Family", self.units["delivery"], self.units["person"], self.units["archived"]
        )
        self.world.tag(self.workspace, "Veg", self.units["person"], self.units["missing"])
        self.world.tag(self.workspace, "Unused", self.units["archived"])

    async def found(self, **where: object) -> set[str]:
        page = await reader(self.db).guest_units(ASHA, self.workspace.id, GuestUnitFilter(**where), first=100)  # type: ignore[arg-type]
        assert page.total == len(page.nodes)
        names = {unit.id: name for name, unit in self.units.items()}
        return {names[unit.id] for unit in page.nodes}

    @property
    def ids(self) -> list[str]:
        return [unit.id for unit in self.units.values()]

    def named(self, by_id: dict[str, object]) -> dict[str, object]:
        return {name: by_id[unit.id] for name, unit in self.units.items() if unit.id in by_id}


@pytest.fixture
async def guests(db: Database) -> _Guests:
    made = _Guests(db)
    await made.world.save()
    return made


async def test_filters(guests: _Guests) -> None:
    assert await guests.found() == EVERYBODY
    assert await guests.found(archived=True) == {"archived"}
    assert await guests.found(side=Side.GROOM) == {"person", "malformed"}
    assert await guests.found(inviteable=False) == {"malformed"}
    assert await guests.found(inviteable=True) == EVERYBODY - {"malformed"}
    assert await guests.found(tags=("close  FAMILY",)) == {"delivery", "person"}
    assert await guests.found(tags=("Close Family", "veg")) == {"person"}
    assert await guests.found(tags=("Close Family", "nobody's")) == set()
    assert await guests.found(side=Side.BRIDE, tags=("Veg",), search="ZARA") == {"missing"}


SEARCHES = {
    "sarma": {"delivery"},
    "ŠARMA": {"delivery"},
    "100%": {"delivery"},
    "%": {"delivery"},
    "_": {"person"},
    "\\": set(),
    "renee": {"person"},
    "अमित": {"person"},
    "o'brien": {"malformed"},
    "098200 12345": {"delivery"},
    "+91 (98200) 12-345": {"delivery"},
    "९८२००": {"delivery"},
    "87654321": {"person"},
    "old": set(),
    "'; DROP TABLE people; --": set(),
    "\0": EVERYBODY,
    "   ": EVERYBODY,
}


async def test_search(guests: _Guests) -> None:
    for search, expected in SEARCHES.items():
        assert await guests.found(search=search) == expected, search


async def test_bounds(guests: _Guests) -> None:
    for field, where in (("search", {"search": "x" * 101}), ("tags", {"tags": tuple(map(str, range(21)))})):
        with pytest.raises(BadInputError) as caught:
            await guests.found(**where)
        assert caught.value.field == field


async def test_phone_status(guests: _Guests) -> None:
    expected = {
        "delivery": PhoneStatus.VALID,
        "person": PhoneStatus.VALID,
        "malformed": PhoneStatus.MALFORMED,
        "missing": PhoneStatus.MISSING,
        "gone": PhoneStatus.MISSING,
        "archived": PhoneStatus.VALID,
    }
    assert guests.named(dict(await reader(guests.db).phone_statuses(ASHA, guests.ids))) == expected
    for status in PhoneStatus:
        active = {name for name, its in expected.items() if its is status and name != "archived"}
        assert await guests.found(phone_status=status) == active


async def test_people_and_tags(guests: _Guests) -> None:
    source = reader(guests.db)
    people = await source.people(ASHA, guests.ids)
    assert {name: [person.name for person in rows] for name, rows in guests.named(dict(people)).items()} == {  # type: ignore[attr-defined]
        "delivery": ["Nobody's phone"],
        "person": ["अमित Gupta", "Renée"],
        "malformed": ["Pat"],
        "missing": ["Zara"],
        "archived": ["Ancient"],
    }
    assert guests.named(dict(await source.unit_tags(ASHA, guests.ids))) == {
        "delivery": ["Close Family"],
        "person": ["Close Family", "Veg"],
        "missing": ["Veg"],
        "archived": ["Close Family", "Unused"],
    }
    assert await source.tags(ASHA, [guests.workspace.id]) == {guests.workspace.id: [("Close Family", 2), ("Veg", 2)]}
    assert await source.sides(ASHA, [guests.workspace.id]) == {
        guests.workspace.id: {Side.BRIDE: 3, Side.GROOM: 2, Side.NEUTRAL: 0}
    }


async def test_blocked_by_any_spelling_of_workspace_or_number(guests: _Guests) -> None:
    async def blocked() -> set[str]:
        found = guests.named(dict(await reader(guests.db).blocked_units(ASHA, guests.ids)))
        assert found.keys() == guests.units.keys()
        return {name for name, is_blocked in found.items() if is_blocked}

    world = guests.world
    other_number = world.number()
    other = world.workspace("Other", guests.number)
    world.block("+919820012345", workspace=other)
    world.block("+919820012345", number=other_number)
    world.block("+919820012345", workspace=guests.workspace, active=False)
    world.block("+919820054321", workspace=guests.workspace)  # of an archived person
    await world.save()
    assert await blocked() == set()
    world.block("+919820012345", workspace=guests.workspace)
    world.block("+551187654321", number=guests.number)  # Meta's other spelling of +55 11 9 8765-4321
    await world.save()
    assert await blocked() == {"delivery", "person"}
