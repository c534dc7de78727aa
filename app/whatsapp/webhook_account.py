"""Webhooks about templates and about the account or number as a whole: what they mean for sending.

Shapes: Meta, one page per webhook field. They carry the account's id (WABA), never a phone number id.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from app.whatsapp import wire
from app.whatsapp.items import AccountUpdate, TemplateUpdate, Unrecognised, as_item
from app.whatsapp.port import JsonObject
from app.whatsapp.wire import WORD_LIMIT, read_word

TEMPLATE_FIELDS: Final = frozenset(
    {"message_template_status_update", "template_category_update", "message_template_quality_update"}
)

_NAME_LIMIT: Final = 512
_SENTENCE_LIMIT: Final = 500
_NO_BUSINESS_MESSAGES: Final = "RESTRICTED_BIZ_INITIATED_MESSAGING"

_QUALITY_OF_EVENT: Final = {"FLAGGED": "RED", "UNFLAGGED": "UNKNOWN"}
"""Meta's older events. That a flag was taken away says that the quality is not low, and no more."""

Reading = tuple[str, bool, str]
"""Event, whether it stops sending, explanation."""


def read_template_update(waba_id: str, name: str, value: JsonObject) -> TemplateUpdate | Unrecognised:
    """All three template fields at once: Meta's own sample posts a quality update under the name of a status update."""
    template = wire.read_text(value.get("message_template_name"), _NAME_LIMIT)
    language = wire.read_text(value.get("message_template_language"), WORD_LIMIT)
    event, reason = read_word(value.get("event")), read_word(value.get("reason"))
    new_category, correct_category = read_word(value.get("new_category")), read_word(value.get("correct_category"))
    quality = read_word(value.get("new_quality_score"))
    item = as_item(name, value, waba_id=waba_id)
    if template is None or language is None or not (event or new_category or correct_category or quality):
        return Unrecognised(None, None, "A template webhook names no template, no language or no change.", item)
    return TemplateUpdate(
        waba_id=waba_id,
        name=template,
        language=language.replace("-", "_"),
        event=event,
        reason=None if reason == "NONE" else reason,
        new_category=new_category,
        correct_category=correct_category,
        quality=quality,
        item=item,
    )


def read_account_update(waba_id: str, name: str, value: JsonObject) -> AccountUpdate | Unrecognised:
    item = as_item(name, value, waba_id=waba_id)
    reading = ACCOUNT_FIELDS[name](value)
    if reading is None:
        return Unrecognised(None, None, f"The webhook '{name}' does not say what happened.", item)
    event, stops_sending, explanation = reading
    # PARTNER_REMOVED and its like come under the partner's own id and name the account inside.
    about = wire.read_text(wire.read_object(value.get("waba_info")).get("waba_id"), WORD_LIMIT)
    return AccountUpdate(
        waba_id=about or waba_id,
        display_phone=wire.read_text(value.get("display_phone_number") or value.get("phone_number"), WORD_LIMIT),
        event=event,
        stops_sending=stops_sending,
        explanation=explanation,
        item=item,
        quality=_QUALITY_OF_EVENT.get(event) if name == "phone_number_quality_update" else None,
        messaging_limit=_messaging_limit(value),
    )


def _account(value: JsonObject) -> Reading | None:
    event = read_word(value.get("event"))
    if event is None:
        return None
    if event == "ACCOUNT_RESTRICTION":
        return _restriction(event, value.get("restriction_info"))
    if event == "DISABLED_UPDATE":
        return _ban(event, wire.read_object(value.get("ban_info")))
    if event == "ACCOUNT_VIOLATION":
        kind = _plain(wire.read_object(value.get("violation_info")).get("violation_type"))
        return (
            event,
            False,
            f"Meta found a breach of its rules ({kind}). Open WhatsApp Manager before it restricts you.",
        )
    if event == "ACCOUNT_DELETED":
        return event, True, "The WhatsApp account was deleted: nothing can be sent."
    if event in ("PARTNER_REMOVED", "APP_UNINSTALLED"):
        return event, True, "This service no longer has access to the WhatsApp account: nothing can be sent."
    return event, False, f"Meta reports about the WhatsApp account: {_plain(event)}. Sending goes on."


def _restriction(event: str, value: Any) -> Reading:
    restrictions = [wire.read_object(each) for each in value] if isinstance(value, list) else []
    kinds = {kind: each for each in restrictions if (kind := read_word(each.get("restriction_type")))}
    if _NO_BUSINESS_MESSAGES in kinds:
        until = _day(kinds[_NO_BUSINESS_MESSAGES].get("expiration"))
        return event, True, f"Meta does not let the WhatsApp account send invites {until}."
    listed = ", ".join(map(_plain, kinds)) or "no details given"
    return event, False, f"Meta has restricted the WhatsApp account ({listed[:_SENTENCE_LIMIT]}). Sending goes on."


def _ban(event: str, info: JsonObject) -> Reading:
    state, day = read_word(info.get("waba_ban_state")), wire.read_text(info.get("waba_ban_date"), WORD_LIMIT)
    if state == "DISABLE":
        return event, True, "Meta has disabled the WhatsApp account: nothing can be sent."
    if state == "SCHEDULE_FOR_DISABLE":
        return event, False, f"Meta is going to disable the WhatsApp account ({day or 'day not given'}). Appeal now."
    if state == "REINSTATE":
        return event, False, "Meta has given the WhatsApp account back. Resume what was paused."
    return event, False, "Meta reports about a ban of the WhatsApp account, in words that are not known here."


def _alert(value: JsonObject) -> Reading | None:
    info = wire.read_object(value.get("alert_info"))
    event = read_word(info.get("alert_type"))
    if event is None:
        return None
    severity = _plain(info.get("alert_severity"))
    description = wire.read_text(info.get("alert_description"), _SENTENCE_LIMIT) or _plain(event)
    return event, False, f"Meta gives notice ({severity}): {description}"


def _number_quality(value: JsonObject) -> Reading | None:
    event = read_word(value.get("event"))
    if event is None:
        return None
    limit = value.get("max_daily_conversations_per_business") or value.get("current_limit")
    return event, False, f"Meta reports about the sending number: {_plain(event)}. Its limit: {_plain(limit)}."


def _capability(value: JsonObject) -> Reading | None:
    # A tier's name or a number of guests in 24 hours, -1 for no limit; the second key is the older one.
    limit = value.get("max_daily_conversations_per_business", value.get("max_daily_conversation_per_phone"))
    if limit is None:
        return None
    text = "no limit" if limit == -1 else _plain(limit)
    return "BUSINESS_CAPABILITY_UPDATE", False, f"Guests that may be messaged within 24 hours: {text}."


def _messaging_limit(value: JsonObject) -> str | None:
    """As the number's profile words it: Meta's pages give a tier, a number of guests, or -1 for no limit."""
    names = ("max_daily_conversations_per_business", "max_daily_conversation_per_phone", "current_limit")
    word = next((word for name in names if (word := read_word(value.get(name)))), None)
    if word == "-1":
        return "TIER_UNLIMITED"
    if word is None or not (word.isascii() and word.isdecimal()):
        return word
    return f"TIER_{word.removesuffix('000')}K" if word.endswith("000") else f"TIER_{word}"


def _review(value: JsonObject) -> Reading | None:
    decision = read_word(value.get("decision"))
    if decision is None:
        return None
    return decision, False, f"Meta has reviewed the WhatsApp account: {_plain(decision)}."


ACCOUNT_FIELDS: Final[dict[str, Callable[[JsonObject], Reading | None]]] = {
    "account_update": _account,
    "account_alerts": _alert,
    "phone_number_quality_update": _number_quality,
    "business_capability_update": _capability,
    "account_review_update": _review,
}


def _plain(value: Any) -> str:
    """``THROUGHPUT_UPGRADE`` as a person would read it."""
    text = wire.read_text(value, WORD_LIMIT)
    return text.replace("_", " ").lower() if text else "not given"


def _day(value: Any) -> str:
    seconds = wire.read_number(value)
    if seconds is None or seconds > datetime(9999, 1, 1, tzinfo=UTC).timestamp():
        return "until it says otherwise"
    return f"until {datetime.fromtimestamp(seconds, UTC):%d %B %Y %H:%M} UTC"
