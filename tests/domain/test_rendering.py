import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.enums import ParameterSource, TemplateComponent
from app.domain.errors import BadInputError
from app.domain.rendering import EventFields, GuestFields, Rendered, Renderer, resolve, thaw
from app.domain.template_parameters import TemplateParameter, check_parameters, clean_value
from app.domain.templates import inspect

from .template_samples import DOCUMENT, NAMED, POSITIONAL

HEADER, BODY, BUTTON = TemplateComponent.HEADER, TemplateComponent.BODY, TemplateComponent.BUTTON
TEXT, MEDIA_URL, MEDIA_ID = ParameterSource.TEXT, ParameterSource.MEDIA_URL, ParameterSource.MEDIA_ID
GUEST_NAME, HOUSEHOLD_NAME = ParameterSource.GUEST_NAME, ParameterSource.HOUSEHOLD_NAME

SANGEET = EventFields("Sangeet", datetime(2026, 12, 12, 14, 0, tzinfo=UTC), "Asia/Kolkata", "Taj Hall")
ASHA = GuestFields("Asha Rao", "Rao family")


def given_for(
    component: TemplateComponent,
    source: ParameterSource,
    value: str | None = None,
    *,
    name: str | None = None,
    position: int | None = None,
    button_index: int | None = None,
) -> TemplateParameter:
    return TemplateParameter(component, button_index, name, position, source, value)


IMAGE = given_for(HEADER, MEDIA_URL, "https://cdn.example/card.jpg")
NAMED_PARAMETERS = [
    IMAGE,
    given_for(BODY, ParameterSource.EVENT_DATE, name="date"),
    given_for(BODY, GUEST_NAME, name="guest"),
    given_for(BODY, ParameterSource.EVENT_TITLE, name="event"),
    given_for(BUTTON, HOUSEHOLD_NAME, button_index=1),
]
POSITIONAL_PARAMETERS = [
    given_for(HEADER, ParameterSource.EVENT_TITLE, position=1),
    given_for(BODY, ParameterSource.EVENT_TIME, position=1),
    given_for(BODY, TEXT, "Tonight", position=2),
    given_for(BODY, ParameterSource.EVENT_VENUE, position=3),
]


def one_body(text: str = "{{1}}", source: ParameterSource = GUEST_NAME, *, event: EventFields = SANGEET) -> Renderer:
    shape = inspect([{"type": "BODY", "text": text}], "POSITIONAL")
    return resolve(shape, [given_for(BODY, source, position=1)], event)


def test_a_named_message() -> None:
    renderer = resolve(inspect(NAMED, "NAMED"), NAMED_PARAMETERS, SANGEET)
    rendered = renderer.render(ASHA)
    assert rendered.missing == ()
    assert rendered.media_url == "https://cdn.example/card.jpg"
    assert rendered.text == (
        "[image]\n\nDear Asha Rao,\njoin us for Sangeet on Saturday, 12 December 2026. See you, Asha Rao!\n\n"
        "Reply STOP to stop\n\n"
        "[Accept]\n[Details: https://ex.org/Rao%20family]\n[Map: https://ex.org/map]\n[Call]"
    )
    assert renderer.components(rendered.values) == [
        {"type": "header", "parameters": [{"type": "image", "image": {"link": "https://cdn.example/card.jpg"}}]},
        {
            "type": "body",
            "parameters": [
                {"type": "text", "parameter_name": "guest", "text": "Asha Rao"},
                {"type": "text", "parameter_name": "event", "text": "Sangeet"},
                {"type": "text", "parameter_name": "date", "text": "Saturday, 12 December 2026"},
            ],
        },
        {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "Rao%20family"}]},
    ]


def test_a_positional_message_has_its_values_in_order() -> None:
    renderer = resolve(inspect(POSITIONAL, "POSITIONAL"), POSITIONAL_PARAMETERS[::-1], SANGEET)
    rendered = renderer.render(ASHA)
    assert rendered.values == ("Sangeet", "7:30 pm", "Tonight", "Taj Hall")
    assert rendered.text == "Sangeet\n\nTonight at 7:30 pm, Taj Hall"
    assert renderer.components(rendered.values) == [
        {"type": "header", "parameters": [{"type": "text", "text": "Sangeet"}]},
        {
            "type": "body",
            "parameters": [{"type": "text", "text": value} for value in ("7:30 pm", "Tonight", "Taj Hall")],
        },
    ]


def test_what_is_static_is_not_sent() -> None:
    renderer = resolve(inspect([{"type": "BODY", "text": "Hello"}], "NAMED"), [], SANGEET)
    assert renderer.render(ASHA).text == "Hello"
    assert renderer.components(()) == []


def test_a_document_by_link_is_named_and_by_id_is_not() -> None:
    shape = inspect(DOCUMENT, "POSITIONAL")
    by_link = resolve(shape, [given_for(HEADER, MEDIA_URL, "https://cdn.example/a/Our%20card.pdf?v=2")], SANGEET)
    by_id = resolve(shape, [given_for(HEADER, MEDIA_ID, "1339522734477770")], SANGEET)
    link, media_id = by_link.render(ASHA), by_id.render(ASHA)
    assert by_link.components(link.values)[0]["parameters"] == [
        {
            "type": "document",
            "document": {"link": "https://cdn.example/a/Our%20card.pdf?v=2", "filename": "Our card.pdf"},
        }
    ]
    assert by_id.components(media_id.values)[0]["parameters"] == [
        {"type": "document", "document": {"id": "1339522734477770"}}
    ]
    assert media_id.media_url is None


@pytest.mark.parametrize(
    ("utc_hour", "timezone", "date", "time"),
    [
        (14, "Asia/Kolkata", "Saturday, 12 December 2026", "7:30 pm"),
        (19, "Asia/Kolkata", "Sunday, 13 December 2026", "12:30 am"),
        (7, "Asia/Kolkata", "Saturday, 12 December 2026", "12:30 pm"),
        (3, "America/New_York", "Friday, 11 December 2026", "10:00 pm"),
    ],
)
def test_date_and_time_are_those_of_the_workspace(utc_hour: int, timezone: str, date: str, time: str) -> None:
    event = EventFields("Sangeet", datetime(2026, 12, 12, utc_hour, 0, tzinfo=UTC), timezone, None)
    assert one_body(source=ParameterSource.EVENT_DATE, event=event).render(ASHA).values == (date,)
    assert one_body(source=ParameterSource.EVENT_TIME, event=event).render(ASHA).values == (time,)


def test_an_unknown_timezone_or_a_naive_time_is_refused() -> None:
    for timezone in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(BadInputError) as caught:
            one_body(event=EventFields("Sangeet", SANGEET.starts_at, timezone, None))
        assert caught.value.field == "timezone"
    with pytest.raises(ValueError, match="aware"):
        one_body(event=EventFields("Sangeet", datetime(2026, 12, 12), "Asia/Kolkata", None))  # noqa: DTZ001 - the fault itself


@pytest.mark.parametrize(
    ("source", "guest", "event", "says"),
    [
        (GUEST_NAME, GuestFields(" \u200b\n", "Rao family"), SANGEET, "The guest has no name."),
        (HOUSEHOLD_NAME, GuestFields("Asha", None), SANGEET, "The household has no name."),
        (
            ParameterSource.EVENT_VENUE,
            ASHA,
            EventFields("S", SANGEET.starts_at, "UTC", None),
            "The event has no venue.",
        ),
    ],
)
def test_a_missing_value_is_said_and_its_placeholder_stays_visible(
    source: ParameterSource, guest: GuestFields, event: EventFields, says: str
) -> None:
    rendered = one_body("Dear {{1}}", source, event=event).render(guest)
    assert rendered.missing == (says,)
    assert rendered.values == ("",)
    assert rendered.text == "Dear {{1}}"


def test_a_text_that_would_be_too_long_for_meta_is_a_missing_value() -> None:
    renderer = one_body("Dear {{1}}" + "x" * 1000)
    assert renderer.render(GuestFields("y" * 19, None)).missing == ()
    assert renderer.render(GuestFields("y" * 20, None)).missing == (
        "The body is longer than 1024 characters with these values.",
    )
    shape = inspect(
        [{"type": "HEADER", "format": "TEXT", "text": "{{1}}"}, {"type": "BODY", "text": "Hi"}], "POSITIONAL"
    )
    header = resolve(shape, [given_for(HEADER, GUEST_NAME, position=1)], SANGEET)
    assert header.render(GuestFields("y" * 60, None)).missing == ()
    assert "longer than 60" in header.render(GuestFields("y" * 61, None)).missing[0]


def link_of(source: ParameterSource, value: str | None = None, guest: GuestFields = ASHA) -> Rendered:
    url = {"type": "URL", "text": "Open", "url": "https://ex.org/{{1}}"}
    shape = inspect([{"type": "BODY", "text": "Hi"}, {"type": "BUTTONS", "buttons": [url]}], "NAMED")
    return resolve(shape, [given_for(BUTTON, source, value, button_index=0, position=1)], SANGEET).render(guest)


def test_the_end_of_a_link_is_percent_encoded() -> None:
    assert link_of(TEXT, "t/9f3k2?a=1&b=%20x#top").values == ("t/9f3k2?a=1&b=%20x#top",)
    assert link_of(TEXT, "100% ü").values == ("100%25%20%C3%BC",)
    assert link_of(GUEST_NAME, guest=GuestFields("A/B & C? 5%", None)).values == ("A%2FB%20%26%20C%3F%205%25",)
    assert "longer than 2000" in link_of(TEXT, "ü" * 400).missing[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("  Asha \n\t Rao     family ", "Asha Rao family"),
        ("Asha\u00a0\u2028Rao\r\n", "Asha Rao"),
        ("\x00A\ud800\u202es\x07ha", "Asha"),
        (" \n\u200b", None),
        ("", None),
        (None, None),
    ],
)
def test_clean_value(text: str | None, value: str | None) -> None:
    assert clean_value(text) == value


@given(st.text(st.characters() | st.sampled_from(" \n\t"), max_size=40))
@example("a     b")
def test_a_clean_value_keeps_metas_whitespace_rule(text: str) -> None:
    value = clean_value(text)
    assert value != ""
    if value:
        assert not set(value) & set("\n\t\r\x00")
        assert "     " not in value
        value.encode()


def test_complete_parameters_have_no_problems() -> None:
    assert check_parameters(inspect(NAMED, "NAMED"), NAMED_PARAMETERS) == []
    assert check_parameters(inspect(POSITIONAL, "POSITIONAL"), POSITIONAL_PARAMETERS) == []


HOLDER = given_for(BODY, GUEST_NAME, name="guest")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ([], "Nothing is given for the header's image."),
        ([IMAGE, IMAGE], "The header's image is given more than once."),
        ([IMAGE, HOLDER], "{{guest}} of the body is given more than once."),
        ([IMAGE, given_for(BODY, GUEST_NAME, name="aunt")], "no placeholder for “body, name “aunt””"),
        ([IMAGE, given_for(BODY, GUEST_NAME, position=1)], "no placeholder for “body, position 1”"),
        ([IMAGE, given_for(BODY, GUEST_NAME, name="x", position=1)], "both a name and a position"),
        ([IMAGE, given_for(BUTTON, TEXT, "x", button_index=0)], "no placeholder for “button with buttonIndex 0”"),
        ([given_for(HEADER, TEXT, "x")], "The header's image needs the source MEDIA_URL or MEDIA_ID."),
        ([given_for(HEADER, MEDIA_URL, "http://cdn.example/card.jpg")], "needs a link with https://"),
        ([given_for(HEADER, MEDIA_URL, "https://")], "needs a link with https://"),
        ([given_for(HEADER, MEDIA_URL, "https://[")], "needs a link with https://"),
        ([given_for(HEADER, MEDIA_URL, "https://a.example/a b")], "needs a link with https://"),
        ([given_for(HEADER, MEDIA_URL, "https://a.example/" + "x" * 2000)], "needs a link with https://"),
        ([given_for(HEADER, MEDIA_URL)], "has the source MEDIA_URL and needs a value"),
        ([given_for(HEADER, MEDIA_ID, "12a")], "a media id has digits only"),
        ([given_for(HEADER, MEDIA_ID, "１２")], "a media id has digits only"),
    ],
)
def test_problems_of_parameters(change: list[TemplateParameter], says: str) -> None:
    problems = check_parameters(inspect(NAMED, "NAMED"), [*NAMED_PARAMETERS[1:], *change])
    assert any(says in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("source", "value", "says"),
    [
        (GUEST_NAME, "Asha", "{{1}} of the body comes from GUEST_NAME; leave its value out."),
        (TEXT, None, "has the source TEXT and needs a value"),
        (TEXT, " \u200b", "has the source TEXT and needs a value"),
        (TEXT, "x" * 1025, "is longer than 1024 characters"),
        (MEDIA_ID, "12", "is a text; MEDIA_ID is for a media header only"),
    ],
)
def test_problems_of_a_value(source: ParameterSource, value: str | None, says: str) -> None:
    shape = inspect([{"type": "BODY", "text": "{{1}}"}], "POSITIONAL")
    parameters = [given_for(BODY, source, value, position=1)]
    (problem,) = check_parameters(shape, parameters)
    assert says in problem
    with pytest.raises(BadInputError, match="body") as caught:
        resolve(shape, parameters, SANGEET)
    assert caught.value.field == "parameters"


def test_an_unsupported_template_and_a_flood_of_parameters_are_one_problem() -> None:
    shape = inspect([{"type": "CAROUSEL"}], "NAMED")
    assert check_parameters(shape, NAMED_PARAMETERS) == [shape.unsupported_reason]
    assert len(check_parameters(inspect(NAMED, "NAMED"), [IMAGE] * 101)) == 1


@pytest.mark.parametrize(
    ("components", "parameter_format", "parameters"),
    [(NAMED, "NAMED", NAMED_PARAMETERS), (POSITIONAL, "POSITIONAL", POSITIONAL_PARAMETERS)],
)
def test_a_frozen_recipe_and_values_rebuild_the_call(
    components: Any, parameter_format: Any, parameters: list[TemplateParameter]
) -> None:
    renderer = resolve(inspect(components, parameter_format), parameters, SANGEET)
    values = renderer.render(ASHA).values
    thawed = thaw(json.loads(json.dumps(renderer.freeze())))
    assert thawed == renderer
    assert thawed.components(json.loads(json.dumps(values))) == renderer.components(values)
    assert "Asha" not in json.dumps(renderer.freeze())


def test_values_of_another_recipe_are_refused() -> None:
    with pytest.raises(ValueError):
        one_body().components(("a", "b"))


@given(st.text(max_size=30), st.text(max_size=30))
@example("{{event}}", "{{guest}}")
def test_a_guests_own_braces_are_text(guest_name: str, household: str) -> None:
    renderer = resolve(inspect(NAMED, "NAMED"), NAMED_PARAMETERS, SANGEET)
    rendered = renderer.render(GuestFields(f"A{guest_name}", f"B{household}"))
    name = clean_value(f"A{guest_name}")
    assert f"Dear {name},\njoin us for Sangeet on Saturday, 12 December 2026. See you, {name}!" in rendered.text
    assert rendered.values[4].isascii()
