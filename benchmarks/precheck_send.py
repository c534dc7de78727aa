"""How long a precheck and the planning of a send take, and how many statements: ``make bench``.

Nothing is sent: planning ends with the rows that a dispatcher would take. The wanted limit is 5 s each for 10,000
recipients on SQLite with two cores.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from app.config import Settings
from app.db.engine import Database
from app.db.migrate import upgrade
from app.domain.audience import Audience
from app.domain.enums import EventStatus, ParameterSource, TemplateComponent
from app.domain.guest_list import GuestRow
from app.domain.requests import SendRequest
from app.domain.template_parameters import TemplateParameter
from app.main import build_services
from app.metrics import Metrics
from app.services.base import Actor
from app.services.bundle import Services
from app.services.sends import SendSuccess
from app.whatsapp.port import NumberProfile, ProviderTemplate

T = TypeVar("T")

LIMIT = 5.0
OWNER = Actor("owner@example.org", "Owner")
BODY = "Dear {{guest_name}}, we invite you to {{event_title}} on {{event_date}}, {{event_venue}}."
SOURCES = {
    "guest_name": ParameterSource.GUEST_NAME,
    "event_title": ParameterSource.EVENT_TITLE,
    "event_date": ParameterSource.EVENT_DATE,
    "event_venue": ParameterSource.EVENT_VENUE,
}


class OneTemplate:
    """A directory with the one template that is sent."""

    async def list_templates(self, waba_id: str) -> list[ProviderTemplate]:
        del waba_id
        components = [{"type": "BODY", "text": BODY}]
        return [ProviderTemplate("1", "invite", "en", "APPROVED", "MARKETING", None, "NAMED", None, components)]

    async def number_profile(self, phone_number_id: str) -> NumberProfile:
        del phone_number_id
        return NumberProfile(None, None, None, None, None)


class Meter:
    """Counts the statements that reach the database."""

    def __init__(self, db: Database) -> None:
        self.statements = 0
        for engine in {db.writer, db.reader}:
            sa.event.listen(engine.sync_engine, "before_cursor_execute", self._count)

    def _count(self, *_: Any) -> None:
        self.statements += 1

    async def measure(self, what: str, act: Callable[[], Awaitable[T]]) -> tuple[T, float]:
        self.statements, started = 0, time.perf_counter()
        result = await act()
        seconds = time.perf_counter() - started
        print(f"{what:<28} {seconds:6.2f} s  {self.statements:5} statements", flush=True)
        return result, seconds


def guests(count: int) -> list[GuestRow]:
    """Four guests in three households. No phone is the household's own, so each guest gets a message."""
    return [
        GuestRow(k, f"Household {k * 3 // 4}", f"Guest {k}", f"+9198{k:08d}", None, (), primary=False)
        for k in range(1, count + 1)
    ]


async def set_up(services: Services, recipients: int, meter: Meter) -> SendRequest:
    workspace = await services.workspaces.create_workspace(
        OWNER, name="Benchmark", default_region="IN", timezone="Asia/Kolkata"
    )
    await services.templates.sync(OWNER, workspace_id=workspace.id)
    event = await services.events.create_event(
        OWNER, workspace_id=workspace.id, title="Reception", starts_at=datetime.now(UTC) + timedelta(90), venue="Hall"
    )
    await services.events.update_event(OWNER, id=event.id, status=EventStatus.PUBLISHED)
    await meter.measure(
        f"import of {recipients:,} guests",
        lambda: services.guests.import_guests(
            OWNER, workspace_id=workspace.id, csv=None, rows=guests(recipients), file_name=None
        ),
    )
    parameters = tuple(
        TemplateParameter(TemplateComponent.BODY, None, name, None, source, None) for name, source in SOURCES.items()
    )
    return SendRequest(event.id, "invite", "en", parameters, Audience())


async def run(folder: Path, recipients: int) -> bool:
    """True when both stayed below the limit."""
    settings = Settings.from_env(
        {
            "AUTH_SECRET": "only for the benchmark - long enough for it",
            "DATABASE_URL": f"sqlite:///{folder / 'bench.db'}",
            "META_PHONE_NUMBER_ID": "1",
            "META_WABA_ID": "2",
            "META_ACCESS_TOKEN": "none",
        }
    )
    await upgrade(settings.database_url)
    db = Database(settings.database_url)
    try:
        services = await build_services(settings, db, OneTemplate(), Metrics())
        meter = Meter(db)
        request = await set_up(services, recipients, meter)
        precheck, first = await meter.measure("precheck", lambda: services.prechecks.precheck(OWNER, request))
        token = precheck.token
        assert token is not None, precheck.blockers
        result, second = await meter.measure(
            "sendInvites (plans the run)", lambda: services.sends.send_invites(OWNER, token=token)
        )
        assert isinstance(result, SendSuccess), result
    finally:
        await db.close()
    print(f"{precheck.eligible_count:,} eligible of {precheck.candidate_count:,} candidates, SQLite")
    return max(first, second) <= LIMIT


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=10_000)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="invites-bench-") as folder:
        fast = asyncio.run(run(Path(folder), wanted.recipients))
    if not fast:
        print(f"slower than the wanted {LIMIT:.0f} s", file=sys.stderr)
    return 0 if fast else 1


if __name__ == "__main__":
    sys.exit(main())
