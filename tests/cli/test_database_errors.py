"""A DATABASE_URL that leads nowhere: one line that says what to do, not a traceback."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from app.db.engine import Database
from app.db.migrate import upgrade
from tests.cli.commands import invites, the_line, with_database
from tests.databases import CHOSEN, Databases

COMMANDS = [
    ["migrate"],
    ["serve", "--port", "0"],
    ["serve", "--port", "0", "--no-migrate"],
    ["worker"],
    ["import-guests", "-", "--workspace", "wsp_x", "--as", "asha"],
]


@pytest.fixture(params=["no database", "no such role", "no SQLite file"])
def useless(request: pytest.FixtureRequest, settings: pytest.MonkeyPatch, tmp_path: Path, databases: Databases) -> str:
    """The settings name what cannot be opened; its URL."""
    if request.param == "no SQLite file":
        file = tmp_path / "letter.txt"
        file.write_text("Dear guests, this is a letter. " * 100)
        url = f"sqlite:///{file}"
    elif "postgres" not in CHOSEN:
        pytest.skip("about PostgreSQL, which TEST_DATABASES leaves out")
    else:
        there = make_url(databases.postgres_admin_url())
        wrong = there.set(database="nowhere") if request.param == "no database" else there.set(username="nobody")
        url = wrong.render_as_string(hide_password=False)
    settings.setenv("DATABASE_URL", url)
    settings.setenv("META_PHONE_NUMBER_ID", "1")
    settings.setenv("META_ACCESS_TOKEN", "token")
    return url


@pytest.mark.usefixtures("useless")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_database_that_cannot_be_opened_is_one_line(command: list[str]) -> None:
    result = invites(*command, stdin="name,phone\n")
    assert result.exit_code == 1
    assert "DATABASE_URL" in the_line(result)


@pytest.mark.usefixtures("useless")
def test_doctor_goes_on_without_the_database(settings: pytest.MonkeyPatch) -> None:
    settings.delenv("META_PHONE_NUMBER_ID")
    result = invites("doctor")
    assert result.exit_code == 1
    assert "fail  Database    not reachable" in result.stdout
    assert "Number" in result.stdout.partition("fail  Database")[2]


def test_a_database_of_a_newer_version_is_one_line(settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'newer.db'}"
    asyncio.run(upgrade(url))

    async def age(database: Database) -> None:
        async with database.connection() as connection:
            await connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
            await connection.commit()

    with_database(url, age)
    settings.setenv("DATABASE_URL", url)
    for command in (["migrate"], ["serve", "--port", "0"], ["serve", "--port", "0", "--no-migrate"]):
        result = invites(*command)
        assert result.exit_code == 1
        assert "newer version" in the_line(result)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_unknown_argument_of_the_url_is_one_line(settings: pytest.MonkeyPatch, command: list[str]) -> None:
    settings.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/x?channel_binding=require")
    result = invites(*command, stdin="name,phone\n")
    assert result.exit_code == 1
    assert the_line(result).startswith("DATABASE_URL must")
    assert "fail  Settings    DATABASE_URL must" in invites("doctor").stdout
