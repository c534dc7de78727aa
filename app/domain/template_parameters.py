"""What the operator gives for a template's placeholders, and whether it fits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.domain.enums import ParameterSource, TemplateComponent
from app.domain.templates import MEDIA_KINDS, TemplateShape, TemplateSlot
from app.domain.text import clean_line

MAX_PARAMETERS = 100
MAX_TEXT = 1024
"""Meta's limit of a whole body; no value can be longer."""
MAX_URL = 2000

_MEDIA_SOURCES = frozenset({ParameterSource.MEDIA_URL, ParameterSource.MEDIA_ID})
_SOURCES_WITH_VALUE = _MEDIA_SOURCES | {ParameterSource.TEXT}
_MEDIA_ID = re.compile(r"[0-9]{1,64}")


@dataclass(frozen=True, slots=True)
class TemplateParameter:
    """One placeholder's source. ``value`` is text, an https link or a media id; None for guest and event fields."""

    component: TemplateComponent
    button_index: int | None
    name: str | None
    position: int | None
    source: ParameterSource
    value: str | None

    @property
    def label(self) -> str:
        place = self.component.lower()
        if self.button_index is not None:
            place += f" with buttonIndex {self.button_index}"
        if self.name is not None:
            place += f", name “{clean_line(self.name)[:60]}”"
        if self.position is not None:
            place += f", position {self.position}"
        return place


def clean_value(text: str | None) -> str | None:
    """A value as Meta takes it; None when nothing is left.

    Meta refuses an empty value, a newline, a tab and more than four spaces in a row (meta-cloud-api.md §1.2, error
    132018). Every run of white space becomes one space; what cannot be seen or stored goes.
    """
    return clean_line(text or "") or None


def fits(slot: TemplateSlot, parameter: TemplateParameter) -> bool:
    """True when the parameter names this slot. A link's position may be left out: it has only one variable."""
    position = slot.position if slot.kind == "URL_SUFFIX" and parameter.position is None else parameter.position
    return (slot.component, slot.button_index, slot.name, slot.position) == (
        parameter.component,
        parameter.button_index,
        parameter.name,
        position,
    )


def check_parameters(shape: TemplateShape, parameters: Sequence[TemplateParameter]) -> list[str]:
    """Sentences about all that does not fit. With an empty list ``rendering.resolve`` succeeds."""
    if not shape.supported:
        return [shape.unsupported_reason or "This template is not supported."]
    if len(parameters) > MAX_PARAMETERS:
        return [f"There are more than {MAX_PARAMETERS} parameters. Give one for each placeholder of the template."]
    problems = []
    for slot in shape.parameters:
        given = [parameter for parameter in parameters if fits(slot, parameter)]
        if not given:
            problems.append(f"Nothing is given for {slot.label}.")
        if len(given) > 1:
            problems.append(f"{_sentence_start(slot)} is given more than once.")
        problems += [problem for parameter in given for problem in _check(slot, parameter)]
    for parameter in parameters:
        if parameter.name is not None and parameter.position is not None:
            problems.append(f"Parameter “{parameter.label}” has both a name and a position; give the one it has.")
        elif not any(fits(slot, parameter) for slot in shape.parameters):
            problems.append(f"The template has no placeholder for “{parameter.label}”.")
    return problems


def _sentence_start(slot: TemplateSlot) -> str:
    return slot.label[0].upper() + slot.label[1:]


def _check(slot: TemplateSlot, parameter: TemplateParameter) -> list[str]:
    source, value = parameter.source, parameter.value
    media = slot.kind in MEDIA_KINDS
    label = _sentence_start(slot)
    if media and source not in _MEDIA_SOURCES:
        return [f"{label} needs the source MEDIA_URL or MEDIA_ID."]
    if not media and source in _MEDIA_SOURCES:
        return [f"{label} is a text; {source} is for a media header only."]
    if source not in _SOURCES_WITH_VALUE:
        return [] if value is None else [f"{label} comes from {source}; leave its value out."]
    if value is None or not clean_value(value):
        return [f"{label} has the source {source} and needs a value."]
    if source is ParameterSource.MEDIA_ID:
        return [] if _MEDIA_ID.fullmatch(value) else [f"{label}: a media id has digits only."]
    if source is ParameterSource.MEDIA_URL:
        return [] if _is_https(value) else [f"{label} needs a link with https:// of at most {MAX_URL} characters."]
    return [] if len(value) <= MAX_TEXT else [f"{label} is longer than {MAX_TEXT} characters."]


def _is_https(value: str) -> bool:
    # Meta fetches the link, we never do; what is checked is that it can be one.
    if len(value) > MAX_URL or not value.isprintable() or " " in value:
        return False
    try:
        link = urlsplit(value)
    except ValueError:
        return False
    return link.scheme == "https" and bool(link.hostname)
