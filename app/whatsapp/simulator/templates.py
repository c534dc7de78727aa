"""Templates of a made-up wedding, in the shape of Meta's ``GET message_templates``: one of each kind that matters."""

from typing import Any

JsonObject = dict[str, Any]


def _template(
    number: int,
    name: str,
    language: str,
    *components: JsonObject,
    status: str = "APPROVED",
    category: str = "MARKETING",
    parameter_format: str = "POSITIONAL",
) -> JsonObject:
    return {
        "id": str(300_000_000_000_000 + number),
        "name": name,
        "language": language,
        "status": status,
        "category": category,
        "parameter_format": parameter_format,
        "quality_score": {"score": "GREEN", "date": 1_795_000_000},
        "components": list(components),
    }


def _named(**examples: str) -> JsonObject:
    return {"body_text_named_params": [{"param_name": key, "example": value} for key, value in examples.items()]}


DEFAULT_TEMPLATES: tuple[JsonObject, ...] = (
    _template(
        1,
        "wedding_invite",
        "en",
        {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["https://example.org/invite.jpg"]}},
        {
            "type": "BODY",
            "text": "Dear {{guest_name}}, with joy we invite you to {{event_title}} on {{event_date}} at {{event_time}}, "
            "{{event_venue}}. Your presence is our blessing.",
            "example": _named(
                guest_name="Asha Rao",
                event_title="Mehndi",
                event_date="Friday, 12 February 2027",
                event_time="4:00 pm",
                event_venue="Rose Garden",
            ),
        },
        {"type": "FOOTER", "text": "With love from both families"},
        parameter_format="NAMED",
    ),
    _template(
        2,
        "sangeet_evening",
        "en_US",
        {"type": "HEADER", "format": "TEXT", "text": "Sangeet for {{1}}", "example": {"header_text": ["Asha"]}},
        {
            "type": "BODY",
            "text": "Hello {{1}}, join us for an evening of music on {{2}} at {{3}}.",
            "example": {"body_text": [["Asha", "13 February", "Lake House"]]},
        },
    ),
    _template(
        3,
        "save_the_date",
        "en",
        {"type": "BODY", "text": "Save the date: 14 February 2027. The invitation follows."},
        category="UTILITY",
    ),
    _template(
        4,
        "reception_details",
        "en",
        {
            "type": "BODY",
            "text": "Dear {{1}}, the reception begins at {{2}}.",
            "example": {"body_text": [["Asha", "7:00 pm"]]},
        },
        {
            "type": "BUTTONS",
            "buttons": [
                {"type": "URL", "text": "All events", "url": "https://example.org/events"},
                {
                    "type": "URL",
                    "text": "Your page",
                    "url": "https://example.org/i/{{1}}",
                    "example": ["https://example.org/i/9f3k2"],
                },
            ],
        },
    ),
    _template(
        5,
        "invitation_card",
        "en",
        {"type": "HEADER", "format": "DOCUMENT", "example": {"header_handle": ["https://example.org/card.pdf"]}},
        {"type": "BODY", "text": "Dear {{1}}, here is your card.", "example": {"body_text": [["Asha"]]}},
    ),
    _template(
        6,
        "haldi_morning",
        "en",
        {"type": "BODY", "text": "Haldi begins at {{1}}.", "example": {"body_text": [["9:00 am"]]}},
        status="PAUSED",
    ),
    _template(
        7,
        "gift_shop",
        "en",
        {"type": "BODY", "text": "Shop our gift list today!"},
        status="REJECTED",
    ),
    _template(
        8,
        "five_events",
        "en",
        {"type": "BODY", "text": "Our five events:"},
        {
            "type": "CAROUSEL",
            "cards": [
                {
                    "components": [
                        {"type": "HEADER", "format": "IMAGE"},
                        {"type": "BODY", "text": "Mehndi"},
                        {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Coming"}]},
                    ]
                }
            ],
        },
    ),
    _template(
        9,
        "will_you_come",
        "en",
        {"type": "BODY", "text": "Will you come to {{event_title}}?", "example": _named(event_title="Reception")},
        {
            "type": "BUTTONS",
            "buttons": [{"type": "QUICK_REPLY", "text": "Coming"}, {"type": "QUICK_REPLY", "text": "Not interested"}],
        },
        parameter_format="NAMED",
    ),
)
