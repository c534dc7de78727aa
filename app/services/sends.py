"""The send: from a precheck token (or a test) to a run with one message per candidate, in one transaction.

Nothing is sent here. The run is queued, the dispatcher does the rest; a client that loses the answer asks again with the
same token and gets the same run.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from app.db.blocks import blocked_phones
from app.db.engine import Database, UnitOfWork
from app.db.tables import EventRow, SendRunRow
from app.domain import ids
from app.domain.audience import Target
from app.domain.enums import (
    AuditAction,
    BlockerCode,
    Permission,
    PhoneStatus,
    SendRunKind,
    StaleReason,
)
from app.domain.errors import BadInputError
from app.domain.phone import normalise
from app.domain.requests import SendRequest
from app.domain.template_parameters import TemplateParameter
from app.domain.texts import REJECTIONS, STALE
from app.services import access, audit
from app.services.base import Actor, UseCases
from app.services.planning import Plan, plan_run
from app.services.prechecks import Precheck, Prechecks, pin_of
from app.services.resolution import Resolution, cooling_at, judge_target, resolve_request
from app.services.setting import Blocker, blocker, prepare
from app.services.tokens import Pin, idempotency_key

MAX_KEY = 200


@dataclass(frozen=True, slots=True)
class SendSuccess:
    run: SendRunRow
    replayed: bool
    """This token (or test key) had made the run before."""


@dataclass(frozen=True, slots=True)
class PrecheckStale:
    """The world moved since the precheck; nothing was sent. ``precheck`` is a fresh one."""

    message: str
    next_step: str
    reason: StaleReason
    previous_eligible_count: int
    previous_rejected_count: int
    precheck: Precheck


@dataclass(frozen=True, slots=True)
class SendBlocked:
    """Nothing can be sent now, whatever the candidates."""

    message: str
    next_step: str
    blockers: list[Blocker]


SendResult = SendSuccess | PrecheckStale | SendBlocked


class Sends(UseCases):
    """Plans runs. ``wake`` tells a dispatcher in this process that there is work."""

    def __init__(self, db: Database, prechecks: Prechecks, wake: Callable[[], None] = lambda: None) -> None:
        super().__init__(db)
        self._prechecks = prechecks
        self._wake = wake

    async def send_invites(self, actor: Actor, *, token: str) -> SendResult:
        """Send what the token pins, if the world is still as it says.

        A token that has made a run returns that run for ever, whatever has happened since. Raises NotFoundError for a
        token that is not of this actor's workspaces, ForbiddenError for members who may not send.
        """
        pin = self._prechecks.signer.open(token)
        key = idempotency_key(token)

        async def unit(uow: UnitOfWork) -> SendResult:
            # First of all the event: two sends of one event, with whatever tokens, see each other's messages.
            event = await access.find(uow, actor, EventRow, ids.EVENT, pin.request.event_id, lock=True) if pin else None
            entered = await self._enter(
                uow, actor, event.workspace_id if event else None, pin.request.event_id if pin else None
            )
            assert pin is not None
            assert event is not None
            found = await _run_of(uow, key)
            if found is not None:
                return SendSuccess(found, replayed=True)
            now = await uow.now()
            resolution = await resolve_request(uow, entered, event, pin.request, now)
            refusal = self._refuse(pin, resolution, now)
            if refusal is not None:
                _audit_refusal(uow, entered, event, refusal)
                return refusal
            run = await plan_run(uow, entered, Plan(SendRunKind.INVITE, resolution, pin.request, key, now))
            return SendSuccess(run, replayed=False)

        result = await self._write(unit, "plan")
        self._wake()
        return result

    async def send_test(
        self,
        actor: Actor,
        *,
        event_id: str,
        template_name: str,
        template_language: str,
        parameters: tuple[TemplateParameter, ...],
        phone: str,
        idempotency_key: str,
    ) -> SendResult:
        """One real message to one phone, judged by the same rules; counts in no figure of the event.

        The same key in the same workspace returns the same run. Raises NotFoundError, ForbiddenError, BadInputError.
        """
        if not 1 <= len(idempotency_key) <= MAX_KEY:
            raise BadInputError(
                f"Give a key of 1 to {MAX_KEY} characters, a new one for each test.", field="idempotencyKey"
            )
        request = SendRequest(event_id, template_name, template_language, parameters)

        async def unit(uow: UnitOfWork) -> SendResult:
            event = await access.find(uow, actor, EventRow, ids.EVENT, event_id, lock=True)
            entered = await self._enter(uow, actor, event.workspace_id if event else None, event_id)
            assert event is not None
            key = _test_key(entered, idempotency_key)
            found = await _run_of(uow, key)
            if found is not None:
                return SendSuccess(found, replayed=True)
            now = await uow.now()
            resolution = await self._resolve_test(uow, entered, event, request, phone, now)
            if resolution.setting.blockers:
                refusal = _blocked(resolution.setting.blockers)
                _audit_refusal(uow, entered, event, refusal)
                return refusal
            run = await plan_run(uow, entered, Plan(SendRunKind.TEST, resolution, request, key, now))
            return SendSuccess(run, replayed=False)

        try:
            result = await self._write(unit, "plan")
        except IntegrityError:
            # The key is the workspace's, the lock the event's: a test of another event took the key meanwhile.
            result = await self._write(unit, "plan")
        self._wake()
        return result

    async def _enter(
        self, uow: UnitOfWork, actor: Actor, workspace_id: str | None, event_id: str | None
    ) -> access.Access:
        return await access.require(
            uow,
            actor,
            workspace_id,
            Permission.INVITE_SEND,
            doing="send invites",
            target_id=event_id,
            refused_as=AuditAction.INVITE_SEND_REFUSED,
        )

    def _refuse(self, pin: Pin, resolution: Resolution, now: datetime) -> PrecheckStale | SendBlocked | None:
        """What stands against this send, strongest first. NOBODY_ELIGIBLE alone is told as what changed."""
        hard = [each for each in resolution.setting.blockers if each.code is not BlockerCode.NOBODY_ELIGIBLE]
        if hard:
            return _blocked(hard)
        reason = _stale_reason(pin, resolution, now)
        if reason is not None:
            advice = STALE[reason]
            return PrecheckStale(
                message=advice.operator_text,
                next_step=advice.next_step,
                reason=reason,
                previous_eligible_count=pin.eligible_count,
                previous_rejected_count=pin.rejected_count,
                precheck=self._prechecks.present(resolution, pin.request, now),
            )
        return _blocked(resolution.setting.blockers) if resolution.setting.blockers else None

    async def _resolve_test(
        self, uow: UnitOfWork, entered: access.Access, event: EventRow, request: SendRequest, phone: str, now: datetime
    ) -> Resolution:
        number = normalise(phone, entered.workspace.default_region)
        if number.status is not PhoneStatus.VALID or number.e164 is None:
            raise BadInputError("Give a valid phone with its country code, such as +91 98200 12345.", field="phone")
        setting = await prepare(uow, entered.workspace, event, request)
        blocked = await blocked_phones(
            uow, workspace_id=entered.workspace.id, number_id=entered.workspace.number_id, phones=[number.e164]
        )
        name = entered.member.display_name
        target = Target(number.e164, PhoneStatus.VALID, name, name, inviteable=True, consents=True)
        cooling = await cooling_at(uow, entered.workspace, now)
        candidate = judge_target(setting, target, blocked=number.e164 in blocked, cooling=number.e164 in cooling)
        if candidate.reason is not None:
            advice = REJECTIONS[candidate.reason]
            setting.blockers.append(
                replace(blocker(BlockerCode.NOBODY_ELIGIBLE), message=advice.operator_text, next_step=advice.next_step)
            )
        return Resolution(setting, [candidate], "", None)


def _stale_reason(pin: Pin, resolution: Resolution, now: datetime) -> StaleReason | None:
    seen = pin_of(resolution, pin.request, pin.expires_at)
    if seen.event_digest != pin.event_digest:
        return StaleReason.EVENT_CHANGED
    if seen.template_digest != pin.template_digest:
        return StaleReason.TEMPLATE_CHANGED
    if seen != pin:
        return StaleReason.CANDIDATES_CHANGED
    return StaleReason.EXPIRED if now >= pin.expires_at else None


def _blocked(blockers: list[Blocker]) -> SendBlocked:
    return SendBlocked(" ".join(each.message for each in blockers), blockers[0].next_step, blockers)


def _audit_refusal(
    uow: UnitOfWork, entered: access.Access, event: EventRow, refusal: PrecheckStale | SendBlocked
) -> None:
    why = (
        refusal.reason.value
        if isinstance(refusal, PrecheckStale)
        else ", ".join(each.code for each in refusal.blockers)
    )
    audit.record(
        uow,
        AuditAction.INVITE_SEND_REFUSED,
        f"Not sent for “{event.title}”: {why}",
        workspace_id=entered.workspace.id,
        actor=entered.actor,
        member=entered.member,
        target_id=event.id,
        after={"refused": why},
    )


def _test_key(entered: access.Access, key: str) -> str:
    return idempotency_key("test", entered.workspace.id, key)


async def _run_of(uow: UnitOfWork, key: str) -> SendRunRow | None:
    query = sa.select(SendRunRow).where(SendRunRow.idempotency_key == key)
    return (await uow.session.execute(query)).scalar_one_or_none()
