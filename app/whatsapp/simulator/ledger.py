"""What was really accepted, in memory and in the journal: the truth that the sender's own books are compared with."""

import base64
import os
import secrets
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec

from app.whatsapp.simulator.fate import RANK, final_state
from app.whatsapp.simulator.scripts import ScriptedStatus
from app.whatsapp.simulator.validation import Send


@dataclass(slots=True)
class AcceptedMessage:
    id: str
    send: Send
    accepted_at: float
    """Unix seconds."""
    statuses: tuple[ScriptedStatus, ...]
    """Everything that happens to it, whether or not the webhook is told."""
    told: str = "accepted"
    """The state that follows from the statuses which the webhook has answered with 200."""

    @property
    def state(self) -> str:
        """How it really ends."""
        return final_state(self.statuses)

    @property
    def code(self) -> int | None:
        """The error code when it ends as failed."""
        return next((each.code for each in self.statuses if each.status == "failed"), None)

    def tell(self, status: str) -> None:
        if RANK.get(status, -1) > RANK[self.told]:
            self.told = status


class Ledger:
    def __init__(self, journal: Path | None) -> None:
        """Raises ``OSError`` when the journal cannot be written."""
        self.messages: list[AcceptedMessage] = []
        self.recipients: Counter[str] = Counter()
        self.callbacks: Counter[str] = Counter()
        # Unbuffered, appending and one write per line: a line is whole or missing, whenever either process is killed.
        self._journal = None if journal is None else os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def accept(self, send: Send, statuses: tuple[ScriptedStatus, ...], at: float) -> AcceptedMessage:
        message = AcceptedMessage(new_message_id(send.recipient), send, at, statuses)
        if self._journal is not None:
            line = {
                "id": message.id,
                "to": send.recipient,
                "callback": send.callback,
                "template": send.template.name,
                "language": send.template.language,
                "at": at,
            }
            os.write(self._journal, msgspec.json.encode(line) + b"\n")
        self.messages.append(message)
        self.recipients[send.recipient] += 1
        if send.callback is not None:
            self.callbacks[send.callback] += 1
        return message

    def close(self) -> None:
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None


def new_message_id(phone: str) -> str:
    """In Meta's layout, which holds the phone in the clear: whoever takes the id for anonymous is mistaken here too."""
    digits = phone.lstrip("+").encode()
    unique = secrets.token_hex(9).upper().encode()
    raw = (
        b"\x1c\x18" + bytes([len(digits)]) + digits + b"\x15\x02\x00\x11\x18" + bytes([len(unique)]) + unique + b"\x00"
    )
    return "wamid." + base64.b64encode(raw).decode()
