"""Pages by key: every row exactly once whatever the size of the page, and cursors that only fit where they were made."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from app.db.engine import Database
from app.db.tables import ImportRowRow
from app.domain.enums import (
    AuditAction,
    ImportOutcome,
    InviteCoverage,
    MessageState,
    ReceiptFinding,
    SendRunKind,
    SendRunStatus,
)
from app.domain.errors import BadInputError
from app.services.reading import AuditFilter, GuestUnitFilter, MessageFilter, Reader
from tests.reading.calls import PAGES, arguments, of_family
from tests.reading.world import NOW, Family, World, actor, family, phones, reader

pytestmark = pytest.mark.anyio

ASHA = actor("asha")
OTHER_FILTER: dict[str, dict[str, Any]] = {
    "import_rows": {"outcomes": [ImportOutcome.CREATED]},
    "guest_units": {"where": GuestUnitFilter(tags=("Close family",))},
    "workspace_runs": {"statuses": [SendRunStatus.RUNNING]},
    "run_messages": {"where": MessageFilter(states=(MessageState.DELIVERED,))},
    "event_messages": {"where": MessageFilter(search="asha")},
    "do_not_message": {"active": None},
    "audit": {"where": AuditFilter(after=NOW)},
    "webhook_findings": {"findings": [ReceiptFinding.UNMATCHED]},
}


async def _crowded(db: Database, more: int = 15) -> tuple[World, Family]:
    """A family with ``more`` further rows in every list."""
    world = World(db)
    number, phone = world.number(), phones()
    made = family(world, number, "asha", phone)
    other = family(world, world.number(), "meera", phone)
    for index in range(more):
        # Many households share a name: only the id tells them apart.
        unit = world.unit(made.workspace, ("Sharma", "Štefan", "अमित")[index % 3], phone=phone())
        world.guest_import(made.owner, ImportOutcome.CREATED)
        world.message(made.run, MessageState.QUEUED, made.unit, unit)
        world.message(world.run(made.event, made.template, made.owner), MessageState.FAILED, made.unit)
        world.block(phone(), workspace=made.workspace)
        world.audit(made.workspace, AuditAction.GUEST_EDIT, run_id=made.run.id)
        world.status(world.receipt(number), None, "sent", NOW, finding=ReceiptFinding.UNMATCHED)
        world.receipt(number, "It is not JSON.")
        world.block(phone(), workspace=other.workspace)
    for row in range(2, more + 2):
        world.add(_import_row(made.guest_import.id, row))
    await world.save()
    return world, made


def _import_row(import_id: str, row: int) -> Any:
    return ImportRowRow(import_id=import_id, row=row, outcome=ImportOutcome.UPDATED)


async def _pages(call: Callable[..., Any], first: int) -> AsyncIterator[list[str]]:
    after = None
    for _ in range(200):
        found = await call(first=first, after=after)
        assert len(found.nodes) == len(found.cursors) <= first
        yield [_identity(node) for node in found.nodes]
        if not found.has_next:
            return
        assert len(found.nodes) == first
        after = found.cursors[-1]
    raise AssertionError("the list does not end")


async def _walk(call: Callable[..., Any], first: int) -> list[str]:
    return [row async for page in _pages(call, first) for row in page]


def _call(source: Reader, name: str, made: Family, **other: Any) -> Callable[..., Any]:
    given = arguments(name, of_family(made)) | other

    async def call(**window: Any) -> Any:
        return await getattr(source, name)(ASHA, **given | window)

    return call


def _identity(node: Any) -> str:
    node = getattr(node, "row", node) if hasattr(node, "counters") else node
    return str(getattr(node, "id", None) or getattr(node, "row", None) or node.receipt_id)


async def test_every_row_comes_once_in_one_order(db: Database) -> None:
    _world, made = await _crowded(db)
    for name in PAGES:
        call = _call(reader(db), name, made)
        whole = await _walk(call, 100)
        assert len(whole) >= 16, name
        assert len(set(whole)) == len(whole), name
        for first in (1, 7, len(whole), len(whole) - 1):
            assert await _walk(call, first) == whole, name


GROWING = ("webhook_findings", "guest_units", "workspace_runs", "do_not_message")


@pytest.mark.parametrize("first", [1, 7])
async def test_rows_that_come_in_between_disturb_nothing(db: Database, first: int) -> None:
    world, made = await _crowded(db, 10)
    phone = phones()

    async def more(number: int) -> None:
        world.unit(made.workspace, ("Aaa", "Sharma", "Zzz")[number % 3])
        world.run(made.event, made.template, made.owner)
        world.block(phone().replace("+9198", "+9197"), workspace=made.workspace)
        world.status(world.receipt(made.number), None, "sent", NOW, finding=ReceiptFinding.UNMATCHED)
        world.receipt(made.number, "It is not JSON.")
        await world.save()

    calls = {name: _call(reader(db), name, made) for name in GROWING}
    before = {name: await _walk(call, 100) for name, call in calls.items()}
    walks = {name: _pages(call, first) for name, call in calls.items()}
    seen: dict[str, list[str]] = {name: [] for name in GROWING}
    turn = 0
    while walks:
        for name, pages in list(walks.items()):
            page = await anext(pages, None)
            if page is None:
                del walks[name]
            else:
                seen[name] += page
        await more(turn)
        turn += 1
    for name in GROWING:
        assert len(set(seen[name])) == len(seen[name])
        assert [row for row in seen[name] if row in set(before[name])] == before[name]


async def _refused(call: Callable[..., Any], after: str) -> None:
    with pytest.raises(BadInputError) as caught:
        await call(first=1, after=after)
    assert caught.value.field == "after"


async def test_a_cursor_fits_its_own_list_only(db: Database) -> None:
    _world, made = await _crowded(db, 3)
    source = reader(db)
    for name in PAGES:
        own = _call(source, name, made)
        cursor = (await own(first=1)).cursors[0]
        assert (await own(first=1, after=cursor)).nodes
        for other in PAGES:
            if other != name:
                await _refused(_call(source, other, made), cursor)
        if name in OTHER_FILTER:
            await _refused(_call(source, name, made, **OTHER_FILTER[name]), cursor)
        parent = next(parameter for parameter in arguments(name, of_family(made)) if parameter.endswith("_id"))
        value = of_family(made)[parent]
        other_parent = value[:-1] + ("0" if value[-1] != "0" else "1")
        await _refused(_call(source, name, made, **{parent: other_parent}), cursor)


async def test_a_broken_cursor_is_bad_input(db: Database) -> None:
    _world, made = await _crowded(db, 3)
    for name in PAGES:
        call = _call(reader(db), name, made)
        cursor = (await call(first=1)).cursors[0]
        fingerprint, *key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        broken = ["", "x", "💥", cursor[:-3], cursor + "AAAA", "A" * 100_000, _encode([]), _encode({}), _encode(1)]
        broken += [
            base64.urlsafe_b64encode(b"[" * 1400).decode(),
            _encode([fingerprint, *key, 1]),
            _encode([fingerprint]),
        ]
        broken += [_encode(["0" * 12, *key]), _encode([[fingerprint], *key])]
        for place in range(len(key)):
            values: list[Any] = [None, True, 1.5, 2**31, -(2**80), "\0", "\ud800", [], {}]
            for value in values:
                broken.append(_encode([fingerprint, *key[:place], value, *key[place + 1 :]]))
        for after in broken:
            await _refused(call, after)


def _encode(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


async def test_first_is_between_1_and_100(db: Database) -> None:
    _world, made = await _crowded(db, 1)
    for name in PAGES:
        for first in (0, -1, 101, 2**40):
            with pytest.raises(BadInputError, match=r"^first must be between 1 and 100$") as caught:
                await _call(reader(db), name, made)(first=first)
            assert caught.value.field == "first"


async def test_orders(db: Database) -> None:
    """Newest first where it is a history, as sent in a run, by name where somebody looks for a household."""
    world, made = await _crowded(db, 4)
    newest = world.run(made.event, made.template, made.owner, kind=SendRunKind.TEST)
    world.message(newest, MessageState.QUEUED)
    await world.save()
    source = reader(db)

    async def nodes(name: str) -> list[Any]:
        page = await _call(source, name, made)(first=100)
        return list(page.nodes)

    runs = [view.row.id for view in await nodes("workspace_runs")]
    assert runs == sorted(runs, reverse=True)
    assert runs[0] == newest.id
    assert [view.row.id for view in await nodes("event_runs")] == runs
    assert [message.position for message in await nodes("run_messages")] == list(range(5))
    of_event = [(message.run_id, message.position) for message in await nodes("event_messages")]
    assert of_event == sorted(of_event, reverse=True)
    assert newest.id not in {run_id for run_id, _position in of_event}
    names = [unit.name_key for unit in await nodes("guest_units")]
    assert names == ["sharma", "sharma", "sharma", "stefan", "अमित"]
    assert [row.row for row in await nodes("import_rows")] == [1, 2, 3, 4, 5]


async def test_filters_and_coverage_page_too(db: Database) -> None:
    _world, made = await _crowded(db, 9)
    where = GuestUnitFilter(event_id=made.event.id, coverage=(InviteCoverage.PENDING,))
    call = _call(reader(db), "guest_units", made, where=where)
    assert (await call(first=1)).total == 9
    assert len(await _walk(call, 4)) == 9
    assert not (await _call(reader(db), "guest_units", made, where=replace(where, archived=True))(first=1)).nodes
