"""Meta's message templates: what a guest reads, and what has to be filled in (meta-cloud-api.md §1.2 and §7).

``inspect`` is total: whatever JSON stands where Meta's ``components`` should be, it answers with a shape, and what this
service cannot fill is unsupported with a sentence for the operator.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from app.domain.enums import TemplateComponent
from app.domain.text import storable

SlotKind = Literal["TEXT", "IMAGE", "VIDEO", "DOCUMENT", "URL_SUFFIX"]
MEDIA_KINDS: dict[str, SlotKind] = {"IMAGE": "IMAGE", "VIDEO": "VIDEO", "DOCUMENT": "DOCUMENT"}

_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_UNSUPPORTED_COMPONENTS = {
    "CAROUSEL": "It is a carousel",
    "LIMITED_TIME_OFFER": "It has a limited-time offer",
}
_UNSUPPORTED_BUTTONS = {
    "COPY_CODE": "It has a button that copies a coupon code",
    "OTP": "It is an authentication template with a one-time password button",
    "FLOW": "It has a button that opens a flow",
    "CATALOG": "It has a button that opens a catalogue",
    "MPM": "It has a button that shows several products",
    "SPM": "It has a button that shows a product",
}


@dataclass(frozen=True, slots=True)
class TemplateSlot:
    """One thing to fill in. Named templates have ``name``, positional ones ``position``, a media header has neither."""

    component: TemplateComponent
    button_index: int | None
    """Meta's zero-based place of the button in the template; buttons without a slot count too."""
    name: str | None
    position: int | None
    kind: SlotKind
    example: str | None

    @property
    def label(self) -> str:
        """How a sentence to the operator calls the slot."""
        if self.kind in MEDIA_KINDS:
            return f"the header's {self.kind.lower()}"
        if self.component is TemplateComponent.BUTTON:
            return f"the link of the button with buttonIndex {self.button_index}"
        return f"{self.placeholder} of the {self.component.lower()}"

    @property
    def placeholder(self) -> str:
        """As Meta writes it in the text."""
        return f"{{{{{self.name or self.position}}}}}"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the text: literal pieces, and for each slot its index in ``TemplateShape.parameters``."""

    component: str
    """HEADER, BODY, FOOTER or BUTTON."""
    pieces: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class TemplateShape:
    text: str
    """Header, body, footer and buttons as one readable text, placeholders as Meta writes them."""
    parameters: tuple[TemplateSlot, ...]
    """In the order header, body, buttons; in a positional template by position."""
    supported: bool
    unsupported_reason: str | None
    sections: tuple[Section, ...] = ()


def inspect(components: Any, parameter_format: Any) -> TemplateShape:
    """The shape of Meta's ``components`` with ``parameter_format`` ``NAMED`` or ``POSITIONAL``. Never raises."""
    reader = _Reader(named=isinstance(parameter_format, str) and parameter_format.upper() == "NAMED")
    reader.read(components)
    supported = reader.refusal is None
    placeholders = [slot.placeholder for slot in reader.slots]
    return TemplateShape(
        text=join_sections(reader.sections, [section_text(section, placeholders) for section in reader.sections]),
        # Of an unsupported template only the text is of use: an operator should recognise it in the list.
        parameters=tuple(reader.slots) if supported else (),
        supported=supported,
        unsupported_reason=None
        if supported
        else f"{reader.refusal}, which this service cannot fill in. Choose another template.",
        sections=tuple(reader.sections) if supported else (),
    )


def join_sections(sections: Sequence[Section], texts: Sequence[str]) -> str:
    """The whole text from that of each section: blank lines between its parts, buttons one below the other."""
    text = ""
    previous = None
    for section, shown in zip(sections, texts, strict=True):
        between = "" if previous is None else "\n" if section.component == previous == "BUTTON" else "\n\n"
        text += between + shown
        previous = section.component
    return text


def section_text(section: Section, values: list[str]) -> str:
    return "".join(piece if isinstance(piece, str) else values[piece] for piece in section.pieces)


class _Reader:
    """Collects sections and slots, and the first reason why the template cannot be filled in; reads on after it."""

    def __init__(self, *, named: bool) -> None:
        self.named = named
        self.sections: list[Section] = []
        self.slots: list[TemplateSlot] = []
        self.refusal: str | None = None

    def read(self, components: Any) -> None:
        by_type: dict[str, dict[str, Any]] = {}
        for component in components if isinstance(components, list) else ():
            kind = _word(component, "type")
            if kind not in {"HEADER", "BODY", "FOOTER", "BUTTONS"}:
                self._refuse(_UNSUPPORTED_COMPONENTS.get(kind, "It has a part of an unknown type"))
            elif kind in by_type:
                self._refuse(f"It has more than one {kind.lower()}")
            else:
                by_type[kind] = component
        # In the order of the message, whatever the order of the JSON.
        if header := by_type.get("HEADER"):
            self._header(header)
        body = by_type.get("BODY")
        if not _string(body, "text"):
            self._refuse("It has no body text")
        self._text(TemplateComponent.BODY, body)
        self._section("FOOTER", _string(by_type.get("FOOTER"), "text"))
        self._buttons(_at(by_type.get("BUTTONS"), "buttons"))

    def _header(self, header: dict[str, Any]) -> None:
        kind = _word(header, "format")
        if kind == "TEXT":
            self._text(TemplateComponent.HEADER, header)
        elif kind in MEDIA_KINDS:
            self._section("HEADER", f"[{kind.lower()}]")
            example = _at(_at(header.get("example"), "header_handle"), 0)
            self._slot(TemplateComponent.HEADER, MEDIA_KINDS[kind], example=example)
        else:
            self._refuse("Its header is a location" if kind == "LOCATION" else "Its header is of an unknown type")

    def _text(self, component: Literal[TemplateComponent.HEADER, TemplateComponent.BODY], data: Any) -> None:
        """Header or body. Distinct placeholders become slots; one that is used twice is one slot in two places."""
        text = _string(data, "text")
        keys = list(dict.fromkeys(match[1].strip() for match in _PLACEHOLDER.finditer(text)))
        if self.named:
            fits = all(_NAME.fullmatch(key) for key in keys)
        else:
            expected = [str(position) for position in range(1, len(keys) + 1)]
            fits = set(keys) == set(expected)
            keys = expected
        if not fits:
            self._refuse(
                f"The placeholders of its {component.lower()} are not "
                + ("all names" if self.named else "numbered 1, 2, 3 …")
            )
            self._section(component.value, text)
            return
        index: dict[str, int] = {}
        for key in keys:
            index[key] = len(self.slots)
            if self.named:
                self._slot(component, "TEXT", name=key, example=_named_example(data, component, key))
            else:
                self._slot(component, "TEXT", position=int(key), example=_numbered_example(data, component, int(key)))
        # ``split`` by a pattern with one group alternates between literals and keys.
        parts = enumerate(_PLACEHOLDER.split(text))
        self._section(component.value, *(index[part.strip()] if place % 2 else part for place, part in parts))

    def _buttons(self, buttons: Any) -> None:
        for index, button in enumerate(buttons if isinstance(buttons, list) else ()):
            kind, label = _word(button, "type"), _string(button, "text")
            if kind == "URL":
                self._url_button(index, label, button)
                continue
            self._section("BUTTON", f"[{label}]")
            if kind not in {"QUICK_REPLY", "PHONE_NUMBER"}:
                self._refuse(_UNSUPPORTED_BUTTONS.get(kind, "It has a button of an unknown type"))

    def _url_button(self, index: int, label: str, button: dict[str, Any]) -> None:
        """Meta allows one variable, at the end; it is written ``{{1}}`` in named templates too."""
        url = _string(button, "url")
        fixed, *rest = _PLACEHOLDER.split(url)
        if len(rest) == 2 and not rest[1]:
            self._section("BUTTON", f"[{label}: {fixed}", len(self.slots), "]")
            example = _at(button.get("example"), 0)
            self._slot(TemplateComponent.BUTTON, "URL_SUFFIX", button_index=index, position=1, example=example)
            return
        self._section("BUTTON", f"[{label}: {url}]")
        if rest:
            self._refuse("It has a link whose variable is not at the end")

    def _refuse(self, reason: str) -> None:
        self.refusal = self.refusal or reason

    def _section(self, component: str, *pieces: str | int) -> None:
        if filled := tuple(piece for piece in pieces if piece != ""):
            self.sections.append(Section(component, filled))

    def _slot(
        self,
        component: TemplateComponent,
        kind: SlotKind,
        *,
        button_index: int | None = None,
        name: str | None = None,
        position: int | None = None,
        example: Any,
    ) -> None:
        shown = storable(example) if isinstance(example, str) else None
        self.slots.append(TemplateSlot(component, button_index, name, position, kind, shown))


def _string(data: Any, key: str) -> str:
    value = data.get(key) if isinstance(data, dict) else None
    return storable(value) if isinstance(value, str) else ""


def _word(data: Any, key: str) -> str:
    return _string(data, key).upper()


def _at(data: Any, key: str | int) -> Any:
    """``data[key]`` where that exists, else None."""
    if isinstance(data, dict) and isinstance(key, str):
        return data.get(key)
    if isinstance(data, list) and isinstance(key, int) and key < len(data):
        return data[key]
    return None


def _named_example(data: Any, component: TemplateComponent, name: str) -> Any:
    entries = _at(_at(data, "example"), f"{component.lower()}_text_named_params")
    for entry in entries if isinstance(entries, list) else ():
        if _at(entry, "param_name") == name:
            return _at(entry, "example")
    return None


def _numbered_example(data: Any, component: TemplateComponent, position: int) -> Any:
    """Meta nests the body's examples one list deeper than the header's."""
    texts = _at(_at(data, "example"), f"{component.lower()}_text")
    return _at(_at(texts, 0) if component is TemplateComponent.BODY else texts, position - 1)
