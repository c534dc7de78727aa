"""The console when answers are late, are errors, or are of something that has changed meanwhile."""

import asyncio
import json
import re

import pytest
from playwright.async_api import Route, expect

from app.cli.demo import documents, wedding
from tests.browser.conftest import Visit
from tests.browser.demo import Demo
from tests.browser.steps import follow, has_heading, open_console, press, published, runs

pytestmark = pytest.mark.anyio


async def test_what_a_check_says_is_what_is_chosen(shown: Demo, visit: Visit) -> None:
    """An answer that comes after another choice was made is not shown, and never asked about as if it were for that."""
    event_id = await published(shown, "Dinner")
    page = await visit()
    await open_console(page, shown, f"#event={event_id}")
    counted = page.get_by_text(re.compile(r"^\d+ households, "))
    families = page.get_by_role("combobox", name="Family")
    go_on = asyncio.Event()

    async def hold(route: Route) -> None:
        asked = json.loads(route.request.post_data or "{}")
        held = asked["operationName"] == "Check" or asked["variables"]["input"]["audience"].get("side") == "BRIDE"
        answer = await route.fetch()
        if held:
            await go_on.wait()
        await route.fulfill(response=answer)

    await page.route(f"{shown.address}/graphql", hold)
    await press(page, "Check who gets it")
    async with page.expect_request(lambda request: "BRIDE" in (request.post_data or "")):
        await families.select_option("BRIDE")
    before = str(await counted.text_content())
    await families.select_option("GROOM")
    await expect(counted).not_to_have_text(before)
    groom = str(await counted.text_content())
    async with (
        page.expect_response(lambda answer: "BRIDE" in (answer.request.post_data or "")),
        page.expect_response(lambda answer: '"Check"' in (answer.request.post_data or "")),
    ):
        go_on.set()
    await press(page, "Check who gets it")
    await expect(page.get_by_role("heading", name=re.compile("would go out"))).to_have_count(1)
    await expect(counted).to_have_text(groom)
    await page.get_by_role("button", name=re.compile("^Send .* …$")).click()
    await expect(page.get_by_role("dialog")).to_contain_text(f"{groom.split(maxsplit=1)[0]} of ")


async def test_what_has_changed_since_is_where_one_is_led(shown: Demo, visit: Visit) -> None:
    event_id = await published(shown, "Supper")
    page = await visit()
    await open_console(page, shown, f"#event={event_id}")
    await press(page, "Check who gets it")
    await page.get_by_role("button", name=re.compile("^Send .* …$")).click()
    await shown.cast.owner.ask(documents.PUBLISH, i={"id": event_id, "venue": "Beach House, Kochi"})
    await press(page, "Yes, send")
    await expect(page.get_by_role("alert")).to_contain_text("The event has changed since the precheck.")
    await expect(page.get_by_role("heading", name=re.compile("would go out"))).to_be_focused()
    assert await runs(shown, event_id) == []


async def test_an_error_says_what_to_do(shown: Demo, visit: Visit) -> None:
    page = await visit()
    await open_console(page, shown)
    error = {"message": "Internal error", "extensions": {"code": "INTERNAL", "errorId": "0123abcd"}}

    async def fail(route: Route) -> None:
        await route.fulfill(json={"data": None, "errors": [error]})

    await page.route(f"{shown.address}/graphql", fail)
    await follow(page, "Invite to Mehndi")
    await expect(page.get_by_role("alert")).to_contain_text("Internal error (0123abcd) Try again.")
    error["extensions"] = {"code": "UNAUTHENTICATED"}
    await follow(page, "Invite to Mehndi")
    await expect(page.get_by_role("alert")).to_contain_text("Your link holds no longer. Ask whoever runs")
    await page.unroute(f"{shown.address}/graphql")
    await follow(page, "Invite to Mehndi")
    await has_heading(page, "Invite to Mehndi")
    await page.evaluate("location.hash = 'find=x&wedding=another'")
    await expect(page.get_by_text("Nobody is called so")).to_be_visible()
    await page.go_back()
    await page.go_back()
    await has_heading(page, f"Welcome, {wedding.OWNER.name}")
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_one_may_go_on_before_the_first_answer(shown: Demo, visit: Visit) -> None:
    event_id = await published(shown, "Puja")
    page = await visit()
    go_on = asyncio.Event()

    async def hold(route: Route) -> None:
        if json.loads(route.request.post_data or "{}")["operationName"] == "Choose":
            await go_on.wait()
        await route.continue_()

    await page.route(f"{shown.address}/graphql", hold)
    async with page.expect_request(lambda request: '"Choose"' in (request.post_data or "")):
        await page.goto(f"{shown.address}/console#event={event_id}")
    await page.get_by_role("link", name="WhatsApp Invites").click()
    go_on.set()
    await has_heading(page, f"Welcome, {wedding.OWNER.name}")
