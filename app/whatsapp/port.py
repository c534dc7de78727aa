"""The port to the provider: what services may ask of Meta, and what they get back. The adapter is ``whatsapp.client``.

Nothing here knows httpx or our tables; services import this module and ``whatsapp.codes`` only.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

JsonObject = dict[str, Any]


class Behaviour(StrEnum):
    """What a refusal asks of us (the code table in ``whatsapp.codes`` gives it)."""

    LATER = "LATER"
    """Passing: the same message again, bounded, not before ``retry_after``."""
    STOP_RUN = "STOP_RUN"
    """The template or request is wrong for everybody in this run: back to the queue, stop the run."""
    STOP_NUMBER = "STOP_NUMBER"
    """The number, account or token cannot send at all: back to the queue, pause the number."""
    FINAL = "FINAL"
    """This message will never go out; others may."""


@dataclass(frozen=True, slots=True)
class ProviderError:
    """Meta's error object, parsed defensively; also the ``errors[]`` of a failed status."""

    code: int
    title: str = ""
    details: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The answer as it came, for the attempt row. Never holds the token.

    ``body`` is at most 16 KiB of text; ``headers`` only those that are worth keeping (``x-fb-trace-id`` …).
    """

    http_status: int | None = None
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    """What went wrong on our side of the wire, e.g. ``ReadTimeout``; no address, no header, no phone."""

    def as_json(self) -> JsonObject:
        """As an attempt keeps it."""
        return {"http_status": self.http_status, "body": self.body, "headers": self.headers, "error": self.error}


@dataclass(frozen=True, slots=True)
class Accepted:
    """Meta took the message (or holds it, see template pacing). Not yet a delivery."""

    message_id: str
    held: bool
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Refused:
    """Meta said no with a code: nothing was sent, and no status will come."""

    error: ProviderError
    behaviour: Behaviour
    slows_number: bool
    """The number sends too fast (4, 80007, 130429): halve its rate and recover slowly."""
    retry_after: float
    """Seconds to wait at the least before the same message is tried again; 0 when it does not matter."""
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class NotSent:
    """Not a byte of the request left this machine (pool, DNS, connect, TLS): safe to try again."""

    evidence: Evidence
    by_choice: bool = False
    """We did not even try (the process ends, the lease is nearly over): says nothing about the network."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Bytes left and nobody knows what became of them: never sent again by itself."""

    evidence: Evidence


Outcome = Accepted | Refused | NotSent | Unknown


def in_short(outcome: Outcome) -> str:
    """For the log: what became of it, without Meta's words, which may quote the guest's phone."""
    match outcome:
        case Refused(error=error, behaviour=behaviour):
            return f"refused with code {error.code} ({behaviour.value})"
        case NotSent() | Unknown():
            return f"{type(outcome).__name__} ({outcome.evidence.error or outcome.evidence.http_status})"
        case _:
            return "accepted"


@dataclass(frozen=True, slots=True)
class TemplateMessage:
    """One provider call."""

    phone_number_id: str
    """Meta's id of the sending number."""
    to: str
    """E.164 with ``+``."""
    template_name: str
    language: str
    components: list[JsonObject]
    """Meta's ``template.components``, only those that need values."""
    attempt_id: str
    """Goes into ``biz_opaque_callback_data`` and comes back in every status."""


class Sender(Protocol):
    """Sends one message. Never raises for what Meta or the network does: that is an outcome."""

    async def send(self, message: TemplateMessage) -> Outcome: ...


@dataclass(frozen=True, slots=True)
class ProviderTemplate:
    """One entry of Meta's ``message_templates``, as listed."""

    provider_id: str
    name: str
    language: str
    status: str
    category: str
    correct_category: str | None
    """Meta announces with it that the category is about to change."""
    parameter_format: str
    """``NAMED`` or ``POSITIONAL``."""
    quality: str | None
    components: list[JsonObject]


@dataclass(frozen=True, slots=True)
class NumberProfile:
    """Meta's fields of the phone number; None where Meta left one out."""

    display_phone: str | None
    verified_name: str | None
    quality_rating: str | None
    messaging_limit: str | None
    status: str | None
    can_send: str | None = None
    """Meta's own verdict (``health_status``): AVAILABLE, LIMITED or BLOCKED."""
    answered_at: datetime | None = None
    """When it said so, by its clock, to the second."""


class Directory(Protocol):
    """Reads what Meta keeps about us. Raises ``domain.errors.UnavailableError`` with a sentence for the operator."""

    async def list_templates(self, waba_id: str) -> list[ProviderTemplate]: ...

    async def number_profile(self, phone_number_id: str) -> NumberProfile: ...


class Account(Directory, Protocol):
    """What an examination asks besides."""

    async def subscribed_apps(self, waba_id: str) -> list[str]:
        """The names of the apps that get the account's webhooks. Raises UnavailableError."""
        ...
