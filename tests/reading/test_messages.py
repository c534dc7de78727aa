"""Message lists: filters, and totals that the counters answer and the rows confirm."""

from itertools import product

import pytest

from app.db.engine import Database
from app.db.tables import EventRow, GuestUnitRow, MessageRow, SendRunRow
from app.domain.enums import LifecycleState, MessageState, RejectionReason, SendRunKind
from app.domain.errors import BadInputError
from app.services.reading import MessageFilter
from tests.reading.world import World, actor, reader

pytestmark = pytest.mark.anyio

ASHA = actor("asha")
R = RejectionReason


class _Sent:
    """Two invite runs and a test run of one event, each with messages in all states."""

    def __init__(self, db: Database) -> None:
        self.world = world = World(db)
        number = world.number()
        self.workspace = world.workspace("Wedding", number)
        owner, template = world.member(self.workspace, "asha"), world.template(number, "invite")
        self.event: EventRow = world.event(self.workspace)
        self.unit: GuestUnitRow = world.unit(self.workspace, "Sharma")
        self.runs: list[SendRunRow] = []
        self.messages: list[MessageRow] = []
        for kind in (SendRunKind.INVITE, SendRunKind.INVITE, SendRunKind.TEST):
            run = world.run(self.event, template, owner, kind=kind)
            self.runs.append(run)
            for index, state in enumerate(MessageState):
                world.message(run, state, self.unit, name=f"Guest {index}", phone=f"+91982000000{index}")
            for code in (None, 0, 131026, 131026):
                world.message(run, MessageState.FAILED, name="Zoë", code=code)
            world.message(run, MessageState.DELIVERED, code=131026)  # failed on one device, arrived on another
            world.message(run, MessageState.REJECTED, self.unit, self.unit, reason=R.DO_NOT_MESSAGE)
            world.message(run, MessageState.SENT, reason=R.DO_NOT_MESSAGE)  # a fact came for a rejected one
            self.messages += world.messages[run.id]


@pytest.fixture
async def sent(db: Database) -> _Sent:
    made = _Sent(db)
    await made.world.save()
    return made


def _matches(message: MessageRow, where: MessageFilter) -> bool:
    """The filter as its documentation says it."""
    is_failed, is_rejected = message.state is MessageState.FAILED, message.state is MessageState.REJECTED
    return all(
        (
            not where.states or message.state in where.states,
            not where.lifecycle or message.state in {state.value for state in where.lifecycle},
            not where.reasons or (is_rejected and message.rejection_reason in where.reasons),
            not where.failure_codes or (is_failed and (message.failure_code or 0) in where.failure_codes),
        )
    )


FILTERS = [
    MessageFilter(states, lifecycle, reasons, codes)
    for states, lifecycle, reasons, codes in product(
        [(), (MessageState.QUEUED, MessageState.FAILED), (MessageState.REJECTED,)],
        [(), (LifecycleState.FAILED, LifecycleState.READ)],
        [(), (R.DO_NOT_MESSAGE,), (R.DO_NOT_MESSAGE, R.MISSING_PHONE)],
        [(), (0,), (131026, 0), (99, -1, 2**31, 2**70)],
    )
]


async def test_filters_and_totals(sent: _Sent, db: Database) -> None:
    source, run = reader(db), sent.runs[0]
    invites = [message for message in sent.messages if message.kind is SendRunKind.INVITE]
    for where in FILTERS:
        of_run = [m.id for m in sent.messages if m.run_id == run.id and _matches(m, where)]
        page = await source.run_messages(ASHA, run.id, where, first=100)
        assert [message.id for message in page.nodes] == of_run, where
        assert page.total == len(of_run), where
        of_event = {message.id for message in invites if _matches(message, where)}
        page = await source.event_messages(ASHA, sent.event.id, where, first=100)
        assert {message.id for message in page.nodes} == of_event, where
        assert page.total == len(of_event), where


async def test_behind_the_last_message_there_is_none(sent: _Sent, db: Database) -> None:
    source, run_id = reader(db), sent.runs[0].id
    everything = await source.run_messages(ASHA, run_id, MessageFilter(), first=100)
    behind = await source.run_messages(ASHA, run_id, MessageFilter(), first=100, after=everything.cursors[-1])
    assert (behind.nodes, list(behind.cursors), behind.has_next) == ([], [], False)
    assert behind.total == everything.total == len(everything.nodes)


async def test_lists_agree_with_the_summary(sent: _Sent, db: Database) -> None:
    """Who opens a number of the summary finds just as many messages behind it."""
    source, run_id = reader(db), sent.runs[0].id
    summary = (await source.runs(ASHA, [run_id]))[run_id].summary

    async def behind(where: MessageFilter) -> int:
        return len((await source.run_messages(ASHA, run_id, where, first=100)).nodes)

    assert {state: await behind(MessageFilter(states=(state,))) for state in MessageState} == summary.states
    for reason, count in summary.rejections.items():
        assert await behind(MessageFilter(reasons=(reason,))) == count
    for code, count in summary.failures.items():
        assert await behind(MessageFilter(failure_codes=(code or 0,))) == count


async def test_search_is_not_counted(sent: _Sent, db: Database) -> None:
    counts = {"zoe": 4, "+91 98200 00003": 1, "guest 1": 1, "098200": 10, "nobody": 0, "%": 0, "_": 0}
    for search, count in counts.items():
        where = MessageFilter(search=search)
        page = await reader(db).run_messages(ASHA, sent.runs[0].id, where, first=100)
        assert (len(page.nodes), page.total) == (count, None), search
        page = await reader(db).event_messages(ASHA, sent.event.id, where, first=100)
        assert (len(page.nodes), page.total) == (2 * count, None), search


async def test_a_blank_search_is_no_search(sent: _Sent, db: Database) -> None:
    page = await reader(db).run_messages(ASHA, sent.runs[0].id, MessageFilter(search="  "), first=1)
    assert page.total == len(sent.messages) / 3


async def test_messages_of_a_household_newest_first_each_once(sent: _Sent, db: Database) -> None:
    page = await reader(db).unit_messages(ASHA, sent.unit.id, first=100)
    sources = {row.message_id for row in await _sources(sent, db)}
    assert [message.id for message in page.nodes] == sorted(sources, reverse=True)
    assert len(sources) == 33


async def _sources(sent: _Sent, db: Database) -> list:  # type: ignore[type-arg]
    by_message = await reader(db).sources(ASHA, [message.id for message in sent.messages])
    for message_id, rows in by_message.items():
        assert {row.message_id for row in rows} == {message_id}
        assert [row.ordinal for row in rows] == list(range(len(rows)))
    return [row for rows in by_message.values() for row in rows]


async def test_too_many_codes(db: Database) -> None:
    with pytest.raises(BadInputError) as caught:
        await reader(db).run_messages(ASHA, "", MessageFilter(failure_codes=tuple(range(101))), first=1)
    assert caught.value.field == "failureCodes"
