"""What one connection may take of the server before there is a request: uvicorn limits neither its size nor its time."""

from asyncio import TimerHandle
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADERS: Final = 32 * 1024
"""Address and headers of one request together, in bytes; a token has 4 kB at most."""
HEADERS_SECONDS: Final = 10.0
"""From the opening of a connection, or the first byte of its next request, to the end of the headers."""
BODY_SECONDS: Final = 120.0
"""From there to the end of the body: 8 MiB over a slow line. The webhook allows less."""

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class GuardedConnection(HttpToolsProtocol):
    """uvicorn's connection, closed when a request comes in too slowly or has too much in front of its body."""

    headers_seconds: ClassVar[float] = HEADERS_SECONDS
    body_seconds: ClassVar[float] = BODY_SECONDS
    _deadline: TimerHandle | None = None
    _in_headers = False
    _begun_just_now = False
    _size = 0
    """Of what came in since the piece in which the request began, while its headers have no end."""
    _too_large = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._within(self.headers_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._within(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._within(self.headers_seconds)  # also for what begins no request: it ends uvicorn's keep-alive timer
        self._begun_just_now = False
        super().data_received(data)
        # The parser keeps a header that has no end, and tells nobody of it. Twice: with all that stands between headers.
        self._size = self._size + len(data) if self._in_headers and not self._begun_just_now else 0
        if self._size > 2 * MAX_HEADERS and not self._too_large:
            self._refuse()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = self._begun_just_now = True
        self._within(self.headers_seconds)

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._within(self.body_seconds)
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEADERS:
            self._too_large = True
            raise ValueError("too much in front of the body")  # which the parser hands on as an error in the request
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._within(None)
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        # The websocket's protocol neither answers nor ends a handshake with a body, and no deadline of ours goes with it.
        if any(name in {b"content-length", b"transfer-encoding"} for name, _ in self.headers):
            self.send_400_response("A websocket's handshake has no body.")
        else:
            super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        if self._too_large:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _refuse(self) -> None:
        self._too_large = True
        self.transport.write(_TOO_LARGE)
        self.transport.close()

    def _within(self, seconds: float | None) -> None:
        """Close the connection after ``seconds``, unless this is called again before; None: no longer."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.close)
