"""Templates and the number, as Meta's client reads them."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx

from app.domain.errors import UnavailableError
from app.whatsapp.client import MetaClient
from app.whatsapp.port import (
    NumberProfile,
)
from tests.whatsapp.meta_client import ROOT, TEMPLATES, TOKEN, error

pytestmark = pytest.mark.anyio


TEMPLATE = {
    "id": "1387372356726668",
    "name": "event_invite_v1",
    "language": "en_US",
    "status": "approved",
    "category": "MARKETING",
    "parameter_format": "NAMED",
    "quality_score": {"score": "GREEN", "date": 1758754645},
    "components": [{"type": "BODY", "text": "Hi {{first_name}}"}, "nonsense"],
}


def page(*entries: Any, after: Any = None) -> httpx.Response:
    paging = (
        {"cursors": {"after": after}, "next": "https://evil.test/steal"} if after else {"cursors": {"after": "end"}}
    )
    return httpx.Response(200, json={"data": list(entries), "paging": paging})


async def test_a_template_in_full(meta: MetaClient, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.get(TEMPLATES).mock(return_value=page(TEMPLATE))
    [found] = await meta.list_templates("200000000000001")
    assert (found.provider_id, found.name, found.language) == ("1387372356726668", "event_invite_v1", "en_US")
    assert (found.status, found.category, found.quality) == ("APPROVED", "MARKETING", "GREEN")
    assert (found.parameter_format, found.correct_category) == ("NAMED", None)
    assert found.components == [{"type": "BODY", "text": "Hi {{first_name}}"}]
    params = route.calls.last.request.url.params
    assert {"components", "quality_score", "correct_category"} <= set(params["fields"].split(","))
    assert params["limit"] == "100"


async def test_all_pages_are_read_from_our_own_address(meta: MetaClient, respx_mock: respx.MockRouter) -> None:
    pages = [page(TEMPLATE | {"name": f"t{n}"}, after=f"c{n}") for n in range(3)]
    route = respx_mock.get(TEMPLATES).mock(
        side_effect=[*pages, page(TEMPLATE | {"name": "last"}, TEMPLATE | {"name": "t0"})]
    )
    found = await meta.list_templates("200000000000001")
    assert [each.name for each in found] == ["t0", "t1", "t2", "last"]
    assert [call.request.url.params.get("after") for call in route.calls] == [None, "c0", "c1", "c2"]


async def test_a_refused_cursor_starts_again_once(meta: MetaClient, respx_mock: respx.MockRouter) -> None:
    refused = httpx.Response(400, json=error(131059))
    route = respx_mock.get(TEMPLATES)
    route.mock(side_effect=[page(TEMPLATE, after="old"), refused, page(TEMPLATE)])
    assert len(await meta.list_templates("200000000000001")) == 1
    assert [call.request.url.params.get("after") for call in route.calls] == [None, "old", None]
    route.mock(side_effect=[refused, refused])
    with pytest.raises(UnavailableError, match="Try again"):
        await meta.list_templates("200000000000001")


async def test_pages_without_end_are_bounded(meta: MetaClient, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.get(TEMPLATES).mock(return_value=page(TEMPLATE, after="again"))
    with pytest.raises(UnavailableError, match="20000 templates"):
        await meta.list_templates("200000000000001")
    assert route.call_count == 200


async def test_odd_entries_are_skipped_and_odd_parts_read_as_empty(
    meta: MetaClient, respx_mock: respx.MockRouter
) -> None:
    odd = {"id": 7, "name": "odd", "language": "hi", "components": 7, "quality_score": "RED"}
    deep: Any = "bottom"
    for _ in range(100):
        deep = {"deep": deep}
    answer = page(
        None, 7, "x", {}, {"name": "no language"}, {"language": "en"}, odd, odd | {"name": "deep", "components": [deep]}
    )
    respx_mock.get(TEMPLATES).mock(return_value=answer)
    first, second = await meta.list_templates("200000000000001")
    assert (first.provider_id, first.status, first.category) == ("7", "UNKNOWN", "UNKNOWN")
    assert (first.parameter_format, first.quality, first.components) == ("POSITIONAL", "RED", [])
    assert json.dumps(second.components).count("deep") == 32


async def test_text_in_templates_can_be_stored(meta: MetaClient, respx_mock: respx.MockRouter) -> None:
    odd = TEMPLATE | {"components": [{"type": "BODY", "text": "a\x00b\ud800", "\x00": ["\x00"]}]}
    content = json.dumps({"data": [odd]}).encode()
    respx_mock.get(TEMPLATES).mock(return_value=httpx.Response(200, content=content))
    [found] = await meta.list_templates("200000000000001")
    assert found.components == [{"type": "BODY", "text": "a\ufffdb\ufffd", "\ufffd": ["\ufffd"]}]


async def test_the_number(meta: MetaClient, respx_mock: respx.MockRouter) -> None:
    body = {
        "display_phone_number": "+1 555-010-0001",
        "verified_name": "Asha & Rohan",
        "quality_rating": "GREEN",
        "whatsapp_business_manager_messaging_limit": "TIER_2K",
        "health_status": {"can_send_message": "limited"},
        "id": "100000000000001",
    }
    date = {"Date": "Tue, 24 Nov 2026 12:00:01 GMT"}
    route = respx_mock.get(f"{ROOT}/100000000000001").respond(json=body, headers=date)
    found = await meta.number_profile("100000000000001")
    at = datetime(2026, 11, 24, 12, 0, 1, tzinfo=UTC)
    assert found == NumberProfile("+1 555-010-0001", "Asha & Rohan", "GREEN", "TIER_2K", None, "LIMITED", at)
    assert "whatsapp_business_manager_messaging_limit" in route.calls.last.request.url.params["fields"]


@pytest.mark.parametrize("date", [None, "", "yesterday", "Tue, 99 Nov 2026 12:00:01 GMT", "1"])
async def test_a_number_without_a_clock(meta: MetaClient, respx_mock: respx.MockRouter, date: str | None) -> None:
    headers = {} if date is None else {"Date": date}
    respx_mock.get(f"{ROOT}/100000000000001").respond(json={"id": "1", "health_status": 7}, headers=headers)
    assert await meta.number_profile("100000000000001") == NumberProfile(None, None, None, None, None)


async def test_subscribed_apps(meta: MetaClient, respx_mock: respx.MockRouter) -> None:
    apps = [{"whatsapp_business_api_data": {"id": "1", "name": "Invites"}}, {"whatsapp_business_api_data": None}, 7]
    route = respx_mock.get(f"{ROOT}/200000000000001/subscribed_apps").respond(json={"data": apps})
    assert await meta.subscribed_apps("200000000000001") == ["Invites", *["an app without a name"] * 2]
    route.respond(json={"data": []})
    assert await meta.subscribed_apps("200000000000001") == []
    route.respond(json={"nothing": 1})
    with pytest.raises(UnavailableError, match="cannot be reached"):
        await meta.subscribed_apps("200000000000001")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (httpx.Response(401, json=error(190)), "META_ACCESS_TOKEN"),
        (httpx.Response(401, json=error(0)), "META_ACCESS_TOKEN"),
        (httpx.Response(500, json=error(3)), "whatsapp_business_management"),
        (httpx.Response(403, json=error(200)), "whatsapp_business_management"),
        (httpx.Response(400, json=error(80007)), "how often"),
        (httpx.Response(400, json=error(100)), "META_WABA_ID"),
        (httpx.Response(500, json=error(1)), "cannot be reached"),
        (httpx.Response(400, json=error(424242)), "cannot be reached"),
        (httpx.Response(502, html="<html>"), "cannot be reached"),
        (httpx.Response(200, html="<html>"), "cannot be reached"),
        (httpx.Response(200, json={"paging": {}}), "cannot be reached"),
        (httpx.Response(200, json={"data": {}}), "cannot be reached"),
        (httpx.ConnectError(TOKEN), "cannot be reached"),
        (httpx.ReadTimeout(TOKEN), "cannot be reached"),
        (TimeoutError(TOKEN), "cannot be reached"),
    ],
)
async def test_a_listing_that_fails_says_what_to_do(
    meta: MetaClient, respx_mock: respx.MockRouter, answer: httpx.Response | Exception, sentence: str
) -> None:
    route = respx_mock.get(TEMPLATES)
    if isinstance(answer, Exception):
        route.mock(side_effect=answer)
    else:
        route.mock(return_value=answer)
    with pytest.raises(UnavailableError, match=sentence) as caught:
        await meta.list_templates("200000000000001")
    assert TOKEN not in str(caught.value)
