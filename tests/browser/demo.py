"""The demo's wedding for a browser: service and simulated WhatsApp in this process, on loopback, after the demo's own story."""

import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import httpx
import uvicorn
from rich.console import Console

from app.auth import issue_token
from app.cli.demo import wedding
from app.cli.demo.client import Caller, Simulator
from app.cli.demo.story import Cast, Sent, Story
from app.cli.server import address_of, config_of, listen
from app.config import Secret, Settings
from app.main import create_app
from app.whatsapp.simulator import SimulatorOptions, create_simulator

GUESTS: Final = 60
_WEBHOOK: Final = "/webhooks/whatsapp"


@dataclass(frozen=True)
class Demo:
    """After the story was told: one event is sent, the others are published."""

    address: str
    """``http://127.0.0.1:12345``."""
    settings: Settings
    cast: Cast
    sent: Sent

    def token(self, person: wedding.Person) -> str:
        return issue_token(self.settings, person.subject, person.name, timedelta(hours=1))


@asynccontextmanager
async def demo(database_url: str) -> AsyncIterator[Demo]:
    """On an empty, migrated database. Its page carries the three tokens, as that of ``invites demo`` does."""
    async with AsyncExitStack() as stack:
        ours, theirs = (stack.enter_context(listen("127.0.0.1", 0)) for _ in range(2))
        address, meta = address_of(ours), address_of(theirs)
        options = SimulatorOptions(
            access_token="token-of-the-tests", app_secret="secret-of-the-tests", webhook_url=address + _WEBHOOK,
            fail_codes={131026: 0.1}, status_delay=0.02, late=0.1, duplicates=0.2, disorder=0.5,
        )  # fmt: skip
        settings = Settings(
            auth_secret=Secret("a secret of the tests, long enough for them"), database_url=database_url,
            meta_graph_url=meta, meta_phone_number_id=options.phone_number_id, meta_waba_id=options.waba_id,
            meta_access_token=Secret(options.access_token), meta_app_secret=Secret(options.app_secret),
            graphiql=True, console=True, send_rate=200.0, send_concurrency=2, mutations_per_minute=10_000, prechecks_per_minute=10_000,
        )  # fmt: skip
        people = wedding.OWNER, wedding.PARENT, wedding.COORDINATOR
        tokens = [issue_token(settings, each.subject, each.name, timedelta(hours=1)) for each in people]
        carrying = replace(settings, graphiql_tokens=Secret(",".join(tokens)))
        await stack.enter_async_context(_serving(create_simulator(options), theirs))
        await stack.enter_async_context(_serving(create_app(carrying), ours))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=address, timeout=30, trust_env=False))
        books = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=meta,
                trust_env=False,
                headers={"Authorization": f"Bearer {options.access_token}"},
            )
        )
        owner, parent, coordinator = (
            Caller(each.name, token, http) for each, token in zip(people, tokens, strict=True)
        )
        cast = Cast(owner, parent, coordinator, Simulator(books))
        yield Demo(address, carrying, cast, await Story(Console(file=io.StringIO()), cast).tell(GUESTS))


@asynccontextmanager
async def _serving(app: Any, listening: Any) -> AsyncIterator[None]:
    """On the event loop that runs already, and with nobody's signals."""
    config = config_of(app)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup([listening])
    assert server.started
    try:
        yield
    finally:
        await server.shutdown([listening])
