"""The pages that this service shows in a browser, and ``GET /graphql/static/…``, the files that they load.

Only files that were there at the start are served, by their name in a table: no path is put together from a request.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

from app.graphiql_files import FOLDER, are_here, page_files

PATH: Final = "/graphql/static"
STATIC: Final = FOLDER.parent
_KINDS: Final = {".js": "text/javascript", ".css": "text/css", ".graphql": "text/plain"}
"""What is served, by its ending."""
_FOR_EVER: Final = "public, max-age=31536000, immutable"
"""Of a file whose version is in its address."""


@dataclass(frozen=True, slots=True)
class Page:
    html: str
    policy: str
    """The strictest content security policy (W3C, CSP Level 3) with which it works: no inline script, nothing unsafe."""


def filled(name: str, tokens: Sequence[str], **more: str) -> str:
    """``name/page.html``. With ``tokens`` whoever opens it is signed in; ``more`` is put in as it is."""
    header = (STATIC / "shared" / "header.html").read_text(encoding="utf-8")
    template = Template((STATIC / name / "page.html").read_text(encoding="utf-8"))
    return template.substitute(tokens=escape(" ".join(tokens)), header=header.rstrip(), **more)


def static_routes(pages: Iterable[str], folder: Path = FOLDER) -> list[HTTPRouteHandler]:
    """For the ``pages`` that are on, by the names of their folders; GraphiQL's own files are in ``folder``."""
    files = dict(_served(pages, folder))
    if not files:
        return []

    @get(f"{PATH}/{{name:path}}", sync_to_thread=True)
    def static(request: Request[Any, Any, Any]) -> Response[bytes]:
        name = str(request.path_params["name"]).lstrip("/")
        path = files.get(name)
        if path is None:
            raise NotFoundException
        return Response(path.read_bytes(), media_type=_KINDS[path.suffix], headers=_kept(name))

    return [static]


def _served(pages: Iterable[str], folder: Path) -> Iterator[tuple[str, Path]]:
    """By name in the address: our own files; GraphiQL's only where all of them are as they should be."""
    for page in pages:
        for own in (STATIC / page, STATIC / "shared"):
            yield from ((str(path.relative_to(STATIC)), path) for path in own.rglob("*") if path.suffix in _KINDS)
        if page == "explore" and are_here(folder):
            yield from ((f"graphiql/{each.name}", folder / each.name) for each in page_files())


def _kept(name: str) -> Mapping[str, str]:
    return {"Cache-Control": _FOR_EVER} if name.startswith("graphiql/") else {}
