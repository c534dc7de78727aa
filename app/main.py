"""The composition root: settings in, a running service out. Nothing else builds adapters, and nothing imports this."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State

from app.auth import verifier_for
from app.config import Settings
from app.db.aside import DatabaseAside
from app.db.engine import Database
from app.domain.pseudonyms import Pseudonyms
from app.domain.stop_words import DEFAULT_STOP_WORDS, stop_word_key
from app.http.console import console_route
from app.http.exports import export_routes
from app.http.graphiql import graphiql_page
from app.http.health import health_routes
from app.http.metrics import metrics_routes
from app.http.pages import static_routes
from app.http.requests import HEADER, NoTokensInUrls, RequestIds
from app.http.security import security_headers
from app.http.webhook import Answer, webhook_route
from app.metrics import Metrics
from app.schema import build_schema
from app.schema.controller import graphql_controller
from app.schema.rates import Rates
from app.services.blocks import Blocks
from app.services.bundle import Services
from app.services.dispatch import Dispatch
from app.services.erasure import Erasures, require_all_keys
from app.services.events import Events
from app.services.exports import Exports
from app.services.figures import Watch
from app.services.guests import Guests
from app.services.health import Concerns, DatabaseState, Health
from app.services.intake import WRITERS, Intake
from app.services.live import Live
from app.services.numbers import ensure_number
from app.services.prechecks import Prechecks
from app.services.reading import Reader
from app.services.runs import Runs
from app.services.sends import Sends
from app.services.templates import Templates
from app.services.tokens import TokenSigner
from app.services.webhooks import Webhooks
from app.services.workspaces import Workspaces
from app.whatsapp.client import MetaClient
from app.whatsapp.port import Directory, Sender
from app.worker import Sending, Worker, lease_for

log = logging.getLogger(__name__)


def _nobody() -> None:
    """Wakes nobody: the dispatcher runs in another process and looks for itself."""


def build_database(settings: Settings) -> Database:
    return Database(settings.database_url, pseudonyms=Pseudonyms(settings.erasure_keys))


def build_meta(settings: Settings) -> MetaClient | None:
    """The adapter to Meta; None when there is no number to send from or no token to send with."""
    if not settings.provider_configured or settings.meta_access_token is None:
        return None
    return MetaClient(
        base_url=settings.meta_graph_url,
        version=settings.meta_graph_version,
        access_token=settings.meta_access_token.reveal(),
        timeout=settings.send_timeout,
        concurrency=settings.send_concurrency,
    )


async def build_services(
    settings: Settings,
    db: Database,
    directory: Directory | None,
    metrics: Metrics,
    wake: Callable[[], None] = _nobody,
) -> Services:
    """All use cases. Makes the number known to the database, which must be migrated; ``wake`` hears of new work."""
    await require_all_keys(db)
    number_id = None
    if settings.provider_configured and settings.meta_phone_number_id is not None:
        number_id = await ensure_number(
            db,
            phone_number_id=settings.meta_phone_number_id,
            waba_id=settings.meta_waba_id,
            simulated=settings.simulated,
        )
    return _services(settings, db, number_id, directory, metrics, wake)


def _services(
    settings: Settings,
    db: Database,
    number_id: str | None,
    directory: Directory | None,
    metrics: Metrics,
    wake: Callable[[], None],
) -> Services:
    unconfirmed_after = timedelta(seconds=settings.unconfirmed_after)
    webhooks = Webhooks(
        db,
        stop_words=frozenset(stop_word_key(word) for word in settings.stop_words or DEFAULT_STOP_WORDS),
        counted=metrics.statuses,
    )
    prechecks = Prechecks(db, TokenSigner(settings.auth_secret.reveal().encode()))
    return Services(
        db=db,
        number_id=number_id,
        send_rate=settings.send_rate,
        workspaces=Workspaces(db, number_id),
        events=Events(db),
        guests=Guests(db),
        blocks=Blocks(db),
        erasures=Erasures(db),
        templates=Templates(db, directory),
        prechecks=prechecks,
        sends=Sends(db, prechecks, wake),
        runs=Runs(db, wake),
        webhooks=webhooks,
        intake=Intake(webhooks, writers=1 if db.sqlite else WRITERS, backlog=metrics.backlog),
        reader=Reader(db, unconfirmed_after=unconfirmed_after),
        live=Live(db, unconfirmed_after=unconfirmed_after),
        health=Health(db, unconfirmed_after),
        exports=Exports(db),
        figures=Watch(db, unconfirmed_after),
    )


def build_worker(settings: Settings, services: Services, sender: Sender, metrics: Metrics) -> Worker:
    """A dispatcher for the configured number. Raises ValueError when there is none."""
    if services.number_id is None or settings.meta_phone_number_id is None:
        raise ValueError("Set META_PHONE_NUMBER_ID and META_ACCESS_TOKEN: there is no number to send from.")
    lease = lease_for(settings.send_timeout)
    return Worker(
        Dispatch(services.db, rate=settings.send_rate, lease=lease, claimed=metrics.claimed),
        metrics.measured(sender),
        Sending(services.number_id, settings.meta_phone_number_id, settings.send_concurrency, settings.send_timeout),
    )


@dataclass(slots=True)
class Running:
    """What exists between start and stop of an app."""

    services: Services | None = None
    apart: Services | None = None
    """Those for large requests. Their units of work run aside, see ``db.aside``; on SQLite the same as all."""
    worker: Worker | None = None
    dispatcher: "asyncio.Task[None] | None" = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def use(self) -> Services:
        assert self.services is not None, "requests come after the start"
        return self.services

    def use_apart(self) -> Services:
        assert self.apart is not None, "requests come after the start"
        return self.apart

    def wake(self) -> None:
        if self.worker is not None:
            self.worker.wake()

    def dispatcher_state(self) -> str:
        if self.dispatcher is None:
            return "off"
        return "stopped" if self.worker is None or self.dispatcher.done() else self.worker.state


def create_app(
    settings: Settings,
    *,
    db: Database | None = None,
    sender: Sender | None = None,
    directory: Directory | None = None,
) -> Litestar:
    """The whole service as an ASGI app. What is given replaces what would be built, and is not closed at the end."""
    running = Running()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            database = db or build_database(settings)
            if db is None:
                stack.push_async_callback(database.close)
            metrics.connection_limits(stack.enter_context(database.watched(metrics.connections)))
            meta = None if sender and directory else build_meta(settings)
            if meta is not None:
                await stack.enter_async_context(meta)
            services = await build_services(settings, database, directory or meta, metrics, running.wake)
            stack.push_async_callback(services.intake.drain)
            stack.push_async_callback(services.live.close)
            running.services = running.apart = services
            # SQLite's one writer is everybody's, and its weddings have no list that long.
            if db is None and not database.sqlite:
                aside = DatabaseAside(database)
                stack.push_async_callback(aside.close)
                metrics.connection_limits(stack.enter_context(aside.watched(metrics.connections)))
                loop = asyncio.get_running_loop()

                def wake() -> None:
                    loop.call_soon_threadsafe(running.wake)

                running.apart = apart = _services(settings, aside, services.number_id, None, metrics, wake)
                running.services = replace(services, guests=apart.guests, prechecks=apart.prechecks, sends=apart.sends)
            used_sender = sender or meta
            if settings.dispatch and used_sender is not None and running.services.number_id is not None:
                running.worker = build_worker(settings, running.services, used_sender, metrics)
                running.dispatcher = asyncio.create_task(running.worker.run(running.stop))
                running.dispatcher.add_done_callback(_tell_how_it_ended)
                stack.push_async_callback(_end, running)
            yield

    async def database_state() -> DatabaseState:
        return await running.use().health.database()

    async def concerns() -> Concerns | None:
        return await running.use().health.concerns()

    async def exposition() -> bytes:
        return metrics.exposition(await running.use().figures.latest())

    identify = verifier_for(settings).identify
    rates = Rates(
        mutations_per_minute=settings.mutations_per_minute, prechecks_per_minute=settings.prechecks_per_minute
    )
    return Litestar(
        route_handlers=[
            graphql_controller(
                build_schema(introspection=settings.graphiql, query_timeout=settings.query_timeout),
                running.use,
                running.use_apart,
                identify,
                metrics.operation,
                rates,
                page=graphiql_page(settings.page_tokens) if settings.graphiql else None,
                allowed_origins=settings.allowed_origins,
            ),
            *([console_route(settings.page_tokens)] if settings.console else []),
            *static_routes(name for name, on in (("explore", settings.graphiql), ("console", settings.console)) if on),
            webhook_route(
                lambda: running.use().intake.put,
                app_secrets=settings.app_secrets,
                verify_token=settings.meta_verify_token.reveal() if settings.meta_verify_token else None,
                measured=metrics.webhook((each.counted_as for each in Answer), kept=Answer.KEPT.counted_as),
            ),
            *health_routes(
                database_state,
                concerns,
                running.dispatcher_state,
                lambda: running.use().intake.stuck,
                webhook_ready=bool(settings.app_secrets),
            ),
            *export_routes(lambda: running.use().exports, identify, rates.admit_mutation),
            *metrics_routes(settings.metrics_token.reveal() if settings.metrics_token else None, exposition),
        ],
        lifespan=[lifespan],
        middleware=[RequestIds(), NoTokensInUrls()],
        cors_config=_cors(settings),
        before_send=[security_headers],
        after_exception=[_log_failure],
        state=State({"running": running}),
        logging_config=None,
        openapi_config=None,
        debug=False,
    )


async def _end(running: Running) -> None:
    """Let the dispatcher record what is under way: an outcome that is not written is unconfirmed for ever."""
    running.stop.set()
    if running.dispatcher is not None:
        await asyncio.wait([running.dispatcher])


def _tell_how_it_ended(dispatcher: "asyncio.Task[None]") -> None:
    """A dispatcher that dies sends nothing more until the process is started again; ``/health/ready`` says so too."""
    if dispatcher.cancelled():
        log.error("the dispatcher was cancelled")
    elif error := dispatcher.exception():
        log.error("the dispatcher has died", exc_info=error)


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.allowed_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.allowed_origins),
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type"],
        expose_headers=[HEADER],
    )


async def _log_failure(error: Exception, scope: Any) -> None:
    """Litestar answers without logging; what is no answer to a caller's mistake must be found in the log."""
    if getattr(error, "status_code", 500) >= 500:
        log.error("%s %s failed", scope.get("method", "WEBSOCKET"), scope["path"], exc_info=error)
