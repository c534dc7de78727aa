"""One loader per nested thing: what a list asks for one by one goes to the database once.

A loader lives as long as one operation, and knows its actor: every batch goes through the reader, which lets through
only what this actor may see.
"""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from strawberry.dataloader import DataLoader

from app.db.tables import (
    Base,
    DoNotMessageRow,
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
from app.services.reading import BlockEvidence, Rate, Reader, RunView, Summary

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
A = TypeVar("A", bound=Hashable)
B = TypeVar("B", bound=Base)


def _loader(batch: Callable[[Actor, Sequence[K]], Awaitable[dict[K, V]]], actor: Actor) -> DataLoader[K, V | None]:
    """Values by key; None where there is none or the actor may not see it."""

    async def load(keys: list[K]) -> list[V | None]:
        found = await batch(actor, keys)
        return [found.get(key) for key in keys]

    return DataLoader(load_fn=load)


class FilteredLoader(Generic[A, V]):
    """Lists by parent id and filter: parents that are asked with the same filter share a batch."""

    def __init__(self, batch: Callable[[Actor, Sequence[str], A], Awaitable[dict[str, V]]], actor: Actor) -> None:
        self._batch = batch
        self._actor = actor
        self._loaders: dict[A, DataLoader[str, V | None]] = {}

    async def load(self, key: str, where: A) -> V | None:
        if where not in self._loaders:
            self._loaders[where] = _loader(lambda actor, keys: self._batch(actor, keys, where), self._actor)
        return await self._loaders[where].load(key)


class Loaders:
    def __init__(self, reader: Reader, actor: Actor) -> None:
        def rows(kind: type[B]) -> DataLoader[str, B | None]:
            return _loader(lambda actor, keys: reader.rows(actor, kind, keys), actor)

        self.workspaces = rows(WorkspaceRow)
        self.members = rows(MemberRow)
        self.events = rows(EventRow)
        self.guest_units = rows(GuestUnitRow)
        self.people = rows(PersonRow)
        self.imports = rows(GuestImportRow)
        self.templates = rows(TemplateRow)
        self.messages = rows(MessageRow)
        self.runs: DataLoader[str, RunView | None] = _loader(reader.runs, actor)

        self.accesses: DataLoader[str, Access | None] = _loader(reader.accesses, actor)
        self.numbers: DataLoader[str, NumberRow | None] = _loader(reader.numbers, actor)
        self.workspace_members: DataLoader[str, list[MemberRow] | None] = _loader(reader.members, actor)
        self.sides: DataLoader[str, dict[Side, int] | None] = _loader(reader.sides, actor)
        self.tags: DataLoader[str, list[tuple[str, int]] | None] = _loader(reader.tags, actor)
        self.workspace_events: FilteredLoader[tuple[EventStatus, ...], list[EventRow]] = FilteredLoader(
            reader.events, actor
        )
        self.workspace_templates: FilteredLoader[tuple[TemplateStatus, ...], list[TemplateRow]] = FilteredLoader(
            reader.templates, actor
        )

        self.unit_people: DataLoader[str, list[PersonRow] | None] = _loader(reader.people, actor)
        self.unit_tags: DataLoader[str, list[str] | None] = _loader(reader.unit_tags, actor)
        self.phone_statuses: DataLoader[str, PhoneStatus | None] = _loader(reader.phone_statuses, actor)
        self.blocked_units: DataLoader[str, bool | None] = _loader(reader.blocked_units, actor)
        self.coverage: DataLoader[tuple[str, str], InviteCoverage | None] = _loader(reader.coverage, actor)

        self.blocks = rows(DoNotMessageRow)
        self.block_evidence: DataLoader[str, BlockEvidence | None] = _loader(reader.block_evidence, actor)
        self.on_their_way: DataLoader[str, list[MessageRow] | None] = _loader(reader.on_their_way, actor)

        self.coverage_summaries: DataLoader[str, dict[InviteCoverage, int] | None] = _loader(
            reader.coverage_summaries, actor
        )
        self.event_summaries: DataLoader[str, Summary | None] = _loader(reader.event_summaries, actor)
        self.run_summaries: DataLoader[str, Summary | None] = _loader(reader.run_summaries, actor)
        self.rates: DataLoader[str, Rate | None] = _loader(reader.rates, actor)
        self.sources: DataLoader[str, list[MessageSourceRow] | None] = _loader(reader.sources, actor)


def present(row: V | None) -> V:
    """What a parent that may be seen refers to. Raises NotFoundError when access was lost in between."""
    if row is None:
        raise NotFoundError
    return row
