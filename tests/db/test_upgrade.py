"""A database that is in use is upgraded: from the first version, with the rows of a wedding, to the newest."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from app.db.engine import Database, UnitOfWork
from app.db.migrate import current, newest, upgrade
from app.db.tables import AuditRow, Base
from app.domain import ids
from app.domain.enums import AuditAction, ErasureReason, MessageState, Side
from app.services.erasure import Erasures
from app.services.guests import Guests
from app.services.pruning import Pruning
from app.services.reading import GuestUnitFilter, Reader
from app.services.replay import Replay
from app.services.verification import Verification
from app.whatsapp.kept import read_again
from tests.databases import PSEUDONYMS, Databases
from tests.db.test_migrations import refused
from tests.sending.world import UNKNOWN, Wedding, accepted, make_wedding, preference, status, wamid
from tests.services.world import guest, rows

pytestmark = pytest.mark.anyio

FIRST = "0001"
T = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())


@pytest.fixture
def bare_url(database_url: str, databases: Databases) -> str:
    """A second database of the same kind, without tables."""
    return databases.bare("sqlite" if database_url.startswith("sqlite") else "postgres")


@pytest.fixture
async def old(bare_url: str) -> AsyncIterator[Database]:
    await upgrade(bare_url, FIRST)
    database = Database(bare_url, pseudonyms=PSEUDONYMS)
    yield database
    await database.close()


@pytest.fixture
async def wedding(db: Database) -> Wedding:
    """Sent, failed, delivered, unconfirmed, blocked, stopped by guests; audited two years ago and today."""
    made = await make_wedding(db)
    names = [
        guest(f"Guest {n}", f"+9198000000{n:02}", "The Raos" if n < 2 else None, n, tags=["vip"]) for n in range(1, 7)
    ]
    await made.world.import_rows(*names, guest("Nobody", None, row=7))
    await made.send()
    claims = await made.claim()
    await made.finish(claims[:4], accepted)
    await made.finish(claims[4:], UNKNOWN)
    await made.post(
        status(wamid(claims[0]), "delivered", T),
        status(wamid(claims[1]), "failed", T, errors=[{"code": 131026, "title": "Undeliverable"}]),
        status("wamid.of-nobody", "sent", T),
    )
    await made.post_preferences(preference("stop", T, "919800000003"))
    workspace = made.world.workspace_id
    await made.blocks.add(made.world.owner, workspace_id=workspace, phone="+919800000004", reason="asked us")
    for at in (datetime.now(UTC) - timedelta(days=700), datetime.now(UTC) - timedelta(days=1)):
        await add(
            db,
            AuditRow(
                id=ids.first_at(ids.AUDIT, at)[:-4] + "abcd", workspace_id=workspace, at=at, action=AuditAction.EXPORT,
                actor_text="Asha", text="Exported", after={"rows": 7},
            ),
        )  # fmt: skip
    return made


@pytest.fixture
async def upgraded(wedding: Wedding, old: Database, bare_url: str) -> Wedding:
    """The wedding in a database of the first version, upgraded since."""
    copied = await copy(wedding.db, old)
    await upgrade(bare_url)
    assert await current(old) == newest()
    assert await content(old, copied) == await content(wedding.db, copied), "no row is lost or changed"
    world = type(wedding.world)(old, wedding.world.workspace_id, wedding.world.number_id, wedding.world.actors)
    return Wedding(world, wedding.event, wedding.template_id, old)


async def add(db: Database, row: Base) -> None:
    async def unit(uow: UnitOfWork) -> None:
        uow.session.add(row)

    await db.write(unit)


Columns = dict[str, list[str]]


async def copy(source: Database, target: Database) -> Columns:
    """All rows into an older database, as far as that has tables and columns for them; gives those."""
    async with target.connection() as connection:
        columns: Columns = await connection.run_sync(_columns)
        rows_of = await content(source, columns)
        for table in Base.metadata.sorted_tables:  # parents first
            if found := rows_of.get(table.name):
                await connection.execute(
                    sa.insert(table), [dict(zip(columns[table.name], row, strict=True)) for row in found]
                )
        await connection.commit()
    filled = {table for table, found in rows_of.items() if found}
    assert filled >= {
        "audit", "attempts", "do_not_message", "do_not_message_spellings", "events", "facts", "guest_import_rows",
        "guest_imports", "guest_unit_tags", "guest_units", "invite_messages", "members", "message_sources", "numbers", "people",
        "receipts", "run_breakdowns", "run_counters", "send_runs", "status_items", "tags", "templates", "workspaces",
    }, "or the upgrade of some table is not tried"  # fmt: skip
    return columns


def _columns(connection: sa.Connection) -> Columns:
    """What tables have, by table, without alembic's own."""
    inspector = sa.inspect(connection)
    names = set(inspector.get_table_names()) & set(Base.metadata.tables)
    return {name: [column["name"] for column in inspector.get_columns(name)] for name in names}


async def content(db: Database, columns: Columns) -> dict[str, list[tuple[Any, ...]]]:
    async def unit(uow: UnitOfWork) -> dict[str, list[tuple[Any, ...]]]:
        found = {}
        for name, given in columns.items():
            table = Base.metadata.tables[name]
            query = sa.select(*(table.c[column] for column in given)).order_by(*table.primary_key)
            found[name] = [tuple(row) for row in await uow.session.execute(query)]
        return found

    return await db.read(unit)


async def test_the_tables_are_as_in_a_new_database(upgraded: Wedding) -> None:
    async with upgraded.db.connection() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), Base.metadata)
        )
    assert differences == []


async def test_the_trail_is_kept_for_a_year_and_never_changed(upgraded: Wedding) -> None:
    rewrites = ["UPDATE audit SET text = 'other'", "DELETE FROM audit"]
    if upgraded.db.sqlite:
        rewrites.append("REPLACE INTO audit SELECT * FROM audit")
    for statement in rewrites:
        await refused(upgraded.db, statement)
    before = await rows(upgraded.db, AuditRow)
    pruned = await Pruning(upgraded.db, days=90, months=12).prune(apply=True)
    assert pruned[-1].rows == 1
    assert [entry.id for entry in await rows(upgraded.db, AuditRow)] == [entry.id for entry in before[1:]]
    assert before[1].text == "Exported"


async def test_what_was_sent_is_read_checked_and_replayed(upgraded: Wedding) -> None:
    await upgraded.check()
    assert (await Verification(upgraded.db, read_again).verify()).failed == []
    replayed = await Replay(upgraded.db, read_again).replay()
    assert (replayed.missing, replayed.changes) == (0, {})
    reader = Reader(upgraded.db, unconfirmed_after=timedelta(hours=1))
    owner, workspace_id = upgraded.world.owner, upgraded.world.workspace_id
    page = await reader.guest_units(owner, workspace_id, GuestUnitFilter(), first=100)
    assert page.total == 7
    assert all(unit.erased_at is None and unit.consent_at is None for unit in page.nodes)
    blocked = await reader.blocked_units(owner, [unit.id for unit in page.nodes])
    assert sum(blocked.values()) == 2


async def test_what_is_new_since_works_on_what_is_old(upgraded: Wedding) -> None:
    world = upgraded.world
    unit = await world.unit("The Raos")
    await Guests(upgraded.db).update_guest_unit(world.owner, id=unit.id, side=Side.BRIDE)
    await upgraded.post_preferences(preference("resume", T + 1, "919800000003"))
    await Erasures(upgraded.db).erase_guest(world.admin, id=unit.id, reason=ErasureReason.GUEST_REQUEST)
    run_id = await upgraded.send()
    states = await upgraded.states(run_id)
    assert states.pop("Guest 3") is MessageState.QUEUED, "who took the stop back"
    assert MessageState.QUEUED not in {states["Guest 4"], states["Nobody"]}
    await upgraded.deliver_all()
    await upgraded.check()
