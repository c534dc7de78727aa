"""What ``invites verify`` looks at, and what it found: per check a count and a few ids, however much is wrong."""

from dataclasses import dataclass, field

EXAMPLES = 20
"""Ids that are kept of each check."""

KINDS: dict[str, tuple[int, str, str]] = {
    "phones": (1, "No phone is twice in a run", "messages"),
    "live": (1, "No second live invite to an event that nobody asked for", "messages"),
    "identity": (1, "WhatsApp took each message once", "messages"),
    "unasked": (2, "Nothing that was turned away or cancelled went out", "messages"),
    "candidates": (3, "Every candidate of a send is one row", "runs"),
    "states": (3, "Every row stands in one of the ten states", "messages"),
    "progress": (4, "Every row is the fold of its facts", "messages"),
    "matched": (5, "No fact lies beside the message that it is about", "unmatched facts"),
    "counters": (8, "Counters and breakdowns equal the rows", "runs"),
    "author": (9, "Every run has its author in the audit trail", "runs"),
    "proven": (11, "Every fact has a status or an answer behind it", "facts"),
    "told": (11, "Every status and every answer has become a fact", "statuses, answers"),
    "dispatch": (11, "Every state of our own is what its attempts left", "messages"),
}
"""By check: the promise that it holds, in words, and what it looks at."""


@dataclass(frozen=True, slots=True)
class Offence:
    id: str
    """Public id of a message, run, fact or status item, or an attempt's name."""
    what: str


@dataclass(slots=True)
class Check:
    name: str
    looked_at: int = 0
    offending: int = 0
    examples: list[Offence] = field(default_factory=list)

    @property
    def promise(self) -> int:
        return KINDS[self.name][0]

    @property
    def title(self) -> str:
        return KINDS[self.name][1]

    @property
    def unit(self) -> str:
        return KINDS[self.name][2]

    def blame(self, offender: str, what: str | None) -> None:
        """Count an offence; None is none."""
        if what is not None:
            self.blame_all([offender], what, 1)

    def blame_all(self, offenders: list[str], what: str, count: int) -> None:
        """Count so many offences of which only some are named."""
        self.offending += count
        self.examples += [Offence(each, what) for each in offenders[: EXAMPLES - len(self.examples)]]


@dataclass(slots=True)
class Report:
    checks: dict[str, Check] = field(default_factory=lambda: {name: Check(name) for name in KINDS})
    runs: int = 0
    pruned: int = 0
    """Status items whose text was pruned or erased: what they said is kept, but cannot be read again."""
    unaudited: int = 0
    """Runs that are older than the audit trail must be, and whose entry has been pruned."""

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks.values() if check.offending]
