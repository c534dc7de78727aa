"""Two operators at once: one token, one run; two tokens, nobody invited twice."""

from dataclasses import replace

import pytest

from app.checkpoints import before_commit
from app.domain.audience import Audience
from app.domain.enums import InviteCoverage, MessageState, RejectionReason, StaleReason
from app.domain.requests import FromRun
from app.services.guests import Guests
from app.services.sends import PrecheckStale, SendSuccess
from app.whatsapp.port import Behaviour
from tests.races.barriers import ended, holding, waits
from tests.sending.world import UNKNOWN, Wedding, accepted, refused, status, wamid

pytestmark = pytest.mark.anyio

T = 1795500000


async def test_twenty_clients_with_one_token_make_one_run(wedding: Wedding) -> None:
    token = await wedding.token()

    async def send() -> SendSuccess:
        result = await wedding.sends.send_invites(wedding.world.admin, token=token)
        assert isinstance(result, SendSuccess), result
        return result

    async with holding(before_commit("plan")) as gate:
        first = await gate.hold(send())
        second = gate.start(send())
        await waits(wedding.db, second)
        others = [gate.start(send()) for _ in range(18)]
        gate.release()
        results = [await ended(task) for task in (first, second, *others)]
    assert [result.replayed for result in results] == [False] + [True] * 19
    assert len({result.run.id for result in results}) == 1
    assert len(await wedding.messages()) == 3
    await wedding.check()


@pytest.mark.parametrize("again", [False, True], ids=["once", "include-already-invited"])
async def test_of_two_tokens_for_one_guest_the_later_is_stale(wedding: Wedding, again: bool) -> None:
    """Also where a second invite was asked for: it was asked for in a world without the first operator's invite."""
    everyone = wedding.request(include_already_invited=again)
    one_guest = replace(everyone, audience=Audience(search="Guest 00001"))
    tokens = [await wedding.token(everyone), await wedding.token(one_guest)]
    sends, admin = wedding.sends, wedding.world.admin
    async with holding(before_commit("plan")) as gate:
        first = await gate.hold(sends.send_invites(admin, token=tokens[0]))
        second = gate.start(sends.send_invites(admin, token=tokens[1]))
        await waits(wedding.db, second)
        gate.release()
        assert isinstance(await ended(first), SendSuccess)
        stale = await ended(second)
    assert isinstance(stale, PrecheckStale)
    assert stale.reason is StaleReason.CANDIDATES_CHANGED
    assert stale.precheck.eligible_count == (1 if again else 0)
    assert len(await wedding.messages()) == 3
    await wedding.check()


AUDIENCES = [
    pytest.param(Audience(coverage=(InviteCoverage.FAILED,)), id="failed"),
    pytest.param(Audience(), id="everyone"),
    pytest.param(Audience(search="Guest 00000"), id="by-name"),
]


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("how", ["status", "answer"])
async def test_a_later_run_spares_whose_failed_message_comes_to_life(
    wedding: Wedding, audience: Audience, how: str
) -> None:
    """With several devices Meta may report ``failed`` and then ``delivered``: the guest has the invite after all."""
    await wedding.send()
    claims = await wedding.claim()
    failed, *rest = claims
    await wedding.finish(rest, accepted)
    if how == "status":
        await wedding.finish([failed], accepted)
        await wedding.post(status(wamid(failed), "failed", T, errors=[{"code": 131026}]))
    else:
        await wedding.finish([failed], refused(131026, Behaviour.FINAL))
    later = await wedding.send(wedding.request(audience))
    (planned,) = [row for row in await wedding.messages(later) if row.state is MessageState.QUEUED]
    assert planned.phone == failed.to
    await wedding.post(status(wamid(failed), "delivered", T + 1, biz_opaque_callback_data=failed.attempt_id))
    assert await wedding.claim() == []
    turned_away = await wedding.message(planned.id)
    assert (turned_away.state, turned_away.rejection_reason) == (
        MessageState.REJECTED, RejectionReason.ALREADY_INVITED,
    )  # fmt: skip
    await wedding.check()


@pytest.mark.parametrize("how", ["new-phone", "include-already-invited"])
async def test_a_retry_spares_whose_earlier_message_comes_to_life(wedding: Wedding, how: str) -> None:
    """What a retry repeats is looked at by its own name: also where the phone is another by now, or where the operator
    allows second invites, for a retry is no second invite.
    """
    run_id = await wedding.send()
    first, *rest = await wedding.claim()
    await wedding.finish(rest, accepted)
    await wedding.finish([first], UNKNOWN)
    if how == "new-phone":
        person = await wedding.world.person("Guest 00000")
        await Guests(wedding.db).update_person(wedding.world.owner, id=person.id, phone="+919876599999")
    retry = wedding.request(
        from_run=FromRun(run_id, (MessageState.UNCONFIRMED,)),
        include_already_invited=how == "include-already-invited",
    )
    retry_id = await wedding.send(retry)
    (planned,) = await wedding.messages(retry_id)
    assert planned.phone == ("+919876599999" if how == "new-phone" else first.to)
    await wedding.post(status(wamid(first), "delivered", T, biz_opaque_callback_data=first.attempt_id))
    assert await wedding.claim() == []
    assert (await wedding.message(planned.id)).rejection_reason is RejectionReason.ALREADY_INVITED
    await wedding.check()


async def test_a_second_invite_that_was_asked_for_goes_out(wedding: Wedding) -> None:
    """The guard against a message that came to life must not undo what the operator said in so many words."""
    await wedding.send()
    await wedding.deliver_all()
    again = await wedding.send(wedding.request(include_already_invited=True))
    assert len(await wedding.claim()) == 3
    assert set((await wedding.states(again)).values()) == {MessageState.SENDING}
