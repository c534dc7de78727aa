"""Where a send takes place: event, number and template made ready, with what forbids sending at all."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import EventRow, NumberRow, TemplateRow, WorkspaceRow
from app.domain.eligibility import Undertaking
from app.domain.enums import BlockerCode, EventStatus, TemplateStatus, WarningCode
from app.domain.rendering import EventFields, Renderer
from app.domain.rendering import resolve as make_renderer
from app.domain.requests import SendRequest
from app.domain.template_parameters import check_parameters
from app.domain.templates import inspect
from app.domain.texts import BLOCKERS, WARNINGS


@dataclass(frozen=True, slots=True)
class Blocker:
    code: BlockerCode
    message: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Warning_:  # noqa: N801 - "Warning" is Python's own
    code: WarningCode
    message: str


@dataclass(slots=True)
class Setting:
    """Where a send takes place: the rows that it reads, and the template made ready."""

    workspace: WorkspaceRow
    event: EventRow
    number: NumberRow | None
    template: TemplateRow | None
    renderer: Renderer | None
    blockers: list[Blocker] = field(default_factory=list)
    warnings: list[Warning_] = field(default_factory=list)

    @property
    def event_digest(self) -> str:
        event = self.event
        return _digest([event.title, event.starts_at.isoformat(), event.venue, event.status, self.workspace.timezone])

    @property
    def template_digest(self) -> str:
        template = self.template
        if template is None:
            return _digest(None)
        recipe = self.renderer.freeze() if self.renderer else None
        return _digest([template.id, template.status, template.category, template.components, recipe])


def blocker(code: BlockerCode, detail: str | None = None) -> Blocker:
    advice = BLOCKERS[code]
    return Blocker(code, f"{advice.operator_text} {detail}" if detail else advice.operator_text, advice.next_step)


async def prepare(uow: UnitOfWork, workspace: WorkspaceRow, event: EventRow, request: SendRequest) -> Setting:
    """Read template and number, and say what forbids sending at all."""
    setting = Setting(workspace, event, None, None, None)
    if workspace.number_id is not None:
        setting.number = await uow.session.get(NumberRow, workspace.number_id)
        setting.template = (
            await uow.session.execute(
                sa.select(TemplateRow).where(
                    TemplateRow.number_id == workspace.number_id,
                    TemplateRow.name == request.template_name,
                    TemplateRow.language == request.template_language,
                )
            )
        ).scalar_one_or_none()
    if event.status is not EventStatus.PUBLISHED:
        setting.blockers.append(blocker(BlockerCode.EVENT_NOT_PUBLISHED))
    if setting.number is None:
        setting.blockers.append(blocker(BlockerCode.PROVIDER_NOT_CONFIGURED))
    elif setting.number.paused:
        setting.blockers.append(blocker(BlockerCode.NUMBER_PAUSED, setting.number.paused_reason))
    _prepare_template(setting, request)
    return setting


def _prepare_template(setting: Setting, request: SendRequest) -> None:
    template, event = setting.template, setting.event
    if template is None:
        setting.blockers.append(blocker(BlockerCode.TEMPLATE_MISSING))
        return
    if template.status is not TemplateStatus.APPROVED:
        setting.blockers.append(blocker(BlockerCode.TEMPLATE_NOT_APPROVED, f"Its status is {template.status}."))
    shape = inspect(template.components, template.parameter_format)
    if not shape.supported:
        setting.blockers.append(blocker(BlockerCode.TEMPLATE_NOT_SUPPORTED, shape.unsupported_reason))
        return
    problems = check_parameters(shape, request.parameters)
    if problems:
        setting.blockers.append(blocker(BlockerCode.PARAMETERS_INCOMPLETE, " ".join(problems[:10])))
        return
    fields = EventFields(event.title, event.starts_at, setting.workspace.timezone, event.venue)
    setting.renderer = make_renderer(shape, request.parameters, fields)


def warning(code: WarningCode, undertaking: Undertaking) -> Warning_:
    return Warning_(code, WARNINGS[code].format(**asdict(undertaking)))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, separators=(",", ":"), sort_keys=True).encode()).hexdigest()
