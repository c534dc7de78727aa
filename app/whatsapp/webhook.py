"""What Meta posts to us: who it is from, and what it says. ``parse`` never raises and no item can harm its neighbours.

Shapes: Meta, "Webhooks: messages" and "status messages"; the signature: "Graph API webhooks, getting started".
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from app.domain.lifecycle import FactStatus
from app.whatsapp import wire
from app.whatsapp.items import (
    OBJECT,
    AccountUpdate,
    InboundItem,
    Item,
    ParsedWebhook,
    PreferenceItem,
    ProviderProblem,
    StatusItem,
    TemplateUpdate,
    Unrecognised,
    about_number,
    as_item,
)
from app.whatsapp.port import JsonObject, ProviderError
from app.whatsapp.webhook_account import ACCOUNT_FIELDS, TEMPLATE_FIELDS, read_account_update, read_template_update
from app.whatsapp.webhook_guests import name_guest, read_inbound, read_preference
from app.whatsapp.wire import WORD_LIMIT

__all__ = [
    "AccountUpdate",
    "InboundItem",
    "ParsedWebhook",
    "PreferenceItem",
    "ProviderProblem",
    "StatusItem",
    "TemplateUpdate",
    "Unrecognised",
    "parse",
    "signature_matches",
    "verify_challenge",
]

_SIGNATURE: Final = re.compile(r"sha256=([0-9a-f]{64})")
_CHALLENGE_LIMIT: Final = 256
_ERRORS_KEPT: Final = 10

_STATUSES: Final = {
    status.value: status for status in (FactStatus.SENT, FactStatus.DELIVERED, FactStatus.READ, FactStatus.FAILED)
}


def signature_matches(raw: bytes, header: str | None, secrets: Sequence[str]) -> bool:
    """True when ``X-Hub-Signature-256`` was made over exactly these bytes with one of the app secrets.

    Several secrets allow a rotation without a gap; all are tried, so that the time tells nothing about which one fits.
    """
    found = _SIGNATURE.fullmatch(header or "")
    given = found[1] if found else ""
    matches = False
    for secret in secrets:
        expected = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
        # Anybody can sign with an empty secret.
        matches |= hmac.compare_digest(expected, given) and bool(secret)
    return matches


def verify_challenge(params: Mapping[str, str], verify_token: str) -> str | None:
    """The text to answer Meta's subscription check with (as text/plain), or None when it is not to be answered."""
    given = params.get("hub.verify_token", "")
    challenge = params.get("hub.challenge", "")
    known = hmac.compare_digest(given.encode("utf-8", "replace"), verify_token.encode()) and bool(verify_token)
    sane = 0 < len(challenge) <= _CHALLENGE_LIMIT and challenge.isascii() and challenge.isprintable()
    return challenge if known and sane and params.get("hub.mode") == "subscribe" else None


def parse(raw: bytes) -> ParsedWebhook:
    """Every item of the body, each in exactly one of the lists. Never raises."""
    try:
        body = wire.decode(raw)
    except ValueError:
        return ParsedWebhook(readable=False, problem="The body is not JSON or is nested too deeply.")
    if not isinstance(body, dict):
        return ParsedWebhook(readable=False, problem="The body is JSON, but not an object.")
    parsed = ParsedWebhook()
    numbers: dict[str, None] = {}
    for item in _items(body, numbers):
        parsed.add(item)
    parsed.phone_number_ids = tuple(numbers)
    return parsed


def _items(body: JsonObject, numbers: dict[str, None]) -> Iterator[Item]:
    if body.get("object", OBJECT) != OBJECT:
        yield _unrecognised("The body is about another product of Meta.", body)
        return
    entries = body.get("entry")
    if not isinstance(entries, list):
        yield _unrecognised("The body has no list of entries.", body)
        return
    for entry in entries:
        changes = wire.read_object(entry).get("changes")
        if not isinstance(changes, list):
            yield _unrecognised("An entry has no list of changes.", entry)
            continue
        waba_id = wire.read_text(entry.get("id"), WORD_LIMIT) or ""
        for change in changes:
            yield from _change_items(waba_id, change, numbers)


def _change_items(waba_id: str, change: Any, numbers: dict[str, None]) -> Iterator[Item]:
    body = wire.read_object(change)
    name, value = body.get("field"), body.get("value")
    if not isinstance(name, str) or not isinstance(value, dict):
        yield _unrecognised("A change has no field name or no value.", change)
    elif name in ("messages", "user_preferences"):
        number = wire.read_text(wire.read_object(value.get("metadata")).get("phone_number_id"), WORD_LIMIT)
        if number:
            numbers[number] = None
        yield from _message_items(name, number, value)
    elif name in TEMPLATE_FIELDS:
        yield read_template_update(waba_id, name, value)
    elif name in ACCOUNT_FIELDS:
        yield read_account_update(waba_id, name, value)
    else:
        kept = {key: each for key, each in value.items() if key != "contacts"}
        explanation = f"The webhook field '{wire.storable(name, WORD_LIMIT)}' is not known to this service."
        yield Unrecognised(None, None, explanation, as_item(name, kept, waba_id=waba_id))


def _message_items(name: str, number: str | None, value: JsonObject) -> Iterator[Item]:
    lists = {key: value[key] for key in _READERS if value.get(key) is not None}
    if not lists:
        yield Unrecognised(
            number, None, "Nothing in it that this service knows.", as_item(name, about_number(number, {}))
        )
    for key, entries in lists.items():
        if not isinstance(entries, list):
            item = as_item(name, about_number(number, {key: entries}))
            yield Unrecognised(number, None, f"'{key}' is not a list.", item)
            continue
        for entry in entries:
            yield _READERS[key](number, name_guest(key, entry, value.get("contacts")))


def _read_status(number: str | None, entry: Any) -> Item:
    body = wire.read_object(entry)
    message_id, status, at = wire.read_id(body.get("id")), body.get("status"), wire.read_time(body.get("timestamp"))
    whole = about_number(number, {"statuses": [entry]})

    def refuse(explanation: str) -> Unrecognised:
        return Unrecognised(number, message_id, explanation, as_item("messages", whole))

    if body.get("type", "message") != "message":
        return refuse("The status is about a payment or something else that is not a message.")
    if number is None:
        return refuse("The status names no sending number.")
    if message_id is None:
        return refuse("The status names no message.")
    if at is None:
        return refuse("The status has no time, or one that cannot be true.")
    if not isinstance(status, str) or not status:
        return refuse("The status has no value.")
    errors = _read_errors(body.get("errors"))
    attempt = wire.read_id(body.get("biz_opaque_callback_data"))
    phone = wire.read_phone(body.get("recipient_id"))
    shortest = {
        "id": message_id,
        "status": wire.storable(status, WORD_LIMIT),
        "timestamp": body["timestamp"],
        "recipient_id": phone,
        "biz_opaque_callback_data": attempt,
        "errors": [{"code": error.code} for error in errors],
    }
    return StatusItem(
        phone_number_id=number,
        message_id=message_id,
        status=_STATUSES.get(status),
        status_text=wire.storable(status, WORD_LIMIT),
        at=at,
        errors=errors,
        attempt=attempt,
        phone=phone,
        item=as_item("messages", whole, about_number(number, {"statuses": [shortest]})),
    )


def _read_problem(number: str | None, entry: Any) -> Item:
    error = wire.read_error(entry)
    item = as_item("messages", about_number(number, {"errors": [entry]}))
    if error is None:
        return Unrecognised(number, None, "Meta reports a problem without a code.", item)
    return ProviderProblem(number, error, item)


_READERS: Final[dict[str, Callable[[str | None, Any], Item]]] = {
    "statuses": _read_status,
    "messages": read_inbound,
    "errors": _read_problem,
    "user_preferences": read_preference,
}


def _unrecognised(explanation: str, value: Any) -> Unrecognised:
    """For what is too odd to be redacted: only its keys are kept beside the receipt."""
    found = list(value) if isinstance(value, dict) else type(value).__name__
    return Unrecognised(None, None, explanation, as_item("", {"found": found}))


def _read_errors(value: Any) -> tuple[ProviderError, ...]:
    listed = value[:_ERRORS_KEPT] if isinstance(value, list) else []
    return tuple(error for error in map(wire.read_error, listed) if error)
