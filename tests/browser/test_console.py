"""The console in a real browser, on a phone's and on a desk's screen: the whole way of an invite, for every role."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from app.cli.demo import documents, wedding
from tests.browser.conftest import Picture, Visit
from tests.browser.demo import Demo
from tests.browser.steps import (
    ends,
    follow,
    has_heading,
    open_console,
    press,
    published,
    run_of,
    runs,
    slow_answers,
)

pytestmark = pytest.mark.anyio

RUN = "query($r: ID!) { sendRun(id: $r) { status summary { byState { state count operatorText } } } }"
COUNT_CLICKS = "addEventListener('click', ({ isTrusted }) => (window.clicks = (window.clicks ?? 0) + isTrusted), true)"
MOST_CLICKS = 6


@pytest.mark.parametrize("width", [360, 1280])
async def test_the_whole_way_of_an_invite(shown: Demo, visit: Visit, picture: Picture, width: int) -> None:
    title = f"Haldi {width}"
    event_id = await published(shown, title)
    page = await visit(width=width, height=760)
    await open_console(page, shown)
    await page.get_by_label("Look at it as").select_option(wedding.PARENT.name)
    await has_heading(page, f"Welcome, {wedding.PARENT.name}")
    await picture(page, f"console-start-{width}")

    await follow(page, f"Invite to {title}")
    await has_heading(page, f"Invite to {title}")
    everybody = await page.get_by_text(re.compile(r"^\d+ households, ")).text_content()
    await page.get_by_role("combobox", name="Family").select_option("BRIDE")
    await expect(page.get_by_text(str(everybody), exact=True)).to_have_count(0)
    await page.get_by_role("combobox", name="Family").select_option("")
    await expect(page.get_by_text(str(everybody), exact=True)).to_be_visible()
    await press(page, "Check who gets it")
    wish = {
        "eventId": event_id, "templateName": wedding.TEMPLATE, "templateLanguage": wedding.LANGUAGE,
        "parameters": wedding.PARAMETERS, "audience": {},
    }  # fmt: skip
    precheck = (await shown.cast.parent.ask(documents.PRECHECK, i=wish))["precheckSend"]
    invites = f"{precheck['eligibleCount']} invites"
    await has_heading(page, f"{invites} would go out, {precheck['rejectedCount']} held back")
    for each in precheck["rejections"]:
        await expect(page.get_by_role("row", name=f"{each['count']} {each['operatorText']}")).to_be_visible()
    await expect(page.get_by_text(precheck["previews"][0]["text"])).to_be_visible()
    await picture(page, f"console-precheck-{width}")

    await page.get_by_text("Try it on your own phone first").click()
    await page.get_by_label("Your phone").fill("+91 98200 99999")
    await press(page, "Send the test")
    await expect(page.get_by_role("link", name="Sent. Watch it")).to_be_visible()

    await press(page, f"Send {invites} …")
    dialog = page.get_by_role("dialog", name=f"Send {invites} to {title}?")
    for said in ("Everybody on the guest list", f"{precheck['rejectedCount']} held back", "nobody gets a real message"):
        await expect(dialog).to_contain_text(said)
    await picture(page, f"console-confirm-{width}")
    async with slow_answers(shown):
        await page.get_by_role("button", name=f"Yes, send {invites} now").dblclick()
        await has_heading(page, f"{title}: invites")
        assert await runs(shown, event_id) == [run_of(page)]
        await expect(page.get_by_text("Live: ")).to_be_visible()
        await expect(page.get_by_role("rowheader", name="On the phone")).to_be_visible()
        await picture(page, f"console-running-{width}")
        await press(page, "Pause")
        await ends(page, "Paused")
        await expect(page.get_by_role("button", name="Go on")).to_be_focused()
    await press(page, "Go on")
    await ends(page, "Sent")
    of = precheck["eligibleCount"]
    await expect(page.get_by_text(f"Sent: {of} of {of} messages handed to WhatsApp.")).to_be_visible()

    async with page.expect_download() as download:
        await press(page, "Download")
    rows = list(csv.DictReader(Path(await (await download.value).path()).read_text(encoding="utf-8-sig").splitlines()))
    assert len(rows) == precheck["candidateCount"]
    assert {row["run_id"] for row in rows} == {run_of(page)}
    await expect(page.get_by_role("rowheader", name="Failed")).to_be_visible()
    await picture(page, f"console-finished-{width}")
    await page.get_by_label("Which").select_option("FAILED")
    await press(page, "Show them")
    failed = page.get_by_role("listitem").filter(has_text="Failed: ")
    await expect(failed).to_have_count(1)

    name = str(await failed.first.get_by_role("link").text_content())
    await failed.first.get_by_role("link").click()
    await expect(page.locator("h1")).to_be_focused()
    await expect(page.get_by_role("article").first).to_contain_text(title)
    await picture(page, f"console-guest-{width}")
    await page.get_by_text("Never message this phone again").click()
    await page.get_by_label("Why").fill("Asked by phone")
    await press(page, "Do it")
    await expect(page.get_by_text("Blocked. Nothing more goes out")).to_be_visible()
    await expect(page.get_by_text("Asked by phone (")).to_be_visible()

    await page.goto(f"{shown.address}/console")
    await page.get_by_label("Find a guest").fill(name)
    await press(page, "Find")
    await expect(page.get_by_role("listitem").filter(has_text="must not be messaged").first).to_be_visible()
    await page.get_by_role("listitem").get_by_role("link").first.click()
    await page.get_by_text("Take it back").click()
    back = page.get_by_role("group").filter(has_text="Take it back")
    await back.get_by_label("Why").fill("Asked again to be invited")
    await back.get_by_role("button").click()
    await expect(page.get_by_text("Taken back.")).to_be_visible()

    await follow(page, title)
    await follow(page, "Try again for some")
    await has_heading(page, f"Try again: {title}")
    await page.get_by_label(re.compile("^Held back")).uncheck()
    await press(page, "Check who gets it")
    failures = precheck["eligibleCount"] - (await delivered(shown, event_id))
    await has_heading(page, f"{failures} invite{'' if failures == 1 else 's'} would go out, 0 held back")


async def delivered(shown: Demo, event_id: str) -> int:
    asked = "query($e: ID!) { event(id: $e) { summary { reachedDelivered } } }"
    found = await shown.cast.parent.ask(asked, e=event_id)
    return int(found["event"]["summary"]["reachedDelivered"])


async def test_it_takes_few_clicks_and_one_whose_answer_got_lost_sends_once(shown: Demo, visit: Visit) -> None:
    """The service has sent; the proxy in front says something that is no GraphQL. One presses again."""
    event_id = await published(shown, "Vidaai")
    page = await visit()
    await page.add_init_script(COUNT_CLICKS)
    await open_console(page, shown)
    lost: list[str] = []

    async def proxy(route: Route) -> None:
        answer = await route.fetch()
        if not lost and json.loads(route.request.post_data or "{}").get("operationName") == "Send":
            lost.append((await answer.json())["data"]["sendInvites"]["run"]["id"])
            await route.fulfill(body="<h1>Bad gateway</h1>", content_type="text/html")
        else:
            await route.fulfill(response=answer)

    await page.route(f"{shown.address}/graphql", proxy)
    await follow(page, "Invite to Vidaai")
    await press(page, "Check who gets it")
    await page.get_by_role("button", name=re.compile("^Send .* …$")).click()
    await press(page, "Yes, send")
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("Nothing is sent twice.")
    assert 1 < await page.evaluate("window.clicks") <= MOST_CLICKS
    await press(page, "Yes, send")
    await has_heading(page, "Vidaai: invites")
    assert [run_of(page)] == lost == await runs(shown, event_id)


async def test_two_people_watch_one_send_and_a_coordinator_only_watches(shown: Demo, visit: Visit) -> None:
    event_id = await published(shown, "Lunch")
    theirs = await visit(width=360, height=760)
    await open_console(theirs, shown, f"#event={event_id}", wedding.COORDINATOR)
    await press(theirs, "Check who gets it")
    await expect(theirs.get_by_text("Only Owner or Parent Admin can send it.")).to_be_visible()
    await expect(theirs.get_by_role("button", name="Send")).to_have_count(0)
    link = await theirs.get_by_role("link", name="this check").get_attribute("href")

    ours = await visit()
    await open_console(ours, shown, str(link), wedding.PARENT)
    async with slow_answers(shown):
        await ours.get_by_role("button", name=re.compile("^Send .* …$")).click()
        await press(ours, "Yes, send")
        await has_heading(ours, "Lunch: invites")
        run_id = run_of(ours)
        await theirs.evaluate("hash => (location.hash = hash)", f"run={run_id}")
        await has_heading(theirs, "Lunch: invites")
        await expect(theirs.get_by_text("You can watch. Pausing is for Owner or Parent Admin.")).to_be_visible()
        await expect(theirs.get_by_role("button", name="Pause")).to_have_count(0)
        await press(ours, "Cancel the rest")
        await press(ours, "Yes, cancel the rest")
        for page in (ours, theirs):
            await ends(page, "Cancelled")
        await expect(ours.get_by_role("button", name="Download")).to_be_focused()

    while not await shown.cast.simulator.idle() or await stand(shown, run_id, "SENDING"):
        await ours.wait_for_timeout(20)
    end = [
        re.compile(f"^{each['count']}[A-Z].*{re.escape(each['operatorText'])}$") for each in await stand(shown, run_id)
    ]
    cancelled = sum(each["count"] for each in await stand(shown, run_id, "CANCELLED"))
    assert cancelled
    for page in (ours, theirs):
        await expect(page.get_by_role("table", name="How the messages stand").get_by_role("row")).to_have_text(end)
        bar = page.get_by_role("progressbar", name="Handed to WhatsApp")
        assert await bar.evaluate("({ value, max }) => max - value") == cancelled


async def stand(shown: Demo, run_id: str, *states: str) -> list[Any]:
    """Counts that are not zero; those of ``states`` only where some are given."""
    run = (await shown.cast.parent.ask(RUN, r=run_id))["sendRun"]
    return [each for each in run["summary"]["byState"] if each["count"] and (not states or each["state"] in states)]


async def test_one_sends_without_a_mouse_and_sees_where_one_is(shown: Demo, visit: Visit) -> None:
    await published(shown, "Breakfast")
    page = await visit(width=360, height=760)
    await open_console(page, shown)
    for name in ("Invite to Breakfast", "Check who gets it", r"Send \d+ invites …", "Yes, send"):
        await tab_to(page, name)
        await page.keyboard.press("Enter")
    await has_heading(page, "Breakfast: invites")
    await expect(page.locator("h1")).to_be_focused()


async def tab_to(page: Page, name: str) -> None:
    await expect(page.locator("a, button").filter(has_text=re.compile(f"^{name}")).first).to_be_visible()
    for _ in range(60):
        await page.keyboard.press("Tab")
        text, outline = await page.evaluate(
            "() => [document.activeElement.textContent, getComputedStyle(document.activeElement).outlineStyle]"
        )
        assert outline != "none", f"one does not see that one is on {text!r}"
        if re.match(name, text):
            return
    pytest.fail(f"the tabulator does not lead to {name!r}")


async def test_axe_finds_nothing_serious(shown: Demo, visit: Visit, axe: str) -> None:
    event_id = await published(shown, "Tea")
    page = await visit(width=360, height=760)
    await page.add_init_script(axe)
    await open_console(page, shown)
    await find_nothing_serious(page)
    await open_console(page, shown, f"#run={shown.sent.run_id}")
    await press(page, "Show them")
    await page.get_by_role("listitem").get_by_role("link").first.wait_for()
    await find_nothing_serious(page)
    await page.get_by_role("listitem").get_by_role("link").first.click()
    await expect(page.get_by_role("heading", name="Messages")).to_be_visible()
    await find_nothing_serious(page)
    await page.evaluate("hash => (location.hash = hash)", f"event={event_id}")
    await press(page, "Check who gets it")
    await page.get_by_role("button", name=re.compile("^Send .* …$")).wait_for()
    await find_nothing_serious(page)
    await page.get_by_role("button", name=re.compile("^Send .* …$")).click()
    await find_nothing_serious(page)


async def find_nothing_serious(page: Page) -> None:
    found = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert found["passes"], "it did look"
    serious = [each for each in found["violations"] if each["impact"] in {"serious", "critical"}]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in serious] == []
