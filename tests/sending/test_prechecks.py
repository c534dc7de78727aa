"""Prechecks: blockers, verdicts, and who shares a phone."""

from dataclasses import replace

import pytest

from app.domain.audience import Audience
from app.domain.enums import (
    BlockerCode,
    MessageState,
    RejectionReason,
    TemplateCategory,
    TemplateStatus,
    WarningCode,
)
from app.domain.errors import BadInputError
from app.domain.requests import FromRun
from app.services.events import Events
from app.services.guests import Guests
from tests.sending.world import Wedding, add_template
from tests.services.world import guest

pytestmark = pytest.mark.anyio


async def test_blockers_say_what_is_wrong_and_give_no_token(wedding: Wedding) -> None:
    events = Events(wedding.db)
    draft = await events.create_event(
        wedding.world.owner,
        workspace_id=wedding.world.workspace_id,
        title="Haldi",
        starts_at=wedding.event.starts_at,
        venue=None,
    )
    request = replace(wedding.request(), event_id=draft.id, template_name="nowhere", parameters=())
    found = await wedding.prechecks.precheck(wedding.world.coordinator, request)
    assert [blocker.code for blocker in found.blockers] == [
        BlockerCode.EVENT_NOT_PUBLISHED,
        BlockerCode.TEMPLATE_MISSING,
    ]
    assert found.token is None
    missing = await wedding.prechecks.precheck(wedding.world.coordinator, replace(wedding.request(), parameters=()))
    assert [blocker.code for blocker in missing.blockers] == [BlockerCode.PARAMETERS_INCOMPLETE]
    await add_template(wedding.db, wedding.number_id, name="paused_one", status=TemplateStatus.PAUSED)
    paused = await wedding.prechecks.precheck(
        wedding.world.coordinator, replace(wedding.request(), template_name="paused_one")
    )
    assert [blocker.code for blocker in paused.blockers] == [BlockerCode.TEMPLATE_NOT_APPROVED]
    nobody = await wedding.prechecks.precheck(wedding.world.coordinator, wedding.request(Audience(search="zzz")))
    assert [blocker.code for blocker in nobody.blockers] == [BlockerCode.NOBODY_ELIGIBLE]


async def test_exactly_one_of_audience_and_from_run(wedding: Wedding) -> None:
    run_id = await wedding.send()
    retry = FromRun(run_id, (MessageState.FAILED,))
    for request in (
        replace(wedding.request(), audience=None),
        replace(wedding.request(), from_run=retry),
        replace(wedding.request(), audience=None, from_run=FromRun(run_id, (MessageState.READ,))),
    ):
        with pytest.raises(BadInputError):
            await wedding.prechecks.precheck(wedding.world.coordinator, request)


async def test_shared_phones_get_one_message_for_both_households(wedding: Wedding) -> None:
    world = wedding.world
    await Guests(wedding.db).update_guest_unit(
        world.owner, id=(await world.unit("Guest 00001")).id, delivery_phone="+919876500000"
    )
    found = await wedding.prechecks.precheck(world.coordinator, wedding.request())
    assert [candidate.phone for candidate in found.candidates] == ["+919876500000", "+919876500002"]
    assert [len(candidate.sources) for candidate in found.candidates] == [2, 1]
    assert [warning.code for warning in found.warnings] == [WarningCode.SHARED_PHONE]
    assert found.trace is not None
    assert (found.trace.selected_units, found.trace.recipients, found.trace.shared_phones) == (3, 2, 1)


async def test_marketing_does_not_reach_the_united_states(wedding: Wedding) -> None:
    await wedding.world.import_rows(
        guest("US Guest", "+1 650 555 0143"), guest("Canada Guest", "+1 416 555 0143", row=2)
    )
    await add_template(wedding.db, wedding.number_id, name="promo", category=TemplateCategory.MARKETING)
    found = await wedding.prechecks.precheck(
        wedding.world.coordinator, replace(wedding.request(), template_name="promo")
    )
    reasons = {candidate.recipient_name: candidate.reason for candidate in found.candidates}
    assert reasons["US Guest"] is RejectionReason.COUNTRY_NOT_REACHABLE
    assert reasons["Canada Guest"] is None
