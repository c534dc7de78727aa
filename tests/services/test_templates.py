"""Fetching templates: what Meta lists becomes rows, what it lists no more stays readable, and no transaction waits for Meta."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.tables import AuditRow, NumberRow, TemplateRow
from app.domain import ids
from app.domain.enums import AuditAction, Role, TemplateCategory, TemplateStatus
from app.domain.errors import ForbiddenError, NotFoundError, UnavailableError
from app.services.templates import Templates
from app.services.workspaces import Workspaces
from app.whatsapp.port import NumberProfile, ProviderTemplate
from tests.services.world import STRANGER, World, contents, make_world, one, rows

pytestmark = pytest.mark.anyio

BODY = [{"type": "BODY", "text": "Dear {{guest_name}}"}]


def listed(name: str = "wedding_invite", language: str = "en", **more: Any) -> ProviderTemplate:
    return replace(
        ProviderTemplate(
            provider_id="1", name=name, language=language, status="APPROVED", category="MARKETING", correct_category=None,
            parameter_format="NAMED", quality=None, components=BODY,
        ),
        **more,
    )  # fmt: skip


class FakeDirectory:
    """Meta's side: what it lists, and whether it can be asked. Counts and checks that the database is free meanwhile."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.templates: list[ProviderTemplate] = [listed()]
        self.profile = NumberProfile("+91 22 1234 5678", "Asha & Rohan", "GREEN", "TIER_1K", "CONNECTED")
        self.away: str | None = None
        self.asked: list[str] = []

    async def list_templates(self, waba_id: str) -> list[ProviderTemplate]:
        await self._answer(waba_id)
        return self.templates

    async def number_profile(self, phone_number_id: str) -> NumberProfile:
        await self._answer(phone_number_id)
        return self.profile

    async def _answer(self, asked: str) -> None:
        if self.away:
            raise UnavailableError(self.away)
        self.asked.append(asked)
        await asyncio.wait_for(self.db.write(self._touch), timeout=5)

    async def _touch(self, uow: UnitOfWork) -> None:
        """Fails to come back when a transaction holds the number, or SQLite's one writer, during the call."""
        await uow.session.execute(sa.update(NumberRow).values(tokens=NumberRow.tokens + 1))


@pytest.fixture
def directory(db: Database) -> FakeDirectory:
    return FakeDirectory(db)


@pytest.fixture
def templates(db: Database, directory: FakeDirectory) -> Templates:
    return Templates(db, directory)


@pytest.mark.parametrize("role", Role)
async def test_who_fetches_templates(world: World, templates: Templates, directory: FakeDirectory, role: Role) -> None:
    fetch = templates.sync(world.actors[role], workspace_id=world.workspace_id)
    if role is Role.FAMILY_COORDINATOR:
        with pytest.raises(ForbiddenError):
            await fetch
        assert directory.asked == []
        (refusal,) = await world.audit(AuditAction.ACCESS_REFUSED)
        assert refusal.text == "Refused: fetch the templates"
        return
    (template,) = await fetch
    stored = await one(world.db, TemplateRow)
    assert (stored.id, stored.number_id, stored.provider_id) == (template.id, world.number_id, "1")
    assert (stored.name, stored.language, stored.parameter_format) == ("wedding_invite", "en", "NAMED")
    assert (stored.status, stored.category) == (TemplateStatus.APPROVED, TemplateCategory.MARKETING)
    assert (stored.components, stored.correct_category, stored.quality) == (BODY, None, None)
    number = await one(world.db, NumberRow)
    assert directory.asked == [number.waba_id, number.phone_number_id]
    (entry,) = await world.audit(AuditAction.TEMPLATE_SYNC)
    assert (entry.target_id, entry.after) == (world.number_id, {"listed": 1, "new": 1, "gone": 0})
    assert world.actors[role].subject in entry.actor_text


@pytest.mark.parametrize(("status", "lifted"), [("CONNECTED", True), ("RESTRICTED", False), (None, False)])
async def test_the_profile_is_refreshed_and_a_connected_number_may_try_again(
    world: World, templates: Templates, directory: FakeDirectory, status: str | None, lifted: bool
) -> None:
    async def pause(uow: UnitOfWork) -> None:
        await uow.session.execute(sa.update(NumberRow).values(paused=True, paused_reason="Meta says no"))

    await world.db.write(pause)
    directory.profile = replace(directory.profile, status=status)
    await templates.sync(world.owner, workspace_id=world.workspace_id)
    number = await one(world.db, NumberRow)
    assert (number.display_phone, number.verified_name) == ("+91 22 1234 5678", "Asha & Rohan")
    assert (number.quality_rating, number.messaging_limit) == ("GREEN", "TIER_1K")
    assert (number.paused, number.paused_reason) == ((False, None) if lifted else (True, "Meta says no"))
    first = number.synced_at
    assert first
    directory.profile = NumberProfile(None, None, "RED\x00\ud800", None, None)
    await templates.sync(world.owner, workspace_id=world.workspace_id)
    number = await one(world.db, NumberRow)
    assert (number.display_phone, number.quality_rating) == ("+91 22 1234 5678", "RED"), "left out by Meta: as it was"
    assert number.synced_at
    assert number.synced_at > first


async def test_templates_are_updated_added_and_never_lost(
    world: World, templates: Templates, directory: FakeDirectory
) -> None:
    directory.templates = [listed("b"), listed("a", "hi"), listed("a", "en")]
    first = await templates.sync(world.owner, workspace_id=world.workspace_id)
    assert [(row.name, row.language) for row in first] == [("a", "en"), ("a", "hi"), ("b", "en")]
    directory.templates = [
        listed(
            "a", "en", status="PAUSED", components=[], category="UTILITY", quality="LOW", correct_category="MARKETING"
        ),
        listed("c"),
    ]
    second = await templates.sync(world.owner, workspace_id=world.workspace_id)
    assert [(row.name, row.language, row.status.value) for row in second] == [
        ("a", "en", "PAUSED"), ("a", "hi", "UNKNOWN"), ("b", "en", "UNKNOWN"), ("c", "en", "APPROVED"),
    ]  # fmt: skip
    assert [row.id for row in second[:3]] == [row.id for row in first], "a template keeps its id"
    changed, gone = second[0], second[1]
    assert (changed.components, changed.category, changed.quality) == ([], TemplateCategory.UTILITY, "LOW")
    assert (changed.correct_category, changed.synced_at > first[0].synced_at) == ("MARKETING", True)
    assert (gone.components, gone.synced_at) == (BODY, first[1].synced_at), "still readable"
    assert (await world.audit(AuditAction.TEMPLATE_SYNC))[-1].after == {"listed": 2, "new": 1, "gone": 2}
    directory.templates = []
    await templates.sync(world.owner, workspace_id=world.workspace_id)
    assert (await world.audit(AuditAction.TEMPLATE_SYNC))[-1].after == {"listed": 0, "new": 0, "gone": 2}


@pytest.mark.parametrize(
    ("given", "status", "category"),
    [
        ({"status": "approved", "category": "utility"}, TemplateStatus.APPROVED, TemplateCategory.UTILITY),
        ({"status": "In_Appeal"}, TemplateStatus.IN_APPEAL, TemplateCategory.MARKETING),
        ({"status": "LIMIT_EXCEEDED", "category": "SERVICE"}, TemplateStatus.UNKNOWN, TemplateCategory.UNKNOWN),
        ({"status": "", "category": "\x00"}, TemplateStatus.UNKNOWN, TemplateCategory.UNKNOWN),
    ],
)
async def test_names_that_meta_adds_are_unknown_and_no_error(
    world: World, templates: Templates, directory: FakeDirectory, given: dict[str, str], status: TemplateStatus, category: TemplateCategory
) -> None:  # fmt: skip
    directory.templates = [listed(**given)]
    (template,) = await templates.sync(world.owner, workspace_id=world.workspace_id)
    assert (template.status, template.category) == (status, category)


async def test_odd_answers_are_stored(world: World, templates: Templates, directory: FakeDirectory) -> None:
    odd = [{"type": "BODY", "text": "\x00 \ud800 ☃"}]
    directory.templates = [
        listed("twice"),
        listed("twice", components=odd),
        listed("n\x00\ud800ul", provider_id="\x00"),
    ]
    found = await templates.sync(world.owner, workspace_id=world.workspace_id)
    assert [(row.name, row.components) for row in found] == [("nul", BODY), ("twice", odd)]
    assert [row.components for row in await rows(world.db, TemplateRow)] == [odd, BODY]


async def test_without_a_number_an_account_or_a_provider_it_says_what_to_do(
    world: World, templates: Templates, directory: FakeDirectory
) -> None:
    bare = await Workspaces(world.db, None).create_workspace(
        world.owner, name="No number", default_region="IN", timezone="Asia/Kolkata"
    )
    with pytest.raises(UnavailableError, match="META_WABA_ID"):
        await templates.sync(world.owner, workspace_id=bare.id)
    with pytest.raises(UnavailableError, match="META_WABA_ID"):
        await Templates(world.db, None).sync(world.owner, workspace_id=world.workspace_id)

    async def forget(uow: UnitOfWork) -> None:
        await uow.session.execute(sa.update(NumberRow).values(waba_id=None))

    await world.db.write(forget)
    with pytest.raises(UnavailableError, match="META_WABA_ID"):
        await templates.sync(world.owner, workspace_id=world.workspace_id)
    assert directory.asked == []


async def test_when_meta_is_away_nothing_changes(world: World, templates: Templates, directory: FakeDirectory) -> None:
    await templates.sync(world.owner, workspace_id=world.workspace_id)
    before = await contents(world.db, TemplateRow, NumberRow, AuditRow)
    directory.away = "WhatsApp does not answer. Try again in a minute."
    with pytest.raises(UnavailableError, match="Try again"):
        await templates.sync(world.owner, workspace_id=world.workspace_id)
    assert await contents(world.db, TemplateRow, NumberRow, AuditRow) == before


async def test_fetching_at_once_makes_each_template_once(
    world: World, templates: Templates, directory: FakeDirectory
) -> None:
    directory.templates = [listed(f"template_{n}") for n in range(20)]
    await asyncio.gather(*(templates.sync(world.owner, workspace_id=world.workspace_id) for _ in range(4)))
    assert len(await rows(world.db, TemplateRow)) == 20


async def test_rights_are_looked_at_again_after_meta_answered(world: World, directory: FakeDirectory) -> None:
    class Demoting(FakeDirectory):
        async def list_templates(self, waba_id: str) -> list[ProviderTemplate]:
            await Workspaces(self.db, None).set_member(
                world.owner, workspace_id=world.workspace_id, subject=world.admin.subject, role=Role.FAMILY_COORDINATOR
            )
            return await super().list_templates(waba_id)

    with pytest.raises(ForbiddenError):
        await Templates(world.db, Demoting(world.db)).sync(world.admin, workspace_id=world.workspace_id)
    assert await rows(world.db, TemplateRow) == []


async def test_strangers_fetch_nothing(world: World, templates: Templates, directory: FakeDirectory) -> None:
    other = await make_world(world.db)
    for actor in (other.owner, STRANGER):
        for workspace_id in (world.workspace_id, ids.new_id(ids.WORKSPACE), "nonsense"):
            with pytest.raises(NotFoundError):
                await templates.sync(actor, workspace_id=workspace_id)
    assert directory.asked == []
