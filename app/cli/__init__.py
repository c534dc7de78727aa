"""The command line, ``invites``. A group of commands is a module of its own, imported when one of them is asked for.

Exit codes: 0 done, 1 refused or failed (one line on standard error says why), 2 the command line itself is wrong.
"""

import gc
import importlib
import io
import sys
from importlib.metadata import version
from typing import Any, Final

import click

_COMMANDS: Final = {
    "demo": ("demo", "Show the whole way of an invite, with a made-up wedding and a simulated WhatsApp."),
    "serve": ("serve", "Serve GraphQL and Meta's webhook, and send what is due."),
    "worker": ("serve", "Send what is due, without serving anything."),
    "migrate": ("serve", "Bring the database to this version's schema."),
    "simulate-meta": ("simulate", "Play Meta's side on this machine."),
    "token": ("token", "Print a token for a user, and nothing else."),
    "import-guests": ("guests", "Import a guest list."),
    "send": ("send", "Precheck, confirm, send and follow the invites of an event."),
    "doctor": ("doctor", "Check settings, database, clock, webhooks and what Meta says."),
    "audit": ("audit", "Show who did what, newest first."),
    "verify": ("verify", "Check on the live database that the promises hold."),
    "replay": ("replay", "Read the stored words of WhatsApp again."),
    "prune": ("prune", "Let go of what has been kept long enough."),
    "export-schema": ("schema", "Write the GraphQL schema to FILE, or print it."),
}
"""Command → the module that has it as ``<name>_command``, and its first sentence, so that help imports none of them."""


class Commands(click.Group):
    """Finds commands by ``_COMMANDS`` and turns expected errors into one line and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        gc.disable()  # nothing that an import makes is garbage, and looking for some takes a sixth of a start
        try:
            module = importlib.import_module(f"app.cli.{_COMMANDS[cmd_name][0]}")
        finally:
            gc.enable()
        found = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            from app.cli.errors import sentence_of

            sentence = sentence_of(error)
            if sentence is None:
                raise
            raise click.ClickException(sentence) from None


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: invites demo",
)
@click.version_option(version("whatsapp-invites"), message="%(version)s")
def main() -> None:
    """Wedding invites through WhatsApp: never to the blocked, never twice, followed to the read receipt."""
    for stream in (sys.stdout, sys.stderr):
        # A guest's name must not end the program where the terminal cannot show its script.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
