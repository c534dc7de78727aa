"""Judges a send request the way Meta does; each refusal is a ``GraphError``. Fields that are not known are let pass."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from app.whatsapp.simulator import errors
from app.whatsapp.simulator.errors import GraphError
from app.whatsapp.simulator.parameters import Component, check_components
from app.whatsapp.simulator.scripts import PHONE
from app.whatsapp.simulator.template import Template

MAX_CALLBACK_BYTES = 512

_SEPARATORS = re.compile(r"[-() ]")


class _Language(msgspec.Struct):
    code: str
    policy: str | None = None


class _TemplateUse(msgspec.Struct):
    name: str
    language: _Language
    components: list[Component] = []


class _SendRequest(msgspec.Struct):
    messaging_product: str | None = None
    recipient_type: str = "individual"
    to: str | None = None
    type: str | None = None
    template: _TemplateUse | None = None
    biz_opaque_callback_data: str | None = None


_decoder = msgspec.json.Decoder(_SendRequest)


@dataclass(frozen=True, slots=True)
class Send:
    """A request that Meta would take."""

    given_to: str
    """``to`` as it was written, which the answer repeats."""
    recipient: str
    """The same in E.164."""
    template: Template
    callback: str | None


def parse_send(raw: bytes, templates: Mapping[tuple[str, str], Template], display_phone_number: str) -> Send:
    """Raises ``GraphError`` with the code that Meta's error page gives for the first thing that is wrong."""
    try:
        request = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # The message of msgspec names the place and the types, never the value.
        raise GraphError(errors.INVALID_PARAMETER, f"The body is not a valid request: {error}") from None
    if request.messaging_product != "whatsapp":
        raise GraphError(errors.INVALID_PARAMETER, "The parameter messaging_product is required and must be whatsapp.")
    if request.recipient_type != "individual":
        raise GraphError(errors.INVALID_PARAMETER, "Param recipient_type must be individual.")
    if request.to is None:
        raise GraphError(errors.PARAMETER_MISSING, "The parameter to is required.")
    recipient = _SEPARATORS.sub("", request.to)
    if not PHONE.fullmatch(recipient):
        # Meta takes digits without "+", but then may put the business's own country code before them.
        raise GraphError(errors.PARAMETER_VALUE, "Param to must be a phone number with + and country code.")
    if recipient == f"+{display_phone_number}":
        raise GraphError(errors.SENDER_IS_RECIPIENT, "The sender and the recipient are the same number.")
    _check_callback(request.biz_opaque_callback_data)
    if request.type != "template":
        raise GraphError(errors.UNSUPPORTED_TYPE, "This simulator takes messages of type template.")
    if request.template is None:
        raise GraphError(errors.PARAMETER_MISSING, "The parameter template is required.")
    template = _approved(request.template, templates)
    check_components(template, request.template.components)
    return Send(request.to, recipient, template, request.biz_opaque_callback_data)


def _check_callback(callback: str | None) -> None:
    # Client documentation limits bytes, Meta's specification characters: only ASCII is safe under both.
    if callback is not None and not (callback.isascii() and len(callback) <= MAX_CALLBACK_BYTES):
        raise GraphError(errors.INVALID_PARAMETER, "Param biz_opaque_callback_data must be ASCII, 512 bytes at most.")


def _approved(use: _TemplateUse, templates: Mapping[tuple[str, str], Template]) -> Template:
    if use.language.policy not in {None, "deterministic"}:
        raise GraphError(errors.INVALID_PARAMETER, "Param template.language.policy must be deterministic.")
    template = templates.get((use.name, use.language.code))
    if template is None:
        raise GraphError(errors.TEMPLATE_MISSING, "The template does not exist in this language.")
    if template.status == "PAUSED":
        raise GraphError(errors.TEMPLATE_PAUSED, "The template is paused because of its quality.")
    if template.status == "DISABLED":
        raise GraphError(errors.TEMPLATE_DISABLED, "The template was paused too often and is disabled for good.")
    if template.status != "APPROVED":
        raise GraphError(errors.TEMPLATE_MISSING, "The template is not approved.")
    if template.unplayed:
        raise GraphError(errors.GENERIC_REQUEST, f"This simulator does not play {template.unplayed} templates.")
    return template
