"""Retries of an earlier run, and what is told of runs that are over."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.enums import MessageState, RejectionReason
from app.domain.errors import NotFoundError
from app.domain.requests import FromRun
from app.services.guests import Guests
from app.services.reading import Reader
from app.whatsapp.port import Behaviour
from tests.sending.world import UNKNOWN, Wedding, accepted, make_wedding, people, refused, status, wamid

pytestmark = pytest.mark.anyio

FAILED = (MessageState.FAILED,)


async def test_a_guest_who_has_moved_is_found_in_the_new_household(wedding: Wedding) -> None:
    run_id = await wedding.send()
    first, second, third = await wedding.claim()
    await wedding.finish([first, third], accepted)
    await wedding.finish([second], refused(131026, Behaviour.FINAL))
    world = wedding.world
    moved, home = await world.person("Guest 00001"), await world.unit("Guest 00002")
    await Guests(wedding.db).update_person(world.owner, id=moved.id, guest_unit_id=home.id)
    found = await wedding.prechecks.precheck(world.coordinator, wedding.request(from_run=FromRun(run_id, FAILED)))
    eligible = [candidate for candidate in found.candidates if candidate.reason is None]
    assert [(candidate.phone, candidate.prior_message_id) for candidate in eligible] == [(second.to, second.message_id)]


@pytest.mark.parametrize(
    "run_id", ["run_x", "xxx_0197f3aa00007000800000000000abcd", "", "run_0197f3aa00007000800000000000abcd"]
)
async def test_a_run_that_is_none_is_not_found(wedding: Wedding, run_id: str) -> None:
    request = replace(wedding.request(from_run=FromRun(run_id, FAILED)))
    with pytest.raises(NotFoundError):
        await wedding.prechecks.precheck(wedding.world.coordinator, request)


async def test_a_completed_run_gives_no_advice_that_cannot_be_followed(wedding: Wedding) -> None:
    """Ten unknown outcomes in a row stop the number, also when nothing is left to send then."""
    big = await make_wedding(wedding.db, people(10))
    run_id = await big.send()
    await big.finish(await big.claim(), UNKNOWN)
    reader = Reader(big.db, unconfirmed_after=timedelta(minutes=15))
    run = (await reader.runs(big.world.admin, [run_id]))[run_id]
    assert (run.status, run.status_reason, run.next_step) == ("COMPLETED", None, None)
    number = (await reader.numbers(big.world.admin, [big.world.workspace_id]))[big.world.workspace_id]
    assert number.paused
    assert "sync the templates" in (number.paused_reason or "")


async def test_a_delivery_that_comes_late_turns_a_second_invite_away(wedding: Wedding) -> None:
    """The first message failed, or so it seemed; the operator invites again; then it turns out to have arrived."""
    await wedding.send()
    claims = await wedding.claim()
    await wedding.finish(claims, accepted)
    failed = [status(wamid(claim), "failed", 1795500000, errors=[{"code": 131026}]) for claim in claims]
    await wedding.post(*failed)
    again = await wedding.send()
    await wedding.post(status(wamid(claims[0]), "delivered", 1795500009))
    assert {claim.to for claim in await wedding.claim()} == {claims[1].to, claims[2].to}
    turned_away = [row for row in await wedding.messages(again) if row.state is MessageState.REJECTED]
    assert [row.rejection_reason for row in turned_away] == [RejectionReason.ALREADY_INVITED]
