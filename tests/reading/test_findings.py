"""Webhook findings: only of a number that one workspace has for itself, raw only with the right to it."""

import pytest

from app.db.engine import Database
from app.domain.enums import ReceiptFinding, Role
from tests.reading.world import NOW, World, actor, reader

pytestmark = pytest.mark.anyio

ASHA = actor("asha")


async def test_findings(db: Database) -> None:
    world = World(db)
    number, elsewhere = world.number(), world.number()
    workspace = world.workspace("Wedding", number)
    world.member(workspace, "asha", Role.PARENT_ADMIN)
    world.member(workspace, "zara", Role.FAMILY_COORDINATOR)
    receipt = world.receipt(number)
    unmatched = world.status(
        receipt, None, "sent", NOW, finding=ReceiptFinding.UNMATCHED, provider_message_id="wamid.1"
    )
    world.status(receipt, None, "sent", NOW)  # no finding
    bisected = world.receipt(number, "One item could not be applied.")
    world.status(bisected, None, "odd", NOW, finding=ReceiptFinding.UNRECOGNISED, explanation="Not known.", item=None)
    unreadable = world.receipt(number, "It is not JSON.")
    world.status(world.receipt(elsewhere), None, "sent", NOW, finding=ReceiptFinding.UNMATCHED)
    world.receipt(None, "It names no number.")
    await world.save()
    source = reader(db)

    found = (await source.webhook_findings(ASHA, workspace.id, first=100)).nodes
    assert [(one.finding, one.explanation, one.provider_message_id, one.raw, one.receipt_id) for one in found] == [
        (ReceiptFinding.UNPARSED, "It is not JSON.", None, None, unreadable.id),
        (ReceiptFinding.UNRECOGNISED, "Not known.", None, None, bisected.id),
        (ReceiptFinding.UNMATCHED, found[2].explanation, "wamid.1", {"status": "sent"}, receipt.id),
    ]
    assert unmatched.explanation is None
    assert found[2].explanation
    assert {one.received_at for one in found} == {NOW}

    only = [ReceiptFinding.UNPARSED, ReceiptFinding.UNMATCHED]
    assert len((await source.webhook_findings(ASHA, workspace.id, findings=only, first=100)).nodes) == 2
    coordinator = (await source.webhook_findings(actor("zara"), workspace.id, first=100)).nodes
    assert [one.receipt_id for one in coordinator] == [one.receipt_id for one in found]
    assert {one.raw for one in coordinator} == {None}


async def test_a_shared_number_shows_nothing_to_anybody(db: Database) -> None:
    world = World(db)
    number = world.number()
    workspaces = [world.workspace("Wedding", number), world.workspace("Other", number)]
    for workspace in workspaces:
        world.member(workspace, "asha")
    world.status(world.receipt(number), None, "sent", NOW, finding=ReceiptFinding.UNMATCHED)
    await world.save()
    for workspace in workspaces:
        assert (await reader(db).webhook_findings(ASHA, workspace.id, first=100)).nodes == []


async def test_without_a_number(db: Database) -> None:
    world = World(db)
    workspace = world.workspace("Wedding", None)
    world.member(workspace, "asha")
    world.receipt(None, "It names no number.")
    await world.save()
    assert (await reader(db).webhook_findings(ASHA, workspace.id, first=100)).nodes == []
    assert await reader(db).numbers(ASHA, [workspace.id]) == {}
