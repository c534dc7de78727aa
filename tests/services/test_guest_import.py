"""Imports on real databases: the list of a real family, what is kept of it, who may, how many statements, what goes wrong."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.db.bulk import BATCH
from app.db.tables import (
    AuditRow,
    GuestImportRow,
    GuestUnitRow,
    GuestUnitTagRow,
    ImportRowRow,
    PersonRow,
    TagRow,
)
from app.domain.enums import AuditAction, ImportOutcome, PhoneStatus, Role, Side
from app.domain.errors import BadInputError, NotFoundError, TooLargeError
from app.domain.guest_list import MAX_BYTES, MAX_ROWS, GuestRow
from app.services.guests import Guests
from tests.services.world import STRANGER, World, contents, guest, import_results, make_world, one, rows
from tests.statements import statements

pytestmark = pytest.mark.anyio

DATA = Path(__file__).parents[1] / "data"
EXPECTED = json.loads((DATA / "guests.expect.json").read_text())
GUEST_TABLES = (GuestUnitRow, PersonRow, TagRow, GuestUnitTagRow)
P1, P2 = "+919876543210", "+919876543211"


async def test_a_real_list_as_it_is_and_again(world: World) -> None:
    text = (DATA / "guests.csv").read_bytes().decode()
    done = await world.import_csv(text)

    assert done.row_count == EXPECTED["rows"] == sum(done.outcomes.values())
    assert done.outcomes["WARNING_MALFORMED_PHONE"] == EXPECTED["malformed"]
    assert done.outcomes["SKIPPED_NO_PHONE"] == EXPECTED["no_phone"]
    assert sum(done.outcomes[name] for name in ("CREATED", "UPDATED", "UNCHANGED")) == EXPECTED["usable"]
    results = await import_results(world.db, done)
    assert Counter(result.outcome.value for result in results) == Counter(done.outcomes)
    assert [result.row for result in results] == list(range(1, EXPECTED["rows"] + 1))
    units = await rows(world.db, GuestUnitRow)
    people = await rows(world.db, PersonRow)
    assert len(units) == EXPECTED["households"] == len({result.guest_unit_id for result in results})
    assert all(unit.inviteable for unit in units), "the operator's own switch"
    valid = {person.phone for person in people if person.phone_status is PhoneStatus.VALID}
    assert len(valid) == EXPECTED["distinct"]
    assert {person.phone for person in people} - valid == {None}
    merged = sum(len(person.also_known_as) for person in people)
    assert merged == EXPECTED["usable"] - EXPECTED["distinct"] - 1, "all but one of the shared phones have two names"
    reachable = {person.guest_unit_id for person in people if person.phone}
    covered = {
        result.guest_unit_id for result in results if result.outcome in {ImportOutcome.CREATED, ImportOutcome.UPDATED}
    }
    assert covered - reachable <= {unit.id for unit in units if unit.delivery_phone}

    before = await contents(world.db, *GUEST_TABLES)
    again = await world.import_csv(text)
    assert again.outcomes == dict.fromkeys(ImportOutcome, 0) | {"UNCHANGED": EXPECTED["rows"]}
    assert await contents(world.db, *GUEST_TABLES) == before
    assert {result.outcome for result in await import_results(world.db, again)} == {ImportOutcome.UNCHANGED}


async def test_what_google_contacts_exports(world: World) -> None:
    text = (DATA / "google-contacts.csv").read_text()
    done = await world.import_csv(text)
    assert done.outcomes["UNCHANGED"] == 0 < done.row_count
    assert len({person.phone for person in await rows(world.db, PersonRow)} - {None}) == done.outcomes["CREATED"] == 4
    assert (await world.import_csv(text)).outcomes["UNCHANGED"] == done.row_count


async def test_everything_of_a_row_is_stored(world: World) -> None:
    done = await world.import_rows(
        guest("Ravi Rao", "098765 43210", "The Raos", side=Side.GROOM, tags=["VIP", "office"], primary=True),
        guest("Sita Rao", "call Ravi", "the raos"),
    )
    unit = await one(world.db, GuestUnitRow)
    assert (unit.workspace_id, unit.name, unit.name_key) == (world.workspace_id, "The Raos", "the raos")
    assert (unit.side, unit.delivery_phone, unit.inviteable, unit.archived) == (Side.GROOM, P1, True, False)
    assert unit.created_at == unit.updated_at == done.created_at
    ravi, sita = await rows(world.db, PersonRow)
    assert (ravi.guest_unit_id, ravi.name, ravi.name_key, ravi.also_known_as) == (unit.id, "Ravi Rao", "ravi rao", [])
    assert (ravi.phone, ravi.raw_phone, ravi.phone_status) == (P1, "098765 43210", PhoneStatus.VALID)
    assert (ravi.archived, ravi.consent_at, ravi.workspace_id) == (False, None, world.workspace_id)
    assert (sita.phone, sita.raw_phone, sita.phone_status) == (None, "call Ravi", PhoneStatus.MALFORMED)
    assert [(tag.name, tag.key) for tag in await rows(world.db, TagRow)] == [("VIP", "vip"), ("office", "office")]
    assert len(await rows(world.db, GuestUnitTagRow)) == 2
    first, second = await import_results(world.db, done)
    assert (first.outcome, first.message, first.name, first.phone) == (
        ImportOutcome.CREATED,
        None,
        "Ravi Rao",
        "098765 43210",
    )
    assert (second.outcome, second.phone) == (ImportOutcome.WARNING_MALFORMED_PHONE, "call Ravi")
    assert first.guest_unit_id == second.guest_unit_id == unit.id


async def test_changes_of_those_who_are_known_are_stored(world: World) -> None:
    await world.import_rows(
        guest("Ravi", P1, "Rao", tags=["vip"]), guest("Sita", None, "Rao"), guest("Anu", P2, "Iyer")
    )
    for name in ("Anu",):
        person = await world.person(name)
        await Guests(world.db).update_person(world.owner, id=person.id, archived=True)
    untouched = await world.person("Ravi")
    done = await world.import_rows(
        guest("Sita", "+919876543219", "Rao", side=Side.BRIDE, tags=["office"]),
        guest("Amma", P1, "Rao"),
        guest("Anu", P2, "Nair"),
    )
    assert [result.outcome.value for result in await import_results(world.db, done)] == [
        "UPDATED",
        "UPDATED",
        "REACTIVATED",
    ]
    unit, sita, ravi, anu = [await world.unit("Rao"), *[await world.person(name) for name in ("Sita", "Ravi", "Anu")]]
    assert (unit.side, unit.updated_at, unit.created_at < done.created_at) == (Side.BRIDE, done.created_at, True)
    assert (sita.phone, sita.raw_phone, sita.phone_status) == ("+919876543219", "+919876543219", PhoneStatus.VALID)
    assert (ravi.also_known_as, ravi.updated_at, ravi.created_at) == (["Amma"], done.created_at, untouched.created_at)
    assert (anu.archived, anu.guest_unit_id) == (False, (await world.unit("Nair")).id)
    tags = {tag.id: tag.name for tag in await rows(world.db, TagRow)}
    given = await rows(world.db, GuestUnitTagRow, GuestUnitTagRow.guest_unit_id == unit.id)
    assert sorted(tags[row.tag_id] for row in given) == ["office", "vip"]


async def test_rows_as_data_are_cleaned_like_those_of_a_file(world: World) -> None:
    dirty = GuestRow(
        7, " The\x00 Raos ", "Ravi\ud800\n Rao", " 098765\x0043210 ", None, ("a" * 80, " vip ", "VIP"), False
    )
    done = await world.import_rows(dirty, dirty)
    first, second = await import_results(world.db, done)
    assert [(first.row, first.name), (second.row, second.name)] == [(1, "Ravi Rao"), (2, "Ravi Rao")]
    assert (await one(world.db, PersonRow)).phone == P1
    assert (await one(world.db, GuestUnitRow)).name == "The Raos"
    assert [tag.name for tag in await rows(world.db, TagRow)] == ["a" * 50, "vip"]
    assert first.message == "A tag was longer than 50 characters and was cut."


async def test_workspaces_know_nothing_of_each_other(world: World) -> None:
    other = await make_world(world.db)
    await other.import_rows(guest("Ravi", P1, "Rao", tags=["vip"]))
    before = await contents(world.db, *GUEST_TABLES)
    done = await world.import_rows(guest("Papa", P1, "Rao", tags=["vip"]))
    assert done.outcomes["CREATED"] == 1
    assert (await world.person("Papa")).also_known_as == []
    assert {name: found[:1] for name, found in (await contents(world.db, *GUEST_TABLES)).items()} == before


@pytest.mark.parametrize("role", Role)
async def test_every_member_imports_and_it_is_audited(world: World, role: Role) -> None:
    done = await Guests(world.db).import_guests(
        world.actors[role], workspace_id=world.workspace_id, csv="name,phone\nRavi,098765 43210\n", rows=None,
        file_name="our\n guests.csv",
    )  # fmt: skip
    assert done.file_name == "our guests.csv"
    (entry,) = await world.audit(AuditAction.GUEST_IMPORT)
    assert (entry.actor_id, entry.target_id, entry.text) == (
        done.created_by,
        done.id,
        "Imported a guest list of 1 rows",
    )
    assert entry.after == {"outcomes": done.outcomes, "blocked": 0, "consents": 0}
    assert world.actors[role].subject in entry.actor_text
    assert "98765" not in json.dumps([entry.text, entry.after])
    assert "our guests" not in json.dumps([entry.text, entry.after]), "a file may be named after a guest"


@pytest.mark.parametrize("workspace_id", ["wsp_0197f3aa00007000800000000000abcd", "nonsense", None])
async def test_strangers_import_nothing_and_learn_nothing(world: World, workspace_id: str | None) -> None:
    with pytest.raises(NotFoundError):
        await Guests(world.db).import_guests(
            STRANGER, workspace_id=workspace_id or world.workspace_id, csv="not even a list", rows=None, file_name=None
        )
    assert await rows(world.db, GuestImportRow) == []
    assert (await one(world.db, AuditRow, AuditRow.action == AuditAction.ACCESS_REFUSED)).workspace_id is None


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"csv": None, "rows": None}, BadInputError),
        ({"csv": "name,phone\n", "rows": []}, BadInputError),
        ({"csv": "", "rows": None}, BadInputError),
        ({"csv": "colour,size\nred,1", "rows": None}, BadInputError),
        ({"csv": "name,phone\n" + "x" * MAX_BYTES, "rows": None}, TooLargeError),
        ({"csv": "name,phone\n" + "x,\n" * (MAX_ROWS + 1), "rows": None}, TooLargeError),
        ({"csv": None, "rows": [guest("Ravi")] * (MAX_ROWS + 1)}, TooLargeError),
    ],
    ids=["neither", "both", "empty", "no name", "bytes", "rows of csv", "rows"],
)
async def test_a_list_is_refused_whole(world: World, given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error) as refused:
        await Guests(world.db).import_guests(world.owner, workspace_id=world.workspace_id, file_name=None, **given)
    assert getattr(refused.value, "field", None) in {"csv", None}
    assert await rows(world.db, GuestImportRow) == []


async def test_progress_is_told_and_ends_at_the_end(world: World) -> None:
    told: list[tuple[int, int]] = []
    await Guests(world.db).import_guests(
        world.owner, workspace_id=world.workspace_id, csv=None, rows=[guest(f"Guest {n}") for n in range(2500)],
        file_name=None, progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == sorted(told)
    assert told[-1] == (5000, 5000)
    assert len(told) >= 4


async def test_the_number_of_statements_does_not_grow_with_the_rows(world: World) -> None:
    few, many = 3, 900
    assert many < BATCH
    counts = []
    for size, first in ((few, 6_000_000_000), (many, 7_000_000_000)):
        theirs = await make_world(world.db)
        again = [guest(f"Guest {n}", str(first + n), f"House {n // 3}", tags=[f"tag {n % 7}"]) for n in range(size)]
        changed = [guest(f"Second {n}", str(first + n), f"House {n // 3}", side=Side.BRIDE) for n in range(size)]
        with statements(theirs.db) as sent:
            await theirs.import_rows(*again)
            await theirs.import_rows(*changed)
        counts.append(len(sent))
    assert counts[0] == counts[1], "as many statements for 900 rows as for 3"


async def test_imports_at_once_come_one_after_the_other(world: World) -> None:
    """Both lists have the same guests: one makes them, the other finds them."""
    lists = [guest(f"Guest {n}", str(9_876_540_000 + n), f"House {n // 2}", tags=["vip"]) for n in range(200)]
    done = await asyncio.gather(*(world.import_rows(*lists) for _ in range(3)))
    assert sorted(each.outcomes["CREATED"] for each in done) == [0, 0, 200]
    assert sorted(each.outcomes["UNCHANGED"] for each in done) == [0, 200, 200]
    assert len(await rows(world.db, PersonRow)) == 200


async def test_an_import_that_breaks_leaves_nothing(world: World) -> None:
    def fail(done: int, total: int) -> None:
        if done == total:
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk"):
        await Guests(world.db).import_guests(
            world.owner,
            workspace_id=world.workspace_id,
            csv=None,
            rows=[guest("Ravi", P1)],
            file_name=None,
            progress=fail,
        )
    found = await contents(world.db, *GUEST_TABLES, GuestImportRow, ImportRowRow)
    assert found == {name: [] for name in found}
    assert await world.audit(AuditAction.GUEST_IMPORT) == []


async def test_the_loop_is_free_while_a_list_is_judged(world: World) -> None:
    """A webhook must not wait for an import: most of the work is done on another thread. CPU time, as clocks are shared."""
    guests = [guest(f"Guest {n}", str(9_870_000_000 + n), f"House {n // 3}") for n in range(4000)]
    here, everywhere = time.thread_time(), time.process_time()
    await world.import_rows(*guests)
    here, everywhere = time.thread_time() - here, time.process_time() - everywhere
    assert here < 0.6 * everywhere
