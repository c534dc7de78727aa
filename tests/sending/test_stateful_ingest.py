"""Whatever comes in whatever order: the rows are what the pure reducer makes of the set of what was told.

Hypothesis plays claims, answers, webhooks, leases, sweeps and replays against the real database, and looks for a story after
which rows, counters or summaries differ from the model. The model knows neither time nor order of arrival.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any, TypeVar, cast

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.db import messages
from app.db.counters import COLUMNS
from app.db.engine import Database
from app.db.facts import Key, NewFact
from app.db.tables import FactRow, StatusItemRow
from app.domain.enums import MessageState
from app.domain.lifecycle import DISPATCH, NOTHING_KNOWN, Dispatch, FactStatus, Progress, join, settle
from app.services.breakers import Finished
from app.services.claims import Claim
from app.services.reading import Reader
from app.services.replay import Replay
from app.whatsapp.kept import read_again
from app.whatsapp.port import Accepted, Behaviour, Outcome, Refused
from tests.sending.world import NOT_SENT, NOTHING, UNKNOWN, Wedding, make_wedding, people, refused, status
from tests.services.world import rows

_T = TypeVar("_T")

START = datetime.fromtimestamp(1795500000, UTC)
GUESTS = 4
STRANGERS = 1
"""Message ids of somebody else's on the same number."""
ERRORS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"code": 131026, "title": "Message undeliverable"},
    {"code": 131026, "title": "Message undeliverable", "error_data": {"details": "Told in other words."}},
    {"code": 131049, "title": "Not delivered to maintain healthy ecosystem engagement"},
)
ANSWERS: dict[str, Outcome | None] = {
    "accepted": None,
    "unknown": UNKNOWN,
    "not sent": NOT_SENT,
    "too fast": refused(130429, Behaviour.LATER, slows=True),
    "final": refused(131026, Behaviour.FINAL),
}
FACTS = (FactStatus.SENT, FactStatus.DELIVERED, FactStatus.READ, FactStatus.FAILED)


@dataclass(frozen=True)
class Told:
    """One status of Meta's. ``guest`` past the guests is a stranger; ``second`` is a message that Meta took twice."""

    guest: int
    status: str
    seconds: int
    named: bool
    """With our attempt id."""
    second: bool = False
    error: dict[str, Any] | None = None


statuses = st.builds(
    Told,
    guest=st.integers(0, GUESTS + STRANGERS - 1),
    status=st.sampled_from([*FACTS, "teleported"]),
    seconds=st.integers(0, 3),
    named=st.booleans(),
    second=st.sampled_from([False, False, False, True]),
    error=st.sampled_from(ERRORS),
)
bodies = st.lists(st.lists(statuses, min_size=1, max_size=5), min_size=1, max_size=3)
answers = st.tuples(st.integers(0, 20), st.sampled_from(sorted(ANSWERS)), st.integers(0, 3), st.booleans())


@dataclass
class Model:
    """Messages by what we did with each, and the set of what Meta told: nothing else decides."""

    dispatched: dict[str, MessageState]
    claims: dict[str, str] = field(default_factory=dict)
    """The claim that each message is in."""
    facts: set[NewFact] = field(default_factory=set)
    owners: dict[str, str] = field(default_factory=dict)
    """The message of each of Meta's ids, and of each attempt that was refused for good."""
    named: set[str] = field(default_factory=set)
    """Messages of which Meta has named an id."""

    def progress(self, message_id: str) -> Progress:
        told = (fact.progress for fact in self.facts if self.owners.get(fact.provider_message_id) == message_id)
        return reduce(join, told, NOTHING_KNOWN)

    def state(self, message_id: str) -> MessageState:
        return settle(self.dispatched[message_id], self.progress(message_id))

    def bind(self, provider_message_id: str, message_id: str) -> None:
        self.owners[provider_message_id] = message_id
        self.named.add(message_id)

    def dispatch(self, message_id: str, event: Dispatch) -> None:
        self.dispatched[message_id] = DISPATCH[self.dispatched[message_id], event]

    def waiting(self, state: MessageState) -> set[str]:
        return {message_id for message_id in self.dispatched if self.state(message_id) is state}

    def counters(self) -> Counter[str]:
        counted: Counter[str] = Counter()
        for message_id in self.dispatched:
            known = self.progress(message_id)
            counted[self.state(message_id).value.lower()] += 1
            counted["reached_accepted"] += message_id in self.named
            counted["reached_sent"] += bool(known.sent_at or known.delivered_at or known.read_at)
            counted["reached_delivered"] += bool(known.delivered_at or known.read_at)
            counted["reached_read"] += bool(known.read_at)
        return +counted

    def failures(self) -> Counter[int]:
        failed = self.waiting(MessageState.FAILED)
        shown = [self.progress(message_id).failure for message_id in failed]
        return Counter(failure.code for failure in shown if failure)


class Story(RuleBasedStateMachine):
    """A run of its own for each story, on a number of its own."""

    def __init__(self, db: Database, runner: asyncio.Runner) -> None:
        super().__init__()
        self.db = db
        self.runner = runner
        self.claimed: list[Claim] = []
        self.answered: set[str] = set()
        self.posted: list[list[Told]] = []
        self.told = 0

    def do(self, act: Coroutine[Any, Any, _T]) -> _T:
        return self.runner.run(act)

    @initialize()
    def plan(self) -> None:
        self.wedding: Wedding = self.do(make_wedding(self.db, people(GUESTS)))
        self.run_id = self.do(self.wedding.send())
        self.ids = [message.id for message in self.do(self.wedding.messages(self.run_id))]
        self.model = Model(dict.fromkeys(self.ids, MessageState.QUEUED))

    @rule(limit=st.integers(1, GUESTS))
    def claim(self, limit: int) -> None:
        due = self.model.waiting(MessageState.QUEUED)
        claims = self.do(self.wedding.claim(limit))
        assert {claim.message_id for claim in claims} <= due
        assert len({claim.message_id for claim in claims}) == len(claims) == min(limit, len(due))
        for claim in claims:
            self.model.dispatch(claim.message_id, Dispatch.CLAIM)
            self.model.claims[claim.message_id] = claim.claim_id
        self.claimed += claims

    @precondition(lambda self: self.claimed)
    @rule(batch=st.lists(answers, min_size=1, max_size=4))
    def answer(self, batch: list[tuple[int, str, int, bool]]) -> None:
        """Late ones too, and those that are written once more after a lost answer of the commit."""
        finished: dict[str, Finished] = {}
        for place, kind, seconds, second in batch:
            claim = self.claimed[place % len(self.claimed)]
            outcome = ANSWERS[kind] or Accepted(wamid(claim.message_id, second=second), held=False, evidence=NOTHING)
            finished.setdefault(claim.attempt_id, Finished(claim, outcome, START + timedelta(seconds=seconds)))
        self.do(self.wedding.dispatch.record(self.wedding.number_id, list(finished.values())))
        for each in finished.values():
            if each.claim.attempt_id not in self.answered:
                self.answered.add(each.claim.attempt_id)
                self._answered(each)

    def _answered(self, each: Finished) -> None:
        message_id, outcome = each.claim.message_id, each.outcome
        if isinstance(outcome, Accepted):
            self.model.bind(outcome.message_id, message_id)
            self.model.facts.add(self._fact(outcome.message_id, FactStatus.ACCEPTED, each.at))
        elif isinstance(outcome, Refused) and outcome.behaviour is Behaviour.FINAL:
            self.model.owners[each.claim.attempt_id] = message_id
            error = outcome.error
            words = (error.code, error.title, error.details)
            self.model.facts.add(self._fact(each.claim.attempt_id, FactStatus.FAILED, each.at, *words))
        elif self.model.state(message_id) is MessageState.SENDING:
            assert self.model.claims[message_id] == each.claim.claim_id, "an earlier claim ended with its answer"
            self.model.dispatch(message_id, Dispatch.LOSE if outcome is UNKNOWN else Dispatch.REQUEUE)

    @rule(told=bodies)
    def post(self, told: list[list[Told]]) -> None:
        self.do(self._post(told))
        self.posted += told
        for each in (each for body in told for each in body):
            if each.status in FACTS:
                if each.named and each.guest < GUESTS:
                    self.model.bind(self._wamid(each), self.ids[each.guest])
                self.model.facts.add(self._status_fact(each))

    @precondition(lambda self: self.posted)
    @rule(which=st.integers(0, 50))
    def post_again(self, which: int) -> None:
        """Meta repeats what it is not sure was taken."""
        self.do(self._post([self.posted[which % len(self.posted)]]))

    async def _post(self, told: list[list[Told]]) -> None:
        made = [await self.wedding.body(*(self._status(each) for each in body)) for body in told]
        await self.wedding.webhooks.ingest(made)
        self.told += sum(map(len, told))

    @rule()
    def let_leases_run_out(self) -> None:
        self.do(self.wedding.expire_leases())
        for message_id in self.model.waiting(MessageState.SENDING):
            self.model.dispatch(message_id, Dispatch.LOSE)

    @rule()
    def sweep(self) -> None:
        self.do(self.wedding.dispatch.sweep(everything=True))

    @rule()
    def replay(self) -> None:
        done = self.do(Replay(self.db, read_again).replay(self.run_id, apply=True))
        assert (done.missing, done.refused, done.changes) == (0, 0, {}), (
            "nothing was left out, so nothing is brought in"
        )

    @invariant()
    def rows_and_counters_are_the_models(self) -> None:
        for standing in self.do(self.db.read(lambda uow: messages.read(uow, self.ids))).values():
            assert standing.state is self.model.state(standing.id)
            assert standing.progress == self.model.progress(standing.id)
        counters = self.do(self.wedding.counters(self.run_id))
        assert +Counter({name: getattr(counters, name) for name in COLUMNS}) == self.model.counters()

    def teardown(self) -> None:
        if not hasattr(self, "wedding"):
            return
        self.do(self._end())

    async def _end(self) -> None:
        wedding, model = self.wedding, self.model
        await wedding.check()
        reader = Reader(self.db, unconfirmed_after=timedelta(minutes=15))
        summary = (await reader.runs(wedding.world.admin, [self.run_id]))[self.run_id].summary
        expected = model.counters()
        assert {state: count for state, count in summary.states.items() if count} == Counter(map(model.state, self.ids))
        assert summary.reached_read == expected["reached_read"]
        assert summary.failures == {code or None: count for code, count in model.failures().items()}
        kept = await rows(self.db, FactRow, FactRow.number_id == wedding.number_id)
        assert sorted(map(key_of, kept)) == sorted({fact.key for fact in model.facts})
        items = await rows(self.db, StatusItemRow, StatusItemRow.number_id == wedding.number_id)
        assert len(items) == self.told, "every status is kept, also the repeated"
        first = [item for item in items if item.status in FACTS and not item.repeated]
        by_webhook = {fact.key for fact in model.facts if fact.provider_message_id.startswith("wamid.")}
        assert len(first) == len([key for key in by_webhook if key[2] in FACTS])

    def _wamid(self, each: Told) -> str:
        if each.guest >= GUESTS:
            return f"wamid.of-a-stranger-{each.guest}"
        return wamid(self.ids[each.guest], second=each.second)

    def _status(self, each: Told) -> dict[str, Any]:
        more: dict[str, Any] = {}
        if each.named:
            ours = each.guest < GUESTS
            more["biz_opaque_callback_data"] = f"{self.ids[each.guest]}.1" if ours else "run:42/inv:1"
        if each.status == FactStatus.FAILED and each.error is not None:
            more["errors"] = [each.error]
        return status(self._wamid(each), each.status, int(START.timestamp()) + each.seconds, **more)

    def _status_fact(self, each: Told) -> NewFact:
        error = (each.error or {}) if each.status == FactStatus.FAILED else {}
        details = error.get("error_data", {}).get("details")
        at = START + timedelta(seconds=each.seconds)
        words = (error.get("code", 0), error.get("title"), details)
        return self._fact(self._wamid(each), FactStatus(each.status), at, *words)

    def _fact(
        self, provider_message_id: str, kind: FactStatus, at: datetime, code: int = 0, *words: str | None
    ) -> NewFact:
        title, details = words or (None, None)
        return NewFact(
            self.wedding.number_id, provider_message_id, kind, at, code, None, None, title, details, received_at=START
        )


def wamid(message_id: str, *, second: bool) -> str:
    return f"wamid.{message_id}" + ".taken-twice" * second


def key_of(fact: FactRow) -> Key:
    return (fact.number_id, fact.provider_message_id, FactStatus(fact.status), fact.at, fact.error_code)


def test_every_story_ends_as_the_set_of_its_facts_says(database_url: str) -> None:
    """The same stories each time. For a new bug's shortest story let hypothesis shrink: add ``Phase.shrink``, and wait."""
    same = settings(
        max_examples=5,
        stateful_step_count=15,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    with asyncio.Runner() as runner:
        db = Database(database_url)
        try:
            # Any factory will do, says hypothesis; its annotation knows only classes.
            run_state_machine_as_test(cast("Any", lambda: Story(db, runner)), settings=same)
        finally:
            runner.run(db.close())
