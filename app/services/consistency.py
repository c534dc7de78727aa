"""What must be true of one message, whatever happened to it: each rule says what is wrong, or None. Pure."""

from collections.abc import Iterable, Sequence

from app.db.evidence import Attempt
from app.db.messages import Standing
from app.domain import ids
from app.domain.enums import MessageState
from app.domain.lifecycle import DISPATCH_STATES, NOTHING_KNOWN, Progress

_NEVER_SENT = frozenset({MessageState.QUEUED, MessageState.REJECTED, MessageState.CANCELLED})


def progress_problem(standing: Standing, told: Progress) -> str | None:
    """Promises 4 and 11: what the row shows is the fold of its facts and nothing else."""
    if told != standing.progress:
        return "its times or its failure are not those of its facts"
    if told.state is None and standing.state not in DISPATCH_STATES:
        return f"it is {standing.state} without a fact that says so"
    if told.state is not None and told.state is not standing.state:
        return f"it is {standing.state}, its facts say {told.state}"
    return None


def dispatch_problem(standing: Standing, attempts: Sequence[Attempt]) -> str | None:
    """Promise 11: where nothing has been told, the state is what the attempts left."""
    if [attempt.n for attempt in attempts] != list(range(1, standing.attempt_count + 1)):
        return f"it counts {standing.attempt_count} attempts, {len(attempts)} are kept"
    return _claim_problem(standing, attempts) or _state_problem(standing, attempts)


def _claim_problem(standing: Standing, attempts: Sequence[Attempt]) -> str | None:
    if standing.state is not MessageState.SENDING:
        held = standing.claim_id is not None or standing.lease_until is not None
        return f"it is {standing.state} and still claimed" if held else None
    if standing.claim_id is None or standing.lease_until is None:
        return "it is SENDING without a claim and its lease"
    last = attempts[-1] if attempts else None
    if last is None or last.claim_id != standing.claim_id:
        return "its claim is not that of its last attempt"
    if last.finished_at is not None or last.lease_expired_at is not None:
        return "it is SENDING, but its last attempt is over"
    return None


def _state_problem(standing: Standing, attempts: Sequence[Attempt]) -> str | None:
    state = standing.state
    over = attempts[:-1] if state is MessageState.SENDING else attempts
    if state in _NEVER_SENT | {MessageState.SENDING}:
        doubtful = next((attempt for attempt in over if not attempt.surely_not_sent), None)
        if doubtful is not None:
            return f"it is {state}, although its attempt {doubtful.n} may have reached WhatsApp"
    if state is MessageState.UNCONFIRMED and not (attempts and attempts[-1].lost):
        return "it is UNCONFIRMED, although the fate of its last attempt is known"
    if state is MessageState.REJECTED and (standing.rejection_reason is None or standing.rejected_at is None):
        return "it is REJECTED without a reason and its time"
    if state is MessageState.CANCELLED and standing.cancelled_at is None:
        return "it is CANCELLED without its time"
    return None


def identity_problem(standing: Standing, provider_ids: Iterable[str]) -> str | None:
    """Promise 1: WhatsApp took a message once, under one id. ``provider_ids`` are those that its facts name."""
    if standing.second_message_id is not None:
        return "WhatsApp took it twice, under two ids"
    for provider_id in provider_ids:
        attempt = ids.parse_attempt_id(provider_id)
        own = attempt is not None and attempt[0] == standing.id
        if provider_id != standing.provider_message_id and not own:
            return "a fact of another of WhatsApp's ids is attached to it"
    return None


def unasked_problem(standing: Standing, attempts: Sequence[Attempt]) -> str | None:
    """Promise 2: what was turned away, cancelled or never handed over is not known to WhatsApp."""
    if standing.progress == NOTHING_KNOWN:
        return None
    if standing.rejected_at is not None or standing.cancelled_at is not None:
        return "it was turned away or cancelled, and yet WhatsApp knows it"
    return None if attempts else "nobody handed it over, and yet WhatsApp knows it"
