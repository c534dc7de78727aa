"""Chance that can be foretold: what a recipient gets is a hash of the seed and the recipient, not of time or order."""

import hashlib
from collections.abc import Mapping
from typing import TypeVar

from app.whatsapp.simulator.errors import TEMPLATE_PAUSED
from app.whatsapp.simulator.options import SimulatorOptions
from app.whatsapp.simulator.scripts import Answer, ScriptedStatus, Step

# How the final state of a message follows from the set of its statuses: proof of delivery beats a failure.
RANK = {"accepted": 0, "sent": 1, "failed": 2, "delivered": 3, "read": 4}

SENT = ScriptedStatus("sent")
DELIVERED = ScriptedStatus("delivered")
READ = ScriptedStatus("read")

_Choice = TypeVar("_Choice")


def draw(options: SimulatorOptions, purpose: str, recipient: str, earlier: int = 0) -> float:
    """A number from 0 up to 1 that depends on nothing but its arguments and the seed."""
    text = f"{options.seed}:{purpose}:{recipient}:{earlier}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) / 2**64


def choose(shares: Mapping[_Choice, float], at: float) -> _Choice | None:
    """The key in whose part of the line from 0 to 1 the point lies; None past the last."""
    for key, share in shares.items():
        if at < share:
            return key
        at -= share
    return None


def decide(options: SimulatorOptions, recipient: str, earlier: int) -> Step:
    """What a request that has no script gets, ``earlier`` being how many requests this recipient had before."""
    if code := choose(options.refuse_codes, draw(options, "refuse", recipient)):
        return Step(Answer.REFUSE, code=code)
    shares = {
        "hang": options.hang,
        "hang_before": options.hang_before,
        "cut": options.cut,
        "server_error": options.server_errors,
    }
    fault = choose(shares, draw(options, "fault", recipient, earlier))
    first_half = draw(options, "half", recipient, earlier) < 0.5
    match fault:
        case "hang" | "hang_before":
            return Step(Answer.HANG, accepted=fault == "hang")
        case "cut":
            return Step(Answer.CUT if first_half else Answer.GARBAGE)
        case "server_error":
            taken = draw(options, "error_accepted", recipient, earlier) < options.server_errors_accepted
            return Step(Answer.ERROR_HTML if first_half else Answer.ERROR_JSON, accepted=taken)
    return Step(Answer.HELD if draw(options, "held", recipient) < options.held else Answer.OK)


def statuses(options: SimulatorOptions, recipient: str, *, held: bool = False) -> tuple[ScriptedStatus, ...]:
    """What becomes of an accepted message, in the order in which it happens."""
    if held and draw(options, "dropped", recipient) < options.held_dropped:
        return (ScriptedStatus("failed", TEMPLATE_PAUSED),)
    if code := choose(options.fail_codes, draw(options, "fail", recipient)):
        failed = ScriptedStatus("failed", code)
        # Meta knows some failures at once and others only after the message went out.
        return (SENT, failed) if draw(options, "sent_first", recipient) < 0.5 else (failed,)
    if draw(options, "delivered", recipient) >= options.delivered_share:
        return (SENT,)
    if draw(options, "read", recipient) >= options.read_share:
        return (SENT, DELIVERED)
    if draw(options, "omitted", recipient) < options.delivered_omitted:
        return (SENT, READ)
    return (SENT, DELIVERED, READ)


def final_state(planned: tuple[ScriptedStatus, ...]) -> str:
    """The state that a complete, truthful record of these statuses ends in."""
    return max(("accepted", *(each.status for each in planned)), key=lambda status: RANK.get(status, -1))
