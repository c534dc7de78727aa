"""From Meta's HTTP answer to a send to the one outcome that it proves. Pure: no network, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.whatsapp import wire
from app.whatsapp.codes import CodeRule, rule_for_refusal
from app.whatsapp.port import Accepted, Behaviour, Evidence, Outcome, Refused, Unknown

_EVIDENCE_BYTES: Final = 16 * 1024
_HEADER_LIMIT: Final = 2000
_KEPT_HEADERS: Final = (
    "x-business-use-case-usage",
    "x-app-usage",
    "facebook-api-version",
    "x-fb-trace-id",
    "retry-after",
)
_HELD: Final = frozenset({"held_for_quality_assessment", "paused"})
_LONGEST_WAIT: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; ``body`` without our token and cut at the caller's limit. Header names are case-insensitive."""

    http_status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The JSON object in the body, or an empty one."""
        try:
            return wire.read_object(wire.decode(self.body))
        except ValueError:
            return {}


def outcome_of(answer: Answer) -> Outcome:
    """``Accepted`` needs a message id, ``Refused`` a code that proves it; everything else is ``Unknown``."""
    body = answer.json()
    if answer.http_status == 200:
        message = _first_message(body)
        message_id = wire.read_id(message.get("id"))
        if message_id is None:
            return Unknown(_evidence(answer))
        return Accepted(message_id, held=_is_held(message), evidence=_evidence(answer))
    error = wire.read_error(body.get("error"))
    rule = rule_for_refusal(error.code if error else None, answer.http_status)
    if error is None or rule is None:
        return Unknown(_evidence(answer))
    return Refused(
        error=error,
        behaviour=rule.behaviour,
        slows_number=rule.slows_number,
        retry_after=_retry_after(answer, rule),
        evidence=_evidence(answer),
    )


def _first_message(body: dict[str, Any]) -> dict[str, Any]:
    messages = body.get("messages")
    return wire.read_object(messages[0]) if isinstance(messages, list) and messages else {}


def _is_held(message: dict[str, Any]) -> bool:
    """Template or portfolio pacing: Meta keeps the message and releases or drops it later. Never to be sent again."""
    status = message.get("message_status")
    return isinstance(status, str) and status in _HELD


def _retry_after(answer: Answer, rule: CodeRule) -> float:
    """The longest wait that the table, ``Retry-After`` (seconds) or the usage header asks for, an hour at most."""
    if rule.behaviour is not Behaviour.LATER:
        return 0.0
    waits = [rule.retry_after, float(wire.read_number(answer.headers.get("retry-after")) or 0)]
    if rule.slows_number:
        waits.append(60.0 * _minutes_to_regain_access(answer.headers.get("x-business-use-case-usage", "")))
    return min(max(waits), _LONGEST_WAIT)


def _minutes_to_regain_access(header: str) -> int:
    """Meta: ``{"<WABA id>": [{"type": …, "estimated_time_to_regain_access": <minutes>}]}``."""
    try:
        businesses = wire.read_object(wire.decode(header.encode()))
    except ValueError:
        return 0
    usages = [usage for each in businesses.values() if isinstance(each, list) for usage in each]
    minutes = [wire.read_number(wire.read_object(usage).get("estimated_time_to_regain_access")) for usage in usages]
    return max((each for each in minutes if each is not None), default=0)


def _evidence(answer: Answer) -> Evidence:
    text = wire.storable(answer.body[:_EVIDENCE_BYTES].decode("utf-8", "replace"), _EVIDENCE_BYTES)
    return Evidence(
        http_status=answer.http_status,
        # A replaced byte takes three, so the text is measured again as it will be stored.
        body=text.encode()[:_EVIDENCE_BYTES].decode("utf-8", "ignore"),
        headers={
            name: wire.storable(answer.headers[name], _HEADER_LIMIT) for name in _KEPT_HEADERS if name in answer.headers
        },
    )
