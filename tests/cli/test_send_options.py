"""What ``invites send`` makes of its options."""

import click
import pytest

from app.cli.parameters import Parameter
from app.cli.send import _selection
from app.domain.audience import Audience
from app.domain.enums import InviteCoverage, MessageState, ParameterSource, Side, TemplateComponent
from app.domain.requests import FromRun
from app.domain.template_parameters import TemplateParameter
from tests.cli.commands import invites

BODY, HEADER, BUTTON = TemplateComponent.BODY, TemplateComponent.HEADER, TemplateComponent.BUTTON
NOTHING = {"side": None, "tags": (), "search": None, "coverage": (), "run_id": None, "states": ()}


@pytest.mark.parametrize(
    ("text", "parameter"),
    [
        (
            "body.guest_name=GUEST_NAME",
            TemplateParameter(BODY, None, "guest_name", None, ParameterSource.GUEST_NAME, None),
        ),
        ("body.2=event_date", TemplateParameter(BODY, None, None, 2, ParameterSource.EVENT_DATE, None)),
        (
            "header=MEDIA_URL:https://example.org/a.jpg?x=1",
            TemplateParameter(HEADER, None, None, None, ParameterSource.MEDIA_URL, "https://example.org/a.jpg?x=1"),
        ),
        ("button.0=TEXT:9f3k2", TemplateParameter(BUTTON, 0, None, None, ParameterSource.TEXT, "9f3k2")),
        ("button.1.1=TEXT:", TemplateParameter(BUTTON, 1, None, 1, ParameterSource.TEXT, "")),
        ("body.1=TEXT:a: b=c", TemplateParameter(BODY, None, None, 1, ParameterSource.TEXT, "a: b=c")),
    ],
)
def test_a_parameter(text: str, parameter: TemplateParameter) -> None:
    assert Parameter().convert(text, None, None) == parameter


@pytest.mark.parametrize(
    "text",
    [
        "",
        "body",
        "body.1=",
        "body.1=NAME",
        "foot.1=GUEST_NAME",
        "button=TEXT:x",
        "button.x=TEXT:x",
        "body.a.b=GUEST_NAME",
    ],
)
def test_a_parameter_that_is_none_is_a_usage_error(text: str) -> None:
    with pytest.raises(click.BadParameter, match="PLACE=SOURCE"):
        Parameter().convert(text, None, None)


def test_everybody_is_an_empty_audience() -> None:
    assert _selection(**NOTHING) == (Audience(), None)  # type: ignore[arg-type]


def test_filters_make_an_audience() -> None:
    given = NOTHING | {"side": Side.BRIDE, "tags": ("vip",), "search": "nair", "coverage": (InviteCoverage.NOT_TRIED,)}
    audience = Audience(side=Side.BRIDE, tags=("vip",), search="nair", coverage=(InviteCoverage.NOT_TRIED,))
    assert _selection(**given) == (audience, None)  # type: ignore[arg-type]


def test_a_run_is_retried_by_states() -> None:
    given = NOTHING | {"run_id": "run_1", "states": ("FAILED", "CANCELLED")}
    wanted = FromRun("run_1", (MessageState.FAILED, MessageState.CANCELLED))
    assert _selection(**given) == (None, wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "more",
    [
        ("--state", "FAILED"),
        ("--from-run", "run_1"),
        ("--from-run", "run_1", "--state", "READ"),
        ("--from-run", "run_1", "--state", "FAILED", "--side", "bride"),
        ("--side", "left"),
        ("--param", "x"),
    ],
)
def test_options_that_do_not_go_together_are_usage_errors(settings: pytest.MonkeyPatch, more: tuple[str, ...]) -> None:
    options = ("--as", "asha", "--event", "evt_1", "--template", "t", "--language", "en")
    assert invites("send", *options, *more).exit_code == 2
