"""Headers that tell a browser how little it may do with an answer. They are on every answer, refusals included.

A page brings the policy that it needs itself; whatever else is shown as one may do nothing.
"""

from typing import Final

from litestar.types import Message, Scope

NOTHING: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For what is no page, shown as one (W3C, Content Security Policy Level 3)."""

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Whatever an answer says, it is of this moment, and most say something of somebody.
    "Cache-Control": "no-store",
    "Content-Security-Policy": NOTHING,
}
TRANSPORT: Final = "max-age=31536000"
"""A year of https only (RFC 6797), said over https alone: over http it means nothing. Without includeSubDomains and
preload: the names beside this one are not ours to decide about."""


async def security_headers(message: Message, scope: Scope) -> None:
    """Litestar's ``before_send``, which also sees what never reaches a route. Headers set there win."""
    if message["type"] != "http.response.start":
        return
    # Whole and at once, not header by header: a webhook in a storm has little else to do.
    there = {name.lower() for name, _ in message["headers"]}
    missing = [each for each in _ENCODED if each[0] not in there]
    if scope["scheme"] == "https" and _TRANSPORT[0] not in there:
        missing.append(_TRANSPORT)
    message["headers"] = [*message["headers"], *missing]


_ENCODED: Final = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_TRANSPORT: Final = (b"strict-transport-security", TRANSPORT.encode())
