from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.enums import TemplateComponent
from app.domain.templates import TemplateSlot, inspect

from .template_samples import DOCUMENT, NAMED, POSITIONAL

HEADER, BODY, BUTTON = TemplateComponent.HEADER, TemplateComponent.BODY, TemplateComponent.BUTTON
TEXT = {"type": "BODY", "text": "Hello"}


def test_a_named_template() -> None:
    shape = inspect(NAMED, "NAMED")
    assert shape.supported
    assert shape.unsupported_reason is None
    assert shape.parameters == (
        TemplateSlot(HEADER, None, None, None, "IMAGE", "https://scontent.example/a.jpg"),
        TemplateSlot(BODY, None, "guest", None, "TEXT", "Pablo"),
        TemplateSlot(BODY, None, "event", None, "TEXT", None),
        TemplateSlot(BODY, None, "date", None, "TEXT", None),
        TemplateSlot(BUTTON, 1, None, 1, "URL_SUFFIX", "https://ex.org/t/1"),
    )
    assert shape.text == (
        "[image]\n\nDear {{guest}},\njoin us for {{event}} on {{date}}. See you, {{guest}}!\n\nReply STOP to stop\n\n"
        "[Accept]\n[Details: https://ex.org/{{1}}]\n[Map: https://ex.org/map]\n[Call]"
    )


def test_a_positional_template_counts_header_and_body_apart() -> None:
    shape = inspect(POSITIONAL, "POSITIONAL")
    assert shape.supported
    assert [(slot.component, slot.position, slot.name, slot.example) for slot in shape.parameters] == [
        (HEADER, 1, None, "Sangeet"),
        (BODY, 1, None, "7 pm"),
        (BODY, 2, None, "Saturday"),
        (BODY, 3, None, "Taj Hall"),
    ]
    assert shape.text == "{{1}}\n\n{{2}} at {{1}}, {{3}}"


def test_the_order_of_the_json_does_not_matter() -> None:
    shape = inspect(DOCUMENT, "POSITIONAL")
    assert shape.text == "[document]\n\nYour card"
    assert [slot.kind for slot in shape.parameters] == ["DOCUMENT"]
    assert inspect(NAMED[::-1], "named") == inspect(NAMED, "NAMED")


def buttons(*entries: dict[str, Any]) -> list[dict[str, Any]]:
    return [TEXT, {"type": "BUTTONS", "buttons": list(entries)}]


@pytest.mark.parametrize(
    ("components", "parameter_format", "reason"),
    [
        ([TEXT, {"type": "CAROUSEL", "cards": []}], "NAMED", "carousel"),
        ([TEXT, {"type": "LIMITED_TIME_OFFER"}], "NAMED", "limited-time offer"),
        ([TEXT, {"type": "CALL_PERMISSION_REQUEST"}], "NAMED", "part of an unknown type"),
        ([TEXT, {"type": "HEADER", "format": "LOCATION"}], "NAMED", "location"),
        ([TEXT, {"type": "HEADER", "format": "HOLOGRAM"}], "NAMED", "header is of an unknown type"),
        (buttons({"type": "COPY_CODE"}), "NAMED", "coupon code"),
        (buttons({"type": "OTP", "otp_type": "COPY_CODE"}), "NAMED", "one-time password"),
        (buttons({"type": "FLOW"}), "NAMED", "flow"),
        (buttons({"type": "CATALOG"}), "NAMED", "catalogue"),
        (buttons({"type": "MPM"}), "NAMED", "products"),
        (buttons({"type": "TELEPORT"}), "NAMED", "button of an unknown type"),
        (buttons({"type": "URL", "url": "https://ex.org/{{1}}/x"}), "NAMED", "not at the end"),
        (buttons({"type": "URL", "url": "https://ex.org/{{1}}{{2}}"}), "NAMED", "not at the end"),
        ([TEXT, TEXT], "NAMED", "more than one body"),
        ([{"type": "FOOTER", "text": "x"}], "NAMED", "no body text"),
        ([{"type": "BODY", "text": "Hi {{1}}"}], "NAMED", "not all names"),
        ([{"type": "BODY", "text": "Hi {{ }}"}], "NAMED", "not all names"),
        ([{"type": "BODY", "text": "Hi {{guest}}"}], "POSITIONAL", "not numbered"),
        ([{"type": "BODY", "text": "Hi {{2}}"}], "POSITIONAL", "not numbered"),
        ([{"type": "BODY", "text": "Hi {{0}} {{1}}"}], "POSITIONAL", "not numbered"),
        ([{"type": "BODY", "text": "Hi {{" + "9" * 5000 + "}}"}], "POSITIONAL", "not numbered"),
        (None, None, "no body text"),
        ([7, "x", None], "NAMED", "part of an unknown type"),
    ],
)
def test_what_cannot_be_filled_in_is_unsupported_with_a_reason(
    components: Any, parameter_format: Any, reason: str
) -> None:
    shape = inspect(components, parameter_format)
    assert not shape.supported
    assert reason in (shape.unsupported_reason or "")
    assert (shape.unsupported_reason or "").endswith("Choose another template.")
    assert shape.parameters == ()


def test_an_unsupported_template_is_still_shown() -> None:
    assert inspect(buttons({"type": "FLOW", "text": "RSVP"}), "NAMED").text == "Hello\n\n[RSVP]"
    assert inspect([{"type": "HEADER", "format": "LOCATION"}, TEXT], "NAMED").text == "Hello"


def test_what_cannot_be_stored_is_left_out() -> None:
    assert inspect([{"type": "BODY", "text": "Hel\x00lo\ud800"}], "NAMED").text == "Hello"


KEYS = st.sampled_from(
    ["type", "format", "text", "buttons", "url", "example", "body_text", "header_handle", "header_text"]
)
WORDS = st.sampled_from(
    ["HEADER", "BODY", "FOOTER", "BUTTONS", "URL", "TEXT", "IMAGE", "{{1}}", "{{a}}", "{{1}} {{2}}", "{{"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | WORDS, inner, max_size=5),
    max_leaves=30,
)
COMPONENTS = st.lists(
    st.fixed_dictionaries(
        {"type": WORDS}, optional={"text": WORDS | JSON, "format": WORDS, "buttons": JSON, "example": JSON}
    )
)


@given(COMPONENTS | JSON, st.sampled_from(["NAMED", "POSITIONAL"]) | JSON)
@example([{"type": "BODY", "text": "{{1}}", "example": {"body_text": [7]}}], "POSITIONAL")
@example([{"type": "BUTTONS", "buttons": {"a": 1}}], "NAMED")
def test_any_json_has_a_shape(components: Any, parameter_format: Any) -> None:
    shape = inspect(components, parameter_format)
    assert shape.supported == (shape.unsupported_reason is None)
    used = {piece for section in shape.sections for piece in section.pieces if isinstance(piece, int)}
    media = {index for index, slot in enumerate(shape.parameters) if slot.kind in {"IMAGE", "VIDEO", "DOCUMENT"}}
    assert used | media == set(range(len(shape.parameters)))
    shape.text.encode()
