"""An answer of Meta's as an attempt has kept it, read again with today's rules."""

from app.whatsapp.outcomes import Answer, outcome_of
from app.whatsapp.port import Evidence, Outcome, Unknown


def read_again(kept: Evidence) -> Outcome:
    """What the answer proves; ``Unknown`` where none came. Pure: no network, no clock."""
    if kept.http_status is None or kept.body is None:
        return Unknown(kept)
    return outcome_of(Answer(kept.http_status, kept.headers, kept.body.encode()))
