"""The hub of those who watch: who is told what, how soon, and at what cost. Where looks must come from word of a change
alone, the hub does not look by itself (``deaf``)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.db.engine import Database
from app.db.signals import CHANNEL
from app.domain.enums import MessageState, Role, SendRunStatus
from app.domain.errors import NotFoundError, UnauthenticatedError
from app.services.base import Actor
from app.services.live import Live
from app.services.reading import Look, Reader
from app.services.runs import Runs
from app.services.workspaces import Workspaces
from tests.databases import CHOSEN, PSEUDONYMS
from tests.faults.running import LONGEST, eventually
from tests.sending.world import Wedding, accepted, status, wamid
from tests.services.world import STRANGER
from tests.statements import statements

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
NEVER = 1e9


class Hub(Live):
    """Counts its looks, and keeps what it hears."""

    looked = 0

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.heard: list[list[str]] = []

    def _hear(self, run_ids: Collection[str]) -> None:
        self.heard.append(list(run_ids))
        super()._hear(run_ids)

    async def _look(self) -> None:
        await super()._look()
        self.looked += 1

    def of(self, actor: Actor, run_id: str, **more: Any) -> "aclosing[AsyncGenerator[Look, None]]":
        return aclosing(self.follow(lambda: actor, run_id, **more))


@asynccontextmanager
async def hub(db: Database, anyway: float = NEVER) -> AsyncIterator[Hub]:
    made = Hub(db, unconfirmed_after=HOUR, anyway=anyway)
    try:
        async with asyncio.timeout(LONGEST):  # where a test waits for what never comes
            yield made
    finally:
        assert made.watchers == 0
        await eventually(lambda: _true(lambda: made._task is None))


async def _true(holds: Callable[[], bool]) -> bool:
    return holds()


@asynccontextmanager
async def elsewhere(url: str) -> AsyncIterator[Database]:
    """The same database, as another process has it."""
    other = Database(url, pseudonyms=PSEUDONYMS)
    try:
        yield other
    finally:
        await other.close()


async def test_every_way_of_changing_a_run_is_heard(wedding: Wedding) -> None:
    run_id, admin = await wedding.send(), wedding.world.admin
    async with hub(wedding.db) as live, live.of(admin, run_id) as looks:
        first = await anext(looks)
        assert (first.view.status, first.view.summary.states[MessageState.QUEUED]) == (SendRunStatus.RUNNING, 3)
        await wedding.runs.pause(admin, id=run_id)
        assert (await anext(looks)).view.status is SendRunStatus.PAUSED
        await wedding.runs.resume(admin, id=run_id)
        assert (await anext(looks)).view.status is SendRunStatus.RUNNING
        claims = await wedding.claim(2)
        assert (await anext(looks)).view.summary.states[MessageState.SENDING] == 2
        await wedding.finish(claims, accepted)
        assert (await anext(looks)).view.summary.states[MessageState.ACCEPTED] == 2
        await wedding.post(status(wamid(claims[0]), "failed", 1_900_000_000, errors=[{"code": 131026, "title": "No"}]))
        assert (await anext(looks)).view.summary.failures == {131026: 1}
        await wedding.runs.cancel(admin, id=run_id)
        assert (await anext(looks)).view.status is SendRunStatus.CANCELLED


async def test_what_is_shown_equals_what_the_reader_says(wedding: Wedding) -> None:
    run_id, admin = await wedding.send(), wedding.world.admin
    await wedding.deliver_all()
    reader = Reader(wedding.db, unconfirmed_after=HOUR)
    async with hub(wedding.db) as live, live.of(admin, run_id) as looks:
        look = await anext(looks)
    assert look.view.summary == (await reader.runs(admin, [run_id]))[run_id].summary
    assert look.rate.per_second > 0
    assert look.view.status is (await reader.runs(admin, [run_id]))[run_id].status is SendRunStatus.COMPLETED


async def test_many_watchers_cost_one_statement_a_look(wedding: Wedding) -> None:
    run_id, admin = await wedding.send(), wedding.world.admin
    async with hub(wedding.db) as live, AsyncExitStack() as stack:
        following = [await stack.enter_async_context(live.of(admin, run_id)) for _ in range(200)]
        await asyncio.gather(*map(anext, following))
        await wedding.runs.pause(admin, id=run_id)
        looked = live.looked
        with statements(wedding.db) as asked:
            shown = await asyncio.gather(*map(anext, following))
        assert {id(look) for look in shown} == {id(shown[0])}, "they share even the object"
        assert shown[0].view.status is SendRunStatus.PAUSED
        assert sum(each.sql != "BEGIN" for each in asked) == live.looked - looked > 0


async def test_a_slow_watcher_holds_nobody_and_then_gets_the_newest(wedding: Wedding) -> None:
    run_id, admin = await wedding.send(), wedding.world.admin
    async with hub(wedding.db) as live, live.of(admin, run_id) as slow, live.of(admin, run_id) as quick:
        await anext(slow)
        await anext(quick)
        for left in (2, 1, 0):
            await wedding.claim(1)
            assert (await anext(quick)).view.summary.states[MessageState.QUEUED] == left
        assert (await anext(slow)).view.summary.states[MessageState.QUEUED] == 0


async def test_it_ends_with_nothing_left_and_not_before(wedding: Wedding) -> None:
    run_id, admin = await wedding.send(), wedding.world.admin
    async with hub(wedding.db) as live, live.of(admin, run_id, linger=0) as looks:
        assert (await anext(looks)).nothing_left is False
        await wedding.runs.cancel(admin, id=run_id)
        assert [look.view.status async for look in looks] == [SendRunStatus.CANCELLED]


async def test_it_ends_with_access(wedding: Wedding) -> None:
    """Nobody tells of members, so here the hub looks by itself."""
    run_id, world = await wedding.send(), wedding.world
    tokens = [world.coordinator]

    def fresh() -> Actor:
        if not tokens:
            raise UnauthenticatedError
        return tokens[0]

    async with (
        hub(wedding.db, anyway=0.01) as live,
        live.of(world.coordinator, run_id) as removed,
        aclosing(live.follow(fresh, run_id)) as expired,
        live.of(world.admin, run_id) as stays,
    ):
        for following in (removed, expired, stays):
            await anext(following)
        tokens.clear()
        with pytest.raises(UnauthenticatedError):
            await anext(expired)
        await Workspaces(wedding.db, world.number_id).set_member(
            world.owner, workspace_id=world.workspace_id, subject=world.coordinator.subject,
            role=Role.FAMILY_COORDINATOR, active=False,
        )  # fmt: skip
        assert [look async for look in removed] == []
        await wedding.runs.pause(world.admin, id=run_id)
        assert (await anext(stays)).view.status is SendRunStatus.PAUSED
        for who, run in ((STRANGER, run_id), (world.coordinator, run_id), (world.admin, "run_0")):
            with pytest.raises(NotFoundError):
                async with live.of(who, run) as refused:
                    await anext(refused)


async def test_changes_of_another_process_are_seen(wedding: Wedding, database_url: str) -> None:
    """On PostgreSQL they are told. On one SQLite file the hub looks by itself, as it does when word is lost."""
    run_id, admin = await wedding.send(), wedding.world.admin
    async with (
        elsewhere(database_url) as other,
        hub(wedding.db, anyway=0.01 if wedding.db.sqlite else NEVER) as live,
        live.of(admin, run_id) as looks,
    ):
        await anext(looks)
        if not wedding.db.sqlite:
            await eventually(lambda: listeners(other))
        await Runs(other).pause(admin, id=run_id)
        assert (await anext(looks)).view.status is SendRunStatus.PAUSED
        if not wedding.db.sqlite:  # a listener looks once when it begins, so the look alone proves nothing
            await eventually(lambda: _true(lambda: [run_id] in live.heard))


@pytest.mark.parametrize("database_url", [kind for kind in CHOSEN if kind == "postgres"], indirect=True)
async def test_a_listener_that_is_cut_off_comes_back_and_asks_what_it_has_missed(
    wedding: Wedding, database_url: str
) -> None:
    heard: list[list[str]] = []
    async with elsewhere(database_url) as other, wedding.db.signals.heard(lambda ids: heard.append(list(ids))):
        (first,) = await eventually(lambda: listeners(other))
        assert heard == [[]]
        async with other.connection() as connection:
            await connection.execute(sa.select(sa.func.pg_terminate_backend(first)))
        await eventually(lambda: listeners(other, but=first))
        assert heard == [[], []]
        other.signals.changed({"run_1", "run_2"})
        await eventually(lambda: _true(lambda: len(heard) == 4))
        assert sorted(heard[2:]) == [["run_1"], ["run_2"]]
    async with elsewhere(database_url) as other:
        assert await eventually(lambda: _none(listeners(other))), "nobody listens when nobody watches"


async def _none(found: Any) -> bool:
    return not await found


async def listeners(db: Database, but: int = 0) -> list[int]:
    """Processes of the server that listen in this database."""
    query = sa.text(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = :q AND pid <> :but"
    )
    async with db.connection() as connection:
        return list((await connection.execute(query, {"q": f'LISTEN "{CHANNEL}"', "but": but})).scalars())
