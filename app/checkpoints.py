"""Named moments in the send and webhook paths, at which a test can stop the world, stall it, or end the process.

The one seam of the fault and race suites: a moment is a call of ``reached``, which does nothing unless a hook has been
installed. Nothing in ``app`` installs one. ``Database.write`` reaches ``<unit>: before commit`` and ``<unit>: committed``
of every unit of work that has a name; the rest are listed here.
"""

from collections.abc import Awaitable, Callable
from typing import Final

Hook = Callable[[str], Awaitable[None]]

UNITS: Final = (
    "plan",
    "claim",
    "outcomes",
    "webhook",
    "leases",
    "sweep",
    "block",
    "pause",
    "cancel",
    "resume",
    "erasure",
)
"""Units of work with a name."""

CLAIM_LOCKED: Final = "claim: number locked"
CLAIM_PICKED: Final = "claim: messages locked"
SEND_STARTING: Final = "send: before the request"
SEND_ANSWERED: Final = "send: after the answer"
WEBHOOK_RECEIVED: Final = "webhook: received"
BLOCK_LOCKED: Final = "block: number locked"


def before_commit(unit: str) -> str:
    return f"{unit}: before commit"


def committed(unit: str) -> str:
    return f"{unit}: committed"


ALL: Final = (
    *(moment(unit) for unit in UNITS for moment in (before_commit, committed)),
    CLAIM_LOCKED,
    CLAIM_PICKED,
    SEND_STARTING,
    SEND_ANSWERED,
    WEBHOOK_RECEIVED,
    BLOCK_LOCKED,
)

_hook: Hook | None = None


def install(hook: Hook | None) -> None:
    """Call ``hook`` with the name of every moment from now on; None makes them inert again."""
    global _hook  # noqa: PLW0603 - one seam per process is the point
    _hook = hook


async def reached(moment: str) -> None:
    if _hook is not None:
        await _hook(moment)
