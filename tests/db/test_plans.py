"""Costs do not grow with what is stored: what each use case reads of large tables, as PostgreSQL says itself."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.queue import Place, any_due
from app.db.tables import (
    AuditRow,
    DoNotMessageRow,
    EventRow,
    GuestImportRow,
    GuestUnitRow,
    MemberRow,
    MessageRow,
    NumberRow,
    PersonRow,
    SendRunRow,
    TemplateRow,
    WorkspaceRow,
)
from app.domain import ids
from app.domain.enums import AuditAction, MessageState, PhoneStatus
from app.services import claims
from app.services.base import Actor, utc_now
from app.services.claims import Claim, furthest
from app.services.exports import Exports
from app.services.figures import figures
from app.services.pruning import Pruning
from app.services.reading import AuditFilter, GuestUnitFilter, MessageFilter, Reader
from app.services.reading.looks import looks
from app.services.verification import Verification
from app.whatsapp.kept import read_again
from app.whatsapp.port import Behaviour
from benchmarks.filling import BIG, analyze, multiply, names
from tests.db.plans import Execution, explained
from tests.races.barriers import postgresql_only
from tests.reading.calls import every_call
from tests.sending.world import LEASE, UNKNOWN, Wedding, accepted, make_wedding, people, refused, status, wamid
from tests.services.world import one, rows

pytestmark = [pytest.mark.anyio, postgresql_only]

AN_HOUR = timedelta(hours=1)
AT = 1_795_000_000
GUESTS = 8
OURS, OTHERS = 75, 400
"""How many times the guests of the two weddings are multiplied: 600 and 3,200 messages."""

A_PAGE = 250
"""Rows of large tables that a statement may read: a page or a claim of 100, twice, and what goes with it."""
OUR_OWN = 4 * OURS * GUESTS
"""Everything of one wedding, with sources and people: less than there is of the other."""

WHOLE_WEDDING = {
    "coverage_summaries": "counts the households of an event by their best message",
    "guest_units": "counts the households that the filter finds",
    "sides": "counts the households of the workspace",
    "search of households": "a part of a name is looked for in each name of the workspace",
    "phones of households": "tells of each household of the workspace whether it can be reached",
    "search of a run": "a part of a name is looked for in each name of the run",
    "search of an event": "a part of a name is looked for in each name of the event",
    "export of a run": "writes out the run, 1,000 messages at a time",
    "precheck": "looks at the whole audience",
    "send": "looks at the whole audience again",
}
"""Read more than a page, but of nothing beyond their own wedding."""

JUST_NOW = {
    "rates": "requests that ended within 10 seconds",
    "look": "the same",
    "figures": "requests that ended within a minute, facts of ten minutes, and what is UNCONFIRMED",
    "sweep": "unmatched facts of ten minutes",
    "sweep at start": "all unmatched facts, once",
}
"""Read as much as goes on at the moment, whatever is stored."""

Call = Callable[[], Awaitable[Any]]


@dataclass
class Filled:
    """Our wedding, beside another that is much larger."""

    wedding: Wedding
    run_id: str
    reader: Reader

    @property
    def owner(self) -> Actor:
        return self.wedding.world.owner

    @property
    def workspace_id(self) -> str:
        return self.wedding.world.workspace_id

    async def given(self) -> tuple[dict[str, Any], dict[type, str]]:
        """What the reader is asked for, by parameter and by kind of row."""
        here = self.workspace_id
        unit = (await rows(self.wedding.db, GuestUnitRow, GuestUnitRow.workspace_id == here))[-1]
        block = await self.wedding.blocks.add(self.owner, workspace_id=here, phone="+919876500001", reason="asked")
        found = {
            "workspace_id": here, "event_id": self.wedding.event.id, "unit_id": unit.id, "run_id": self.run_id,
            "message_id": (await self.wedding.messages(self.run_id))[-1].id, "entry_id": block.id,
            "import_id": (await rows(self.wedding.db, GuestImportRow, GuestImportRow.workspace_id == here))[0].id,
        }  # fmt: skip
        kinds: list[Any] = [MemberRow, EventRow, PersonRow, GuestImportRow, AuditRow]
        of_kind = {kind: (await rows(self.wedding.db, kind, kind.workspace_id == here))[0].id for kind in kinds}
        template = await one(self.wedding.db, TemplateRow, TemplateRow.id == self.wedding.template_id)
        by_kind: dict[type, str] = {
            WorkspaceRow: here, GuestUnitRow: unit.id, SendRunRow: self.run_id, MessageRow: found["message_id"],
            DoNotMessageRow: block.id, TemplateRow: template.id, **of_kind,
        }  # fmt: skip
        lists = {f"{name}s": [value] for name, value in found.items()}
        return found | lists | {"pairs": [(unit.id, self.wedding.event.id)]}, by_kind

    async def reads(self) -> list[tuple[str, Call]]:
        """Every method of the reader as it is, and those with filters."""
        given, by_kind = await self.given()
        plain = [(name, partial(call, self.owner)) for name, call in every_call(self.reader, given, by_kind)]
        return [*plain, *self._filtered()]

    def _filtered(self) -> Iterator[tuple[str, Call]]:
        failed, named = MessageFilter(states=(MessageState.FAILED,)), MessageFilter(search="guest 00002")
        of_run = partial(self.reader.run_messages, self.owner, self.run_id, first=100)
        of_event = partial(self.reader.event_messages, self.owner, self.wedding.event.id, first=100)
        yield "failed of a run", partial(of_run, where=failed)
        yield "failed of an event", partial(of_event, where=failed)
        yield "a failure of a run", partial(of_run, where=MessageFilter(failure_codes=(131026,)))
        yield "search of a run", partial(of_run, where=named)
        yield "search of an event", partial(of_event, where=named)
        units = partial(self.reader.guest_units, self.owner, self.workspace_id, first=100)
        yield "search of households", partial(units, where=GuestUnitFilter(search="guest 00002"))
        yield "phones of households", partial(units, where=GuestUnitFilter(phone_status=PhoneStatus.MISSING))
        trail = partial(self.reader.audit, self.owner, self.workspace_id, first=100)
        yield "audit of an action", partial(trail, where=AuditFilter(actions=(AuditAction.RUN_PAUSE,)))
        yield "audit of a target", partial(trail, where=AuditFilter(target_id=self.run_id))
        yield "audit of nobody", partial(trail, where=AuditFilter(actor_id=ids.new_id(ids.MEMBER)))

    def writes(self) -> Iterator[tuple[str, Call]]:
        wedding, db, claimed = self.wedding, self.wedding.db, list[Claim]()

        async def claim() -> None:
            claimed.extend(await wedding.claim())

        async def post() -> None:
            await wedding.post(*(status(wamid(each), "sent", AT) for each in claimed[:50]), status("odd", "read", AT))

        async def export() -> None:
            async for _ in await Exports(db).run(self.owner, self.run_id):
                pass

        yield "due", partial(wedding.dispatch.has_due, wedding.number_id)
        yield "claim", claim
        yield "accepted", lambda: wedding.finish(claimed[:50], accepted)
        yield "unknown", lambda: wedding.finish(claimed[50:58], UNKNOWN)
        yield "webhook", post
        yield "sweep", wedding.dispatch.sweep
        yield "sweep at start", partial(wedding.dispatch.sweep, everything=True)
        yield "look", partial(db.read, lambda uow: looks(uow, [self.run_id], utc_now(), AN_HOUR))
        yield "figures", partial(db.read, lambda uow: figures(uow, AN_HOUR))
        yield (
            "block",
            partial(
                wedding.blocks.add, self.owner, workspace_id=self.workspace_id, phone="+919876500002", reason="asked"
            ),
        )
        yield "export of a run", export
        yield "precheck", wedding.token
        yield "send", wedding.send
        yield "prune, counted", Pruning(db, days=90, months=12).prune
        yield "prune", partial(Pruning(db, days=90, months=12).prune, apply=True)


async def sent(db: Database, first: int) -> tuple[Wedding, str]:
    """A wedding with messages in several states, and the run that they are of."""
    wedding = await make_wedding(db, people(GUESTS, first))
    run_id = await wedding.send()
    claims = await wedding.claim(GUESTS - 2)
    await wedding.finish(claims[:4], accepted)
    await wedding.finish(claims[4:5], refused(131026, Behaviour.FINAL))
    await wedding.finish(claims[5:], UNKNOWN)
    await wedding.post(*(status(wamid(each), name, AT) for each in claims[:3] for name in ("sent", "delivered")))
    return wedding, run_id


@pytest.fixture
async def filled(db: Database) -> Filled:
    (ours, our_run), (_, other_run) = await sent(db, 0), await sent(db, 100)
    await ours.post(*(status(f"from.elsewhere.{n}", "sent", AT) for n in range(300)))

    async def fill(uow: UnitOfWork) -> str:
        run_id = await multiply(uow, our_run, OURS)
        await multiply(uow, other_run, OTHERS)
        for n in range(600):
            uow.session.add(
                AuditRow(
                    id=ids.new_id(ids.AUDIT), workspace_id=ours.world.workspace_id, at=utc_now(), actor_text="Asha",
                    text="did it", action=AuditAction.EXPORT if n % 100 else AuditAction.RUN_PAUSE,
                )
            )  # fmt: skip
        await uow.session.flush()
        await analyze(uow)
        return run_id

    run_id = await db.write(fill)
    return Filled(ours, run_id, Reader(db, unconfirmed_after=AN_HOUR))


def problem(name: str, done: Execution) -> str | None:
    """What is wrong with how a statement of this use case reads the large tables."""
    tables = names(BIG)
    if whole := done.whole & tables:
        return f"{name} reads {whole} from end to end: {done.sql}"
    allowed = A_PAGE
    if name in WHOLE_WEDDING:
        allowed = OUR_OWN
    elif name in JUST_NOW:
        return None
    if done.rows(tables) > allowed:
        return f"{name} looks at {done.rows(tables)} rows, not {allowed}: {done.scans} {done.sql}"
    return None


async def test_no_use_case_reads_more_than_it_must(filled: Filled) -> None:
    problems: dict[str, str] = {}
    read: dict[str, int] = {}
    for name, call in [*await filled.reads(), *filled.writes()]:
        with explained(filled.wedding.db) as plans:
            await call()
        assert plans.executions, name
        read[name] = max(read.get(name, 0), *(done.rows(names(BIG)) for done in plans.executions))
        problems |= {found: name for done in plans.executions if (found := problem(name, done))}
    assert list(problems) == []
    assert read["claim"] >= 100
    spared = WHOLE_WEDDING.keys() | JUST_NOW.keys()
    assert {name for name in spared if read.get(name, 0) <= A_PAGE} == set(), "these need no exception"
    await filled.wedding.check()


async def test_what_is_multiplied_is_true(filled: Filled) -> None:
    report = await Verification(filled.wedding.db, read_again).verify(filled.run_id)
    assert report.failed == []
    assert report.checks["states"].looked_at == OURS * GUESTS
    assert report.checks["proven"].looked_at > OURS * GUESTS


async def test_a_claim_does_not_walk_over_those_before_it(db: Database) -> None:
    """For as long as somebody reads an older snapshot, what has left the queue stays in its index."""
    wedding = await make_wedding(db, people(1))
    run_id = await wedding.send()
    await db.write(lambda uow: multiply(uow, run_id, 600))
    await db.write(analyze)
    behind: dict[str, Place] = {}
    walked = []

    async def claim(uow: UnitOfWork) -> tuple[list[Claim], int]:
        before = await uow.session.scalar(_WALKED)
        assert await any_due(uow, wedding.number_id, utc_now(), behind)
        taken = await claims.claim(uow, wedding.number_id, 100, LEASE, 0, behind)
        return taken, await uow.session.scalar(_WALKED) - before

    async with db.snapshot() as older:
        await older.session.execute(sa.select(NumberRow.id))
        for _ in range(5):
            taken, entries = await db.write(claim)
            assert len(taken) == 100
            behind = furthest(taken)
            walked.append(entries)
    assert max(walked) < 200, walked


_WALKED: Any = sa.text("SELECT pg_stat_get_xact_tuples_returned('ix_invite_messages_due'::regclass)")
"""Entries of the queue's index that this connection has looked at, those of rows that have left it too."""
