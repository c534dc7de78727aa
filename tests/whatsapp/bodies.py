"""Bodies of webhooks, and what was found in them."""

import json
from pathlib import Path
from typing import Any

from app.whatsapp.items import ParsedWebhook

PAYLOADS = Path(__file__).parent.parent / "payloads"
NUMBER = "100000000000001"
LISTS = ("statuses", "preferences", "inbound", "templates", "accounts", "problems", "unrecognised")


def status(**changes: Any) -> dict[str, Any]:
    body = {"id": "wamid.A", "status": "sent", "timestamp": "1795500000", "recipient_id": "16505550101"} | changes
    return {key: value for key, value in body.items() if value is not ...}


def body_of(*statuses: Any, field: str = "messages", **value: Any) -> bytes:
    content = {"metadata": {"phone_number_id": NUMBER}, "statuses": list(statuses)} | value
    return envelope(field, content)


def envelope(field: Any, value: Any) -> bytes:
    change = {"field": field, "value": value}
    return json.dumps(
        {"object": "whatsapp_business_account", "entry": [{"id": "200000000000001", "changes": [change]}]}
    ).encode()


def counts(parsed: ParsedWebhook) -> dict[str, int]:
    return {name: len(getattr(parsed, name)) for name in LISTS if getattr(parsed, name)}
