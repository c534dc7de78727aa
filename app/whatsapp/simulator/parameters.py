"""Compares the components of a send request with what its template asks for."""

import re
from typing import Any, NoReturn

import msgspec

from app.whatsapp.simulator import errors
from app.whatsapp.simulator.errors import GraphError
from app.whatsapp.simulator.template import MEDIA_FORMATS, Button, Part, Template, render, variables

# Meta's limits, in characters of the rendered text.
MAX_BODY = 1024
MAX_HEADER = 60
MAX_URL = 2000

# Meta refuses these in any text parameter.
_FORBIDDEN_SPACE = re.compile(r"[\n\r\t]| {5}")


class _Media(msgspec.Struct):
    id: str | None = None
    link: str | None = None


class _Currency(msgspec.Struct):
    fallback_value: str
    code: str
    amount_1000: int


class _DateTime(msgspec.Struct):
    fallback_value: str


class Parameter(msgspec.Struct):
    type: str
    text: str | None = None
    parameter_name: str | None = None
    payload: str | None = None
    image: _Media | None = None
    video: _Media | None = None
    document: _Media | None = None
    currency: _Currency | None = None
    date_time: _DateTime | None = None
    location: dict[str, Any] | None = None


class Component(msgspec.Struct):
    type: str
    sub_type: str = ""
    index: int | str = -1
    parameters: list[Parameter] = []


def check_components(template: Template, components: list[Component]) -> None:
    """Raises ``GraphError`` when count, names, kinds or texts do not fit the template."""
    seen: set[tuple[str, int]] = set()
    parameters: dict[str, list[Parameter]] = {"header": [], "body": []}
    buttons: dict[int, Component] = {}
    for component in components:
        kind = component.type.lower()
        index = _index(component) if kind == "button" else -1
        if kind not in {"header", "body", "button"}:
            _refuse(errors.INVALID_PARAMETER, f"Components of type {kind[:30]!r} are not supported.")
        if (kind, index) in seen:
            _refuse(errors.INVALID_PARAMETER, f"The component {kind} is given twice.")
        seen.add((kind, index))
        if kind == "button":
            buttons[index] = component
        else:
            parameters[kind] = component.parameters
    _check_header(template, parameters["header"])
    _check_text("body", template.body, parameters["body"], named=template.named, longest=MAX_BODY)
    _check_buttons(template.buttons, buttons)


def _refuse(code: int, details: str) -> NoReturn:
    raise GraphError(code, details)


def _index(component: Component) -> int:
    # Both "0" and 0 occur in Meta's samples.
    text = str(component.index)
    if not (text.isascii() and text.isdecimal() and len(text) == 1):
        _refuse(errors.PARAMETER_VALUE, "button: index must be a number from 0 to 9.")
    return int(text)


def _check_count(where: str, given: int, expected: int) -> None:
    if given != expected:
        _refuse(
            errors.PARAMETER_COUNT,
            f"{where}: number of localizable_params ({given}) does not match "
            f"the expected number of params ({expected})",
        )


def _check_header(template: Template, parameters: list[Parameter]) -> None:
    header = template.header
    if header is None:
        _check_count("header", len(parameters), 0)
    elif header.format == "TEXT":
        _check_text("header", header, parameters, named=template.named, longest=MAX_HEADER)
    else:
        given = parameters[0].type.upper() if len(parameters) == 1 else "UNKNOWN"
        if given != header.format:
            _refuse(
                errors.PARAMETER_FORMAT, f"header: Format mismatch, expected {header.format}, received {given[:30]}"
            )
        if header.format in MEDIA_FORMATS:
            _check_media(getattr(parameters[0], given.lower()))
        elif not parameters[0].location:
            _refuse(errors.PARAMETER_MISSING, "header: the location is missing.")


def _check_media(media: _Media | None) -> None:
    if media is None or not (media.id or media.link):
        _refuse(errors.PARAMETER_MISSING, "header: the media needs an id or a link.")
    if media.id and media.link:
        _refuse(errors.INVALID_PARAMETER, "header: the media takes an id or a link, not both.")
    if media.link and not media.link.startswith(("http://", "https://")):
        _refuse(errors.PARAMETER_VALUE, "header: the link of the media must be an http(s) URL.")


def _check_text(where: str, part: Part, parameters: list[Parameter], *, named: bool, longest: int) -> None:
    texts = [_text(where, parameter) for parameter in parameters]
    _check_count(where, len(parameters), len(part.variables))
    names = [parameter.parameter_name or "" for parameter in parameters]
    if named:
        if not all(names):
            _refuse(errors.INVALID_PARAMETER, f"{where}: Parameter name is missing or empty")
        if set(names) != set(part.variables):
            _refuse(errors.PARAMETER_COUNT, f"{where}: the parameter names do not match those of the template.")
    else:
        if any(names):
            _refuse(errors.PARAMETER_FORMAT, f"{where}: this template has numbered parameters, without names.")
        # The order of the request is the order of the numbers, wherever they stand in the text.
        names = sorted(part.variables, key=int)
    rendered = render(part.text, dict(zip(names, texts, strict=True)))
    if len(rendered) > longest:
        _refuse(errors.TEXT_TOO_LONG, f"{where}: {len(rendered)} characters, {longest} are allowed.")


def _text(where: str, parameter: Parameter) -> str:
    """What this parameter puts in place of its variable."""
    match parameter.type:
        case "text":
            text = parameter.text
        case "currency":
            text = parameter.currency.fallback_value if parameter.currency else None
        case "date_time":
            text = parameter.date_time.fallback_value if parameter.date_time else None
        case _:
            _refuse(errors.PARAMETER_FORMAT, f"{where}: a text takes no parameter of type {parameter.type[:30]!r}.")
    return _checked(where, text)


def _checked(where: str, text: str | None) -> str:
    if not text:
        _refuse(errors.PARAMETER_MISSING, f"{where}: Parameter of type text is missing text value")
    if _FORBIDDEN_SPACE.search(text):
        _refuse(
            errors.PARAMETER_RULES,
            f"{where}: Param text cannot have new-line/tab characters or more than 4 consecutive spaces",
        )
    return text


def _check_buttons(buttons: tuple[Button, ...], given: dict[int, Component]) -> None:
    for index, component in given.items():
        kind = buttons[index].type.lower() if index < len(buttons) else "none"
        if component.sub_type.lower() != kind:
            _refuse(errors.PARAMETER_FORMAT, f"button: the template's button at index {index} is of type {kind}.")
    for index, button in enumerate(buttons):
        parameters = given[index].parameters if index in given else []
        if button.type == "URL":
            _check_url(index, button, parameters)
        elif button.type == "QUICK_REPLY" and index in given:
            _check_count(f"button {index}", len(parameters), 1)
            if parameters[0].type != "payload" or not parameters[0].payload:
                _refuse(errors.PARAMETER_MISSING, f"button: the quick reply at index {index} needs a payload.")


def _check_url(index: int, button: Button, parameters: list[Parameter]) -> None:
    expected = variables(button.url)
    if expected and not parameters:
        _refuse(errors.PARAMETER_MISSING, f"button: Button at index {index} of type Url requires a parameter")
    _check_count(f"button {index}", len(parameters), len(expected))
    if expected:
        if parameters[0].type != "text":
            _refuse(errors.PARAMETER_FORMAT, f"button: the URL at index {index} takes a parameter of type text.")
        suffix = _checked("button", parameters[0].text)
        if len(render(button.url, {expected[0]: suffix})) > MAX_URL:
            _refuse(errors.PARAMETER_VALUE, f"button: the URL at index {index} is too long.")
