"""What guests do by themselves: Stop and Resume in WhatsApp, and what they write or tap.

Shapes: Meta, "user_preferences webhook" and "messages webhook". A guest with a username may come without a phone.
"""

from typing import Any, Final

from app.whatsapp import wire
from app.whatsapp.items import InboundItem, PreferenceItem, Unrecognised, about_number, as_item
from app.whatsapp.port import JsonObject
from app.whatsapp.wire import WORD_LIMIT

_TEXT_LIMIT: Final = 4096

_PREFERENCES: Final = frozenset({"stop", "resume", "signup"})
"""``signup``: the guest asks a business for its offers. It takes no stop back."""

# Pictures, places, address cards and forms of guests are none of our business, nor is the message that they answer: it may
# be another family's. The rest says who said what when.
_INBOUND_KEYS: Final = ("id", "from", "from_user_id", "timestamp", "type")
_WORDS: Final = {
    "text": ("body",),
    "button": ("text", "payload"),
    "image": ("caption",),
    "video": ("caption",),
    "document": ("caption",),
}
"""Where each type of message has words."""
_REPLIES: Final = ("button_reply", "list_reply")
"""The same of ``interactive``, whose words are titles."""

_GUEST_KEYS: Final = {"messages": ("from", "from_user_id"), "user_preferences": ("wa_id", "user_id")}
"""Under which keys each list has its guest's phone and business-scoped id."""


def name_guest(key: str, entry: Any, contacts: Any) -> Any:
    """The entry of a list with the phone of its guest, where only the contact beside the list tells it.

    Of several contacts, or of one with another user id, nobody knows which is meant: then the entry stays as it is.
    """
    if key not in _GUEST_KEYS or not isinstance(entry, dict) or not isinstance(contacts, list) or len(contacts) != 1:
        return entry
    phone_key, user_key = _GUEST_KEYS[key]
    contact = wire.read_object(contacts[0])
    users = {each for each in (entry.get(user_key), contact.get("user_id")) if isinstance(each, str) and each}
    if wire.read_phone(entry.get(phone_key)) or not wire.read_phone(contact.get("wa_id")) or len(users) > 1:
        return entry
    return entry | {phone_key: contact["wa_id"]}


def read_preference(number: str | None, entry: Any) -> PreferenceItem | Unrecognised:
    body = wire.read_object(entry)
    phone, user_id = wire.read_phone(body.get("wa_id")), wire.read_text(body.get("user_id"), wire.ID_LIMIT)
    value = wire.read_text(body.get("value"), WORD_LIMIT)
    whole = about_number(number, {"user_preferences": [entry]})
    shortest = {key: body[key] for key in ("wa_id", "value", "timestamp") if key in body} | {"user_id": user_id}
    item = as_item("user_preferences", whole, about_number(number, {"user_preferences": [shortest]}))
    if number is None or value is None or (phone is None and user_id is None):
        return Unrecognised(number, None, "A guest's preference names no sending number, no guest or no value.", item)
    folded = value.strip().casefold()
    if folded not in _PREFERENCES:
        explanation = "A guest set a preference that this service does not know. Should it be a no, block them by hand."
        return Unrecognised(number, None, explanation, item)
    at = wire.read_time(body.get("timestamp"))
    return PreferenceItem(phone_number_id=number, phone=phone, user_id=user_id, value=folded, at=at, item=item)


def read_inbound(number: str | None, entry: Any) -> InboundItem | Unrecognised:
    body = wire.read_object(entry)
    message_id, kind = wire.read_id(body.get("id")), wire.read_text(body.get("type"), WORD_LIMIT)
    said, texts = _said(kind or "", body)
    kept = {key: body[key] for key in _INBOUND_KEYS if key in body} | said
    whole = about_number(number, {"messages": [kept]})
    if number is None or message_id is None or kind is None:
        explanation = "A guest's message names no sending number, no id or no type."
        return Unrecognised(number, message_id, explanation, as_item("messages", whole))
    return InboundItem(
        phone_number_id=number,
        phone=wire.read_phone(body.get("from")),
        user_id=wire.read_text(body.get("from_user_id"), wire.ID_LIMIT),
        message_id=message_id,
        type=kind,
        texts=texts,
        at=wire.read_time(body.get("timestamp")),
        item=as_item("messages", whole),
    )


def _said(kind: str, body: JsonObject) -> tuple[JsonObject, tuple[str, ...]]:
    """The words of a message, as the part of it that holds nothing else, and one by one."""
    part = wire.read_object(body.get(kind))
    found: JsonObject
    if kind == "interactive":
        replies = {name: _texts(wire.read_object(part.get(name)), ("title",)) for name in _REPLIES}
        found = {name: reply for name, reply in replies.items() if reply}
        texts = [text for reply in found.values() for text in reply.values()]
    else:
        found = dict(_texts(part, _WORDS.get(kind, ())))
        texts = list(found.values())
    return ({kind: found} if found else {}), tuple(texts)


def _texts(part: JsonObject, names: tuple[str, ...]) -> dict[str, str]:
    return {name: wire.storable(text, _TEXT_LIMIT) for name in names if isinstance(text := part.get(name), str)}
