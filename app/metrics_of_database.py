"""What the database tells at each scrape, as gauges: the same in every process, unlike what a process counts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.domain.enums import SendRunStatus
from app.services.figures import OPEN, Figures
from app.whatsapp.port import Behaviour

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


UP: Final = Described(
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
        "invites_send_rate_share", "The part of SEND_RATE that may go out: Meta's brakes lower it for a while.",
        lambda each: {(number,): found.rate_share for number, found in each.numbers.items()}, "number",
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


class Given(Collector):
    """The figures of the database as they were read for this scrape."""

    def __init__(self, figures: Figures | None) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(UP.name, UP.meaning, value=float(self._figures is not None))
        if self._figures is None:
            return
        for each in FIGURES:
            family = GaugeMetricFamily(each.described.name, each.described.meaning, labels=each.described.labels)
            for labels, value in each.samples(self._figures).items():
                family.add_metric(labels, value)
            yield family
