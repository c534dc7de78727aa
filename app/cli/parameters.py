"""``--param body.guest_name=GUEST_NAME``: what fills a placeholder of the template."""

from typing import Any

import click

from app.domain.enums import ParameterSource, TemplateComponent
from app.domain.template_parameters import TemplateParameter

HELP = (
    "PLACE=SOURCE or PLACE=SOURCE:VALUE. PLACE is body.NAME, body.POSITION, header.NAME, header.POSITION, header (for "
    "its picture or document) or button.INDEX; SOURCE is " + ", ".join(ParameterSource) + ". May be repeated."
)


class Parameter(click.ParamType[TemplateParameter]):
    """``body.guest_name=GUEST_NAME``, ``body.2=EVENT_DATE``, ``header=MEDIA_URL:https://…``, ``button.0=TEXT:abc``."""

    name = "place=source[:value]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TemplateParameter:
        place, _, filling = str(value).partition("=")
        source, colon, text = filling.partition(":")
        component, *within = place.split(".")
        try:
            kind, origin = TemplateComponent(component.upper()), ParameterSource(source.upper())
            index = int(within.pop(0)) if kind is TemplateComponent.BUTTON else None
        except (ValueError, IndexError):
            self.fail(f"{str(value)[:80]!r} is not understood. Write {HELP}", param, ctx)
        if len(within) > 1 or (index is not None and index < 0):
            self.fail(f"{place[:80]!r} is no place. Write {HELP}", param, ctx)
        spot = within[0] if within else None
        position = int(spot) if spot and spot.isascii() and spot.isdecimal() and len(spot) < 4 else None
        return TemplateParameter(
            kind, index, None if position is not None else spot, position, origin, text if colon else None
        )
