"""Every command: its help, its errors, its exit code."""

import asyncio
import inspect
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest

from app.auth import verifier_for
from app.cli import _COMMANDS, main
from app.cli.doctor.findings import Finding
from app.cli.doctor.ours import sign_in as examine_sign_in
from app.cli.errors import sentence_of
from app.cli.output import console, show_table
from app.cli.simulate import _described
from app.config import Secret, Settings
from app.whatsapp.simulator import Answer, SimulatorOptions
from tests.cli.commands import SECRET, invites, the_line
from tests.sign_in import PRIVATE, jwk, sign_in


@pytest.mark.parametrize("name", _COMMANDS)
def test_help_has_an_example_and_the_sentence_of_the_overview(name: str) -> None:
    result = invites(name, "--help")
    assert result.exit_code == 0
    assert f"Example: invites {name}" in result.stdout
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    assert inspect.cleandoc(command.help or "").splitlines()[0] == _COMMANDS[name][1]


def test_the_overview_lists_every_command_and_imports_none() -> None:
    code = (
        "import sys; from app.cli import main; main(['--help'], standalone_mode=False)\n"
        "assert 'sqlalchemy' not in sys.modules and 'litestar' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for name in _COMMANDS:
        assert f"\n  {name} " in result.stdout


def test_python_m_app_is_invites() -> None:
    result = subprocess.run([sys.executable, "-m", "app", "--help"], capture_output=True, text=True, check=False)
    assert result.stdout.startswith("Usage: invites ")


def test_an_unknown_command_is_a_usage_error() -> None:
    assert invites("verifi").exit_code == 2


def test_a_missing_secret_is_one_line(settings: pytest.MonkeyPatch) -> None:
    settings.delenv("AUTH_SECRET")
    result = invites("token", "--user", "asha")
    assert result.exit_code == 1
    assert the_line(result).startswith("AUTH_SECRET is not set.")


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    assert sentence_of(ZeroDivisionError()) is None


@pytest.mark.parametrize("subject", ["asha@example.org", "Asha of the Nairs", "आशा"])
def test_token_prints_the_token_alone(settings: pytest.MonkeyPatch, subject: str) -> None:
    """And the service takes it: whatever makes a token asks for the same subject as whatever reads it."""
    result = invites("token", "--user", subject, "--name", "Asha Nair", "--days", "7")
    assert result.exit_code == 0
    assert len(result.stdout.split()) == 1
    verifier = verifier_for(Settings.from_env({"AUTH_SECRET": SECRET}))
    identity = asyncio.run(verifier.identify(f"Bearer {result.stdout.strip()}"))
    assert (identity.subject, identity.display_name) == (subject, "Asha Nair")


@pytest.mark.parametrize("subject", ["", " asha", "x" * 256, "a\nb"])
def test_token_refuses_a_subject_that_no_member_can_have(settings: pytest.MonkeyPatch, subject: str) -> None:
    assert invites("token", "--user", subject).exit_code == 2


def test_token_makes_a_link(settings: pytest.MonkeyPatch) -> None:
    command = ("token", "--user", "asha", "--link")
    assert "GRAPHIQL=on" in the_line(invites(*command))
    settings.setenv("GRAPHIQL", "on")
    page, _, token = invites(*command).stdout.strip().partition("#token=")
    assert page == "http://127.0.0.1:8000/graphql"
    verifier = verifier_for(Settings.from_env({"AUTH_SECRET": SECRET}))
    assert asyncio.run(verifier.identify(f"Bearer {token}")).subject == "asha"
    elsewhere = invites(*command, "--at", "https://invites.example.org/")
    assert elsewhere.stdout.startswith("https://invites.example.org/graphql#token=")
    settings.setenv("CONSOLE", "on")
    assert invites(*command).stdout.startswith("http://127.0.0.1:8000/console#token=")
    assert invites(*command, "--at", "invites.example.org").exit_code == 2
    assert invites(*command[:-1], "--at", "https://invites.example.org").exit_code == 2


@pytest.fixture
def own_sign_in(settings: pytest.MonkeyPatch) -> None:
    """One that does not answer."""
    settings.setenv("AUTH_JWKS_URL", "http://127.0.0.1:1/keys?hidden=1")
    settings.setenv("AUTH_ISSUER", "https://sign-in.example")
    settings.setenv("AUTH_AUDIENCE", "invites")


@pytest.mark.usefixtures("own_sign_in")
def test_token_makes_none_that_would_be_refused() -> None:
    result = invites("token", "--user", "asha")
    assert result.exit_code == 1
    assert not result.stdout
    assert "AUTH_JWKS_URL is set" in the_line(result)


@pytest.mark.usefixtures("own_sign_in")
def test_doctor_finds_a_sign_in_that_does_not_answer(settings: pytest.MonkeyPatch, sqlite_url: str) -> None:
    settings.setenv("DATABASE_URL", sqlite_url)
    result = invites("doctor")
    assert result.exit_code == 1
    found = "fail  Sign-in     nobody can be signed in. What AUTH_JWKS_URL names cannot be reached (ConnectError)."
    assert found in result.stdout
    settings.delenv("AUTH_JWKS_URL")
    assert "ok    Sign-in     tokens signed with AUTH_SECRET (HS256)" in invites("doctor").stdout


@pytest.mark.anyio
async def test_doctor_counts_the_keys_of_a_sign_in() -> None:
    async with sign_in(
        jwk(PRIVATE["ES256"], "a", algorithm="ES256"), jwk(PRIVATE["EdDSA"], "b", algorithm="EdDSA")
    ) as own:
        chosen = Settings(auth_secret=Secret(SECRET), auth_jwks_url=own.url, auth_issuer="i", auth_audience="a")
        assert await examine_sign_in(chosen) == Finding("ok", "Sign-in", "usable keys: 2, for ES256, EdDSA")


def test_a_database_that_is_away_is_one_line_without_its_password(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("DATABASE_URL", "postgresql://invites:very-secret@127.0.0.1:1/invites")
    result = invites("migrate")
    assert result.exit_code == 1
    assert "DATABASE_URL" in the_line(result)
    assert "very-secret" not in result.output


def test_a_database_that_is_not_there_is_not_made_by_looking_for_it(
    settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "missing.db"
    settings.setenv("DATABASE_URL", f"sqlite:///{file}")
    result = invites("import-guests", "-", "--workspace", "wsp_x", "--as", "asha", stdin="name,phone\n")
    assert result.exit_code == 1
    assert the_line(result).endswith("Run: invites migrate")
    assert invites("doctor").exit_code == 1
    assert not file.exists()
    assert invites("migrate").exit_code == 0
    assert file.exists()


def test_worker_without_a_number_says_what_to_set(settings: pytest.MonkeyPatch) -> None:
    result = invites("worker")
    assert result.exit_code == 1
    assert "META_PHONE_NUMBER_ID" in the_line(result)


def test_serve_refuses_several_processes_on_sqlite(settings: pytest.MonkeyPatch) -> None:
    result = invites("serve", "--workers", "2")
    assert result.exit_code == 2
    assert "SQLite file has one writer" in result.stderr


def test_the_schema_is_printed_written_and_compared(tmp_path: Path) -> None:
    file = tmp_path / "schema.graphql"
    assert invites("export-schema", str(file)).exit_code == 0
    assert invites("export-schema").stdout == file.read_text()
    assert invites("export-schema", "--check", str(file)).exit_code == 0
    file.write_text(file.read_text().replace("type Query", "type Queries"))
    result = invites("export-schema", "--check", str(file))
    assert result.exit_code == 1
    assert "-type Queries" in result.stderr
    assert "+type Query" in result.stderr


def test_a_missing_schema_file_is_not_up_to_date(tmp_path: Path) -> None:
    assert invites("export-schema", "--check", str(tmp_path / "none.graphql")).exit_code == 1


def test_every_option_of_the_simulator_is_a_flag() -> None:
    shown = " ".join(invites("simulate-meta", "--help").stdout.split())
    flags = {"fail_codes": "--fail", "refuse_codes": "--refuse"}
    for each in fields(SimulatorOptions):
        if each.name not in {"templates", "scripts"}:
            assert flags.get(each.name, f"--{each.name.replace('_', '-')}") in shown
    assert _described(SimulatorOptions)["disorder"] in shown


def test_every_answer_that_a_script_may_ask_for_is_explained() -> None:
    shown = " ".join(invites("simulate-meta", "--help").stdout.split())
    texts = _described(Answer)
    assert texts.keys() == set(Answer)
    assert all(f"{name} {text}" in shown for name, text in texts.items())


@pytest.mark.parametrize(("option", "code"), [("131026", 2), ("x=0.1", 2), ("131026=1.5", 1)])
def test_a_wrong_share_is_refused(settings: pytest.MonkeyPatch, option: str, code: int) -> None:
    assert invites("simulate-meta", "--fail", option).exit_code == code


def test_a_taken_port_is_one_line(settings: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = invites("simulate-meta", "--port", str(port))
    assert result.exit_code == 1
    assert f"port {port}" in the_line(result)


def test_tables_show_what_guests_are_called_and_obey_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("[bold]Asha[/bold] :smile:", 1), ("\x1b]0;title\x07Ravi \u202etxet", 2)]
    show_table(console(), "\x1b[31mGuests", ("Name", "#Count"), rows)
    text = capsys.readouterr().out
    assert "[bold]Asha[/bold] :smile:" in text
    assert "Ravi" in text
    assert not set(text) & {"\x1b", "\x07", "\u202e"}
