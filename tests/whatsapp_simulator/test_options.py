"""Options that make no sense are refused with the name of the field."""

from typing import Any

import pytest

from app.domain.errors import BadInputError
from app.whatsapp.simulator import create_simulator
from app.whatsapp.simulator.templates import DEFAULT_TEMPLATES
from tests.whatsapp_simulator.support import TOKEN, options

WRONG_OPTIONS = {
    "access_token": "",
    "app_secret": "",
    "loss": 1.5,
    "duplicates": -0.1,
    "latency": -1.0,
    "late": float("nan"),
    "refuse_codes": {131026: 0.6, 131049: 0.6},
    "fail_codes": {0: 0.1},
    "throttle": 0.5,
    "batch": 1001,
    "concurrency": 0,
    "post_attempts": 0,
    "capacity": 0,
    "webhook_url": "ftp://example.org",
    "scripts": {"16505550101": []},
}


@pytest.mark.parametrize(("name", "value"), WRONG_OPTIONS.items())
def test_wrong_options_are_named(name: str, value: Any) -> None:
    with pytest.raises(BadInputError) as caught:
        options(**{name: value})
    assert caught.value.field == name


def test_faults_add_up_to_one_at_most() -> None:
    with pytest.raises(BadInputError, match="add up to 1"):
        options(hang=0.5, cut=0.6)


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"id": "1", "name": "x", "language": "en", "status": "APPROVED", "category": "UTILITY", "components": []},
        DEFAULT_TEMPLATES[0] | {"id": "first"},
        DEFAULT_TEMPLATES[0] | {"parameter_format": "POSITIONAL"},
    ],
)
def test_malformed_templates_are_refused_at_the_start(template: dict[str, Any]) -> None:
    with pytest.raises(BadInputError) as caught:
        create_simulator(options(templates=[template]))
    assert caught.value.field == "templates"


def test_secrets_do_not_show() -> None:
    assert TOKEN not in repr(options())
    assert "app-secret" not in repr(options())
