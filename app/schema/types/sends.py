"""The answers to a send: a run, or why there is none."""

from typing import Annotated, TypeAlias

import strawberry

from app.domain.enums import StaleReason
from app.schema.context import Info
from app.schema.described import described
from app.schema.types.base import run_of
from app.schema.types.prechecks import Blocker, Precheck
from app.schema.types.runs import SendRun
from app.services import prechecks, sends


@described
@strawberry.interface
class SendRefusal:
    """Any refusal of a send, also those added later: select `... on SendRefusal` as the last branch."""

    message: str
    """What stands against it."""
    next_step: str
    """What can be done now."""


@described
@strawberry.type
class SendInvitesSuccess:
    """The run is planned and queued."""

    run_id: strawberry.Private[str]
    replayed: bool
    """True when this token had already made the run, also after its expiry."""

    @strawberry.field
    async def run(self, info: Info) -> SendRun:
        """The run that the token made."""
        return await run_of(info, self.run_id)


@described
@strawberry.type
class PrecheckStale(SendRefusal):
    """The world moved since the precheck; nothing was sent."""

    result: strawberry.Private[prechecks.Precheck]
    reason: StaleReason
    """What moved."""
    previous_eligible_count: int
    """What the stale precheck had shown."""
    previous_rejected_count: int
    """What the stale precheck had shown."""

    @strawberry.field
    def precheck(self) -> Precheck:
        """The same request, prechecked anew."""
        return Precheck.of(self.result)


@described
@strawberry.type
class SendBlocked(SendRefusal):
    """Nothing can be sent now, whoever it is for."""

    blockers: list[Blocker]
    """Everything that has to be mended first."""


SendInvitesResult: TypeAlias = Annotated[
    SendInvitesSuccess | PrecheckStale | SendBlocked,
    strawberry.union("SendInvitesResult", description="A run, or why there is none. Nothing was sent in that case."),
]


def send_result(result: sends.SendResult) -> SendInvitesSuccess | PrecheckStale | SendBlocked:
    match result:
        case sends.SendSuccess():
            return SendInvitesSuccess(run_id=result.run.id, replayed=result.replayed)
        case sends.PrecheckStale():
            return PrecheckStale(
                message=result.message,
                next_step=result.next_step,
                result=result.precheck,
                reason=result.reason,
                previous_eligible_count=result.previous_eligible_count,
                previous_rejected_count=result.previous_rejected_count,
            )
        case sends.SendBlocked():
            return SendBlocked(
                message=result.message,
                next_step=result.next_step,
                blockers=[Blocker.of(blocker) for blocker in result.blockers],
            )
