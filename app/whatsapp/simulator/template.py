"""A template as the simulator knows it: its listing, and what a send has to supply for it."""

import re
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from app.domain.errors import BadInputError

JsonObject = dict[str, Any]

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}", re.ASCII)
_PLAYED = {"HEADER", "BODY", "FOOTER", "BUTTONS"}
MEDIA_FORMATS = {"IMAGE", "VIDEO", "DOCUMENT"}


class Button(msgspec.Struct, frozen=True):
    type: str
    url: str = ""


class Part(msgspec.Struct, frozen=True):
    """One entry of ``components``; of its fields only those that a send depends on."""

    type: str
    format: str = "TEXT"
    text: str = ""
    buttons: tuple[Button, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """Names, or ``"1"``, ``"2"`` …, each once and in the order of the text."""
        return variables(self.text)


class _Listing(msgspec.Struct, frozen=True):
    id: str
    name: str
    language: str
    status: str
    category: str
    components: tuple[Part, ...]
    parameter_format: str = "POSITIONAL"


@dataclass(frozen=True, slots=True)
class Template:
    source: JsonObject
    """As it is listed."""
    name: str
    language: str
    status: str
    category: str
    named: bool
    header: Part | None
    body: Part
    buttons: tuple[Button, ...]
    unplayed: str | None
    """A component type that the simulator does not play, such as ``CAROUSEL``."""

    @classmethod
    def parse(cls, source: JsonObject) -> Self:
        """Raises ``BadInputError`` when this is not an entry of ``message_templates``."""
        try:
            listing = msgspec.convert(source, _Listing)
        except msgspec.ValidationError as error:
            raise BadInputError(f"A template does not look like Meta's listing: {error}.", field="templates") from None
        if not (listing.id.isascii() and listing.id.isdecimal()):
            raise BadInputError(f"The id of the template {listing.name!r} is not a number.", field="templates")
        parts = {part.type.upper(): part for part in listing.components}
        if "BODY" not in parts:
            raise BadInputError(f"The template {listing.name!r} has no BODY component.", field="templates")
        named = listing.parameter_format.upper() == "NAMED"
        for part in parts.values():
            if not named and not all(name.isdecimal() and len(name) <= 3 for name in part.variables):
                raise BadInputError(f"The POSITIONAL template {listing.name!r} has named variables.", field="templates")
        return cls(
            source=source,
            name=listing.name,
            language=listing.language,
            status=listing.status.upper(),
            category=listing.category,
            named=named,
            header=parts.get("HEADER"),
            body=parts["BODY"],
            buttons=parts["BUTTONS"].buttons if "BUTTONS" in parts else (),
            unplayed=next((kind for kind in parts if kind not in _PLAYED), None),
        )


def variables(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(text)))


def render(text: str, values: dict[str, str]) -> str:
    """The text as the recipient sees it; ``values`` has every variable."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)
