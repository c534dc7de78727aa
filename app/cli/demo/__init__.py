"""``invites demo``: the whole way of an invite on this machine, with a made-up wedding and a simulated WhatsApp."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import click
import httpx
from rich.console import Console

from app.auth import issue_token
from app.cli.demo import onward, wedding
from app.cli.demo.client import Caller, RefusedError, Simulator
from app.cli.demo.processes import free_port, running
from app.cli.demo.report import check, show_report
from app.cli.demo.story import Cast, Story
from app.cli.output import console
from app.config import Settings

_SIMULATOR_PORT: Final = 9000
_TOKEN_LIFE: Final = timedelta(days=1)
_WAYWARD: Final = (
    "--duplicates", "0.2", "--disorder", "1", "--late", "1.5", "--loss", "0.03", "--status-delay", "0.4",
    "--latency", "0.05", "--held", "0.05", "--held-dropped", "0.3", "--cut", "0.01",
    "--fail", "131026=0.04", "--fail", "131049=0.02", "--fail", "131050=0.02",
)  # fmt: skip
"""Much more trouble than a real wedding sees."""


@dataclass(frozen=True, slots=True)
class _Plan:
    folder: Path
    port: int
    guests: int
    stays: bool

    @property
    def limit(self) -> float:
        """Seconds for the whole story."""
        return 120 + self.guests / 10


@click.command("demo", epilog="Example: invites demo --exit --guests 100")
@click.option(
    "--exit", "leave", is_flag=True, help="End when the story is told; so it is without a terminal and in CI."
)
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Of the service; the next if taken."
)
@click.option("--guests", type=click.IntRange(20, 5000), default=299, show_default=True, help="Rows of the guest list.")
@click.option("--keep", is_flag=True, help="Keep the folder with the database and the logs.")
def demo_command(port: int, guests: int, *, leave: bool, keep: bool) -> None:
    """Show the whole way of an invite, with a made-up wedding and a simulated WhatsApp.

    Needs no account, no database server and no settings, and touches none. Imports a guest list with every kind of
    trouble, prechecks, is refused, sends, follows, and checks at the end that every figure is true (exit code 1 if not).
    Then it stays for a look around in the console and GraphiQL, until Ctrl-C.
    """
    out = console()
    folder = Path(tempfile.mkdtemp(prefix="invites-demo-"))
    stays = not leave and out.is_terminal and not os.environ.get("CI")
    try:
        asyncio.run(_run(out, _Plan(folder, port, guests, stays)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise click.Abort from None
    finally:
        if keep:
            out.print(f"Database and logs: {folder}", soft_wrap=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)


async def _run(out: Console, plan: _Plan) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with contextlib.AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(plan.limit):
                await _tell(out, plan, stack)
        except TimeoutError:
            raise click.ClickException(f"The demo was not done after {plan.limit:.0f} s, and was stopped.") from None
        except RefusedError as refusal:
            raise click.ClickException(f"The service refused a step: {refusal} ({refusal.code})") from None
        if plan.stays:
            out.print("Ctrl-C ends it.", style="bold")
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()


async def _tell(out: Console, plan: _Plan, stack: contextlib.AsyncExitStack) -> None:
    """The story and its check; what ``stack`` holds goes on running."""
    port = free_port(plan.port)
    simulated = free_port(_SIMULATOR_PORT if port != _SIMULATOR_PORT else port + 1)
    service, meta = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{simulated}"
    env = {
        "AUTH_SECRET": secrets.token_urlsafe(48),
        "DATABASE_URL": f"sqlite:///{plan.folder / 'demo.db'}",
        "META_GRAPH_URL": meta,
        "META_PHONE_NUMBER_ID": "100000000000001",
        "META_WABA_ID": "200000000000001",
        "META_ACCESS_TOKEN": secrets.token_urlsafe(24),
        "META_APP_SECRET": secrets.token_urlsafe(24),
        "SEND_RATE": str(max(40, plan.guests // 8)),
        "GRAPHIQL": "on",
        "CONSOLE": "on",
    }
    settings = Settings.from_env(env)
    tokens = {
        person: issue_token(settings, person.subject, person.name, _TOKEN_LIFE)
        for person in (wedding.OWNER, wedding.PARENT, wedding.COORDINATOR)
    }
    settings_file = onward.write_settings(plan.folder, env | {"PORT": str(port)})
    env["GRAPHIQL_TOKENS"] = ",".join(tokens.values())
    out.print("Starting the service and a simulated WhatsApp …", style="dim")
    webhook = f"{service}/webhooks/whatsapp"
    await stack.enter_async_context(
        running(
            ["simulate-meta", "--port", str(simulated), "--webhook-url", webhook, *_WAYWARD],
            env,
            plan.folder / "simulator.log",
            f"{meta}/_simulator/accepted",
        )
    )
    await stack.enter_async_context(
        running(["serve", "--port", str(port)], env, plan.folder / "service.log", f"{service}/health/ready")
    )
    async with (
        httpx.AsyncClient(base_url=service, timeout=60, trust_env=False) as http,
        httpx.AsyncClient(
            base_url=meta,
            timeout=60,
            trust_env=False,
            headers={"Authorization": f"Bearer {env['META_ACCESS_TOKEN']}"},
        ) as books,
    ):
        owner, parent, coordinator = (Caller(person.name, token, http) for person, token in tokens.items())
        cast = Cast(owner, parent, coordinator, Simulator(books))
        story = Story(out, cast)
        sent = await story.tell(plan.guests)
        story.heading("What the service shows")
        await show_report(out, cast, sent)
        story.heading("Is it true? The service's figures against the simulator's own books")
        await check(out, cast, sent)
    if plan.stays:
        story.heading(f"Look around in a browser: {service}/console")
        story.say(
            "Send and follow invites. At the top you choose through whose eyes you look: owner, parent, coordinator."
        )
        story.say(f"And {service}/graphql for those who ask in GraphQL: every tab is ready to run.")
        story.heading("Go on with your own guest list, in a second shell")
        for command in onward.commands(settings_file, sent):
            # Bare, so that a whole line can be copied.
            out.print(command, soft_wrap=True)
    else:
        out.print(
            "Without --exit, on a terminal, it stays open for a look around and for your own guest list.", style="dim"
        )
