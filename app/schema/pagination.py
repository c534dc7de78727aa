"""Connections, forward only. Pages come from the reading services by key; a precheck's candidates are paged here."""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, Self, TypeVar

import strawberry
from strawberry.schema.name_converter import NameConverter
from strawberry.types.base import StrawberryObjectDefinition, StrawberryType

from app.db.keyset import MAX_FIRST, Page
from app.domain.errors import BadInputError, ConflictError
from app.schema.described import described

T = TypeVar("T")
R = TypeVar("R")

DEFAULT_FIRST = 50

First = Annotated[int | None, strawberry.argument(description="How many, 1 to 100.")]
After = Annotated[str | None, strawberry.argument(description="The endCursor of the page before.")]


def first_of(first: int | None) -> int:
    """``first`` with an explicit null taken as left out."""
    return DEFAULT_FIRST if first is None else first


@described
@strawberry.type
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool
    """There are more after endCursor."""
    has_previous_page: bool
    """There are some before startCursor."""
    start_cursor: str | None
    """Null on an empty page."""
    end_cursor: str | None
    """To be given as `after` for the next page; null on an empty page."""


@described
@strawberry.type
class Edge(Generic[T]):
    """One entry of a list with its cursor."""

    cursor: str
    """To be given as `after` for what comes behind this entry."""
    node: T
    """The entry."""


@described
@strawberry.type
class Connection(Generic[T]):
    """One page of a list."""

    page: strawberry.Private[Page[Any]]
    forward: strawberry.Private[bool]
    nodes: list[T]
    """The entries of this page."""

    @strawberry.field
    def edges(self) -> list[Edge[T]]:
        """The entries of this page, each with its cursor."""
        return [Edge(cursor=cursor, node=node) for cursor, node in zip(self.page.cursors, self.nodes, strict=True)]

    @strawberry.field
    def page_info(self) -> PageInfo:
        """Whether there is more, and where to go on."""
        cursors = self.page.cursors
        return PageInfo(
            has_next_page=self.page.has_next,
            has_previous_page=self.forward,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )

    @classmethod
    def of(cls, page: Page[R], after: str | None, make: Callable[[R], T]) -> Self:
        """A connection of the rows of ``page``, each shown by ``make``."""
        return cls(page=page, forward=after is not None, nodes=[make(row) for row in page.nodes])


class Names(NameConverter):
    """The contract calls the connection of DoNotMessageEntry by a shorter name."""

    def from_generic(self, generic_type: StrawberryObjectDefinition, types: list[StrawberryType | type]) -> str:
        return super().from_generic(generic_type, types).replace("MessageEntry", "Message")


def slice_of(rows: Sequence[R], first: int | None, after: str | None, *, version: str, scope: str) -> Page[R]:
    """A page of a list that is in memory. ``version`` names its contents, ``scope`` the filters that made it.

    Raises BadInputError as every list does, and ConflictError for a cursor into an earlier version of the list.
    """
    limit = first_of(first)
    if not 1 <= limit <= MAX_FIRST:
        raise BadInputError(f"first must be between 1 and {MAX_FIRST}", field="first")
    start = 0 if after is None else _position(after, version, scope) + 1
    shown = rows[start : start + limit]
    return Page(
        nodes=list(shown),
        cursors=[_cursor(start + place, version, scope) for place in range(len(shown))],
        has_next=start + limit < len(rows),
        total=len(rows),
    )


def _mark(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _cursor(position: int, version: str, scope: str) -> str:
    return _packed(_mark(version), _mark(scope), str(position))


def _packed(*parts: str) -> str:
    return base64.urlsafe_b64encode(".".join(parts).encode()).decode()


def _position(cursor: str, version: str, scope: str) -> int:
    try:
        mark, filters, position = base64.urlsafe_b64decode(cursor).decode("ascii").split(".")
    except ValueError:
        mark = filters = position = ""
    # Packed again: Python's decoder passes over what does not belong.
    if (
        filters != _mark(scope)
        or not re.fullmatch("[0-9]{1,9}", position)
        or _packed(mark, filters, position) != cursor
    ):
        raise BadInputError("This cursor is not one of this list. Start again without it.", field="after")
    if mark != _mark(version):
        raise ConflictError("The candidates have changed since this page was made. Start again from the first page.")
    return int(position)
