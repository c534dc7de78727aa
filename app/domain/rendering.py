"""From a template and its parameters to what one guest reads and what Meta is sent.

``resolve`` does once per run all that does not depend on the guest; a ``Renderer`` then does the rest for each of up to
100,000 recipients. A run keeps ``freeze()``, a message its ``values``: together they rebuild the provider call.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.domain.enums import ParameterSource, TemplateComponent
from app.domain.errors import BadInputError
from app.domain.template_parameters import MAX_URL, TemplateParameter, check_parameters, clean_value, fits
from app.domain.templates import (
    MEDIA_KINDS,
    Section,
    TemplateShape,
    TemplateSlot,
    join_sections,
    section_text,
)

MAX_HEADER = 60
MAX_BODY = 1024
"""Characters of the rendered text (meta-cloud-api.md §1.2); Meta refuses longer ones with 132005."""

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_LIMITS = {"HEADER": MAX_HEADER, "BODY": MAX_BODY}
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ABSENT = {
    ParameterSource.GUEST_NAME: "The guest has no name.",
    ParameterSource.HOUSEHOLD_NAME: "The household has no name.",
    ParameterSource.EVENT_TITLE: "The event has no title.",
    ParameterSource.EVENT_VENUE: "The event has no venue.",
}


@dataclass(frozen=True, slots=True)
class GuestFields:
    guest_name: str | None
    household_name: str | None


@dataclass(frozen=True, slots=True)
class EventFields:
    """``starts_at`` is aware; the guest reads it in ``timezone`` (IANA, the workspace's)."""

    title: str
    starts_at: datetime
    timezone: str
    venue: str | None


@dataclass(frozen=True, slots=True)
class Rendered:
    values: tuple[str, ...]
    """One for each slot; empty where nothing could be filled in."""
    missing: tuple[str, ...]
    """Why this guest cannot get the message (MISSING_TEMPLATE_VALUE), as sentences; empty when all is well."""
    text: str
    """What the guest reads; a placeholder stays visible where its value is missing."""
    media_url: str | None


@dataclass(frozen=True, slots=True)
class Binding:
    """A slot with its source. ``constant`` is the value that every guest of the run gets, if there is one."""

    slot: TemplateSlot
    source: ParameterSource
    constant: str | None


@dataclass(frozen=True, slots=True)
class Renderer:
    bindings: tuple[Binding, ...]
    sections: tuple[Section, ...]

    def render(self, guest: GuestFields) -> Rendered:
        values = []
        missing: list[str] = []
        shown = []
        media_url = None
        for binding in self.bindings:
            value = binding.constant if binding.constant is not None else _from_guest(binding, guest)
            values.append(value or "")
            shown.append(value or binding.slot.placeholder)
            if not value:
                missing.append(_ABSENT.get(binding.source, f"There is nothing for {binding.slot.label}."))
            elif binding.source is ParameterSource.MEDIA_URL:
                media_url = value
            elif binding.slot.kind == "URL_SUFFIX" and len(value) > MAX_URL:
                missing.append(f"The end of a link is longer than {MAX_URL} characters.")
        texts = [section_text(section, shown) for section in self.sections]
        for section, text in zip(self.sections, texts, strict=True):
            limit = _LIMITS.get(section.component)
            if limit and len(text) > limit:
                missing.append(f"The {section.component.lower()} is longer than {limit} characters with these values.")
        return Rendered(tuple(values), tuple(dict.fromkeys(missing)), join_sections(self.sections, texts), media_url)

    def components(self, values: Sequence[str]) -> list[dict[str, Any]]:
        """Meta's ``template.components`` (meta-cloud-api.md §1.2): only those that take values."""
        built: list[dict[str, Any]] = []
        texts: dict[TemplateComponent, list[dict[str, Any]]] = {}
        for binding, value in zip(self.bindings, values, strict=True):
            slot = binding.slot
            if slot.component is TemplateComponent.BUTTON:
                link = {"type": "text", "text": value}
                built.append(
                    {"type": "button", "sub_type": "url", "index": str(slot.button_index), "parameters": [link]}
                )
                continue
            if slot.component not in texts:
                texts[slot.component] = []
                built.append({"type": slot.component.lower(), "parameters": texts[slot.component]})
            texts[slot.component].append(_parameter(binding, value))
        return built

    def freeze(self) -> dict[str, Any]:
        """Plain JSON from which ``thaw`` makes an equal renderer. Holds no guest's data."""
        return {
            "bindings": [asdict(binding) for binding in self.bindings],
            "sections": [[section.component, *section.pieces] for section in self.sections],
        }


def thaw(frozen: dict[str, Any]) -> Renderer:
    """The renderer behind ``Renderer.freeze()``."""
    return Renderer(
        bindings=tuple(
            Binding(
                slot=TemplateSlot(**binding["slot"] | {"component": TemplateComponent(binding["slot"]["component"])}),
                source=ParameterSource(binding["source"]),
                constant=binding["constant"],
            )
            for binding in frozen["bindings"]
        ),
        sections=tuple(Section(component, tuple(pieces)) for component, *pieces in frozen["sections"]),
    )


def resolve(shape: TemplateShape, parameters: Sequence[TemplateParameter], event: EventFields) -> Renderer:
    """The renderer of a run. Raises ``BadInputError`` (field ``parameters``) with what ``check_parameters`` says.

    Date and time are written in English, whatever the template's language: "Saturday, 12 December 2026", "7:30 pm".
    """
    if problems := check_parameters(shape, parameters):
        raise BadInputError(" ".join(problems), field="parameters")
    fields = _event_values(event)
    bindings = []
    for slot in shape.parameters:
        parameter = next(parameter for parameter in parameters if fits(slot, parameter))
        constant = clean_value(fields.get(parameter.source, parameter.value))
        if constant and slot.kind == "URL_SUFFIX":
            constant = _in_link(constant, is_link=parameter.source is ParameterSource.TEXT)
        bindings.append(Binding(slot, parameter.source, constant))
    return Renderer(tuple(bindings), shape.sections)


def _event_values(event: EventFields) -> dict[ParameterSource, str | None]:
    if event.starts_at.tzinfo is None:
        raise ValueError("starts_at must be aware")
    try:
        start = event.starts_at.astimezone(ZoneInfo(event.timezone))
    except OverflowError:
        raise BadInputError("The event's time is out of range.", field="startsAt") from None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInputError("The timezone is not known; give one like Asia/Kolkata.", field="timezone") from None
    return {
        ParameterSource.EVENT_TITLE: event.title,
        ParameterSource.EVENT_DATE: f"{_WEEKDAYS[start.weekday()]}, {start.day} {_MONTHS[start.month - 1]} {start.year}",
        ParameterSource.EVENT_TIME: f"{start.hour % 12 or 12}:{start.minute:02} {'am' if start.hour < 12 else 'pm'}",
        ParameterSource.EVENT_VENUE: event.venue,
    }


def _from_guest(binding: Binding, guest: GuestFields) -> str | None:
    if binding.source is ParameterSource.GUEST_NAME:
        value = clean_value(guest.guest_name)
    elif binding.source is ParameterSource.HOUSEHOLD_NAME:
        value = clean_value(guest.household_name)
    else:
        return None
    return _in_link(value, is_link=False) if value and binding.slot.kind == "URL_SUFFIX" else value


def _in_link(value: str, *, is_link: bool) -> str:
    """Percent-encoded (RFC 3986): an operator's text is a piece of a link already, a name must not end or split one."""
    if not is_link:
        return quote(value, safe="")
    return quote(_STRAY_PERCENT.sub("%25", value), safe="/?#[]@:!$&'()*+,;=%~")


def _parameter(binding: Binding, value: str) -> dict[str, Any]:
    slot = binding.slot
    if slot.kind in MEDIA_KINDS:
        kind = slot.kind.lower()
        by_link = binding.source is ParameterSource.MEDIA_URL
        media = {"link" if by_link else "id": value}
        if slot.kind == "DOCUMENT" and by_link and (name := _file_name(value)):
            media["filename"] = name
        return {"type": kind, kind: media}
    named = {"parameter_name": slot.name} if slot.name else {}
    return {"type": "text"} | named | {"text": value}


def _file_name(link: str) -> str | None:
    """What the guest sees as the document's name; without one WhatsApp shows "Untitled"."""
    name = clean_value(unquote(urlsplit(link).path.rpartition("/")[2]))
    return name if name and "." in name and len(name) <= 200 else None
