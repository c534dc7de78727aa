"""Inputs about sending: the audience, the placeholders, the request."""

import strawberry

from app.domain import audience, requests
from app.domain.enums import InviteCoverage, MessageState, ParameterSource, Side, TemplateComponent
from app.domain.errors import BadInputError
from app.domain.template_parameters import TemplateParameter
from app.schema.described import described


@described
@strawberry.input
class AudienceInput:
    """All given filters hold together (AND, also between tags); then includes are added and excludes taken away, excludes win. {} means everyone."""

    side: Side | None = None
    """Only this family side."""
    tags: list[str] | None = None
    """Only households that carry all of these."""
    search: str | None = None
    """Part of a name or of a phone."""
    coverage: list[InviteCoverage] | None = None
    """Only households standing so with the event."""
    include_guest_unit_ids: list[strawberry.ID] | None = None
    """Added, whatever the filters say."""
    exclude_guest_unit_ids: list[strawberry.ID] | None = None
    """Taken away, whatever the filters and includes say."""

    def to_domain(self) -> audience.Audience:
        return audience.Audience(
            side=self.side,
            tags=tuple(self.tags or ()),
            search=self.search,
            coverage=tuple(self.coverage or ()),
            include=tuple(self.include_guest_unit_ids or ()),
            exclude=tuple(self.exclude_guest_unit_ids or ()),
        )


@described
@strawberry.input
class AudiencePreviewInput:
    """Whom to count."""

    event_id: strawberry.ID
    """For which event."""
    audience: AudienceInput
    """The selection of households."""


@described
@strawberry.input
class FromRunInput:
    """Retry of an earlier run: FAILED, UNCONFIRMED, CANCELLED or REJECTED; naming UNCONFIRMED accepts a possible second message to those."""

    run_id: strawberry.ID
    """The earlier run, of the same event."""
    states: list[MessageState]
    """Which of its messages."""


@described
@strawberry.input
class TemplateParameterInput:
    """One placeholder. name for named, position (1-based) for positional, both left out for a media header."""

    component: TemplateComponent
    """The part that holds it."""
    button_index: int | None = None
    """Which button, as Meta counts them: the first is 0."""
    name: str | None = None
    """Where placeholders have names: guest_name of {{guest_name}}."""
    position: int | None = None
    """Where placeholders have numbers: 1 of {{1}}."""
    source: ParameterSource
    """What fills it."""
    value: str | None = None
    """Text, https link or media id; left out for guest and event fields."""

    def to_domain(self) -> TemplateParameter:
        return TemplateParameter(self.component, self.button_index, self.name, self.position, self.source, self.value)


@described
@strawberry.input
class PrecheckSendInput:
    """Exactly one of audience and fromRun."""

    event_id: strawberry.ID
    """For which event."""
    template_name: str
    """Meta's name of the template."""
    template_language: str
    """Meta's language code of the template."""
    parameters: list[TemplateParameterInput] = strawberry.field(default_factory=list)
    """One for each placeholder."""
    audience: AudienceInput | None = None
    """Households by filters and by name."""
    from_run: FromRunInput | None = None
    """The messages of an earlier run that did not get through."""
    include_already_invited: bool = False
    """True: also those who have a live invite to this event; they get a second one."""

    def to_domain(self) -> requests.SendRequest:
        if (self.audience is None) == (self.from_run is None):
            raise BadInputError("Give exactly one of audience and fromRun.", field="audience")
        from_run = self.from_run
        return requests.SendRequest(
            event_id=self.event_id,
            template_name=self.template_name,
            template_language=self.template_language,
            parameters=tuple(parameter.to_domain() for parameter in self.parameters),
            audience=self.audience.to_domain() if self.audience else None,
            from_run=requests.FromRun(from_run.run_id, tuple(from_run.states)) if from_run else None,
            include_already_invited=self.include_already_invited,
        )


@described
@strawberry.input
class SendInvitesInput:
    """What to send."""

    precheck_token: str
    """The token of the precheck that was looked at."""


@described
@strawberry.input
class SendTestInput:
    """One real message."""

    event_id: strawberry.ID
    """For which event."""
    template_name: str
    """Meta's name of the template."""
    template_language: str
    """Meta's language code of the template."""
    parameters: list[TemplateParameterInput] = strawberry.field(default_factory=list)
    """One for each placeholder."""
    phone: str
    """One's own phone, in any notation."""
    idempotency_key: str
    """Repeat with the same key = the same run."""
