"""The bodies that Meta posts to a webhook, and their signature."""

import hashlib
import hmac
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.whatsapp.simulator.errors import JsonObject, status_error
from app.whatsapp.simulator.ledger import AcceptedMessage, new_message_id
from app.whatsapp.simulator.options import SimulatorOptions
from app.whatsapp.simulator.scripts import ScriptedStatus
from app.whatsapp.simulator.template import Template

# Names with letters outside ASCII: they leave as \uXXXX and break every receiver that signs re-encoded JSON.
_PROFILE_NAMES = ("Asha Example", "José Example", "प्रिया Example", "Zoë Example 🎉")

# Area codes in which Brazilian WhatsApp ids keep the ninth digit; elsewhere Meta drops it.
_BRAZIL_KEEPS_NINTH = {*map(str, range(11, 20)), "21", "22", "24", "27", "28"}


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    message: AcceptedMessage
    status: ScriptedStatus
    at: int
    """Meta's time, unix seconds."""


@dataclass(frozen=True, slots=True)
class EntryUpdate:
    """A ready ``entry`` of any other webhook field."""

    entry: JsonObject


Update = StatusUpdate | EntryUpdate


def wa_id(phone: str) -> str:
    """Meta's spelling of a phone: digits, and not always those that were sent to."""
    digits = phone.lstrip("+")
    if digits.startswith("55") and len(digits) == 13 and digits[2:4] not in _BRAZIL_KEEPS_NINTH and digits[4] == "9":
        return digits[:4] + digits[5:]
    return digits


def user_id(phone: str) -> str:
    """A business-scoped user id: opaque, stable for one phone."""
    return f"US.{int.from_bytes(hashlib.blake2b(phone.encode(), digest_size=8).digest()):020d}"


def contact(phone: str) -> JsonObject:
    name = _PROFILE_NAMES[hash_index(phone, len(_PROFILE_NAMES))]
    return {"profile": {"name": name}, "wa_id": wa_id(phone), "user_id": user_id(phone)}


def hash_index(text: str, size: int) -> int:
    return hashlib.blake2b(text.encode(), digest_size=1).digest()[0] % size


def status_item(options: SimulatorOptions, update: StatusUpdate) -> JsonObject:
    """One element of ``statuses[]``."""
    send, status = update.message.send, update.status
    failed = status.status == "failed"
    item: JsonObject = {
        "id": update.message.id,
        "status": status.status,
        "timestamp": str(update.at),
        "recipient_id": wa_id(send.recipient),
    }
    if not failed:
        item["recipient_user_id"] = user_id(send.recipient)
    if send.callback is not None and not (failed and options.omit_biz_data_on_failed):
        item["biz_opaque_callback_data"] = send.callback
    if status.status in {"sent", "delivered"}:
        category = send.template.category.lower()
        item["pricing"] = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": category}
    if failed:
        item["errors"] = [status_error(status.code)]
    return item


def body(options: SimulatorOptions, updates: Sequence[Update]) -> bytes:
    """One POST, in the order of the updates: compact JSON in ASCII, slashes escaped too."""
    entries: list[JsonObject] = []
    for kind, group in itertools.groupby(updates, key=_kind):
        if kind == "entry":
            entries += [update.entry for update in group if isinstance(update, EntryUpdate)]
        else:
            entries.append(_status_entry(options, [update for update in group if isinstance(update, StatusUpdate)]))
    text = json.dumps({"object": "whatsapp_business_account", "entry": entries}, separators=(",", ":"))
    return text.replace("/", "\\/").encode("ascii")


def sign(secret: str, raw: bytes) -> str:
    """The value of ``X-Hub-Signature-256``."""
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def _kind(update: Update) -> str:
    if isinstance(update, EntryUpdate):
        return "entry"
    # Apart, because the value of a failed status has no contacts.
    return "failed" if update.status.status == "failed" else "status"


def _status_entry(options: SimulatorOptions, updates: list[StatusUpdate]) -> JsonObject:
    value = _value(options)
    if _kind(updates[0]) == "status":
        value["contacts"] = _contacts(update.message.send.recipient for update in updates)
    value["statuses"] = [status_item(options, update) for update in updates]
    return _entry(options, "messages", value)


def _contacts(phones: Iterable[str]) -> list[JsonObject]:
    return [contact(phone) for phone in dict.fromkeys(phones)]


def _value(options: SimulatorOptions) -> JsonObject:
    return {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": options.display_phone_number,
            "phone_number_id": options.phone_number_id,
        },
    }


def _entry(options: SimulatorOptions, field: str, value: JsonObject) -> JsonObject:
    return {"id": options.waba_id, "changes": [{"value": value, "field": field}]}


def inbound_text(options: SimulatorOptions, phone: str, text: str, at: int) -> EntryUpdate:
    value = _value(options) | {
        "contacts": [contact(phone)],
        "messages": [
            {
                "from": wa_id(phone),
                "from_user_id": user_id(phone),
                "id": new_message_id(phone),
                "timestamp": str(at),
                "type": "text",
                "text": {"body": text},
            }
        ],
    }
    return EntryUpdate(_entry(options, "messages", value))


def user_preference(options: SimulatorOptions, phone: str, preference: str, at: int) -> EntryUpdate:
    """The in-app control; ``preference`` is ``stop`` or ``resume``. Here the timestamp is an integer."""
    value = _value(options) | {
        "contacts": [contact(phone)],
        "user_preferences": [
            {
                "wa_id": wa_id(phone),
                "user_id": user_id(phone),
                "detail": f"User requested to {preference} marketing messages",
                "category": "marketing_messages",
                "value": preference,
                "timestamp": at,
            }
        ],
    }
    return EntryUpdate(_entry(options, "user_preferences", value))


def template_status(options: SimulatorOptions, template: Template, at: int) -> EntryUpdate:
    """The language is written with a hyphen here, as Meta does in this webhook and nowhere else."""
    value = {
        "event": template.status,
        "message_template_id": int(template.source["id"]),
        "message_template_name": template.name,
        "message_template_language": template.language.replace("_", "-"),
        "reason": "NONE",
        "message_template_category": template.category,
    }
    return EntryUpdate(_entry(options, "message_template_status_update", value) | {"time": at})


def business_capability(options: SimulatorOptions, at: int) -> EntryUpdate:
    """The account's messaging limit; there is no webhook for a number's quality rating."""
    value = {
        "max_daily_conversations_per_business": options.messaging_limit,
        "max_phone_numbers_per_business": 2,
        "max_phone_numbers_per_waba": 25,
    }
    return EntryUpdate(_entry(options, "business_capability_update", value) | {"time": at})
