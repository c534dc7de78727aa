"""Everything that is measured, by name, for Prometheus. ``docs/metrics.md`` lists it; a test compares the two.

Each app has its own instruments; the parts of the app are given the one function that they call. Labels take values of
fixed sets, and the ids of sending numbers: never a phone, a workspace, a run or a message.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client import disable_created_metrics as _without_times_of_creation
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from app.metrics_of_database import FIGURES, OUTCOMES, REFUSALS, UP, Described, Given
from app.services.figures import Figures
from app.services.statuses import StatusEffect
from app.whatsapp.port import Accepted, NotSent, Outcome, Refused, Sender, TemplateMessage, Unknown

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The library's own variable: a folder in which the processes of one ``serve --workers`` keep their counts, so that
whichever of them is scraped tells the sums. It is read when the library is imported, so it must be set before."""

_without_times_of_creation()  # type: ignore[no-untyped-call]  # a second series beside each counter, which nobody asks for

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Meta asks for an answer to webhooks within 0.25 seconds (median) and 1 second (99 of 100)."""

NO_ANSWER: Final = "failed"
"""Of a webhook's request: a fault of ours."""


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
        self._backlog = self._gauge("invites_webhooks_waiting", "Bodies that wait for their transaction to begin.")
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

    def webhook(
        self, answers: Iterable[str], *, kept: str
    ) -> Callable[[], AbstractContextManager[Callable[[str], None]]]:
        """What goes around one webhook request, and gives what is called with the name of the answer, one of ``answers``.

        Those whose answer is ``kept`` are timed.
        """
        counters = {answer: self._webhooks.labels(answer) for answer in (*answers, NO_ANSWER)}

        @contextmanager
        def measured() -> Iterator[Callable[[str], None]]:
            started, answer = time.perf_counter(), NO_ANSWER

            def answered(name: str) -> None:
                nonlocal answer
                answer = name

            try:
                with self._webhooks_open.track_inprogress():
                    yield answered
            finally:
                counters[answer].inc()
                if answer == kept:
                    self._webhook_seconds.observe(time.perf_counter() - started)

        return measured

    def backlog(self, waiting: int) -> None:
        self._backlog.set(waiting)

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
        return generate_latest(self._own()) + generate_latest(Given(figures))

    def _own(self) -> Collector:
        folder = os.environ.get(SHARED)
        if not folder:
            return self._registry
        forget_the_dead(Path(folder))
        collector: Collector = MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]  # it has no annotations
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


def forget_the_dead(folder: Path) -> None:
    """A process that was killed took its connections with it; what it has counted stays counted."""
    for file in folder.glob("gauge_live*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except PermissionError:
            continue  # it lives, under another user
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # whoever was scraped at the same moment was quicker
                mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]  # nor has this


def all_described() -> list[Described]:
    """Every metric, in the order of the documentation."""
    return [UP, *(each.described for each in FIGURES), *Metrics().described]
