"""Everything that is measured, by name, for Prometheus. ``docs/metrics.md`` lists it; a test compares the two.

Each app has its own instruments; the parts of the app are given the one function that they call. Labels take values of
fixed sets, and the ids of sending numbers: never a phone, a workspace, a run or a message.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client import disable_created_metrics as _without_times_of_creation
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from app.domain.enums import SendRunStatus
from app.services.figures import OPEN, Figures
from app.services.statuses import StatusEffect
from app.whatsapp.port import Accepted, Behaviour, NotSent, Outcome, Refused, Sender, TemplateMessage, Unknown

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The library's own variable: a folder in which the processes of one ``serve --workers`` keep their counts, so that
whichever of them is scraped tells the sums. It is read when the library is imported, so it must be set before."""

_without_times_of_creation()  # type: ignore[no-untyped-call]  # a second series beside each counter, which nobody asks for

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Meta asks for an answer to webhooks within 0.25 seconds (median) and 1 second (99 of 100)."""

REFUSALS: Final = {behaviour.value: behaviour.value.lower() for behaviour in Behaviour}
OUTCOMES: Final = ("accepted", "held", *REFUSALS.values(), "not_sent", "unknown")
"""What can become of a request to Meta; a refusal goes by what it asks of us."""


@dataclass(frozen=True, slots=True)
class Described:
    """One metric as the documentation lists it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


class Metrics:
    """The instruments of one app, and the text that a scrape gets."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.described: list[Described] = []
        self._webhooks = self._counter("invites_webhook_requests_total", "Bodies posted to the webhook.", "answer")
        self._webhook_seconds = self._histogram(
            "invites_webhook_seconds", "From the first line of a webhook's request to its answer 200.", _SECONDS
        )
        self._webhooks_open = self._gauge("invites_webhook_in_progress", "Webhook requests that wait for their answer.")
        self._statuses = self._counter("invites_statuses_total", "Statuses that Meta told.", "effect")
        self._sends = self._counter("invites_sends_total", "Requests to Meta that ended.", "outcome")
        self._send_seconds = self._histogram(
            "invites_send_seconds",
            "How long a request to Meta took.",
            (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
        )
        self._claims = self._histogram(
            "invites_claim_messages", "Messages taken for sending at once.", (0, 1, 2, 5, 10, 20, 50, 100, 200, 500)
        )
        self._operations = self._counter("invites_graphql_operations_total", "GraphQL operations.", "type", "code")
        self._connections = self._gauge("invites_db_connections_in_use", "Database connections in use.", "pool")
        self._connection_limit = self._gauge("invites_db_connections_limit", "The most that there can be.", "pool")
        for outcome in OUTCOMES:  # from zero on, so that the first one counts as a rise
            self._sends.labels(outcome)
        for effect in StatusEffect:
            self._statuses.labels(effect.value)

    @contextmanager
    def webhook(self) -> Iterator[Callable[[str], None]]:
        """Around one webhook request; what it gives is called with the name of the answer."""
        started, answer = time.perf_counter(), "failed"

        def answered(name: str) -> None:
            nonlocal answer
            answer = name

        try:
            with self._webhooks_open.track_inprogress():
                yield answered
        finally:
            self._webhooks.labels(answer).inc()
            if answer == "kept":
                self._webhook_seconds.observe(time.perf_counter() - started)

    def statuses(self, effects: Mapping[StatusEffect, int]) -> None:
        for effect, count in effects.items():
            self._statuses.labels(effect.value).inc(count)

    def claimed(self, messages: int) -> None:
        self._claims.observe(messages)

    def operation(self, kind: str, code: str) -> None:
        """``code`` is an error's, or OK."""
        self._operations.labels(kind, code).inc()

    def connections(self, pool: str, in_use: int) -> None:
        self._connections.labels(pool).set(in_use)

    def connection_limits(self, limits: Mapping[str, int]) -> None:
        for pool, limit in limits.items():
            self._connection_limit.labels(pool).set(limit)
            self._connections.labels(pool).set(0)

    def measured(self, sender: Sender) -> Sender:
        """``sender``, with its requests counted and timed."""
        return _MeasuredSender(sender, self._sent)

    def _sent(self, outcome: str, seconds: float) -> None:
        self._sends.labels(outcome).inc()
        self._send_seconds.observe(seconds)

    def exposition(self, figures: Figures | None) -> bytes:
        """Prometheus' text: this process' (or these processes') counts, and the database's ``figures`` if it answers."""
        return generate_latest(self._own()) + generate_latest(_Given(figures))

    def _own(self) -> Collector:
        folder = os.environ.get(SHARED)
        if not folder:
            return self._registry
        _forget_the_dead(Path(folder))
        collector: Collector = MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]
        return collector

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        self.described.append(Described(name, "counter", labels, meaning))
        return Counter(name, meaning, labels, registry=self._registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        self.described.append(Described(name, "gauge", labels, meaning))
        return Gauge(name, meaning, labels, registry=self._registry, multiprocess_mode="livesum")

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...]) -> Histogram:
        self.described.append(Described(name, "histogram", (), meaning))
        return Histogram(name, meaning, registry=self._registry, buckets=buckets)


class _MeasuredSender:
    def __init__(self, sender: Sender, sent: Callable[[str, float], None]) -> None:
        self._sender = sender
        self._sent = sent

    async def send(self, message: TemplateMessage) -> Outcome:
        started = time.perf_counter()
        name = "unknown"  # also for a fault of ours: the request may have left
        try:
            outcome = await self._sender.send(message)
            name = outcome_name(outcome)
        finally:
            self._sent(name, time.perf_counter() - started)
        return outcome


def outcome_name(outcome: Outcome) -> str:
    """One of ``OUTCOMES``."""
    match outcome:
        case Accepted(held=held):
            return "held" if held else "accepted"
        case Refused(behaviour=behaviour):
            return REFUSALS[behaviour.value]
        case NotSent():
            return "not_sent"
        case Unknown():
            return "unknown"


def _forget_the_dead(folder: Path) -> None:
    """A process that was killed took its connections with it; what it has counted stays counted."""
    for file in folder.glob("gauge_live*.db"):
        pid = file.stem.rpartition("_")[2]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            mark_process_dead(int(pid), str(folder))  # type: ignore[no-untyped-call]


Samples = Mapping[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class _Figure:
    described: Described
    samples: Callable[[Figures], Samples]


def _figure(name: str, meaning: str, samples: Callable[[Figures], Samples], *labels: str) -> _Figure:
    return _Figure(Described(name, "gauge", labels, meaning), samples)


def _alone(value: float) -> Samples:
    return {(): value}


def _of_status(figures: Figures, status: SendRunStatus) -> int:
    return sum(each.runs for (_, found), each in figures.open_runs.items() if found is status)


def _queued(figures: Figures) -> Samples:
    return {
        (number, status.value.lower()): found.queued if (found := figures.open_runs.get((number, status))) else 0
        for number in figures.numbers
        for status in OPEN
    }


def _oldest_due(figures: Figures) -> Samples:
    running = SendRunStatus.RUNNING
    return {
        (number,): found.oldest_due_seconds if (found := figures.open_runs.get((number, running))) else 0
        for number in figures.numbers
    }


def _attempts(figures: Figures) -> Samples:
    counts = dict.fromkeys((name for name in OUTCOMES if name != "held"), 0)
    for (outcome, behaviour), count in figures.attempts.items():
        counts[REFUSALS[behaviour] if behaviour else outcome.lower()] += count
    return {(name,): count for name, count in counts.items()}


_UP: Final = Described(
    "invites_database_up", "gauge", (), "1 when the figures below could be read, else 0 and they are left out."
)

FIGURES: Final = (
    _figure("invites_queued_messages", "Messages that wait, by the status of their run.", _queued, "number", "run_status"),
    _figure(
        "invites_oldest_due_seconds", "How long the longest waiting message of a running run has been due.", _oldest_due,
        "number",
    ),
    _figure("invites_sending_messages", "Messages being handed to Meta right now.", lambda each: _alone(each.sending)),
    _figure(
        "invites_attempts_last_minute", "Requests to Meta that ended within the last minute, of all processes.",
        _attempts, "outcome",
    ),
    _figure(
        "invites_open_runs", "Runs that are not over.",
        lambda each: {(status.value.lower(),): _of_status(each, status) for status in OPEN}, "run_status",
    ),
    _figure(
        "invites_number_paused", "1 while nothing may be sent from the number.",
        lambda each: {(number,): float(found.paused) for number, found in each.numbers.items()}, "number",
    ),
    _figure(
        "invites_last_webhook_timestamp_seconds", "When the last webhook about the number came, to 20 seconds.",
        lambda each: {
            (number,): found.last_webhook_at.timestamp()
            for number, found in each.numbers.items()
            if found.last_webhook_at
        },
        "number",
    ),
    _figure(
        "invites_unconfirmed_messages", "Messages of which nobody knows whether Meta took them.",
        lambda each: _alone(each.unconfirmed),
    ),
    _figure(
        "invites_unconfirmed_overdue_messages", "Those that have been so for longer than UNCONFIRMED_AFTER.",
        lambda each: _alone(each.concerns.unconfirmed_overdue),
    ),
    _figure(
        "invites_unconfirmed_oldest_seconds", "How long the oldest of them has been so.",
        lambda each: _alone(each.unconfirmed_oldest_seconds),
    ),
    _figure(
        "invites_taken_twice_messages", "Messages that Meta took under two ids: must never be.",
        lambda each: _alone(each.concerns.taken_twice),
    ),
    _figure(
        "invites_unmatched_facts", "What Meta told within ten minutes about messages that are not ours.",
        lambda each: _alone(each.unmatched_facts),
    ),
)  # fmt: skip


def all_described() -> list[Described]:
    """Every metric, in the order of the documentation."""
    return [_UP, *(each.described for each in FIGURES), *Metrics().described]


class _Given(Collector):
    """The figures of the database as they were read for this scrape."""

    def __init__(self, figures: Figures | None) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(_UP.name, _UP.meaning, value=float(self._figures is not None))
        if self._figures is None:
            return
        for each in FIGURES:
            family = GaugeMetricFamily(each.described.name, each.described.meaning, labels=each.described.labels)
            for labels, value in each.samples(self._figures).items():
                family.add_metric(labels, value)
            yield family
