"""Pause, resume and cancel a run; and the stops that Meta or a breaker imposes.

Each takes the run's row alone. A claim shares that row, so when one of these has committed no claim can still be under way
that did not see it.
"""

import logging
from collections.abc import Callable

import sqlalchemy as sa

from app.db import messages
from app.db.engine import Database, UnitOfWork
from app.db.tables import NumberRow, RunCountersRow, SendRunRow, is_state
from app.domain import ids
from app.domain.enums import AuditAction, Permission, SendRunStatus
from app.domain.errors import ConflictError
from app.domain.lifecycle import run_status
from app.services import access, audit
from app.services.base import Actor, UseCases, utc_now
from app.services.throttle import lift_pause

log = logging.getLogger(__name__)


class Runs(UseCases):
    """What an operator may do with a run under way. Already so = the run as it is; impossible = ConflictError."""

    def __init__(self, db: Database, wake: Callable[[], None] = lambda: None) -> None:
        super().__init__(db)
        self._wake = wake

    async def pause(self, actor: Actor, *, id: str) -> SendRunRow:  # noqa: A002 - the contract's name
        """Stop claiming; what is at Meta already stays there."""

        async def unit(uow: UnitOfWork) -> SendRunRow:
            entered, run, status = await self._take(uow, actor, id, doing="pause a run")
            if status is SendRunStatus.PAUSED:
                return run
            if status is not SendRunStatus.RUNNING:
                raise ConflictError(f"Only a running run can be paused; this one is {status.lower()}.")
            run.status, run.status_reason = SendRunStatus.PAUSED, f"Paused by {entered.member.display_name}."
            run.next_step = "Resume it when it should go on."
            _record(uow, AuditAction.RUN_PAUSE, "Paused the run", entered, run, status)
            return run

        return await self._write(unit, "pause")

    async def resume(self, actor: Actor, *, id: str) -> SendRunRow:  # noqa: A002 - the contract's name
        """Go on after a pause or a stop. Also lifts the pause of the number: who resumes says that the cause is mended."""

        async def unit(uow: UnitOfWork) -> SendRunRow:
            entered, run, status = await self._take(uow, actor, id, doing="resume a run", with_number=True)
            number = await uow.session.get(NumberRow, run.number_id)
            assert number is not None
            if status is SendRunStatus.RUNNING and not number.paused:
                return run
            if status not in {SendRunStatus.RUNNING, SendRunStatus.PAUSED, SendRunStatus.STOPPED}:
                raise ConflictError(f"Only a paused or stopped run can be resumed; this one is {status.lower()}.")
            run.status, run.status_reason, run.next_step = SendRunStatus.RUNNING, None, None
            run.refusal_code, run.refusal_streak = None, 0
            lifted = " and lifted the pause of the number" if number.paused else ""
            if number.paused or status is SendRunStatus.STOPPED:
                lift_pause(number)
            _record(uow, AuditAction.RUN_RESUME, f"Resumed the run{lifted}", entered, run, status)
            return run

        resumed = await self._write(unit, "resume")
        self._wake()
        return resumed

    async def cancel(self, actor: Actor, *, id: str) -> SendRunRow:  # noqa: A002 - the contract's name
        """Cancel what is QUEUED; what is claimed or sent stays and is followed to its end."""

        async def unit(uow: UnitOfWork) -> SendRunRow:
            entered, run, status = await self._take(uow, actor, id, doing="cancel a run")
            if status is SendRunStatus.CANCELLED:
                return run
            if status is SendRunStatus.COMPLETED:
                raise ConflictError("Everything of this run has been sent already; there is nothing to cancel.")
            run.status, run.status_reason = SendRunStatus.CANCELLED, f"Cancelled by {entered.member.display_name}."
            run.next_step = "What was not sent can be sent by a retry from this run."
            _record(uow, AuditAction.RUN_CANCEL, "Cancelled the run", entered, run, status)
            await uow.session.flush()
            await messages.cancel_queued(uow, run.id, utc_now())
            return run

        return await self._write(unit, "cancel")

    async def _take(
        self, uow: UnitOfWork, actor: Actor, run_id: str, *, doing: str, with_number: bool = False
    ) -> tuple[access.Access, SendRunRow, SendRunStatus]:
        """Let the actor in, then lock the run (the number's row before it), and tell the status that operators see."""
        known = await access.find(uow, actor, SendRunRow, ids.SEND_RUN, run_id)
        entered = await access.require(
            uow, actor, known.workspace_id if known else None, Permission.RUN_CONTROL, doing=doing, target_id=run_id
        )
        assert known is not None
        if with_number:
            await uow.session.get(
                NumberRow, known.number_id, with_for_update={"key_share": True}, populate_existing=True
            )
        run = await access.find(uow, actor, SendRunRow, ids.SEND_RUN, run_id, lock=True)
        if run is None:  # the actor was removed while this waited
            raise access.not_found(actor, doing=doing, target_id=run_id)
        completed_at = (
            await uow.session.execute(sa.select(RunCountersRow.completed_at).where(RunCountersRow.run_id == run.id))
        ).scalar_one()
        return entered, run, run_status(run.status, completed_at)


def _record(
    uow: UnitOfWork, action: AuditAction, text: str, entered: access.Access, run: SendRunRow, before: SendRunStatus
) -> None:
    audit.record(
        uow,
        action,
        text,
        workspace_id=run.workspace_id,
        actor=entered.actor,
        member=entered.member,
        target_id=run.id,
        run_id=run.id,
        before={"status": before},
        after={"status": run.status},
    )


STILL_RUNNING = sa.and_(is_state(SendRunRow.status, SendRunStatus.RUNNING), RunCountersRow.completed_at.is_(None))
"""Runs that have something left to send; what is complete is left alone. For queries that join RunCountersRow."""


LIFTS_PAUSE = "Once that is mended, sync the templates or resume a stopped run: either lifts the pause."
"""Also when no run is left to resume."""


async def pause_number(uow: UnitOfWork, number: NumberRow, reason: str, next_step: str) -> None:
    """Meta says that this number cannot send: nothing goes out until somebody resumes.

    The caller holds the number's row; this takes its running runs.
    """
    log.warning("sending from number %s is paused: %s", number.id, reason, extra={"about": {"number": number.id}})
    number.paused, number.paused_reason = True, f"{reason} {LIFTS_PAUSE}"
    query = (
        sa.select(SendRunRow)
        .join(RunCountersRow, RunCountersRow.run_id == SendRunRow.id)
        .where(SendRunRow.number_id == number.id, STILL_RUNNING)
        .order_by(SendRunRow.id)
        .with_for_update(key_share=True, of=SendRunRow)
        .execution_options(populate_existing=True)
    )
    for run in (await uow.session.execute(query)).scalars():
        stop(uow, run, reason, next_step)


def stop(uow: UnitOfWork, run: SendRunRow, reason: str, next_step: str) -> None:
    """Stop a run whose row the caller holds exclusively; audited as the service's own act."""
    if run.status is not SendRunStatus.RUNNING:
        return
    log.warning("stopped the run %s: %s", run.id, reason, extra={"about": {"run": run.id}})
    run.status, run.status_reason, run.next_step = SendRunStatus.STOPPED, reason, next_step
    audit.record(
        uow,
        AuditAction.RUN_PAUSE,
        f"Stopped the run: {reason}",
        workspace_id=run.workspace_id,
        actor_text="the service",
        target_id=run.id,
        run_id=run.id,
        before={"status": SendRunStatus.RUNNING},
        after={"status": SendRunStatus.STOPPED},
    )
