"""One browser and one demo for all tests of pages, and a page that nothing wrong may happen on.

Without Chromium, or without the files that npm fetches, they are skipped, or fail: see ``tests.tools``.
``TEST_SCREENSHOTS=docs/images`` keeps the pictures of the operator's guide there.
"""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Response, async_playwright, expect

from app.graphiql_files import NotFetchedError, PageFile, are_here, fetched
from tests.browser.demo import Demo, demo
from tests.databases import Databases
from tests.tools import go_without

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    # No name and no address but this machine's leads anywhere.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)  # fmt: skip
PATIENCE: Final = 30_000
"""Milliseconds until whatever a test waits for on a page must be there."""
AXE: Final = PageFile(
    "https://unpkg.com/axe-core@4.14.1/axe.min.js",
    "sha384-xt1SFg49QaDwsyt0Xfs2XAyBtYPClXl3X2q5OOLeGAUmq9jZTYIMdztpF99WdhiH",
)
"""Looks for what keeps people out of a page; for these tests alone."""

Picture = Callable[[Page, str], Awaitable[None]]


class Visit(Protocol):
    async def __call__(self, *, width: int = 1280, height: int = 800, allowed: Collection[str] = ()) -> Page: ...


@pytest.fixture(scope="session")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    path = os.environ.get("TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        go_without("Chromium is not installed (apt install chromium), or TEST_CHROMIUM must say where it is")
    if not are_here():
        go_without("GraphiQL's files are not here: make graphiql")
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield launched
        await launched.close()


@pytest.fixture(scope="session")
def demo_database(databases: Databases) -> str:
    return databases.make("sqlite")


@pytest.fixture(scope="session")
async def shown(browser: Browser, demo_database: str) -> AsyncIterator[Demo]:
    """The demo, once for all tests: what one of them sends stays sent. Only where there is a browser."""
    async with demo(demo_database) as made:
        yield made


@pytest.fixture(scope="session")
def axe(browser: Browser, pytestconfig: pytest.Config) -> str:
    """Its script, kept in pytest's cache. Only where there is a browser for it."""
    assert pytestconfig.cache is not None, "pytest's own plugin"
    path = pytestconfig.cache.mkdir("axe-core") / "axe.min.js"
    if not (path.is_file() and AXE.fits(path.read_bytes())):
        try:
            path.write_bytes(fetched([AXE])[AXE])
        except NotFetchedError as error:
            go_without(f"axe-core is not here: {error}")
    return path.read_text(encoding="utf-8")


@pytest.fixture
def picture() -> Picture:
    """Keeps what the window shows under a name, where somebody wants pictures."""
    folder = os.environ.get("TEST_SCREENSHOTS")

    async def kept(page: Page, name: str) -> None:
        if folder:
            await page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled")

    return kept


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Opens a new window, with a session of its own, that fails the test in the end when anything was wrong on it:

    a line in the console, an error of a script, something that the content security policy forbade, an answer that
    is an error, or a request to anywhere but this machine and the ``allowed`` addresses.
    """
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    async def opened(*, width: int = 1280, height: int = 800, allowed: Collection[str] = ()) -> Page:
        def stay_here(url: str) -> None:
            parts = urlsplit(url)
            if parts.scheme not in {"data", "blob"} and parts.hostname != "127.0.0.1" and url not in allowed:
                wrong.append(f"asked for {url}")

        def answered(response: Response) -> None:
            if not response.ok:
                wrong.append(f"{response.status} {response.url}")

        def said(line: ConsoleMessage) -> None:
            if line.type in {"error", "warning"}:
                wrong.append(line.text)

        context = await browser.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        context.on("request", lambda request: stay_here(request.url))
        context.on("response", answered)
        context.on("console", said)
        context.on("weberror", lambda error: wrong.append(str(error.error)))
        page = await context.new_page()
        page.on("websocket", lambda socket: stay_here(socket.url))
        return page

    yield opened
    for context in contexts:
        await context.close()
    assert wrong == []
