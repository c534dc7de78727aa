"""How the tests run a command."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.config import described
from app.db.engine import Database

T = TypeVar("T")

SECRET = "only for tests: a secret of sixty-four bytes - as long as it has to"


def clear_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a developer's own settings change no test."""
    for name, _, _ in described():
        monkeypatch.delenv(name.upper(), raising=False)


def invites(*args: str, stdin: str | bytes | None = None, env: Mapping[str, str | None] | None = None) -> Result:
    """Run a command in this process; an unexpected exception comes through. None in ``env`` unsets."""
    result = CliRunner().invoke(main, args, input=stdin, env=env, prog_name="invites", catch_exceptions=False)
    assert "Traceback" not in result.stderr
    return result


def with_database(url: str, act: Callable[[Database], Awaitable[T]]) -> T:
    """Look into or prepare a database, from a test that is not async: the commands run loops of their own."""

    async def run() -> T:
        database = Database(url)
        try:
            return await act(database)
        finally:
            await database.close()

    return asyncio.run(run())


def the_line(result: Result) -> str:
    """The one line that tells why a command failed."""
    (line,) = result.stderr.strip().splitlines()
    return line.removeprefix("Error: ")
