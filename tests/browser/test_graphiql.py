"""GraphiQL in a real browser: it opens without the network, and every tab of it does what it says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from app.cli.demo import wedding
from app.graphiql_files import FOLDER, page_files
from app.http.graphiql import graphiql_page
from tests.browser.conftest import Picture, Visit
from tests.browser.demo import Demo

pytestmark = pytest.mark.anyio

TABS = ["Ids", "Event", "Run", "Live", "NotYet", "Guest", "Unmatched", "Audit", "Precheck", "Send"]
BUTTONS = ".graphiql-tab-button"


async def open_page(page: Page, demo: Demo, fragment: str = "") -> None:
    await page.goto(f"{demo.address}/graphql{fragment}")
    await expect(page.locator(BUTTONS)).to_have_text(TABS)


async def choose(page: Page, name: str) -> None:
    await page.locator(BUTTONS, has_text=re.compile(f"^{name}$")).click()


async def variables(page: Page, holding: str) -> Any:
    """Of the active tab, as its editor shows them once this stands in it."""
    await expect(page.get_by_role("region", name="Variables")).to_contain_text(holding)
    text = await page.evaluate("document.querySelector('[aria-label=Variables] .CodeMirror').CodeMirror.getValue()")
    return json.loads(text)


async def answer(page: Page) -> Any:
    """What the active tab's operation is answered, once it is on the page."""
    async with page.expect_response(lambda response: response.request.method == "POST") as found:
        await page.get_by_role("button", name="Execute query").click()
    given = await (await found.value).json()
    await expect(page.locator(".graphiql-spinner")).to_have_count(0)
    return given


async def data(page: Page) -> Any:
    given = await answer(page)
    assert "errors" not in given, given
    return given["data"]


async def test_every_tab_works_with_the_network_blocked(shown: Demo, visit: Visit, picture: Picture) -> None:
    page = await visit(width=1000, height=640)
    await open_page(page, shown, f"#run={shown.sent.run_id}")
    await expect(page.get_by_role("status")).to_have_text(f"{wedding.NAME} · owner")
    found = {}
    for name in TABS:
        await choose(page, name)
        if name == "Live":
            await page.get_by_role("button", name="Execute query").click()
            await expect(page.get_by_label("Result Window")).to_contain_text("COMPLETED")
            await page.get_by_role("button", name="Stop query").click()
        else:
            if name == "Send":
                await variables(page, "v1.")
            found[name] = await data(page)
        if name == "Run":
            await picture(page, "graphiql")

    assert found["Ids"]["me"]["memberships"][0]["workspace"]["id"] == shown.sent.workspace_id
    assert found["Event"]["event"]["coverage"]["households"] > 0
    summary = found["Run"]["sendRun"]["summary"]
    assert summary["rejections"]
    assert summary["failures"]
    missing = found["NotYet"]["workspace"]["guestUnits"]
    assert missing["totalCount"] == len(missing["nodes"]) > 0
    (message, *_) = found["Guest"]["event"]["messages"]["nodes"]
    assert {entry["kind"] for entry in message["timeline"]} >= {"PLANNED", "CLAIMED", "PROVIDER_ANSWER", "STATUS"}
    assert found["Unmatched"]["workspace"]["webhookFindings"]["nodes"] == []
    assert {"INVITE_SEND", "INVITE_SEND_REFUSED"} <= {
        entry["action"] for entry in found["Audit"]["workspace"]["audit"]["nodes"]
    }
    assert found["Precheck"]["precheckSend"]["eligibleCount"] > 0
    assert found["Send"]["sendInvites"]["run"]["id"].startswith("run_")
    assert found["Send"]["sendInvites"]["run"]["id"] != shown.sent.run_id


async def test_dialogs_and_side_panels_keep_to_the_policy(shown: Demo, visit: Visit) -> None:
    page = await visit()
    await open_page(page, shown)
    await page.get_by_role("button", name="Show Documentation Explorer").click()
    await page.get_by_role("link", name="Query", exact=True).click()
    await expect(page.get_by_text("Who the token says I am, and my workspaces.")).to_be_visible()
    await page.get_by_role("button", name="Show GraphiQL Explorer").click()
    await expect(page.get_by_text("audiencePreview")).to_be_visible()
    for name in ("Open settings dialog", "Open short keys dialog"):
        await page.get_by_role("button", name=name).click()
        await page.get_by_role("dialog").get_by_role("button", name="Close dialog").click()
    await choose(page, "Precheck")
    await page.locator(".graphiql-query-editor .CodeMirror").click()
    await page.keyboard.press("Control+Home")
    await page.keyboard.press("Control+F")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+Space")


async def test_one_looks_through_another_role(shown: Demo, visit: Visit) -> None:
    page = await visit()
    await open_page(page, shown)
    await page.get_by_label("Look at it as").select_option(wedding.COORDINATOR.name)
    await expect(page.get_by_role("status")).to_have_text(f"{wedding.NAME} · family coordinator")
    await choose(page, "Precheck")
    token = (await data(page))["precheckSend"]["token"]
    await choose(page, "Send")
    assert await variables(page, "v1.") == {"precheckToken": token}
    assert (await answer(page))["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    await page.reload()
    await expect(page.get_by_role("status")).to_have_text(f"{wedding.NAME} · family coordinator")


async def test_a_link_signs_in_and_leaves_no_token_in_the_address(shown: Demo, visit: Visit) -> None:
    page = await visit()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    token = shown.token(wedding.PARENT)
    await open_page(page, shown, f"#token={token}")
    assert page.url == f"{shown.address}/graphql"
    await expect(page.get_by_role("status")).to_have_text(f"{wedding.NAME} · parent admin")
    assert [url for url in asked if token in url.partition("#")[0]] == []
    assert await page.evaluate("history.length") == 2, "the page before, and this one without the token"
    assert await page.evaluate("Object.keys(localStorage)") == [], "what is stored ends with the window"


async def test_a_link_leads_to_a_run(shown: Demo, visit: Visit) -> None:
    page = await visit()
    await open_page(page, shown, f"#token={shown.token(wedding.PARENT)}&run={shown.sent.run_id}")
    assert page.url == f"{shown.address}/graphql#run={shown.sent.run_id}"
    await expect(page.locator(".graphiql-tab-active")).to_contain_text("Run")
    assert await variables(page, "run_") == {"run": shown.sent.run_id}
    assert (await data(page))["sendRun"]["event"]["title"] == wedding.SENT_FOR
    await choose(page, "Event")
    await page.evaluate("location.hash = 'run=run_00000000000000000000000000000000'")
    await variables(page, "run_0000")
    assert await data(page) == {"sendRun": None}


async def test_without_its_files_it_comes_from_elsewhere_and_one_pastes_a_link(shown: Demo, visit: Visit) -> None:
    """The page of an installation without npm, and without a demo's tokens. The CDN is this test."""
    elsewhere = {each.url: each.name for each in page_files()}
    page = await visit(allowed=elsewhere)
    made = graphiql_page((), Path("no such folder"))

    async def document(route: Route) -> None:
        if route.request.is_navigation_request():
            headers = {"Content-Security-Policy": made.policy}
            await route.fulfill(body=made.html, content_type="text/html", headers=headers)
        else:
            await route.continue_()

    async def cdn(route: Route) -> None:
        headers = {"Access-Control-Allow-Origin": "*"}
        await route.fulfill(path=FOLDER / elsewhere[route.request.url], headers=headers)

    await page.route(f"{shown.address}/graphql", document)
    await page.route("https://unpkg.com/**", cdn)
    await open_page(page, shown)
    await expect(page.get_by_role("status")).to_contain_text("invites token --link")
    await page.get_by_label("Link or token").fill(f"{shown.address}/graphql#token={shown.token(wedding.OWNER)}")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("status")).to_have_text(f"{wedding.NAME} · owner")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("status")).to_contain_text("Not signed in")
