"""GraphQL from memory: the floor of reading. The same library, server and shapes as the product, documents
parsed and validated once as there, and nothing to look up.
"""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import strawberry
from litestar import Litestar, get
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.litestar import make_graphql_controller
from strawberry.schema.config import StrawberryConfig

from app.domain.enums import MessageState

State = strawberry.enum(MessageState, name="State")


@strawberry.type
class Message:
    id: strawberry.ID
    recipient_name: str
    phone: str | None
    state: State  # type: ignore[valid-type]  # made from the product's enum
    operator_text: str
    attempt_count: int
    created_at: datetime
    updated_at: datetime


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Messages:
    nodes: list[Message]
    page_info: PageInfo


@strawberry.type
class Summary:
    candidates: int
    eligible: int
    rejected: int
    cancelled: int
    queued: int
    sending: int
    unconfirmed: int
    accepted: int
    sent: int
    failed: int
    delivered: int
    read: int
    reached_accepted: int
    reached_sent: int
    reached_delivered: int
    reached_read: int


@dataclass(frozen=True)
class Row:
    """As the product's rows: the types above are made anew for each answer."""

    place: int
    at: datetime


COUNTS = [each.name for each in fields(Summary)]
ROWS = [Row(place, datetime(2026, 12, 1, 12, 0, place % 60, 123456, UTC)) for place in range(100)]


def _message(row: Row) -> Message:
    return Message(
        id=strawberry.ID(f"msg_{row.place:032x}"), recipient_name=f"Guest {row.place}", phone=f"+9198{row.place:08d}",
        state=MessageState.ACCEPTED, operator_text="WhatsApp has taken the invite; it is not yet on the guest's phone.",
        attempt_count=1, created_at=row.at, updated_at=row.at,
    )  # fmt: skip


@strawberry.type
class SendRun:
    status: str = "COMPLETED"

    @strawberry.field
    async def summary(self) -> Summary:
        return Summary(**dict.fromkeys(COUNTS, 7))

    @strawberry.field
    async def messages(self, first: int = 50, after: str | None = None) -> Messages:
        del after
        return Messages(
            nodes=[_message(row) for row in ROWS[:first]], page_info=PageInfo(has_next_page=True, end_cursor="x")
        )


@strawberry.type
class Query:
    @strawberry.field
    async def send_run(self, id: strawberry.ID) -> SendRun:  # noqa: A002 - the public name
        del id
        return SendRun()


def application() -> Any:
    @get("/")
    async def ready() -> str:
        return "ok"

    schema = strawberry.Schema(query=Query, config=StrawberryConfig(), extensions=[ParserCache, ValidationCache])
    controller: Any = make_graphql_controller(schema, path="/graphql", graphql_ide=None)
    return Litestar([ready, controller], logging_config=None, openapi_config=None)
