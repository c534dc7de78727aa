"""``invites import-guests`` on a real database."""

import re
from pathlib import Path

import pytest

from app.db.engine import Database
from app.domain.enums import Role
from tests.cli.commands import invites, the_line, with_database
from tests.services.world import World, make_world

LIST = """household,name,phone,side,tags,primary
The Nairs,Asha Nair,98200 12345,bride,family,yes
The Nairs,Rohan Nair,98200 12346,bride,family,
Old uncle,Balbir,98200 123,groom,family,
Swami,Swami Anand,,,vip,
The Kapoors,[red]Ravi,98200 12347,dulhan-ish,friends,
"""


@pytest.fixture
def world(migrated: str) -> World:
    async def make(database: Database) -> World:
        return await make_world(database)

    return with_database(migrated, make)


def run(
    world: World, file: str, *more: str, role: Role = Role.FAMILY_COORDINATOR, stdin: str | bytes = ""
) -> tuple[int, str]:
    result = invites(
        "import-guests", file, "--workspace", world.workspace_id, "--as", world.actors[role].subject, *more, stdin=stdin
    )
    return result.exit_code, result.stdout


def counts(text: str) -> dict[str, int]:
    return {name: int(count) for name, count in re.findall(r"^ ?([A-Z_]+) +(\d+) *$", text, re.MULTILINE)}


def test_a_list_is_imported_and_its_outcomes_are_told(world: World, tmp_path: Path) -> None:
    file = tmp_path / "guests.csv"
    file.write_text(LIST, encoding="utf-8")
    code, text = run(world, str(file))
    assert code == 0
    assert "5 rows imported" in text
    assert counts(text) == {"CREATED": 3, "WARNING_MALFORMED_PHONE": 1, "SKIPPED_NO_PHONE": 1}
    # What wants to be looked at: the wrong phone, the missing one, the unknown side; and nobody else.
    assert "98200 123 " in text
    assert "Swami Anand" in text
    assert "[red]Ravi" in text
    assert "dulhan-ish" in text
    assert "Rohan Nair" not in text

    code, text = run(world, str(file))
    assert code == 0
    assert counts(text) == {"UNCHANGED": 5}
    code, text = run(world, str(file), "--all-rows")
    assert "Rohan Nair" in text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_from_standard_input_in_any_unicode(world: World, encoding: str) -> None:
    code, text = run(world, "-", "--all-rows", stdin="name,phone\nज़ोया,98200 12349\n".encode(encoding))
    assert code == 0
    assert "ज़ोया" in text


def test_what_is_no_unicode_text_is_refused(world: World) -> None:
    result = invites(
        "import-guests",
        "-",
        "--workspace",
        world.workspace_id,
        "--as",
        world.owner.subject,
        stdin="name,phone\nZo\xeb,1".encode("latin-1"),
    )
    assert result.exit_code == 1
    assert "CSV UTF-8" in the_line(result)


def test_a_stranger_and_a_wrong_workspace_get_the_same_answer(world: World) -> None:
    answers = set()
    for workspace, subject in ((world.workspace_id, "stranger@example.org"), ("wsp_none", world.owner.subject)):
        result = invites("import-guests", "-", "--workspace", workspace, "--as", subject, stdin=LIST)
        assert result.exit_code == 1
        answers.add(the_line(result))
    (answer,) = answers
    assert "--as" in answer, "either of the two may be wrong"


def test_a_long_list_of_troubles_leaves_the_counts_in_sight(world: World, tmp_path: Path) -> None:
    file = tmp_path / "guests.csv"
    file.write_text("name,phone\n" + "".join(f"Guest {k},98{k}\n" for k in range(25)), encoding="utf-8")
    _, text = run(world, str(file))
    assert "Guest 19 " in text
    assert "Guest 20 " not in text
    assert "5 more want to be looked at. To list every row: --all-rows" in text
    _, text = run(world, str(file), "--all-rows")
    assert "Guest 24 " in text
    assert "more want" not in text


def test_a_file_that_is_not_there_is_a_usage_error(world: World) -> None:
    assert invites("import-guests", "/none.csv", "--workspace", "w", "--as", "a").exit_code == 2


def test_a_list_without_a_header_is_one_line(world: World) -> None:
    result = invites(
        "import-guests", "-", "--workspace", world.workspace_id, "--as", world.owner.subject, stdin="Asha,98200 12345\n"
    )
    assert result.exit_code == 1
    assert "first line must name the columns" in the_line(result)
    assert "12345" not in result.stderr.replace("•••••2345", "")
