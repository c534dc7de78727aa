"""What rows of one guest list say differently of the same thing, and what is made of it once all of them are known."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from app.domain.enums import Side
from app.domain.import_plan import RowResult, Unit

V = TypeVar("V")


@dataclass(slots=True)
class Wishes:
    """What the rows say of one household, in their order, each with the row that said it."""

    sides: list[tuple[Side, RowResult]] = field(default_factory=list)
    primaries: list[tuple[str, RowResult]] = field(default_factory=list)
    shared: list[tuple[str, RowResult]] = field(default_factory=list)
    """Phones that are active in another household."""

    def settle(self, unit: Unit, *, new: bool, reachable: bool) -> list[RowResult]:
        """Set side and delivery phone; gives the rows that changed them. ``reachable``: somebody in it has a phone."""
        # The side of a new household is a default that no list has given yet.
        side, side_giver = choose(None if new else unit.side, self.sides)
        unit.side = side or Side.NEUTRAL
        unit.delivery_phone, phone_giver = choose(unit.delivery_phone, self.primaries)
        for phone, result in self.primaries:
            if phone != unit.delivery_phone:
                result.notes.append("Another phone of this household is primary.")
        if unit.delivery_phone is None and not reachable:
            unit.delivery_phone, phone_giver = choose(None, self.shared)
        for phone, result in self.shared:
            if phone == unit.delivery_phone:
                result.notes.append("This household receives on it too; one message goes to the phone.")
        return [giver for giver in (side_giver, phone_giver) if giver]


def choose(stored: V, given: Sequence[tuple[V, RowResult]]) -> tuple[V, RowResult | None]:
    """The value to keep, and the row that changed it. What is stored stays while any row gives it, else the first wins."""
    if not given or any(value == stored for value, _ in given):
        return stored, None
    return given[0]
