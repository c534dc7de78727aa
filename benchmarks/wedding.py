"""A wedding of any size to measure with: a workspace whose template is there, guests, and lists of more guests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from app.config import Settings
from app.db.aside import DatabaseAside
from app.db.bulk import insert_rows
from app.db.engine import Database, UnitOfWork
from app.db.tables import GuestUnitRow, PersonRow
from app.domain import ids
from app.domain.audience import Audience
from app.domain.enums import EventStatus, ParameterSource, PhoneStatus, Side, TemplateComponent
from app.domain.requests import SendRequest
from app.domain.template_parameters import TemplateParameter
from app.main import build_services
from app.metrics import Metrics
from app.services.base import Actor
from app.services.bundle import Services
from app.whatsapp.port import NumberProfile, ProviderTemplate

OWNER = Actor("owner@example.org", "Owner")
NUMBER = "100000000000001"
APP_SECRET = "app-secret-for-the-benchmark"
TEMPLATE = "invite"
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
        return [ProviderTemplate("1", TEMPLATE, "en", "APPROVED", "MARKETING", None, "NAMED", None, components)]

    async def number_profile(self, phone_number_id: str) -> NumberProfile:
        del phone_number_id
        return NumberProfile(None, None, None, None, None)


def environment(url: str) -> dict[str, str]:
    """Settings of a service that nothing leaves."""
    return {
        "AUTH_SECRET": "only for the benchmark - long enough for it",
        "DATABASE_URL": url,
        "META_PHONE_NUMBER_ID": NUMBER,
        "META_WABA_ID": "200000000000001",
        "META_ACCESS_TOKEN": "none",
        "META_APP_SECRET": APP_SECRET,
    }


@asynccontextmanager
async def services_of(url: str) -> AsyncIterator[tuple[Database, Services]]:
    """As a server has them for what takes long."""
    settings = Settings.from_env(environment(url))
    db = Database(settings.database_url)
    if not db.sqlite:
        db = DatabaseAside(db)
    try:
        yield db, await build_services(settings, db, OneTemplate(), Metrics())
    finally:
        await db.close()


async def make_workspace(services: Services) -> str:
    workspace = await services.workspaces.create_workspace(
        OWNER, name="Benchmark", default_region="IN", timezone="Asia/Kolkata"
    )
    await services.templates.sync(OWNER, workspace_id=workspace.id)
    return workspace.id


async def make_wedding(db: Database, services: Services, recipients: int) -> SendRequest:
    """Four guests in three households, each with a phone of their own; the request sends to all of them."""
    workspace_id = await make_workspace(services)
    event = await services.events.create_event(
        OWNER, workspace_id=workspace_id, title="Reception", starts_at=datetime.now(UTC) + timedelta(90), venue="Hall"
    )
    await services.events.update_event(OWNER, id=event.id, status=EventStatus.PUBLISHED)
    await db.write(lambda uow: _insert_guests(uow, workspace_id, recipients))
    parameters = tuple(
        TemplateParameter(TemplateComponent.BODY, None, name, None, source, None) for name, source in SOURCES.items()
    )
    return SendRequest(event.id, TEMPLATE, "en", parameters, Audience())


async def _insert_guests(uow: UnitOfWork, workspace_id: str, recipients: int) -> None:
    """Past the import, which would take longer than what is measured."""
    now = datetime.now(UTC)
    stamps = {"workspace_id": workspace_id, "created_at": now, "updated_at": now, "archived": False}
    units = [ids.new_id(ids.GUEST_UNIT) for _ in range(recipients * 3 // 4 + 1)]
    await insert_rows(
        uow, GuestUnitRow,
        (
            stamps | {"id": each, "name": f"Household {k}", "name_key": f"household {k}", "side": Side.BRIDE, "inviteable": True}
            for k, each in enumerate(units)
        ),
    )  # fmt: skip
    await insert_rows(
        uow, PersonRow,
        (
            stamps
            | {
                "id": ids.new_id(ids.PERSON), "guest_unit_id": units[k * 3 // 4], "name": f"Guest {k}",
                "name_key": f"guest {k}", "also_known_as": [], "phone": phone(k), "raw_phone": phone(k),
                "phone_status": PhoneStatus.VALID,
            }
            for k in range(1, recipients + 1)
        ),
    )  # fmt: skip


def phone(k: int) -> str:
    return f"+9198{k:08d}"


def list_as_csv(first: int, rows: int) -> str:
    """A list of new guests, as a family keeps it: households, sides and tags, phones with blanks in them."""
    lines = (
        f"Household {k * 3 // 4},Guest {k},+91 98{k:08d},{('bride', 'groom')[k % 2]},tag {k % 7}"
        for k in range(first, first + rows)
    )
    return "household,name,phone,side,tags\n" + "\n".join(lines)


def list_as_rows(first: int, rows: int) -> list[dict[str, object]]:
    """The same as a client sends it."""
    return [
        {
            "household": f"Household {k * 3 // 4}", "name": f"Guest {k}", "phone": f"+91 98{k:08d}",
            "side": ("BRIDE", "GROOM")[k % 2], "tags": [f"tag {k % 7}"],
        }
        for k in range(first, first + rows)
    ]  # fmt: skip
