"""The thinnest thread: precheck, send, claim, answer, statuses."""

import pytest

from app.domain.enums import MessageState
from tests.sending.world import Wedding, accepted, status, wamid

pytestmark = pytest.mark.anyio


async def test_from_precheck_to_read(wedding: Wedding) -> None:
    run_id = await wedding.send()
    assert set((await wedding.states(run_id)).values()) == {MessageState.QUEUED}
    claims = await wedding.claim()
    assert [claim.to for claim in claims] == ["+919876500000", "+919876500001", "+919876500002"]
    await wedding.check()
    await wedding.finish(claims, accepted)
    await wedding.check()
    first, second, third = (wamid(claim) for claim in claims)
    await wedding.post(
        status(second, "read", 1795500030),
        status(first, "sent", 1795500000),
        status(second, "sent", 1795500001),
        status(third, "failed", 1795500002, errors=[{"code": 131026, "title": "Message undeliverable"}]),
    )
    await wedding.check()
    assert await wedding.states(run_id) == {
        "Guest 00000": MessageState.SENT,
        "Guest 00001": MessageState.READ,
        "Guest 00002": MessageState.FAILED,
    }
