"""Serving an ASGI app with uvicorn: the socket is ours, so that a taken port is one line and port 0 can be told."""

import gc
import signal
import socket
from collections.abc import Callable
from typing import Any, Final

import click
import uvicorn

from app.cli.connections import GuardedConnection
from app.schema.limits import MAX_BODY

LAST_ANSWERS_SECONDS: Final = 5
"""How long a stopping server waits for answers and sockets under way."""

MAX_CONNECTIONS: Final = 2_000
"""In one process, sockets too. Past it the answer is 503, which Meta takes as "again later"."""
KEEP_ALIVE_SECONDS: Final = 15
"""How long a connection may wait for its next request."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ClickException when the address cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "no such address"
        raise click.ClickException(
            f"Cannot listen on {host}, port {port}: {reason}. Choose another one with --port or --host."
        ) from None
    made.set_inheritable(True)  # for the worker processes
    return made


def address_of(listening: socket.socket) -> str:
    """``http://127.0.0.1:8000``."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def config_of(app: Any, *, workers: int = 1, factory: bool = False) -> uvicorn.Config:
    """``app`` is an app, or ``module:function`` that makes one in each worker process."""
    return uvicorn.Config(
        app,
        factory=factory,
        workers=workers,
        loop="uvloop",
        http=GuardedConnection,
        ws="websockets-sansio",
        ws_max_size=MAX_BODY,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=LAST_ANSWERS_SECONDS,
    )


class _Server(uvicorn.Server):
    """Tells when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def spare_the_collector() -> None:
    """Let the search for cycles look at what requests make, seldom, and not at all that was imported.

    Under a storm of webhooks it took a quarter of the process' time, while sending a sixth, and each full search held up
    everybody at once. What it is not asked for stays some seconds longer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def run_here(app: Any, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve in this process until SIGTERM or Ctrl-C; both are a normal end."""
    spare_the_collector()
    # uvicorn drains and then repeats the signal for whoever handled it before: without these it would end as a kill.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    _Server(config_of(app), ready).run(sockets=[listening])


def run_workers(factory: str, workers: int, listening: socket.socket) -> None:
    """The same in several processes that share the socket; one that dies is started again."""
    from uvicorn.supervisors import Multiprocess

    Multiprocess(config_of(factory, workers=workers, factory=True), sockets=[listening]).run()
