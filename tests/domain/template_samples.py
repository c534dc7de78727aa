"""Templates as Meta lists them."""

from typing import Any

NAMED: list[dict[str, Any]] = [
    {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["https://scontent.example/a.jpg"]}},
    {
        "type": "BODY",
        "text": "Dear {{guest}},\njoin us for {{event}} on {{date}}. See you, {{guest}}!",
        "example": {"body_text_named_params": [{"param_name": "guest", "example": "Pablo"}]},
    },
    {"type": "FOOTER", "text": "Reply STOP to stop"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Accept"},
            {"type": "URL", "text": "Details", "url": "https://ex.org/{{1}}", "example": ["https://ex.org/t/1"]},
            {"type": "URL", "text": "Map", "url": "https://ex.org/map"},
            {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+16505550101"},
        ],
    },
]

POSITIONAL: list[dict[str, Any]] = [
    {"type": "HEADER", "format": "TEXT", "text": "{{1}}", "example": {"header_text": ["Sangeet"]}},
    {
        "type": "BODY",
        "text": "{{2}} at {{ 1 }}, {{3}}",
        "example": {"body_text": [["7 pm", "Saturday", "Taj Hall"]]},
    },
]

DOCUMENT: list[dict[str, Any]] = [
    {"type": "BODY", "text": "Your card"},
    {"type": "HEADER", "format": "DOCUMENT"},
]
