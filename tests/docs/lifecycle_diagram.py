"""The mermaid diagram of ``docs/lifecycle.md``, drawn from the lifecycle's own tables.

``python -m tests.docs.lifecycle_diagram`` prints it, to be pasted into the document when the tables have changed.
"""

from itertools import pairwise

from app.domain.enums import MessageState
from app.domain.lifecycle import DISPATCH, DISPATCH_STATES, RANK


def diagram() -> str:
    """A ``stateDiagram-v2``: our own transitions one by one, Meta's facts as the ladder that any state may enter."""
    ladder = sorted(RANK, key=RANK.__getitem__)
    before = [state for state in MessageState if state in DISPATCH_STATES]
    lines = [
        "stateDiagram-v2",
        "    [*] --> QUEUED: eligible",
        "    [*] --> REJECTED: not eligible",
        *(f"    {start} --> {end}: {event}" for (start, event), end in DISPATCH.items()),
        '    state "Facts from Meta: the highest rank wins" as facts {',
        *(f"        {state}: {state} (rank {RANK[state]})" for state in ladder),
        *(f"        {lower} --> {higher}" for lower, higher in pairwise(ladder)),
        "    }",
        *(f"    {state} --> facts: a fact" for state in before),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(diagram())
