"""From a request to its candidate list: the one function behind preview, precheck, send and retry.

It reads in a fixed number of statements and judges in a thread, so that 100,000 candidates do not hold the event loop.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.db import audience as reads
from app.db.blocks import blocked_phones
from app.db.engine import UnitOfWork
from app.db.tables import EventRow, SendRunRow, WorkspaceRow
from app.domain import ids
from app.domain.audience import Audience, AudienceTrace, Source, Target, Unit, matching, resolve, select, shares
from app.domain.eligibility import Candidate, Situation, Undertaking, cautions, judge
from app.domain.enums import (
    BlockerCode,
    MessageState,
    RejectionReason,
    SendRunKind,
    TemplateCategory,
)
from app.domain.errors import BadInputError
from app.domain.guest_list import tag_key
from app.domain.reach import daily_limit, is_reachable
from app.domain.rendering import GuestFields
from app.domain.requests import MAX_EXPLICIT_IDS, RETRYABLE_STATES, SendRequest
from app.services import access
from app.services.setting import Setting, blocker, prepare, warning
from app.whatsapp.codes import COOLING_HOURS

CONVERSATION = timedelta(hours=24)
"""How long Meta counts a guest who was written to against the messaging limit."""


@dataclass(slots=True)
class Resolution:
    """A setting with its judged candidates, in the order in which they would be sent."""

    setting: Setting
    candidates: list[Candidate]
    candidates_digest: str
    trace: AudienceTrace | None

    @property
    def eligible_count(self) -> int:
        return sum(candidate.reason is None for candidate in self.candidates)

    @property
    def rejected_count(self) -> int:
        return len(self.candidates) - self.eligible_count

    @property
    def rejections(self) -> dict[RejectionReason, int]:
        return dict(Counter(candidate.reason for candidate in self.candidates if candidate.reason is not None))


async def resolve_request(
    uow: UnitOfWork, entered: access.Access, event: EventRow, request: SendRequest, now: datetime
) -> Resolution:
    """Resolve and judge. Raises BadInputError or NotFoundError for a request that makes no sense here."""
    workspace = entered.workspace
    setting = await prepare(uow, workspace, event, request)
    await check_request(uow, entered, event, request)
    units = await reads.load_units(uow, workspace.id)
    repeat_of_run = None
    prior: dict[Source, tuple[str, str | None]] = {}
    coverage = {}
    if request.from_run is not None:
        prior = await reads.sources_of_run(uow, request.from_run.run_id, request.from_run.states)
        if MessageState.UNCONFIRMED in request.from_run.states:
            repeat_of_run = request.from_run.run_id
    elif request.audience is not None and request.audience.coverage:
        coverage = await reads.coverage_by_unit(uow, event.id)
    newest, forbidding = await reads.live_invites(uow, event.id, repeat_of_run)
    blocked = await blocked_phones(uow, workspace_id=workspace.id, number_id=workspace.number_id, phones=None)
    cooling = await cooling_at(uow, workspace, now)
    limit = daily_limit(setting.number.messaging_limit if setting.number else None)
    started = set() if limit is None else await reads.conversations(uow, workspace.id, now - CONVERSATION)
    judging = _Judging(setting, request, newest, forbidding, blocked, cooling, limit, started, prior)
    return await asyncio.to_thread(_resolve, judging, units, coverage)


async def cooling_at(uow: UnitOfWork, workspace: WorkspaceRow, now: datetime) -> set[str]:
    """Phones that Meta asked to leave alone for a day."""
    if workspace.number_id is None:
        return set()
    return await reads.cooling_phones(uow, workspace.number_id, now - timedelta(hours=COOLING_HOURS))


async def preview(uow: UnitOfWork, workspace_id: str, event_id: str, audience: Audience) -> AudienceTrace:
    """The counts of an audience alone, without a template or a verdict."""
    check_audience(audience)
    units = await reads.load_units(uow, workspace_id)
    coverage = await reads.coverage_by_unit(uow, event_id) if audience.coverage else {}
    *_, trace = await asyncio.to_thread(select, units, audience, coverage, _tag_keys(audience))
    return trace


def check_audience(audience: Audience) -> None:
    """Bounds of what a client may name in one audience."""
    if len(audience.include) + len(audience.exclude) > MAX_EXPLICIT_IDS:
        raise BadInputError(
            f"Name at most {MAX_EXPLICIT_IDS:,} households one by one; use a tag for more.", field="includeGuestUnitIds"
        )
    if len(audience.tags) > 50:
        raise BadInputError("Give at most 50 tags.", field="tags")
    if audience.search is not None and len(audience.search) > 200:
        raise BadInputError("Search for at most 200 characters.", field="search")


async def check_request(uow: UnitOfWork, entered: access.Access, event: EventRow, request: SendRequest) -> None:
    """Exactly one of audience and fromRun, within bounds, and an earlier run that can be retried for this event."""
    if (request.audience is None) == (request.from_run is None):
        raise BadInputError("Give exactly one of audience and fromRun.", field="audience")
    if request.audience is not None:
        check_audience(request.audience)
        return
    assert request.from_run is not None
    if not request.from_run.states or not RETRYABLE_STATES.issuperset(request.from_run.states):
        names = ", ".join(sorted(RETRYABLE_STATES))
        raise BadInputError(f"Name the states to retry: {names}.", field="states")
    run = await access.find(uow, entered.actor, SendRunRow, ids.SEND_RUN, request.from_run.run_id)
    if run is None or run.workspace_id != entered.workspace.id:
        raise access.not_found(entered.actor, doing="retry a run", target_id=request.from_run.run_id)
    if run.event_id != event.id or run.kind is not SendRunKind.INVITE:
        raise BadInputError("Retry an invite run of the same event.", field="runId")


def _tag_keys(audience: Audience) -> dict[str, str]:
    return {tag: tag_key(tag) for tag in audience.tags}


def judge_target(
    setting: Setting,
    target: Target,
    *,
    blocked: bool,
    live: bool = False,
    repeat_accepted: bool = False,
    cooling: bool = False,
    last_live_id: str | None = None,
    prior_message_id: str | None = None,
) -> Candidate:
    """Render the message for one target and judge it: the one place where a verdict is made."""
    rendered = None
    if setting.renderer is not None:
        rendered = setting.renderer.render(GuestFields(target.recipient_name, target.household_name))
    category = setting.template.category if setting.template else TemplateCategory.UNKNOWN
    situation = Situation(
        phone_status=target.phone_status,
        blocked=blocked,
        inviteable=target.inviteable,
        live=live,
        repeat_accepted=repeat_accepted,
        cooling=cooling,
        reachable=target.phone is None or is_reachable(target.phone, category),
        consent_required=setting.workspace.require_consent,
        consents=target.consents,
        values_complete=rendered is None or not rendered.missing,
    )
    return Candidate(
        recipient_name=target.recipient_name,
        phone=target.phone,
        sources=tuple(target.sources),
        reason=judge(situation),
        values=rendered.values if rendered else (),
        text=rendered.text if rendered else "",
        media_url=rendered.media_url if rendered else None,
        last_live_id=last_live_id,
        prior_message_id=prior_message_id,
    )


@dataclass(slots=True)
class _Judging:
    """All that the verdicts depend on; plain data, so that it can be used in a thread."""

    setting: Setting
    request: SendRequest
    newest: dict[str, str]
    forbidding: set[str]
    blocked: Container[str | None]
    cooling: set[str]
    limit: int | None
    started: set[str]
    prior: dict[Source, tuple[str, str | None]]
    prior_of: dict[str | None, tuple[str, str | None]] = field(init=False)

    def __post_init__(self) -> None:
        self.prior_of = {each.person_id: found for each, found in self.prior.items() if each.person_id is not None}

    def candidate(self, target: Target) -> Candidate:
        phone = target.phone
        return judge_target(
            self.setting,
            target,
            blocked=phone in self.blocked,
            live=phone in self.forbidding,
            repeat_accepted=self.request.include_already_invited,
            cooling=phone in self.cooling,
            last_live_id=self.newest.get(phone) if phone else None,
            prior_message_id=self._prior(target) if self.prior else None,
        )

    def _prior(self, target: Target) -> str | None:
        """The message that this one repeats: of the same person, wherever it lives now, or of the same household."""
        answers = (self.prior.get(source) or self.prior_of.get(source.person_id) for source in target.sources)
        found = [answer for answer in answers if answer is not None]
        same_phone = [message_id for message_id, phone in found if phone == target.phone]
        return next(iter(same_phone), found[0][0] if found else None)


def _resolve(judging: _Judging, units: list[Unit], coverage: dict[str, Any]) -> Resolution:
    request, setting = judging.request, judging.setting
    trace = None
    if request.audience is not None:
        _, targets, trace = select(units, request.audience, coverage, _tag_keys(request.audience))
    else:
        touched = {source.guest_unit_id for source in judging.prior}
        people = {source.person_id for source in judging.prior if source.person_id is not None}
        concerned = (unit for unit in units if unit.id in touched or any(person.id in people for person in unit.people))
        ordered = sorted(concerned, key=lambda unit: (unit.name_key, unit.id))
        targets = matching(resolve(ordered), judging.prior)
    candidates = [judging.candidate(target) for target in targets]
    resolution = Resolution(setting, candidates, candidates_digest(candidates), trace)
    eligible = resolution.eligible_count
    if eligible == 0:
        setting.blockers.append(blocker(BlockerCode.NOBODY_ELIGIBLE))
    undertaking = _undertaking(judging, targets, candidates)
    setting.warnings += [warning(code, undertaking) for code in cautions(undertaking)]
    return resolution


def _undertaking(judging: _Judging, targets: list[Target], candidates: list[Candidate]) -> Undertaking:
    number, template = judging.setting.number, judging.setting.template
    return Undertaking(
        new=sum(each.reason is None and each.phone not in judging.started for each in candidates),
        started=len(judging.started),
        limit=judging.limit,
        quality=(number.quality_rating or "").upper() if number else None,
        category=template.category if template else None,
        changing_to=template.correct_category if template else None,
        shared=sum(shares(target) for target in targets),
    )


def candidates_digest(candidates: Iterable[Candidate]) -> str:
    """Over the ordered candidates with verdict, values and last live message: what changes it makes a token stale."""
    digest = hashlib.sha256()
    for candidate in candidates:
        sources = [[source.guest_unit_id, source.person_id] for source in candidate.sources]
        line = [
            candidate.phone,
            candidate.recipient_name,
            sources,
            candidate.reason,
            candidate.values,
            candidate.last_live_id,
        ]
        digest.update(json.dumps(line, separators=(",", ":")).encode())
    return digest.hexdigest()
