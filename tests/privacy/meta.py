"""Meta's ids and answers as they really look: full of the guest's phone."""

import base64

from app.services.claims import Claim
from app.whatsapp.port import Accepted, Evidence, Outcome


def real_wamid(phone: str, serial: int) -> str:
    """As Meta makes them: three bytes, the digits, and a rest of its own."""
    raw = b"\x1c\x18\x0c" + phone.removeprefix("+").encode() + b"\x15\x02\x00\x11\x18\x14" + f"{serial:020x}".encode()
    return "wamid." + base64.b64encode(raw).decode()


def taken(claim: Claim) -> Outcome:
    """As Meta answers: with the phone in two spellings, and in the id."""
    message_id = real_wamid(claim.to, int(claim.message_id[-8:], 16))
    contact = f'{{"input":"{claim.to}","wa_id":"{claim.to[1:]}"}}'
    body = f'{{"contacts":[{contact}],"messages":[{{"id":"{message_id}"}}]}}'
    return Accepted(message_id, held=False, evidence=Evidence(http_status=200, body=body))
