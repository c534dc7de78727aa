"""``invites send`` with the wrong template: it says which there are, and what to give for each."""

from typing import Any

import pytest

from app.db.engine import Database
from tests.cli.commands import invites, the_line, with_database
from tests.sending.world import TEMPLATE, Wedding, add_template, make_wedding, people

BUTTONS = [
    {"type": "HEADER", "format": "IMAGE"},
    {"type": "BODY", "text": "Dear {{1}}, on {{2}}."},
    {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Page", "url": "https://example.org/{{1}}"}]},
]


@pytest.fixture
def wedding(migrated: str) -> Wedding:
    async def make(database: Database) -> Wedding:
        made = await make_wedding(database, people(3))
        await add_template(database, made.number_id, name="evening", components=BUTTONS, parameter_format="POSITIONAL")
        await add_template(database, made.number_id, name="refused", status="REJECTED")
        return made

    return with_database(migrated, make)


def send(wedding: Wedding, template: str, *more: str) -> Any:
    subject = wedding.world.admin.subject
    options = ("--as", subject, "--event", wedding.event.id, "--template", template, "--language", "en")
    return invites("send", *options, *more, "--yes")


def test_an_unknown_template_brings_the_list(wedding: Wedding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # else a row may take two lines
    result = send(wedding, "evning")
    assert result.exit_code == 1
    assert the_line(result).startswith("Nothing was sent. There is no template of this name and language.")
    cells = [line.split()[:6] for line in result.stdout.splitlines()]
    listed = [each for each in cells if each[:1] in (["evening"], [TEMPLATE])]
    assert listed[0] == ["evening", "en", "header", "body.1", "body.2", "button.0"]
    assert listed[1][:3] == [TEMPLATE, "en", "body.guest_name"]
    assert "refused" not in result.stdout
    assert "╭" not in result.stdout, "there is nothing to preview"


def test_missing_parameters_bring_what_is_asked_for(wedding: Wedding) -> None:
    result = send(wedding, "evening", "--param", "body.1=GUEST_NAME")
    assert result.exit_code == 1
    assert "Nothing is given for" in the_line(result)
    assert "button.0" in result.stdout
    assert TEMPLATE not in result.stdout


def test_an_unknown_event_may_be_the_members_fault(wedding: Wedding) -> None:
    options = ("--event", wedding.event.id, "--template", TEMPLATE, "--language", "en")
    assert "--as" in the_line(invites("send", "--as", "nobody@example.org", *options))
