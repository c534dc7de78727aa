"""The made-up wedding: who acts, which events there are, who is invited."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from importlib import resources
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.domain.enums import ParameterSource, Role

NAME: Final = "Nair–Kapoor Wedding"
REGION: Final = "IN"
TIMEZONE: Final = "Asia/Kolkata"
TEMPLATE: Final = "wedding_invite"
LANGUAGE: Final = "en"
_DAYS_AHEAD: Final = 90


@dataclass(frozen=True, slots=True)
class Person:
    subject: str
    name: str
    role: Role


OWNER: Final = Person("meera@nair-kapoor.example", "Meera Nair", Role.OWNER)
PARENT: Final = Person("rajesh@nair-kapoor.example", "Rajesh Kapoor", Role.PARENT_ADMIN)
COORDINATOR: Final = Person("kavya@nair-kapoor.example", "Kavya Nair", Role.FAMILY_COORDINATOR)

EVENTS: Final = (
    ("Mehndi", -1, time(16), "Rose Garden, Kochi"),
    ("Sangeet", 0, time(19), "Lake House, Kochi"),
    ("Reception", 1, time(19, 30), "Grand Pavilion, Kochi"),
)
"""Title, day of the three, time there, venue."""
SENT_FOR: Final = "Sangeet"

PARAMETERS: Final[list[dict[str, Any]]] = [
    {"component": "HEADER", "source": ParameterSource.MEDIA_URL, "value": "https://example.org/invite.jpg"},
    *(
        {"component": "BODY", "name": name, "source": name.upper()}
        for name in ("guest_name", "event_title", "event_date", "event_time", "event_venue")
    ),
]


def moment(day: int, at: time) -> str:
    """RFC 3339; the wedding is always some months ahead."""
    date = datetime.now(UTC).date() + timedelta(days=_DAYS_AHEAD + day)
    return datetime.combine(date, at, ZoneInfo(TIMEZONE)).isoformat()


def guest_list(guests: int) -> str:
    """The sample wedding as CSV, cut or filled up with plain guests to this many rows."""
    lines = (resources.files("app") / "data" / "sample_wedding.csv").read_text(encoding="utf-8").splitlines()
    header, rows = lines[0], lines[1 : guests + 1]
    rows += [f"Guest {k:04d} & family,Guest {k:04d},98100 0{k:04d},neutral,," for k in range(len(rows) + 1, guests + 1)]
    return "\n".join([header, *rows]) + "\n"
