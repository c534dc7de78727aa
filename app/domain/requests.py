"""What an operator asks to be sent, in one normal form: the form that the precheck token carries and the run keeps."""

from dataclasses import dataclass
from typing import Any

from app.domain.audience import Audience
from app.domain.enums import InviteCoverage, MessageState, ParameterSource, Side, TemplateComponent
from app.domain.template_parameters import TemplateParameter

MAX_EXPLICIT_IDS = 5_000

RETRYABLE_STATES = frozenset(
    {MessageState.FAILED, MessageState.UNCONFIRMED, MessageState.CANCELLED, MessageState.REJECTED}
)


@dataclass(frozen=True, slots=True)
class FromRun:
    """The messages of an earlier run that stand in one of ``states``."""

    run_id: str
    states: tuple[MessageState, ...]


@dataclass(frozen=True, slots=True)
class SendRequest:
    """Exactly one of ``audience`` and ``from_run`` is given."""

    event_id: str
    template_name: str
    template_language: str
    parameters: tuple[TemplateParameter, ...] = ()
    audience: Audience | None = None
    from_run: FromRun | None = None
    include_already_invited: bool = False


def to_json(request: SendRequest) -> dict[str, Any]:
    """Plain JSON with short keys; ``from_json`` gives an equal request back."""
    audience, from_run = request.audience, request.from_run
    return {
        "e": request.event_id,
        "t": [request.template_name, request.template_language],
        "p": [[p.component, p.button_index, p.name, p.position, p.source, p.value] for p in request.parameters],
        "a": None
        if audience is None
        else [audience.side, audience.tags, audience.search, audience.coverage, audience.include, audience.exclude],
        "r": None if from_run is None else [from_run.run_id, from_run.states],
        "i": request.include_already_invited,
    }


def from_json(data: dict[str, Any]) -> SendRequest:
    """Only for what ``to_json`` made: the callers have checked a signature or read their own row."""
    audience, from_run = data["a"], data["r"]
    return SendRequest(
        event_id=data["e"],
        template_name=data["t"][0],
        template_language=data["t"][1],
        parameters=tuple(
            TemplateParameter(TemplateComponent(p[0]), p[1], p[2], p[3], ParameterSource(p[4]), p[5]) for p in data["p"]
        ),
        audience=None
        if audience is None
        else Audience(
            side=Side(audience[0]) if audience[0] else None,
            tags=tuple(audience[1]),
            search=audience[2],
            coverage=tuple(InviteCoverage(coverage) for coverage in audience[3]),
            include=tuple(audience[4]),
            exclude=tuple(audience[5]),
        ),
        from_run=None
        if from_run is None
        else FromRun(from_run[0], tuple(MessageState(state) for state in from_run[1])),
        include_already_invited=data["i"],
    )
