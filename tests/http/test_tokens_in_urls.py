"""A token in an address is refused, also a good one, and does not get into a log by being sent there."""

import contextlib
import logging
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from app import logs
from app.cli.server import config_of, listen
from app.db.engine import Database
from app.http.requests import NOT_IN_AN_ADDRESS
from tests.schema.service import serving
from tests.schema.sockets import PROTOCOL, Socket

pytestmark = [pytest.mark.anyio, pytest.mark.either_database]

ME = {"query": "{ me { subject } }"}
HELLO = '{"type": "connection_init", "payload": {"Authorization": "Bearer hunter2"}}'
QUERIES = [
    "access_token=x", "token=x", "authorization=x", "token", "a=1&TOKEN=x", "%74oken=x", "tok%65n=", "+token=x", "id_token=x",
    "jwt=x", "Bearer=x", "b=%ff&token=x", "token=x&token=y",
]  # fmt: skip


async def test_over_http(db: Database) -> None:
    async with serving(db, dispatch=False, graphiql=True) as service:
        for query in QUERIES:
            response = await service.http.post(f"/graphql?{query}", json=ME, headers=service.headers())
            assert response.status_code == 400, query
            error = {"message": NOT_IN_AN_ADDRESS, "extensions": {"code": "BAD_INPUT"}}
            assert response.json() == {"data": None, "errors": [error]}
            assert response.headers["X-Request-Id"]
        page = await service.http.get("/graphql?token=x", headers={"Accept": "text/html"})
        assert page.status_code == 400
        for query in ("", "tokens=x", "a=token", "q=access_token%3Dx", "%ff=%00", "&&&=;"):
            response = await service.http.post(f"/graphql?{query}", json=ME, headers=service.headers())
            assert response.json() == {"data": {"me": {"subject": "anita"}}}, query


async def test_on_a_websocket(db: Database) -> None:
    async with serving(db, dispatch=False) as service:
        for query in QUERIES:
            async with Socket(service.app, None, query=query) as socket:
                assert await socket.closed() == 4400, query
        async with Socket(service.app, service.token(), query="tokens=x") as socket:
            await socket.subscribe("1", ME["query"])
            assert (await socket.until("next"))["payload"]["data"] == {"me": {"subject": "anita"}}


@contextlib.contextmanager
def logging_everything() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.configure("DEBUG", "plain")
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


async def test_no_address_and_no_token_gets_into_a_log(db: Database, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_everything():
        await ask_with_secrets(db)
        logging.getLogger("app").debug("the end")
    logged = capsys.readouterr().err
    assert "the end" in logged
    assert "hunter2" not in logged


async def ask_with_secrets(db: Database) -> None:
    """In addresses, headers and messages, of a real server."""
    own = logging.Logger("the client of this test, apart from the process's logs")  # noqa: LOG001  # one that hands nothing on
    async with serving(db, dispatch=False) as service:
        with listen("127.0.0.1", 0) as listening:
            config = config_of(service.app)
            config.lifespan = "off"  # it has started already
            config.load()
            server = uvicorn.Server(config)
            server.lifespan = config.lifespan_class(config)
            await server.startup([listening])
            at = f"127.0.0.1:{listening.getsockname()[1]}"
            try:
                async with httpx.AsyncClient(trust_env=False) as http:
                    for path in ("/graphql?token=hunter2", "/graphql?q=hunter2", "/health/live?q=hunter2"):
                        await http.post(f"http://{at}{path}", json=ME, headers={"Authorization": "Bearer hunter2"})
                for query in ("token", "q"):
                    address = f"ws://{at}/graphql?{query}=hunter2"
                    async with connect(address, proxy=None, logger=own, subprotocols=[Subprotocol(PROTOCOL)]) as socket:
                        with contextlib.suppress(ConnectionClosed):  # the first is closed at once
                            await socket.send(HELLO)
                        await socket.wait_closed()
                        assert socket.close_code == {"token": 4400, "q": 4403}[query]
            finally:
                await server.shutdown()
