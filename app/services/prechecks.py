"""Prechecks: what a send would do, shown before it is done, and a token that pins it. Nothing is stored."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.db.engine import Database, UnitOfWork
from app.db.tables import EventRow, TemplateRow
from app.domain import ids
from app.domain.audience import Audience, AudienceTrace
from app.domain.eligibility import Candidate
from app.domain.enums import Permission, RejectionReason
from app.domain.requests import SendRequest
from app.services import access
from app.services.base import Actor, UseCases, utc_now
from app.services.resolution import Resolution, preview, resolve_request
from app.services.setting import Blocker, Warning_
from app.services.tokens import Pin, TokenSigner

VALIDITY = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Precheck:
    """Candidates are in sending order; ``candidates_digest`` names this very list, for cursors into it."""

    token: str | None
    """Null when something blocks the send."""
    expires_at: datetime | None
    event: EventRow
    template: TemplateRow | None
    blockers: list[Blocker]
    warnings: list[Warning_]
    trace: AudienceTrace | None
    candidates: list[Candidate]
    candidates_digest: str
    eligible_count: int
    rejected_count: int
    rejections: dict[RejectionReason, int]
    at: datetime

    @property
    def candidate_count(self) -> int:
        return len(self.candidates)


class Prechecks(UseCases):
    """Reads only: what they find out is carried by the client, signed."""

    def __init__(self, db: Database, signer: TokenSigner) -> None:
        super().__init__(db)
        self.signer = signer

    async def preview(self, actor: Actor, *, event_id: str, audience: Audience) -> AudienceTrace:
        """How many households and phones an audience comes to. Raises NotFoundError, ForbiddenError, BadInputError."""

        async def unit(uow: UnitOfWork) -> AudienceTrace:
            event, entered = await self._enter(uow, actor, event_id, doing="preview an audience")
            return await preview(uow, entered.workspace.id, event.id, audience)

        return await self._read(unit)

    async def precheck(self, actor: Actor, request: SendRequest) -> Precheck:
        """Resolve and judge every candidate in one snapshot. Raises NotFoundError, ForbiddenError, BadInputError."""

        async def unit(uow: UnitOfWork) -> Precheck:
            event, entered = await self._enter(uow, actor, request.event_id, doing="precheck a send")
            return await self.make(uow, entered, event, request)

        return await self._read(unit)

    async def open(self, actor: Actor, token: str) -> Precheck | None:
        """The precheck behind a token, as it is now; None for a token that is not one of this actor's workspaces.

        While nothing has changed it carries the very same token, so that whoever opens it sends the same thing.
        """
        pin = self.signer.open(token)
        if pin is None:
            return None

        async def unit(uow: UnitOfWork) -> Precheck | None:
            entered = await access.enter(uow, actor, pin.workspace_id)
            event = await access.find(uow, actor, EventRow, ids.EVENT, pin.request.event_id)
            if entered is None or event is None:
                return None
            if not entered.allows(Permission.PRECHECK):
                raise access.forbidden(entered, doing="precheck a send", target_id=event.id)
            return await self.make(uow, entered, event, pin.request, opened=(token, pin))

        return await self._read(unit)

    async def make(
        self,
        uow: UnitOfWork,
        entered: access.Access,
        event: EventRow,
        request: SendRequest,
        opened: tuple[str, Pin] | None = None,
    ) -> Precheck:
        """The precheck of a request for somebody who has already been let in."""
        now = utc_now()
        resolution = await resolve_request(uow, entered, event, request, now)
        return self.present(resolution, request, now, opened)

    def present(
        self, resolution: Resolution, request: SendRequest, now: datetime, opened: tuple[str, Pin] | None = None
    ) -> Precheck:
        """A resolution with its token, unless something blocks the send."""
        setting = resolution.setting
        token, expires_at = None, None
        if not setting.blockers:
            if opened is not None and still_holds(opened[1], resolution, now):
                token, expires_at = opened[0], opened[1].expires_at
            else:
                expires_at = (now + VALIDITY).replace(microsecond=0)
                token = self.signer.pack(pin_of(resolution, request, expires_at))
        return Precheck(
            token=token,
            expires_at=expires_at,
            event=setting.event,
            template=setting.template,
            blockers=setting.blockers,
            warnings=setting.warnings,
            trace=resolution.trace,
            candidates=resolution.candidates,
            candidates_digest=resolution.candidates_digest,
            eligible_count=resolution.eligible_count,
            rejected_count=resolution.rejected_count,
            rejections=resolution.rejections,
            at=now,
        )

    async def _enter(
        self, uow: UnitOfWork, actor: Actor, event_id: str, *, doing: str
    ) -> tuple[EventRow, access.Access]:
        event = await access.find(uow, actor, EventRow, ids.EVENT, event_id)
        entered = await access.require(
            uow, actor, event.workspace_id if event else None, Permission.PRECHECK, doing=doing, target_id=event_id
        )
        assert event is not None
        return event, entered


def pin_of(resolution: Resolution, request: SendRequest, expires_at: datetime) -> Pin:
    setting = resolution.setting
    return Pin(
        workspace_id=setting.workspace.id,
        request=request,
        eligible_count=resolution.eligible_count,
        rejected_count=resolution.rejected_count,
        expires_at=expires_at,
        event_digest=setting.event_digest,
        template_digest=setting.template_digest,
        candidates_digest=resolution.candidates_digest,
    )


def still_holds(pin: Pin, resolution: Resolution, now: datetime) -> bool:
    """True when the world is as the token says and its time has not run out."""
    return now < pin.expires_at and pin == pin_of(resolution, pin.request, pin.expires_at)
