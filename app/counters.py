"""Counting in memory: cheap enough for what anybody can make happen, and must therefore not reach the database."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

C = TypeVar("C", bound=str)


class Counters(Generic[C]):
    """How often each of a fixed set of things happened in this process since its start.

    The set is fixed so that nobody outside can make it grow.
    """

    def __init__(self, causes: Iterable[C]) -> None:
        self._counts = dict.fromkeys(causes, 0)

    def add(self, cause: C) -> None:
        """Raises KeyError for a cause that was not named at the start."""
        self._counts[cause] += 1

    @property
    def totals(self) -> Mapping[C, int]:
        """All causes, also those that never happened; a view that goes on counting."""
        return MappingProxyType(self._counts)
