"""What the tests of Meta's client share: a message, addresses, and answers at the transport of httpx."""

from typing import Any

import httpx
import respx

from app.whatsapp.client import MetaClient
from app.whatsapp.port import (
    Outcome,
    TemplateMessage,
)

TOKEN = "EAAtoken+secret/x"
ROOT = "https://graph.test/v26.0"
MESSAGES = f"{ROOT}/100000000000001/messages"
TEMPLATES = f"{ROOT}/200000000000001/message_templates"
ACCEPTED = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "+16505550101", "wa_id": "16505550101"}],
    "messages": [{"id": "wamid.A=", "message_status": "accepted"}],
}
MESSAGE = TemplateMessage(
    phone_number_id="100000000000001",
    to="+16505550101",
    template_name="event_invite_v1",
    language="en_US",
    components=[{"type": "body", "parameters": [{"type": "text", "parameter_name": "first_name", "text": "Zoë"}]}],
    attempt_id="msg_00000000000000000000000000000001.1",
)


def client(
    base_url: str = "https://graph.test",
    *,
    timeout: float = 5.0,
    concurrency: int = 4,
    transport: httpx.AsyncBaseTransport | None = None,
) -> MetaClient:
    return MetaClient(
        base_url=base_url,
        version="v26.0",
        access_token=TOKEN,
        timeout=timeout,
        concurrency=concurrency,
        transport=transport,
    )


def error(code: Any, **more: Any) -> dict[str, Any]:
    return {"error": {"message": f"(#{code}) Something", "type": "OAuthException", "code": code, **more}}


async def outcome(meta: MetaClient, respx_mock: respx.MockRouter, answer: httpx.Response | Exception) -> Outcome:
    if isinstance(answer, Exception):
        respx_mock.post(MESSAGES).mock(side_effect=answer)
    else:
        respx_mock.post(MESSAGES).mock(return_value=answer)
    return await meta.send(MESSAGE)
