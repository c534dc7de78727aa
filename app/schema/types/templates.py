"""Message templates as Meta lists them."""

from datetime import datetime

import strawberry

from app.db.tables import TemplateRow
from app.domain.enums import TemplateCategory, TemplateComponent, TemplateStatus
from app.domain.templates import TemplateShape, TemplateSlot, inspect
from app.schema.described import described
from app.schema.types.base import Node


@described
@strawberry.type
class TemplateParameter:
    """One gap of a template that has to be filled: a placeholder such as {{1}}, or the header's picture."""

    component: TemplateComponent
    """The part that holds it."""
    button_index: int | None
    """Which button, as Meta counts them: the first is 0."""
    name: str | None
    """Where placeholders have names: guest_name of {{guest_name}}."""
    position: int | None
    """Where placeholders have numbers: 1 of {{1}}."""
    kind: str
    """TEXT, IMAGE, VIDEO, DOCUMENT, URL_SUFFIX."""
    example: str | None
    """What was shown to Meta for the approval."""

    @classmethod
    def of(cls, slot: TemplateSlot) -> "TemplateParameter":
        return cls(
            component=slot.component,
            button_index=slot.button_index,
            name=slot.name,
            position=slot.position,
            kind=slot.kind,
            example=slot.example,
        )


@described
@strawberry.type
class MessageTemplate(Node):
    """A message template as Meta last listed it; shared by the workspaces of a number."""

    row: strawberry.Private[TemplateRow]
    shape: strawberry.Private[TemplateShape]
    name: str
    """Meta's name."""
    language: str
    """Meta's language code, e.g. en_US; a template of another language is another template."""
    status: TemplateStatus
    """Whether Meta lets it be sent."""
    category: TemplateCategory
    """Sets price and reach."""
    synced_at: datetime
    """When Meta was last asked."""
    text: str
    """Header, body, footer as text with its placeholders."""
    supported: bool
    """False with a reason for carousels, flows and what else we cannot fill."""
    unsupported_reason: str | None
    """Why it cannot be filled."""

    @classmethod
    def from_row(cls, row: TemplateRow) -> "MessageTemplate":
        shape = inspect(row.components, row.parameter_format)
        return cls(
            row=row,
            shape=shape,
            id=strawberry.ID(row.id),
            name=row.name,
            language=row.language,
            status=row.status,
            category=row.category,
            synced_at=row.synced_at,
            text=shape.text,
            supported=shape.supported,
            unsupported_reason=shape.unsupported_reason,
        )

    @strawberry.field
    def parameters(self) -> list[TemplateParameter]:
        """What has to be filled, in the order header, body, buttons."""
        return [TemplateParameter.of(slot) for slot in self.shape.parameters]
