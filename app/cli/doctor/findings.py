"""One finding of ``invites doctor``, and how a stretch of time is told in it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from app.domain.errors import AppError

Mark = Literal["ok", "warn", "fail"]

MAX_SKEW: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Finding:
    mark: Mark
    subject: str
    found: str
    todo: str | None = None
    """What to do; None where all is well."""

    @property
    def text(self) -> str:
        return f"{self.found} {self.todo}" if self.todo else self.found


def failed(subject: str, error: AppError, mark: Mark = "fail") -> Finding:
    """Errors for operators say in their first sentence what is wrong, and then what to do."""
    found, _, todo = error.message.partition(". ")
    return Finding(mark, subject, f"{found.removesuffix('.')}.", todo or None)


def clock(whose: str, told: datetime, before: datetime, after: datetime, grain: timedelta = timedelta(0)) -> Finding:
    """Of the clock here against another, which said ``told`` (cut to ``grain``) between these two moments of ours."""
    ahead, behind = before - (told + grain), told - after
    skew = max(ahead, behind)
    if skew <= MAX_SKEW:
        return Finding("ok", "Clock", f"agrees with {whose} within {MAX_SKEW.seconds} s")
    return Finding(
        "warn",
        "Clock",
        f"{skew.total_seconds():.0f} s {'ahead of' if ahead > behind else 'behind'} {whose}.",
        "Switch on time synchronisation (NTP) on this machine: sign-in, pace and every age that is shown go by its clock.",
    )


def age(moment: datetime) -> str:
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds} s"
