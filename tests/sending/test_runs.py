"""Runs under the hands of operators: pause, resume, cancel, and the end."""

import pytest

from app.domain.enums import AuditAction, MessageState, SendRunStatus
from app.domain.errors import ConflictError, ForbiddenError, NotFoundError
from tests.sending.world import NOT_SENT, Wedding
from tests.services.world import STRANGER

pytestmark = pytest.mark.anyio


async def test_pause_resume_cancel(wedding: Wedding) -> None:
    run_id = await wedding.send()
    runs, admin = wedding.runs, wedding.world.admin
    claims = await wedding.claim(1)
    await runs.pause(admin, id=run_id)
    assert await wedding.claim() == []
    assert (await runs.pause(admin, id=run_id)).status is SendRunStatus.PAUSED
    await runs.resume(admin, id=run_id)
    await runs.cancel(admin, id=run_id)
    assert sorted((await wedding.states(run_id)).values()) == ["CANCELLED", "CANCELLED", "SENDING"]
    with pytest.raises(ConflictError):
        await runs.resume(admin, id=run_id)
    await wedding.finish(claims, NOT_SENT)
    assert set((await wedding.states(run_id)).values()) == {MessageState.CANCELLED}, "a requeue of a cancelled run"
    await wedding.check()
    actions = [entry.action for entry in await wedding.world.audit(*AuditAction) if entry.run_id == run_id]
    assert actions == [
        AuditAction.INVITE_SEND, AuditAction.RUN_PAUSE, AuditAction.RUN_RESUME, AuditAction.RUN_CANCEL,
    ]  # fmt: skip


async def test_run_control_is_for_those_who_may_send(wedding: Wedding) -> None:
    run_id = await wedding.send()
    for act in (wedding.runs.pause, wedding.runs.resume, wedding.runs.cancel):
        with pytest.raises(ForbiddenError):
            await act(wedding.world.coordinator, id=run_id)
        with pytest.raises(NotFoundError):
            await act(STRANGER, id=run_id)
        with pytest.raises(NotFoundError):
            await act(wedding.world.admin, id="run_nonsense")


async def test_a_completed_run_is_stored_as_such_by_the_sweep(wedding: Wedding) -> None:
    run_id = await wedding.send()
    await wedding.deliver_all()
    await wedding.dispatch.sweep()
    assert (await wedding.run(run_id)).status is SendRunStatus.COMPLETED
    with pytest.raises(ConflictError):
        await wedding.runs.cancel(wedding.world.admin, id=run_id)
