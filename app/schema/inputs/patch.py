"""In an update, what is left out stays and null clears. Strawberry and the domain each have a word for "left out"."""

from typing import Any

import strawberry

from app.domain.patch import UNSET


def given(value: Any) -> Any:
    """``value`` with Strawberry's word for "left out" replaced by the domain's; what null may clear, services judge."""
    return UNSET if value is strawberry.UNSET else value
