"""What a webhook body says, item by item. ``whatsapp.webhook.parse`` makes these, services store and apply them.

Every text is free of NUL and lone surrogates and of bounded length. Every ``item`` is ASCII JSON of at most 16 KiB: a
webhook body with this one item in it, without contacts and neighbours, so that ``parse`` reads it again.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from app.domain.lifecycle import FactStatus
from app.whatsapp import wire
from app.whatsapp.port import JsonObject, ProviderError

OBJECT: Final = "whatsapp_business_account"
_ITEM_LIMIT: Final = 16 * 1024
_CUT_AT: Final = 8000
"""Half the limit, since a backslash or a quote takes two characters as soon as it is quoted itself."""

_UNRECOGNISED_LIMIT: Final = 1000
"""Meta puts at most 1000 updates into one body; a body of three megabytes could name a million pieces of nonsense."""


@dataclass(frozen=True, slots=True)
class StatusItem:
    phone_number_id: str
    message_id: str
    status: FactStatus | None
    """None for a value that is no state of a message to us: ``played``, ``deleted``, ``warning``, or a new one."""
    status_text: str
    at: datetime
    """Meta's time, UTC, to the second."""
    errors: tuple[ProviderError, ...]
    attempt: str | None
    """``biz_opaque_callback_data`` as it came; not ours when somebody else sends from the same number."""
    phone: str | None
    """``+`` and the digits of ``recipient_id``: may be another spelling than ours, so nothing is matched by it."""
    item: str


@dataclass(frozen=True, slots=True)
class PreferenceItem:
    """The guest pressed Stop or Resume in WhatsApp; a typed "stop" comes as an ``InboundItem``."""

    phone_number_id: str
    phone: str | None
    """``+`` and digits; None when Meta knows the user by a business-scoped id only."""
    user_id: str | None
    value: str
    """``stop``, ``resume`` or ``signup``."""
    at: datetime | None
    item: str


@dataclass(frozen=True, slots=True)
class InboundItem:
    phone_number_id: str
    phone: str | None
    user_id: str | None
    message_id: str
    type: str
    texts: tuple[str, ...]
    """What the guest wrote or tapped: a text, a button's label and payload, the title of a reply, a caption."""
    at: datetime | None
    item: str
    """Without pictures, places, contacts and whatever else a guest may send, and without what the guest answers to."""


@dataclass(frozen=True, slots=True)
class TemplateUpdate:
    waba_id: str
    name: str
    language: str
    """With ``_``: Meta writes ``en-US`` here and ``en_US`` everywhere else."""
    event: str | None
    """Upper case: ``APPROVED``, ``PAUSED`` …; None when it is about the category or the quality only."""
    reason: str | None
    new_category: str | None
    """The category as it is now."""
    correct_category: str | None
    """The category that Meta will give it within 24 hours."""
    quality: str | None
    item: str


@dataclass(frozen=True, slots=True)
class AccountUpdate:
    waba_id: str
    display_phone: str | None
    """As Meta writes it, digits with or without ``+`` and spaces; these webhooks carry no phone number id."""
    event: str
    stops_sending: bool
    explanation: str
    """A sentence for the operator."""
    item: str
    quality: str | None = None
    """What the number's quality rating is now, where the webhook tells."""
    messaging_limit: str | None = None
    """What the account's messaging limit is now (``TIER_2K``), where the webhook tells."""


@dataclass(frozen=True, slots=True)
class ProviderProblem:
    """``value.errors[]``: something is wrong with the number or the account, with no message to blame."""

    phone_number_id: str | None
    error: ProviderError
    item: str


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """Kept and shown, applied to nothing."""

    phone_number_id: str | None
    message_id: str | None
    explanation: str
    item: str


Item = StatusItem | PreferenceItem | InboundItem | TemplateUpdate | AccountUpdate | ProviderProblem | Unrecognised


@dataclass(slots=True)
class ParsedWebhook:
    """``readable`` is False when the body is no JSON object at all; ``problem`` then says why."""

    readable: bool = True
    problem: str | None = None
    phone_number_ids: tuple[str, ...] = ()
    """Those that the body names, each once, in order."""
    statuses: list[StatusItem] = field(default_factory=list)
    preferences: list[PreferenceItem] = field(default_factory=list)
    inbound: list[InboundItem] = field(default_factory=list)
    templates: list[TemplateUpdate] = field(default_factory=list)
    accounts: list[AccountUpdate] = field(default_factory=list)
    problems: list[ProviderProblem] = field(default_factory=list)
    unrecognised: list[Unrecognised] = field(default_factory=list)

    def add(self, item: Item) -> None:
        match item:
            case StatusItem():
                self.statuses.append(item)
            case PreferenceItem():
                self.preferences.append(item)
            case InboundItem():
                self.inbound.append(item)
            case TemplateUpdate():
                self.templates.append(item)
            case AccountUpdate():
                self.accounts.append(item)
            case ProviderProblem():
                self.problems.append(item)
            case Unrecognised():
                self._add_unrecognised(item)

    def _add_unrecognised(self, item: Unrecognised) -> None:
        if len(self.unrecognised) < _UNRECOGNISED_LIMIT:
            self.unrecognised.append(item)
        elif len(self.unrecognised) == _UNRECOGNISED_LIMIT:
            self.unrecognised.append(Unrecognised(None, None, "There are more such items; the receipt has all.", "{}"))


def as_item(name: str, *values: JsonObject, waba_id: str | None = None) -> str:
    """A webhook body with one change in it. Of several ``values`` the first that fits is taken.

    Where none fits, the beginning of the first is kept as text: evidence for a person, empty for ``parse``.
    """
    for value in values:
        try:
            body = _body(name, value, waba_id)
        except ValueError:
            continue
        if len(body) <= _ITEM_LIMIT:
            return body
    try:
        text = wire.encode(values[0])
    except ValueError as error:
        text = str(error)
    return _body(name, {"cut": text[:_CUT_AT]}, waba_id)


def about_number(number: str | None, value: JsonObject) -> JsonObject:
    """The value of a change of Meta's number."""
    return {"metadata": {"phone_number_id": number}} | value if number else value


def _body(name: str, value: Any, waba_id: str | None) -> str:
    change = {"field": wire.storable(name, wire.WORD_LIMIT), "value": value}
    entry = {"changes": [change]} if waba_id is None else {"id": waba_id, "changes": [change]}
    return wire.encode({"object": OBJECT, "entry": [entry]})
