"""``invites serve``, ``worker`` and ``migrate``: what runs for long, and what it needs first."""

import asyncio
import contextlib
import os
import signal
import tempfile
from dataclasses import replace
from typing import Any

import click
import uvloop
from sqlalchemy.engine import make_url

from app import logs
from app.cli.running import require_migrated, settings_from_env
from app.cli.server import address_of, listen, run_here, run_workers, spare_the_collector
from app.config import Settings
from app.db.migrate import upgrade
from app.main import build_database, build_meta, build_services, build_worker, create_app
from app.metrics import SHARED, Metrics
from app.services.erasure import require_all_keys


def app_from_env() -> Any:
    """The app of one worker process."""
    settings = settings_from_env()
    logs.configure(settings.log_level, settings.log_format)
    spare_the_collector()
    return create_app(settings)


@click.command("serve", epilog="Example: invites serve --host 0.0.0.0 --port 8000")
@click.option("--host", help="Address to listen on.  [default: HOST, else 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes any free one.  [default: PORT, else 8000]")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes; PostgreSQL only.")
@click.option("--no-dispatch", is_flag=True, help="Send nothing from here; run 'invites worker' for that.")
@click.option("--no-migrate", is_flag=True, help="Refuse to start rather than migrate the database.")
def serve_command(host: str | None, port: int | None, workers: int, *, no_dispatch: bool, no_migrate: bool) -> None:
    """Serve GraphQL and Meta's webhook, and send what is due.

    Migrates the database first. SIGTERM or Ctrl-C ends it in good order: requests to Meta that are under way are
    recorded, nothing new is taken.
    """
    settings = settings_from_env()
    settings = replace(
        settings,
        host=settings.host if host is None else host,
        port=settings.port if port is None else port,
        dispatch=settings.dispatch and not no_dispatch,
    )
    if workers > 1 and _is_sqlite(settings):
        raise click.UsageError(
            "--workers needs PostgreSQL: a SQLite file has one writer at a time, so more processes would only wait for "
            "each other. Set DATABASE_URL to a postgresql:// address, or leave --workers out."
        )
    logs.configure(settings.log_level, settings.log_format)
    asyncio.run(_prepare(settings, migrate=not no_migrate, serve=True))
    with listen(settings.host, settings.port) as listening:
        address = address_of(listening)
        sending = _sending(settings)
        if workers == 1:
            run_here(
                create_app(settings),
                listening,
                lambda: click.echo(f"Listening on {address}, {sending}. GraphQL: {address}/graphql"),
            )
        else:
            # The processes read their settings themselves.
            os.environ["DISPATCH"] = "on" if settings.dispatch else "off"
            click.echo(f"Listening on {address} with {workers} processes, {sending}. GraphQL: {address}/graphql")
            with tempfile.TemporaryDirectory(prefix="invites-metrics-") as counts:
                os.environ[SHARED] = counts
                run_workers(f"{__name__}:{app_from_env.__name__}", workers, listening)


@click.command("worker", epilog="Example: invites worker")
def worker_command() -> None:
    """Send what is due, without serving anything.

    Any number may run beside 'invites serve --no-dispatch'. SIGTERM or Ctrl-C ends it in good order, within SEND_TIMEOUT:
    nothing new is taken, requests to Meta that are under way are recorded. A second one ends it at once.
    """
    settings = settings_from_env()
    if not settings.provider_configured:
        raise click.ClickException(
            "There is no number to send from. Set META_PHONE_NUMBER_ID and META_ACCESS_TOKEN; 'invites doctor' checks them."
        )
    logs.configure(settings.log_level, settings.log_format)
    spare_the_collector()
    uvloop.run(_work(settings))


@click.command("migrate", epilog="Example: invites migrate")
def migrate_command() -> None:
    """Bring the database to this version's schema.

    Does nothing where it is up to date. Several at once wait for each other.
    """
    settings = settings_from_env()
    asyncio.run(_prepare(settings, migrate=True))
    click.echo("The database is at this version's schema.")


async def _prepare(settings: Settings, *, migrate: bool, serve: bool = False) -> None:
    """Raises ClickException while the database cannot be used, UnavailableError when a key is missing to ``serve`` it."""
    if migrate:
        await upgrade(settings.database_url)
    database = build_database(settings)
    try:
        await require_migrated(database)
        if serve:
            await require_all_keys(database)  # the app asks too, but what its start raises is a traceback
    finally:
        await database.close()


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    meta = build_meta(settings)
    assert meta is not None
    async with contextlib.AsyncExitStack() as stack:
        database = build_database(settings)
        stack.push_async_callback(database.close)
        await require_migrated(database)
        sender = await stack.enter_async_context(meta)
        metrics = Metrics()  # which nobody scrapes here
        worker = build_worker(settings, await build_services(settings, database, sender, metrics), sender, metrics)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        click.echo(f"Sending from number {settings.meta_phone_number_id}, at most {settings.send_rate:g} a second.")
        await worker.run(stop)
    click.echo("Stopped; nothing is under way.")


def _is_sqlite(settings: Settings) -> bool:
    return make_url(settings.database_url).get_backend_name() == "sqlite"


def _sending(settings: Settings) -> str:
    if not settings.provider_configured:
        return "sending nothing (Meta is not configured)"
    return "sending what is due" if settings.dispatch else "sending nothing (another process does)"
