"""Group commit: who waits together is kept together, and each is answered after its own commit."""

import asyncio
from collections.abc import Sequence

import pytest

from app import logs
from app.domain.errors import UnavailableError
from app.services import intake
from app.services.intake import Intake
from tests.races.barriers import ended

pytestmark = pytest.mark.anyio


class Database:
    """Takes groups one at a time, when it is let; ``bad`` bodies cannot be kept, and neither can their groups."""

    def __init__(self, *bad: bytes) -> None:
        self.groups: list[list[bytes]] = []
        self.kept: list[bytes] = []
        self.turns = asyncio.Semaphore(0)
        self.error: Exception = ValueError("cannot be kept")
        self.bad = bad

    async def ingest(self, bodies: Sequence[bytes]) -> None:
        self.groups.append(list(bodies))
        await self.turns.acquire()
        if {*self.bad} & {*bodies}:
            raise self.error
        self.kept += bodies

    def open(self, groups: int = 1_000) -> None:
        for _ in range(groups):
            self.turns.release()


def bodies(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


async def start(into: Intake, *given: bytes) -> list["asyncio.Task[None]"]:
    """The first is a group of its own, whose turn it is."""
    started = []
    for body in given:
        started.append(asyncio.create_task(into.put(body)))
        for _ in range(4):
            await asyncio.sleep(0)
    return started


async def test_a_lone_body_does_not_wait_and_what_comes_meanwhile_is_one_group() -> None:
    database, backlog = Database(), list[int]()
    into = Intake(database, backlog=backlog.append)
    first = await start(into, b"first")
    assert database.groups == [[b"first"]]
    others = await start(into, *bodies(20))
    assert backlog == [1, 0, *range(1, 21)]
    assert database.groups == [[b"first"]]
    assert into.waiting == 20
    assert not any(each.done() for each in (*first, *others))
    database.open()
    await asyncio.gather(*first, *others)
    assert database.groups == [[b"first"], bodies(20)]
    assert backlog[-1] == into.waiting == 0


async def test_nobody_is_answered_before_the_commit_of_its_own_group() -> None:
    database = Database()
    into = Intake(database)
    first = await start(into, b"first")
    second = await start(into, b"second")
    database.open(1)
    await first[0]
    assert not second[0].done()
    database.open(1)
    await second[0]


async def test_right_after_a_group_the_next_waits_for_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "GATHER_SECONDS", 3600.0)
    database = Database()
    database.open()
    into = Intake(database)
    given = [asyncio.create_task(into.put(body)) for body in bodies(3)]
    await asyncio.gather(*given)
    given = await start(into, b"3", b"4")
    assert (database.groups, into.waiting) == ([bodies(3)], 2)
    given += await start(into, b"5")
    await ended(asyncio.gather(*given))
    assert database.groups == [bodies(3), [b"3", b"4", b"5"]]


async def test_two_writers_that_wait_for_as_many_both_hear_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "GATHER_SECONDS", 3600.0)
    database = Database()
    into = Intake(database, writers=2)
    given = []
    for _ in range(2):
        given += [asyncio.create_task(into.put(body)) for body in bodies(3)]
        for _ in range(8):
            await asyncio.sleep(0)
    given += await start(into, b"a")
    database.open()
    await asyncio.gather(*given[:6])
    given += await start(into, b"b")
    assert database.groups == [bodies(3), bodies(3)]
    given += await start(into, b"c")
    await ended(asyncio.gather(*given, into.drain()))
    assert database.groups == [bodies(3), bodies(3), [b"a", b"b", b"c"]]


async def test_whoever_comes_alone_right_after_a_group_waits_for_a_moment_only() -> None:
    database = Database()
    database.open()
    into = Intake(database)
    await asyncio.gather(*(into.put(body) for body in bodies(3)))
    await into.put(b"alone")
    await into.put(b"again")
    assert database.groups == [bodies(3), [b"alone"], [b"again"]]


async def test_two_groups_are_under_way_and_each_answers_its_own() -> None:
    class InAnyOrder(Database):
        async def ingest(self, bodies: Sequence[bytes]) -> None:
            self.groups.append(list(bodies))
            await ends[len(self.groups) - 1].wait()
            self.kept += bodies

    ends = [asyncio.Event() for _ in range(3)]
    database = InAnyOrder()
    into = Intake(database, writers=2)
    given = await start(into, b"first", b"second", *bodies(5))
    assert database.groups == [[b"first"], [b"second"]]
    ends[1].set()
    await given[1]
    assert not given[0].done()
    assert into.waiting == 0, "the rest is under way"
    ends[2].set()
    await asyncio.gather(*given[2:])
    assert not given[0].done()
    ends[0].set()
    await into.drain()
    assert database.groups == [[b"first"], [b"second"], bodies(5)]


async def test_what_waits_is_left_to_the_other_writer_when_one_is_cancelled() -> None:
    database = Database()
    into = Intake(database, writers=2)
    given = await start(into, b"first", b"second", *bodies(5))
    (*_, second) = into._writers
    second.cancel()
    database.open()
    answers = await asyncio.gather(*given, return_exceptions=True)
    assert [type(answer) for answer in answers].count(asyncio.CancelledError) == 1
    assert database.kept == [b"first", *bodies(5)]


async def test_groups_have_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "GROUP", 8)
    monkeypatch.setattr(intake, "GROUP_BYTES", 100)
    database = Database()
    into = Intake(database)
    given = await start(into, b"first", *bodies(10), b"x" * 90, b"y" * 90, b"z" * 500)
    database.open()
    await asyncio.gather(*given)
    assert [len(group) for group in database.groups] == [1, 8, 3, 1, 1]
    assert len(database.kept) == 14


async def test_beyond_the_limit_it_says_come_again_and_later_takes_more() -> None:
    database = Database()
    into = Intake(database, waiting=3, waiting_bytes=1_000)
    given = await start(into, b"first", *bodies(3))
    with pytest.raises(UnavailableError):
        await into.put(b"too many")
    database.open()
    await asyncio.gather(*given)
    with pytest.raises(UnavailableError):
        await into.put(b"x" * 1_001)
    await into.put(b"x" * 1_000)
    assert len(database.kept) == 5


async def test_a_poisoned_body_sinks_nobody_else() -> None:
    database = Database(b"3")
    into = Intake(database)
    database.open()
    answers = await asyncio.gather(*(into.put(body) for body in (b"first", *bodies(9))), return_exceptions=True)
    assert [answer for answer in answers if answer is not None] == [database.error]
    assert database.kept == [b"first", *(body for body in bodies(9) if body != b"3")]
    await into.put(b"still alive")


async def test_a_database_that_is_away_is_told_to_all_of_the_group_at_once() -> None:
    database = Database(b"3")
    database.error = ConnectionRefusedError()
    into = Intake(database)
    database.open()
    answers = await asyncio.gather(*(into.put(body) for body in (b"first", *bodies(9))), return_exceptions=True)
    assert answers == [database.error] * 10
    assert len(database.groups) == 1, "it must not be asked ten times over"


async def test_one_who_gives_up_takes_nothing_from_the_others() -> None:
    database = Database()
    into = Intake(database)
    given = await start(into, b"first", *bodies(3))
    given[2].cancel()
    database.open()
    answers = await asyncio.gather(*given, return_exceptions=True)
    assert [type(answer) for answer in answers].count(asyncio.CancelledError) == 1
    assert database.kept == [b"first", *bodies(3)], "it was received, so it is kept"


async def test_the_end_waits_for_what_is_under_way() -> None:
    database = Database()
    into = Intake(database)
    given = await start(into, b"first", *bodies(3))
    ended = asyncio.create_task(into.drain())
    await asyncio.sleep(0)
    assert not ended.done()
    database.open()
    await ended
    assert len(database.kept) == 4
    await asyncio.gather(*given)
    await into.drain()


async def test_a_cancelled_writer_leaves_nobody_waiting() -> None:
    database = Database()
    into = Intake(database)
    given = await start(into, b"first", *bodies(3))
    (writer,) = into._writers
    writer.cancel()
    answers: list[object] = await asyncio.gather(*given, return_exceptions=True)
    assert {type(answer) for answer in answers} == {asyncio.CancelledError}
    database.open()
    await into.put(b"again")
    assert database.kept == [b"again"]


async def test_a_writer_that_is_cancelled_while_it_keeps_one_by_one_leaves_nobody_waiting() -> None:
    database = Database(b"0")
    into = Intake(database)
    given = [asyncio.create_task(into.put(body)) for body in bodies(3)]
    database.open(2)  # the group, and the first alone
    await asyncio.wait(given[:1])
    (writer,) = into._writers
    writer.cancel()
    answers: list[object] = await asyncio.gather(*given, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ValueError, asyncio.CancelledError, asyncio.CancelledError]


async def test_a_group_is_logged_under_its_own_requests() -> None:
    seen: list[str | None] = []

    class Listening(Database):
        async def ingest(self, bodies: Sequence[bytes]) -> None:
            seen.append(logs.request_id.get())
            await super().ingest(bodies)

    async def put(name: str) -> None:
        logs.request_id.set(name)
        await into.put(b"body")

    database = Listening()
    into = Intake(database)
    first = [asyncio.create_task(put("first"))]
    while not seen:
        await asyncio.sleep(0)
    others = [asyncio.create_task(put(name)) for name in ("second", "third")]
    while into.waiting < len(others):
        await asyncio.sleep(0)
    database.open()
    await asyncio.gather(*first, *others)
    assert seen == ["first", "second third"]
