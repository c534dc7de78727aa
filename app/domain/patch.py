"""The difference between "left out" and "set to nothing" in an update."""

from enum import Enum
from typing import Final, Literal


class Unset(Enum):
    UNSET = "UNSET"


UNSET: Final = Unset.UNSET
"""Left out: the field stays as it is. ``None`` clears it, where it can be cleared."""

UnsetType = Literal[Unset.UNSET]
