"""``GET /graphql/static/…``, and what GraphiQL's page is: our own page around files that are here, or else on a CDN.

Only files that were there at the start are served, by their name in a table: no path is put together from a request.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

from app.graphiql_files import FOLDER, PageFile, are_here, page_files
from app.http.security import NOTHING

PATH: Final = "/graphql/static"
STATIC: Final = FOLDER.parent
_KINDS: Final = {".js": "text/javascript", ".css": "text/css", ".graphql": "text/plain"}
"""What is served, by its ending."""
_HELD_STILL: Final = "'sha256-Y/huXlwoYkVyQlxwSVcCi1RCDGDCSVBzDt0hYP9qlTc='"
"""The one style sheet that GraphiQL makes itself: it keeps the page from scrolling behind a dialog."""
_FOR_EVER: Final = "public, max-age=31536000, immutable"
"""Of a file whose version is in its address."""


@dataclass(frozen=True, slots=True)
class Page:
    html: str
    policy: str
    """The strictest content security policy (W3C, CSP Level 3) with which it works: no inline script, nothing unsafe."""


def graphiql_page(tokens: Sequence[str], folder: Path = FOLDER) -> Page:
    """With ``tokens`` whoever opens the page is signed in. Where ``folder`` lacks a file, all come from the CDN."""
    files = page_files()
    local = are_here(folder)
    template = Template((STATIC / "explore" / "page.html").read_text(encoding="utf-8"))
    return Page(
        template.substitute(
            tokens=escape(" ".join(tokens)),
            files="\n    ".join(
                _element(each, f"{PATH}/graphiql/{each.name}" if local else each.url) for each in files
            ),
        ),
        _policy([] if local else [each.url for each in files]),
    )


def static_routes(folder: Path = FOLDER) -> list[HTTPRouteHandler]:
    files = dict(_served(folder))

    @get(f"{PATH}/{{name:path}}", sync_to_thread=True)
    def static(request: Request[Any, Any, Any]) -> Response[bytes]:
        name = str(request.path_params["name"]).lstrip("/")
        path = files.get(name)
        if path is None:
            raise NotFoundException
        return Response(path.read_bytes(), media_type=_KINDS[path.suffix], headers=_kept(name))

    return [static]


def _served(folder: Path) -> Iterator[tuple[str, Path]]:
    """By name in the address: our own files; GraphiQL's only where all of them are as they should be."""
    own = STATIC / "explore"
    yield from ((str(path.relative_to(STATIC)), path) for path in own.rglob("*") if path.suffix in _KINDS)
    if are_here(folder):
        yield from ((f"graphiql/{each.name}", folder / each.name) for each in page_files())


def _kept(name: str) -> Mapping[str, str]:
    return {"Cache-Control": _FOR_EVER} if name.startswith("graphiql/") else {}


def _element(file: PageFile, address: str) -> str:
    """Checked by its digest wherever it comes from; ``crossorigin``, for without it a CDN's file cannot be checked."""
    if file.name.endswith(".css"):
        return f'<link rel="stylesheet" href="{address}" integrity="{file.integrity}" crossorigin>'
    return f'<script src="{address}" integrity="{file.integrity}" crossorigin defer></script>'


def _policy(elsewhere: Sequence[str]) -> str:
    """Scripts and styles from this service, and whole addresses for what comes from elsewhere."""
    scripts = [each for each in elsewhere if each.endswith(".js")]
    styles = [each for each in elsewhere if each.endswith(".css")]
    return "; ".join((
        NOTHING,
        " ".join(("script-src 'self'", *scripts)),
        " ".join(("style-src 'self'", _HELD_STILL, *styles)),
        # GraphiQL's style sheet carries its fonts and pictures within itself.
        "font-src data:",
        "img-src data:",
        "connect-src 'self'",
    ))  # fmt: skip
