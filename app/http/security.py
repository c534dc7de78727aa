"""Headers that tell a browser how little it may do with an answer. They are on every answer, refusals included.

There is one page, GraphiQL, and its policy is worked out once from the page as it is shipped: its inline scripts and
styles by their digests, everything from elsewhere by its whole address. A page that is served is never looked at: what
somebody had smuggled into it would be allowed by that.
"""

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from html.parser import HTMLParser
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
}
POLICY: Final = "Content-Security-Policy"
TRANSPORT: Final = "max-age=31536000"
"""A year of https only (RFC 6797), said over https alone: over http it means nothing. Without includeSubDomains and
preload: the names beside this one are not ours to decide about."""


def security_headers(page_policy: str = NOTHING) -> Callable[[Message, Scope], Awaitable[None]]:
    """The hook for Litestar's ``before_send``, which also sees what never reaches a route. Headers set there win."""
    plain, page = (_encoded(HEADERS | {POLICY: policy}) for policy in (NOTHING, page_policy))
    (transport,) = _encoded({"Strict-Transport-Security": TRANSPORT}).items()

    async def add(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        # Whole and at once: header by header was a tenth of what a webhook costs.
        there = {name.lower(): value for name, value in message["headers"]}
        wanted = page if there.get(b"content-type", b"").startswith(b"text/html") else plain
        missing = [each for each in wanted.items() if each[0] not in there]
        if scope["scheme"] == "https" and transport[0] not in there:
            missing.append(transport)
        message["headers"] = [*message["headers"], *missing]

    return add


def _encoded(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    return {name.lower().encode(): value.encode() for name, value in headers.items()}


def policy_of(page: str) -> str:
    """The strictest content security policy with which ``page``, HTML that we ship, works: see the module."""
    found = _Sources()
    found.feed(page)
    found.close()
    return "; ".join((
        NOTHING,
        f"script-src {' '.join(found.scripts)}",
        f"style-src {' '.join(found.styles)}",
        # GraphiQL's style sheet carries its fonts and pictures within itself.
        "font-src data:",
        "img-src data:",
        "connect-src 'self'",
    ))  # fmt: skip


class _Sources(HTMLParser):
    """Collects what a page runs and how it is styled, as sources of a policy."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self._inline: list[str] | None = None
        """Where the digest of the element that is open belongs."""
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "script" and "src" in given:
            self.scripts.append(given["src"])
        elif tag in {"script", "style"}:
            self._inline, self._text = self.scripts if tag == "script" else self.styles, ""
        elif tag == "link" and "stylesheet" in given.get("rel", "").split():
            self.styles.append(given["href"])

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if self._inline is not None and tag in {"script", "style"}:
            digest = base64.b64encode(hashlib.sha256(self._text.encode()).digest()).decode()
            self._inline.append(f"'sha256-{digest}'")
            self._inline = None
