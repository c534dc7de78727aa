"""The breakers: what outcomes in a row say about a whole run or number, and the stop that follows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.db.engine import UnitOfWork
from app.db.tables import NumberRow, SendRunRow
from app.services.claims import Claim
from app.services.runs import stop
from app.services.throttle import back_off, slow_down
from app.whatsapp.codes import describe_failure
from app.whatsapp.port import Accepted, Behaviour, NotSent, Outcome, Refused, Unknown

BREAKER = 10
"""The same final refusal for so many recipients in a row stops the run, so many unknown outcomes in a row the number."""

_NO_ANSWERS = (
    f"WhatsApp gave no clear answer {BREAKER} times in a row, so nobody knows whether those messages went out.",
    "Look at WhatsApp's status page and at the network of this service, then resume the run.",
)


@dataclass(frozen=True, slots=True)
class Finished:
    """A provider call that is over, with this machine's time of its end."""

    claim: Claim
    outcome: Outcome
    at: datetime


async def judge_number(
    uow: UnitOfWork, number_id: str, finished: Sequence[Finished], now: datetime
) -> tuple[NumberRow, str, str] | None:
    """Bring the number's pace and streak up to date; returns why it must be paused, if it must.

    The row is only taken when there is something to write: it is also the token bucket's.
    """
    number = await uow.session.get(NumberRow, number_id)
    assert number is not None
    smooth = all(isinstance(each.outcome, Accepted) or _is_plain_refusal(each.outcome) for each in finished)
    if smooth and number.unknown_streak == 0 and number.backoff_seconds == 0:
        return None
    await uow.session.refresh(number, with_for_update={"key_share": True})
    pause = None
    for each in finished:
        pause = _note_outcome(number, each.outcome, now) or pause
    if any(isinstance(each.outcome, NotSent) and not each.outcome.by_choice for each in finished):
        back_off(number, now)  # once a batch, however many requests found the network gone
    await uow.session.flush()
    return (number, *pause) if pause else None


def _note_outcome(number: NumberRow, outcome: Outcome, now: datetime) -> tuple[str, str] | None:
    """One outcome on the number's row; the reason and next step when it stops the number."""
    if isinstance(outcome, Unknown):
        number.unknown_streak += 1
        return _NO_ANSWERS if number.unknown_streak >= BREAKER else None
    if isinstance(outcome, NotSent):
        return None
    number.unknown_streak, number.backoff_seconds = 0, 0.0
    if isinstance(outcome, Refused) and outcome.slows_number:
        slow_down(number, now, outcome.retry_after)
    if isinstance(outcome, Refused) and outcome.behaviour is Behaviour.STOP_NUMBER:
        return describe_failure(outcome.error.code)[1:]
    return None


def _is_plain_refusal(outcome: Outcome) -> bool:
    return isinstance(outcome, Refused) and not outcome.slows_number and outcome.behaviour is not Behaviour.STOP_NUMBER


def judge_runs(
    uow: UnitOfWork, runs: dict[str, SendRunRow], finished: Sequence[Finished], is_final: Callable[[Finished], bool]
) -> None:
    """Stop a run whose template is refused, or whose last ten recipients were all refused for good for one reason."""
    for each in finished:
        run, outcome = runs[each.claim.run_id], each.outcome
        if isinstance(outcome, Accepted):
            if run.refusal_streak:
                run.refusal_code, run.refusal_streak = None, 0
        elif isinstance(outcome, Refused) and outcome.behaviour is Behaviour.STOP_RUN:
            _, text, next_step = describe_failure(outcome.error.code)
            stop(uow, run, text, next_step)
        elif isinstance(outcome, Refused) and is_final(each):
            run.refusal_streak = run.refusal_streak + 1 if run.refusal_code == outcome.error.code else 1
            run.refusal_code = outcome.error.code
            if run.refusal_streak >= BREAKER:
                _, text, next_step = describe_failure(outcome.error.code)
                stop(uow, run, f"The same refusal for {BREAKER} recipients in a row: {text}", next_step)
