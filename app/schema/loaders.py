"""One loader per nested thing: what a list asks for one by one goes to the database once.

A loader lives as long as one operation, and knows its actor: every batch goes through the reader, which lets through
only what this actor may see.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

from strawberry.dataloader import DataLoader

from app.db.tables import (
    Base,
    EventRow,
    GuestImportRow,
    GuestUnitRow,
    MemberRow,
    MessageRow,
    MessageSourceRow,
    NumberRow,
    PersonRow,
    TemplateRow,
    WorkspaceRow,
)
from app.domain.enums import EventStatus, InviteCoverage, PhoneStatus, Side, TemplateStatus
from app.domain.errors import NotFoundError
from app.services.access import Access
from app.services.base import Actor
from app.services.reading import Rate, Reader, RunView, Summary

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
A = TypeVar("A", bound=Hashable)
B = TypeVar("B", bound=Base)


class FilteredLoader(Generic[A, V]):
    """Lists by parent id and filter: parents that are asked with the same filter share a batch."""

    def __init__(self, loaders: "Loaders", batch: Callable[[Actor, Sequence[str], A], Awaitable[dict[str, V]]]) -> None:
        self._owner = loaders
        self._batch = batch
        self._loaders: dict[A, DataLoader[str, V | None]] = {}

    async def load(self, key: str, where: A) -> V | None:
        if where not in self._loaders:
            self._loaders[where] = self._owner.loader(lambda actor, keys: self._batch(actor, keys, where))
        return await self._loaders[where].load(key)


class Loaders:
    def __init__(self, reader: Reader, actor: Actor) -> None:
        self._actor = actor
        self._under_way: set[asyncio.Task[Any]] = set()

        def rows(kind: type[B]) -> DataLoader[str, B | None]:
            return self.loader(lambda actor, keys: reader.rows(actor, kind, keys))

        self.workspaces = rows(WorkspaceRow)
        self.members = rows(MemberRow)
        self.events = rows(EventRow)
        self.guest_units = rows(GuestUnitRow)
        self.people = rows(PersonRow)
        self.imports = rows(GuestImportRow)
        self.templates = rows(TemplateRow)
        self.messages = rows(MessageRow)
        self.runs: DataLoader[str, RunView | None] = self.loader(reader.runs)

        self.accesses: DataLoader[str, Access | None] = self.loader(reader.accesses)
        self.numbers: DataLoader[str, NumberRow | None] = self.loader(reader.numbers)
        self.workspace_members: DataLoader[str, list[MemberRow] | None] = self.loader(reader.members)
        self.sides: DataLoader[str, dict[Side, int] | None] = self.loader(reader.sides)
        self.tags: DataLoader[str, list[tuple[str, int]] | None] = self.loader(reader.tags)
        self.workspace_events: FilteredLoader[tuple[EventStatus, ...], list[EventRow]] = FilteredLoader(
            self, reader.events
        )
        self.workspace_templates: FilteredLoader[tuple[TemplateStatus, ...], list[TemplateRow]] = FilteredLoader(
            self, reader.templates
        )

        self.unit_people: DataLoader[str, list[PersonRow] | None] = self.loader(reader.people)
        self.unit_tags: DataLoader[str, list[str] | None] = self.loader(reader.unit_tags)
        self.phone_statuses: DataLoader[str, PhoneStatus | None] = self.loader(reader.phone_statuses)
        self.blocked_units: DataLoader[str, bool | None] = self.loader(reader.blocked_units)
        self.coverage: DataLoader[tuple[str, str], InviteCoverage | None] = self.loader(reader.coverage)

        self.coverage_summaries: DataLoader[str, dict[InviteCoverage, int] | None] = self.loader(
            reader.coverage_summaries
        )
        self.event_summaries: DataLoader[str, Summary | None] = self.loader(reader.event_summaries)
        self.run_summaries: DataLoader[str, Summary | None] = self.loader(reader.run_summaries)
        self.rates: DataLoader[str, Rate | None] = self.loader(reader.rates)
        self.sources: DataLoader[str, list[MessageSourceRow] | None] = self.loader(reader.sources)

    def loader(self, batch: Callable[[Actor, Sequence[K]], Awaitable[dict[K, V]]]) -> DataLoader[K, V | None]:
        """Values by key; None where there is none or the actor may not see it."""

        async def load(keys: list[K]) -> list[V | None]:
            task = asyncio.current_task()
            assert task is not None, "Strawberry runs each batch as a task of its own"
            self._under_way.add(task)
            try:
                found = await batch(self._actor, keys)
            finally:
                self._under_way.discard(task)
            return [found.get(key) for key in keys]

        return DataLoader(load_fn=load)

    async def abandon(self) -> None:
        """End the batches that are under way, and return when their transactions have ended too."""
        tasks = set(self._under_way)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def present(row: V | None) -> V:
    """What a parent that may be seen refers to. Raises NotFoundError when access was lost in between."""
    if row is None:
        raise NotFoundError
    return row
