"""httpx's requests over aiohttp's connections, which cost a fraction of the time of httpx's own.

What a failure proves is the whole point here: an error that says "not a byte left" makes a message go out again. The
``httpx-aiohttp`` package calls a connection that was cut after the request a timeout while connecting, so it would send
twice. Here only what aiohttp raises while it connects becomes such an error; everything that is not known becomes one of
those that say that the request may have left.
"""

import asyncio
import math
import select
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakSet

import aiohttp
import httpx
from aiohttp.connector import Connection

_IDLE_SECONDS: Final = 5.0
"""How long a connection waits for its next request (httpx's own default): past that Meta may be about to close it."""
_HEADER_BYTES: Final = 64 * 1024

# The first that fits. aiohttp raises the first four before it has a connection to write to.
_AS_HTTPX: Final[tuple[tuple[type[Exception], type[httpx.TransportError]], ...]] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.NonHttpUrlClientError, httpx.UnsupportedProtocol),
    (aiohttp.SocketTimeoutError, httpx.ReadTimeout),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (aiohttp.ClientError, httpx.ReadError),
)


class AiohttpTransport(httpx.AsyncBaseTransport):
    """One pool of at most ``connections``. Asks no proxy, follows no redirect, keeps no cookie, sends nothing twice."""

    def __init__(self, *, verify: ssl.SSLContext, connections: int) -> None:
        self._verify = verify
        self._free = asyncio.Semaphore(connections)
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx's errors: ``PoolTimeout``, ``ConnectTimeout`` and ``ConnectError`` before the first byte only."""
        limits = request.extensions["timeout"]
        await self._take(limits["pool"])
        try:
            with _httpx_errors():
                response = await self._open().request(
                    request.method,
                    str(request.url),
                    headers=request.headers.multi_items(),
                    data=request.content,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(
                        connect=2 * limits["connect"],  # TCP and TLS, each of which httpx gives this long
                        sock_read=limits["read"],
                        ceil_threshold=math.inf,  # aiohttp would round longer ones up
                    ),
                )
        except BaseException:
            self._free.release()
            raise
        return httpx.Response(
            response.status, headers=response.raw_headers, stream=_Body(response, self._free), request=request
        )

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _take(self, seconds: float) -> None:
        """A free connection's place. aiohttp's own limit would count the wait as connecting."""
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("No connection became free in time.") from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:  # made here, because it wants a running loop
            self._session = aiohttp.ClientSession(
                connector=_Connector(ssl=self._verify, limit=0, keepalive_timeout=_IDLE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                max_line_size=_HEADER_BYTES,
                max_field_size=_HEADER_BYTES,
            )
        return self._session


class _Connector(aiohttp.TCPConnector):
    """Uses a connection again only while its server is silent, as httpx does.

    What comes before there is a request is the connection's end, or an answer that nobody asked for: aiohttp by itself
    would lose the next message on the one, and take the other for its answer.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._known: WeakSet[object] = WeakSet()

    async def connect(self, *request: Any, **more: Any) -> Connection:
        while True:
            connection = await super().connect(*request, **more)
            protocol = connection.protocol
            if protocol not in self._known:
                self._known.add(protocol)  # a new one: TLS may have something to say of its own
                return connection
            if protocol is not None and not protocol.should_close and not _has_spoken(connection.transport):
                return connection
            connection.close()


def _has_spoken(transport: asyncio.Transport | None) -> bool:
    """True when something waits in the socket that the loop has not read yet."""
    if transport is None:
        return True
    waiting = select.poll()
    waiting.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(waiting.poll(0))


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse, free: asyncio.Semaphore) -> None:
        self._response = response
        self._free: asyncio.Semaphore | None = free

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors():
            async for chunk in self._response.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        """Gives the connection back, or ends it when the answer was not read to its end."""
        self._response.close()
        if self._free is not None:
            self._free.release()
            self._free = None


@contextmanager
def _httpx_errors() -> Iterator[None]:
    try:
        yield
    except aiohttp.ClientError as error:
        kind = next(kind for aiohttps, kind in _AS_HTTPX if isinstance(error, aiohttps))
        raise kind(type(error).__name__) from error
