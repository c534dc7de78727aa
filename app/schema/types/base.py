"""What the types have in common: the Node interface, how a row becomes a type, and the references that point back up."""

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias

import strawberry

from app.schema.context import Info
from app.schema.described import described
from app.schema.loaders import present

if TYPE_CHECKING:
    from app.schema.types.events import Event
    from app.schema.types.runs import SendRun
    from app.schema.types.workspaces import Member, Workspace

# The types refer to each other in circles; whoever is further up is named by these and imported when it is needed.
WorkspaceType: TypeAlias = Annotated["Workspace", strawberry.lazy("app.schema.types.workspaces")]
MemberType: TypeAlias = Annotated["Member", strawberry.lazy("app.schema.types.workspaces")]
EventType: TypeAlias = Annotated["Event", strawberry.lazy("app.schema.types.events")]
SendRunType: TypeAlias = Annotated["SendRun", strawberry.lazy("app.schema.types.runs")]


@described
@strawberry.interface
class Node:
    """Anything that can be fetched again by its id."""

    id: strawberry.ID
    """Its name here and everywhere: in links, downloads, logs and on the command line."""


class FromRow:
    """Types whose plain fields are columns of one row. Only what a type names is ever shown of its row."""

    @classmethod
    def from_row(cls, row: Any) -> Self:
        plain = {each.name: getattr(row, each.name) for each in fields(cls) if each.init and each.name != "row"}  # type: ignore[arg-type]  # every user is a Strawberry type, hence a dataclass
        return cls(row=row, **plain)  # type: ignore[call-arg]  # the same


async def workspace_of(info: Info, workspace_id: str) -> "Workspace":
    from app.schema.types.workspaces import Workspace

    return Workspace.from_row(present(await info.context.loaders.workspaces.load(workspace_id)))


async def member_of(info: Info, member_id: str) -> "Member":
    from app.schema.types.workspaces import Member

    return Member.from_row(present(await info.context.loaders.members.load(member_id)))


async def maybe_member_of(info: Info, member_id: str | None) -> "Member | None":
    return None if member_id is None else await member_of(info, member_id)


async def event_of(info: Info, event_id: str) -> "Event":
    from app.schema.types.events import Event

    return Event.from_row(present(await info.context.loaders.events.load(event_id)))


async def run_of(info: Info, run_id: str) -> "SendRun":
    from app.schema.types.runs import SendRun

    return SendRun.from_view(present(await info.context.loaders.runs.load(run_id)))
