"""What a figure found: samples by contender, ratios within a round, and the bars that they are held against."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one contender. ``values`` by name and unit; CPU seconds by process, over ``seconds`` of wall."""

    values: dict[str, float]
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        found = list(values)
        return cls(statistics.median(found), min(found), max(found))

    def __str__(self) -> str:
        if self.least == self.most:
            return _short(self.median)
        return f"{_short(self.median)} ({_short(self.least)}–{_short(self.most)})"


@dataclass(frozen=True, slots=True)
class Bar:
    """A bound on a ratio: met when the median is on the right side of it. Without a limit it is only shown."""

    what: str
    ratio: Spread
    at_least: float | None = None
    at_most: float | None = None
    moonshot: float | None = None

    @property
    def met(self) -> bool | None:
        return self._beyond(self.at_least, self.at_most)

    @property
    def moonshot_met(self) -> bool | None:
        return self._beyond(self.moonshot if self.at_most is None else None, self.moonshot if self.at_most else None)

    def _beyond(self, low: float | None, high: float | None) -> bool | None:
        if low is not None:
            return self.ratio.median >= low
        return None if high is None else self.ratio.median <= high

    def __str__(self) -> str:
        sign, limit = ("≥", self.at_least) if self.at_most is None else ("≤", self.at_most)
        text = f"{self.what}: {self.ratio}"
        if limit is None:
            return text
        text += f"   bar {sign} {limit:g} {'met' if self.met else 'NOT MET'}"
        if self.moonshot is not None:
            text += f", moonshot {sign} {self.moonshot:g} {'met' if self.moonshot_met else 'not met'}"
        return text


@dataclass(slots=True)
class Sheet:
    """One figure, or a family that is measured together."""

    title: str
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    bars: list[Bar] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, contender: str, sample: Sample) -> None:
        self.samples.setdefault(contender, []).append(sample)

    def values(self, contender: str, name: str) -> list[float]:
        return [sample.values[name] for sample in self.samples[contender]]

    def ratio(self, name: str, contender: str, floor: str) -> Spread:
        """Round by round, so that a drift of the machine hits both sides."""
        pairs = zip(self.values(contender, name), self.values(floor, name), strict=True)
        return Spread.of(value / max(other, 1e-9) for value, other in pairs)

    def bar(self, what: str, ratio: Spread, **limits: float | None) -> None:
        self.bars.append(Bar(what, ratio, **limits))

    def lines(self) -> list[str]:
        lines = [self.title]
        for contender, samples in self.samples.items():
            parts = [f"{name} {Spread.of(sample.values[name] for sample in samples)}" for name in samples[0].values]
            lines.append(f"  {contender:<34} " + "   ".join(parts) + _cpu(samples))
        lines += [f"  → {bar}" for bar in self.bars]
        return lines + [f"  {note}" for note in self.notes]

    def as_json(self) -> Mapping[str, Any]:
        bars = [asdict(bar) | {"met": bar.met, "moonshot_met": bar.moonshot_met} for bar in self.bars]
        samples = {contender: [asdict(sample) for sample in found] for contender, found in self.samples.items()}
        return {"title": self.title, "samples": samples, "bars": bars, "notes": self.notes}


def _cpu(samples: list[Sample]) -> str:
    """How busy each process was, in percent of one core."""
    timed = [sample for sample in samples if sample.seconds and any(sample.cpu.values())]
    if not timed:
        return ""
    shares = {name: statistics.median(100 * each.cpu[name] / each.seconds for each in timed) for name in timed[0].cpu}
    return "   CPU " + ", ".join(f"{name} {share:.0f} %" for name, share in shares.items())


def _short(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
