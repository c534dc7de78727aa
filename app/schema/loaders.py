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
    PersonRow,
    TemplateRow,
    WorkspaceRow,
)
from app.domain.enums import EventStatus, TemplateStatus
from app.domain.errors import NotFoundError
from app.services.base import Actor
from app.services.reading import Reader

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


class _Batched(Generic[K, V]):
    """A loader of one batch of the reader, made for whoever asks for it first: an operation needs few of them."""

    def __init__(self, batch: Callable[[Reader], Callable[[Actor, Sequence[K]], Awaitable[dict[K, V]]]]) -> None:
        self._batch = batch

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, loaders: "Loaders", _owner: type) -> DataLoader[K, V | None]:
        made = _loader(self._batch(loaders.reader), loaders.actor)
        vars(loaders)[self._name] = made  # found before this descriptor from now on
        return made


def _rows(kind: type[B]) -> _Batched[str, B]:
    return _Batched(lambda reader: lambda actor, keys: reader.rows(actor, kind, keys))


class Loaders:
    def __init__(self, reader: Reader, actor: Actor) -> None:
        self.reader = reader
        self.actor = actor
        self.workspace_events: FilteredLoader[tuple[EventStatus, ...], list[EventRow]] = FilteredLoader(
            reader.events, actor
        )
        self.workspace_templates: FilteredLoader[tuple[TemplateStatus, ...], list[TemplateRow]] = FilteredLoader(
            reader.templates, actor
        )

    workspaces = _rows(WorkspaceRow)
    members = _rows(MemberRow)
    events = _rows(EventRow)
    guest_units = _rows(GuestUnitRow)
    people = _rows(PersonRow)
    imports = _rows(GuestImportRow)
    templates = _rows(TemplateRow)
    messages = _rows(MessageRow)
    runs = _Batched(lambda reader: reader.runs)

    accesses = _Batched(lambda reader: reader.accesses)
    numbers = _Batched(lambda reader: reader.numbers)
    workspace_members = _Batched(lambda reader: reader.members)
    sides = _Batched(lambda reader: reader.sides)
    tags = _Batched(lambda reader: reader.tags)

    unit_people = _Batched(lambda reader: reader.people)
    unit_tags = _Batched(lambda reader: reader.unit_tags)
    phone_statuses = _Batched(lambda reader: reader.phone_statuses)
    blocked_units = _Batched(lambda reader: reader.blocked_units)
    coverage = _Batched(lambda reader: reader.coverage)

    blocks = _rows(DoNotMessageRow)
    block_evidence = _Batched(lambda reader: reader.block_evidence)
    on_their_way = _Batched(lambda reader: reader.on_their_way)

    coverage_summaries = _Batched(lambda reader: reader.coverage_summaries)
    event_summaries = _Batched(lambda reader: reader.event_summaries)
    rates = _Batched(lambda reader: reader.rates)
    sources = _Batched(lambda reader: reader.sources)


def present(row: V | None) -> V:
    """What a parent that may be seen refers to. Raises NotFoundError when access was lost in between."""
    if row is None:
        raise NotFoundError
    return row
