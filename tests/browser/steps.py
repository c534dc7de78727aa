"""What one does on the console's page, in the words of whoever does it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Page, expect

from app.cli.demo import documents, wedding
from tests.browser.demo import Demo

RUNS = "query($e: ID!) { event(id: $e) { sendRuns { nodes { id kind } } } }"


async def published(shown: Demo, title: str) -> str:
    """One more event of the wedding, by its id."""
    owner = shown.cast.owner
    event = {"title": title, "startsAt": "2027-02-24T10:00:00+05:30", "venue": "Temple Court, Kochi"}
    made = await owner.ask(documents.EVENT, i={"workspaceId": shown.sent.workspace_id, **event})
    event_id: str = made["createEvent"]["id"]
    await owner.ask(documents.PUBLISH, i={"id": event_id, "status": "PUBLISHED"})
    return event_id


async def runs(shown: Demo, event_id: str) -> list[str]:
    """Ids of an event's invite runs."""
    found = await shown.cast.owner.ask(RUNS, e=event_id)
    return [each["id"] for each in found["event"]["sendRuns"]["nodes"] if each["kind"] == "INVITE"]


@asynccontextmanager
async def slow_answers(shown: Demo) -> AsyncIterator[None]:
    """Two requests at a time, each so slow that there is time to look and to press."""
    books = shown.cast.simulator.http
    (await books.post("/_simulator/options", json={"latency": 0.5})).raise_for_status()
    try:
        yield
    finally:
        (await books.post("/_simulator/options", json={"latency": 0})).raise_for_status()


async def open_console(page: Page, shown: Demo, fragment: str = "", person: wedding.Person | None = None) -> None:
    if person:
        fragment = f"#token={shown.token(person)}&{fragment.removeprefix('#')}"
    await page.goto(f"{shown.address}/console{fragment}")
    await expect(page.locator("h1")).to_be_visible()


async def press(page: Page, name: str) -> None:
    await page.get_by_role("button", name=name).click()


async def follow(page: Page, name: str) -> None:
    await page.get_by_role("link", name=name).first.click()


async def has_heading(page: Page, text: str) -> None:
    """And nothing on this view is wider than the window."""
    await expect(page.get_by_role("heading", name=text, exact=True)).to_be_visible()
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(wide) == 0, "no scrolling sideways"


async def ends(page: Page, status: str) -> None:
    """And it is read out."""
    await expect(page.get_by_role("main").get_by_role("status")).to_have_text(status)


def run_of(page: Page) -> str:
    found = re.search(r"run=(run_\w+)", page.url)
    assert found, page.url
    return found[1]
