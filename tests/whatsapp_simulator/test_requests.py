"""What the simulator answers to requests: acceptance, refusals, listings."""

import base64
import json
from typing import Any

import httpx
import pytest

from app.whatsapp.simulator.errors import GraphError
from app.whatsapp.simulator.template import Template
from app.whatsapp.simulator.templates import DEFAULT_TEMPLATES
from app.whatsapp.simulator.validation import Send, parse_send
from tests.whatsapp_simulator.support import GUEST, NUMBER, TOKEN, in_process, options, send, text

pytestmark = pytest.mark.anyio

Json = dict[str, Any]

IMAGE: Json = {"type": "header", "parameters": [{"type": "image", "image": {"id": "1339522734477770"}}]}
NAMED: Json = {
    "type": "body",
    "parameters": [
        text("Asha", "guest_name"),
        text("Mehndi", "event_title"),
        text("12 February", "event_date"),
        text("4 pm", "event_time"),
        text("Rose Garden", "event_venue"),
    ],
}
SANGEET_HEADER: Json = {"type": "header", "parameters": [text("Asha")]}


def invite(*components: Json) -> Json:
    return send(name="wedding_invite", components=list(components))


def sangeet(*texts: str, header: Json = SANGEET_HEADER) -> Json:
    body = {"type": "body", "parameters": [text(each) for each in texts]}
    return send(name="sangeet_evening", language={"code": "en_US"}, components=[header, body])


def reception(*buttons: Json) -> Json:
    body = {"type": "body", "parameters": [text("Asha"), text("7 pm")]}
    return send(name="reception_details", components=[body, *buttons])


def url_button(index: str | int = "1", suffix: str = "9f3k2") -> Json:
    return {"type": "button", "sub_type": "url", "index": index, "parameters": [text(suffix)]}


def card(document: Json) -> Json:
    header = {"type": "header", "parameters": [{"type": "document", "document": document}]}
    return send(name="invitation_card", components=[header, {"type": "body", "parameters": [text("Asha")]}])


def reply(*parameters: Json, index: int = 0, sub_type: str = "quick_reply") -> Json:
    body = {"type": "body", "parameters": [text("Reception", "event_title")]}
    button = {"type": "button", "sub_type": sub_type, "index": index, "parameters": list(parameters)}
    return send(name="will_you_come", components=[body, button])


def changed_body(place: int, parameter: Json) -> Json:
    parameters = [*NAMED["parameters"]]
    parameters[place] = parameter
    return {"type": "body", "parameters": parameters}


TAKEN: dict[str, Json] = {
    "no components": send(),
    "separators in the phone": send(to="+1 (650) 555-0101"),
    "named parameters in any order": invite(IMAGE, {"type": "body", "parameters": NAMED["parameters"][::-1]}),
    "positional parameters": sangeet("Asha", "13 February", "Lake House"),
    "currency and date": sangeet("Asha", "13 February", "Lake House")
    | {"template": {
        "name": "sangeet_evening",
        "language": {"code": "en_US", "policy": "deterministic"},
        "components": [SANGEET_HEADER, {"type": "body", "parameters": [
            text("Asha"),
            {"type": "date_time", "date_time": {"fallback_value": "13 February"}},
            {"type": "currency", "currency": {"fallback_value": "$1", "code": "USD", "amount_1000": 1000}},
        ]}],
    }},
    "URL suffix": reception(url_button()),
    "URL suffix with a number as index": reception(url_button(index=1)),
    "document by link": card({"link": "https://example.org/card.pdf", "filename": "card.pdf"}),
    "quick reply": reply({"type": "payload", "payload": "yes"}),
    "unknown fields": send() | {"something_new": {"a": 1}},
    "no callback": send(callback=None),
    "callback of 512 bytes": send(callback="x" * 512),
    "text of exactly 1024": send(name="invitation_card", components=[
        {"type": "header", "parameters": [{"type": "document", "document": {"id": "1"}}]},
        {"type": "body", "parameters": [text("x" * (1024 - len("Dear , here is your card.")))]},
    ]),
    "four spaces": sangeet("A    sha", "13 February", "Lake House"),
}  # fmt: skip


async def test_takes() -> None:
    async with in_process(options()) as meta:
        answers = {what: (await meta.send(body)).status_code for what, body in TAKEN.items()}
        assert answers == dict.fromkeys(TAKEN, 200)
        assert (await meta.accepted())["total"] == len(TAKEN)


REFUSED: dict[str, tuple[Json | bytes, int, int]] = {
    "not JSON": (b"{", 100, 400),
    "not UTF-8": (b'{"to": "\xff"}', 100, 400),
    "wrong type": (send() | {"to": 1}, 100, 400),
    "no product": (send() | {"messaging_product": None}, 100, 400),
    "a group": (send() | {"recipient_type": "group"}, 100, 400),
    "no recipient": (send() | {"to": None}, 131008, 400),
    "digits without plus": (send(to="16505550101"), 131009, 400),
    "phone too long": (send(to="+1650555010123456"), 131009, 400),
    "phone with other digits": (send(to="+१६५०५५५०१०१"), 131009, 400),
    "to itself": (send(to="+15550100001"), 131021, 400),
    "free text": (send() | {"type": "text", "text": {"body": "hi"}}, 131051, 400),
    "no template": (send() | {"template": None}, 131008, 400),
    "callback of 513 bytes": (send(callback="x" * 513), 100, 400),
    "callback not ASCII": (send(callback="é"), 100, 400),
    "unknown template": (send(name="nothing"), 132001, 404),
    "other language": (send(language={"code": "en_US"}), 132001, 404),
    "other policy": (send(language={"code": "en", "policy": "fallback"}), 100, 400),
    "paused": (send(name="haldi_morning"), 132015, 400),
    "rejected": (send(name="gift_shop"), 132001, 404),
    "carousel": (send(name="five_events"), 135000, 400),
    "too few parameters": (sangeet("Asha", "13 February"), 132000, 400),
    "too many parameters": (sangeet("Asha", "13 February", "Lake House", "more"), 132000, 400),
    "parameters for a fixed text": (send(components=[SANGEET_HEADER]), 132000, 400),
    "no text for the header": (sangeet("a", "b", "c", header={"type": "header"}), 132000, 400),
    "no image": (invite(NAMED), 132012, 400),
    "document for image": (
        invite({"type": "header", "parameters": [{"type": "document", "document": {"id": "1"}}]}, NAMED), 132012, 400
    ),
    "media without source": (card({}), 131008, 400),
    "media with two sources": (card({"id": "1", "link": "https://example.org/c.pdf"}), 100, 400),
    "media from a file": (card({"link": "file:///c.pdf"}), 131009, 400),
    "name missing": (invite(IMAGE, changed_body(0, text("Asha"))), 100, 400),
    "name unknown": (invite(IMAGE, changed_body(0, text("Asha", "guest"))), 132000, 400),
    "name twice": (invite(IMAGE, changed_body(0, text("Asha", "event_title"))), 132000, 400),
    "names for numbers": (
        send(name="invitation_card", components=[
            {"type": "header", "parameters": [{"type": "document", "document": {"id": "1"}}]},
            {"type": "body", "parameters": [text("Asha", "guest_name")]},
        ]), 132012, 400),
    "image in the body": (
        invite(IMAGE, changed_body(0, {"type": "image", "image": {"id": "1"}, "parameter_name": "guest_name"})),
        132012, 400,
    ),
    "empty text": (sangeet("", "13 February", "Lake House"), 131008, 400),
    "newline": (sangeet("As\nha", "13 February", "Lake House"), 132018, 400),
    "tab": (sangeet("As\tha", "13 February", "Lake House"), 132018, 400),
    "five spaces": (sangeet("As     ha", "13 February", "Lake House"), 132018, 400),
    "body too long": (sangeet("x" * 1024, "13 February", "Lake House"), 132005, 400),
    "header too long": (sangeet("a", "b", "c", header={"type": "header", "parameters": [text("x" * 60)]}), 132005, 400),
    "component twice": (invite(IMAGE, IMAGE, NAMED), 100, 400),
    "unknown component": (invite(IMAGE, NAMED, {"type": "limited_time_offer"}), 100, 400),
    "no URL suffix": (reception(), 131008, 400),
    "suffix for the wrong button": (reception(url_button("0"), url_button("1")), 132000, 400),
    "button that is not there": (reception(url_button("1"), url_button("2")), 132012, 400),
    "button index not a number": (reception(url_button("one")), 131009, 400),
    "newline in the suffix": (reception(url_button(suffix="a\nb")), 132018, 400),
    "suffix too long": (reception(url_button(suffix="x" * 2000)), 131009, 400),
    "quick reply without payload": (reply(text("yes")), 131008, 400),
    "quick reply as URL": (reply({"type": "payload", "payload": "yes"}, sub_type="url"), 132012, 400),
}  # fmt: skip


def judge(body: Json | bytes) -> Send:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    known = {(each.name, each.language): each for each in map(Template.parse, DEFAULT_TEMPLATES)}
    return parse_send(raw, known, "15550100001")


@pytest.mark.parametrize(("body", "code", "http"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(body: Json | bytes, code: int, http: int) -> None:
    with pytest.raises(GraphError) as caught:
        judge(body)
    assert (caught.value.code, caught.value.http_status) == (code, http)


async def test_refusals_come_in_metas_envelope_and_take_nothing() -> None:
    async with in_process(options()) as meta:
        answers = [await meta.send(body) for body, _, _ in REFUSED.values()]
        for answer, (_, code, http) in zip(answers, REFUSED.values(), strict=True):
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (http, code)
            assert error["type"] == "OAuthException"
            assert error["error_data"]["details"]
            assert error["message"].startswith(f"(#{code}) ")
            assert error["fbtrace_id"]
        assert (await meta.accepted())["total"] == 0
        assert sum((await meta.state())["answers"].values()) == len(REFUSED)


async def test_acceptance_is_counted_per_recipient_and_callback() -> None:
    async with in_process(options()) as meta:
        first = (await meta.send(send(to="+44 7700 900102", callback="msg_1.1"))).json()
        await meta.send(send(to="+447700900102", callback="msg_2.1"))
        await meta.send(send(to=GUEST, callback="msg_2.1"))
        assert first["contacts"] == [{"input": "+44 7700 900102", "wa_id": "447700900102"}]
        assert first["messages"][0]["message_status"] == "accepted"
        assert await meta.accepted() == {
            "total": 3,
            "recipients": {"+447700900102": 2, GUEST: 1},
            "callbacks": {"msg_1.1": 1, "msg_2.1": 2},
        }


async def test_message_ids_are_unique_and_contain_the_phone() -> None:
    async with in_process(options()) as meta:
        ids = {(await meta.send()).json()["messages"][0]["id"] for _ in range(20)}
    assert len(ids) == 20
    for each in ids:
        assert each.startswith("wamid.")
        assert GUEST[1:].encode() in base64.b64decode(each.removeprefix("wamid."), validate=True)


async def test_brazilian_wa_id_differs_from_what_was_sent_to() -> None:
    async with in_process(options()) as meta:
        recife = (await meta.send(send(to="+5581987654321"))).json()
        sao_paulo = (await meta.send(send(to="+5511987654321"))).json()
    assert recife["contacts"] == [{"input": "+5581987654321", "wa_id": "558187654321"}]
    assert sao_paulo["contacts"][0]["wa_id"] == "5511987654321"


async def test_every_route_needs_the_token() -> None:
    paths = [
        f"/v26.0/{NUMBER}",
        "/v26.0/200000000000001/message_templates",
        "/_simulator/accepted",
        "/_simulator/state",
    ]
    async with in_process(options()) as meta:
        for header in (b"", b"Bearer wrong", "Bearer é".encode(), TOKEN.encode(), f"Basic {TOKEN}".encode()):
            meta.client.headers = httpx.Headers([(b"Authorization", header)] if header else [])
            answers = [await meta.client.get(path) for path in paths]
            answers += [await meta.send(), await meta.client.post("/_simulator/options", json={})]
            for answer in answers:
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, 190)
        meta.client.headers = httpx.Headers({"Authorization": f"Bearer {TOKEN}"})
        assert (await meta.accepted())["total"] == 0


async def test_unknown_objects() -> None:
    async with in_process(options()) as meta:
        for answer in (
            await meta.client.post("/v26.0/999/messages", json=send()),
            await meta.client.get("/v26.0/999"),
            await meta.client.get(f"/v26.0/{NUMBER}/message_templates"),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, 33)


async def test_number_profile() -> None:
    async with in_process(options(quality_rating="YELLOW")) as meta:
        asked = (await meta.client.get(f"/v26.0/{NUMBER}", params={"fields": "status,quality_rating"})).json()
        assert asked == {"id": NUMBER, "status": "CONNECTED", "quality_rating": "YELLOW"}
        whole = (await meta.client.get(f"/v26.0/{NUMBER}")).json()
        assert whole["whatsapp_business_manager_messaging_limit"] == "TIER_10K"
        assert whole["display_phone_number"] == "15550100001"


async def test_subscribed_apps() -> None:
    path = "/v26.0/200000000000001/subscribed_apps"
    async with in_process(options(webhook_url="http://127.0.0.1:1/")) as meta:
        (app,) = (await meta.client.get(path)).json()["data"]
        assert app["whatsapp_business_api_data"]["name"] == "Invites"
        assert (await meta.client.get(f"/v26.0/{NUMBER}/subscribed_apps")).status_code == 400
        await meta.order("options", {"webhook_url": None})
        assert (await meta.client.get(path)).json() == {"data": []}


async def test_templates_are_listed_in_pages() -> None:
    async with in_process(options()) as meta:
        url, found, pages = "/v26.0/200000000000001/message_templates?limit=4&fields=name,language,status", [], 0
        while url:
            page = (await meta.client.get(url)).json()
            pages += 1
            found += page["data"]
            url = page["paging"].get("next")
            assert TOKEN not in json.dumps(page)
    assert pages == 3
    assert [each["name"] for each in found] == [each["name"] for each in DEFAULT_TEMPLATES]
    assert all(set(each) == {"id", "name", "language", "status"} for each in found)


async def test_template_filters_and_bad_requests() -> None:
    path = "/v26.0/200000000000001/message_templates"
    async with in_process(options()) as meta:
        loose = (await meta.client.get(path, params={"name": "invit"})).json()["data"]
        assert [each["name"] for each in loose] == ["wedding_invite", "invitation_card"]
        paused = (await meta.client.get(path, params={"status": "PAUSED"})).json()["data"]
        assert [each["name"] for each in paused] == ["haldi_morning"]
        assert (await meta.client.get(path, params={"name": "nothing"})).json() == {"data": []}
        for cursor in ("nonsense", "YXQ6OTk", "é"):
            answer = await meta.client.get(path, params={"after": cursor})
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, 131059)
        for limit in ("0", "-1", "x"):
            answer = await meta.client.get(path, params={"limit": limit})
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, 100)
