"""What GraphiQL's page is: our own page around files that are here, or else on a CDN."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from app.graphiql_files import FOLDER, PageFile, are_here, page_files
from app.http.pages import PATH, Page, filled
from app.http.security import NOTHING

_HELD_STILL: Final = "'sha256-Y/huXlwoYkVyQlxwSVcCi1RCDGDCSVBzDt0hYP9qlTc='"
"""The one style sheet that GraphiQL makes itself: it keeps the page from scrolling behind a dialog."""


def graphiql_page(tokens: Sequence[str], folder: Path = FOLDER) -> Page:
    """Where ``folder`` lacks a file, all come from the CDN."""
    files = page_files()
    local = are_here(folder)
    elements = "\n    ".join(_element(each, f"{PATH}/graphiql/{each.name}" if local else each.url) for each in files)
    return Page(filled("explore", tokens, files=elements), _policy([] if local else [each.url for each in files]))


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
