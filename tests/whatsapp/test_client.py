"""The client of Meta: what each answer, and each way of getting none, proves about the message."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import respx

from app.domain.errors import UnavailableError
from app.whatsapp.client import MetaClient
from app.whatsapp.codes import CODES
from app.whatsapp.port import (
    Accepted,
    Behaviour,
    NotSent,
    NumberProfile,
    Outcome,
    ProviderError,
    Refused,
    TemplateMessage,
    Unknown,
)

pytestmark = pytest.mark.anyio

TOKEN = "EAAtoken+secret/x"
ROOT = "https://graph.test/v26.0"
MESSAGES = f"{ROOT}/100000000000001/messages"
TEMPLATES = f"{ROOT}/200000000000001/message_templates"
ACCEPTED = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "+16505550101", "wa_id": "16505550101"}],
    "messages": [{"id": "wamid.A=", "message_status": "accepted"}],
}
MESSAGE = TemplateMessage(
    phone_number_id="100000000000001",
    to="+16505550101",
    template_name="event_invite_v1",
    language="en_US",
    components=[{"type": "body", "parameters": [{"type": "text", "parameter_name": "first_name", "text": "Zoë"}]}],
    attempt_id="msg_00000000000000000000000000000001.1",
)


def client(base_url: str = "https://graph.test", *, timeout: float = 5.0, concurrency: int = 4) -> MetaClient:
    return MetaClient(base_url=base_url, version="v26.0", access_token=TOKEN, timeout=timeout, concurrency=concurrency)


@pytest.fixture
async def meta() -> AsyncIterator[MetaClient]:
    async with client() as opened:
        yield opened


def error(code: Any, **more: Any) -> dict[str, Any]:
    return {"error": {"message": f"(#{code}) Something", "type": "OAuthException", "code": code, **more}}


async def outcome(meta: MetaClient, respx_mock: respx.MockRouter, answer: httpx.Response | Exception) -> Outcome:
    if isinstance(answer, Exception):
        respx_mock.post(MESSAGES).mock(side_effect=answer)
    else:
        respx_mock.post(MESSAGES).mock(return_value=answer)
    return await meta.send(MESSAGE)


# The request


async def test_the_request_is_as_meta_documents_it(meta: MetaClient, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(MESSAGES).respond(json=ACCEPTED)
    await meta.send(MESSAGE)
    request = route.calls.last.request
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+16505550101",
        "type": "template",
        "biz_opaque_callback_data": "msg_00000000000000000000000000000001.1",
        "template": {
            "name": "event_invite_v1",
            "language": {"code": "en_US"},
            "components": MESSAGE.components,
        },
    }


async def test_no_components_no_key(meta: MetaClient, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(MESSAGES).respond(json=ACCEPTED)
    await meta.send(
        TemplateMessage(
            phone_number_id="100000000000001",
            to="+16505550101",
            template_name="plain",
            language="en",
            components=[],
            attempt_id="a.1",
        )
    )
    assert json.loads(route.calls.last.request.content)["template"] == {"name": "plain", "language": {"code": "en"}}


async def test_an_id_cannot_leave_its_place_in_the_address(meta: MetaClient, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.get(url__startswith="https://graph.test/").respond(json={"status": "CONNECTED"})
    await meta.number_profile("1/../2?x=1#y")
    assert route.calls.last.request.url.raw_path.startswith(b"/v26.0/1%2F..%2F2%3Fx%3D1%23y?fields=")


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb", "tökén"])
async def test_a_token_that_no_header_can_carry_is_refused_at_once(token: str) -> None:
    with pytest.raises(ValueError, match="access token") as caught:
        MetaClient(base_url="https://graph.test", version="v26.0", access_token=token, timeout=1, concurrency=1)
    assert not token.strip() or token not in str(caught.value)


# Accepted


@pytest.mark.parametrize(
    ("message_status", "held"),
    [
        ("accepted", False),
        (None, False),
        ("held_for_quality_assessment", True),
        ("paused", True),
        ("new", False),
        ([], False),
    ],
)
async def test_accepted_and_held(
    meta: MetaClient, respx_mock: respx.MockRouter, message_status: Any, held: bool
) -> None:
    message = {"id": "wamid.A="} if message_status is None else {"id": "wamid.A=", "message_status": message_status}
    found = await outcome(meta, respx_mock, httpx.Response(200, json=ACCEPTED | {"messages": [message]}))
    assert isinstance(found, Accepted)
    assert (found.message_id, found.held) == ("wamid.A=", held)
    assert found.evidence.http_status == 200


# Refused


@pytest.mark.parametrize("code", sorted(set(CODES) - {1, 131000}))
@pytest.mark.parametrize("http_status", [400, 500])
async def test_every_code_of_the_table_is_a_refusal_whatever_the_http_status(
    meta: MetaClient, respx_mock: respx.MockRouter, code: int, http_status: int
) -> None:
    found = await outcome(meta, respx_mock, httpx.Response(http_status, json=error(code)))
    assert isinstance(found, Refused)
    rule = CODES[code]
    assert found.error == ProviderError(code, f"(#{code}) Something")
    assert found.behaviour is rule.behaviour
    assert found.slows_number is rule.slows_number
    assert found.retry_after == rule.retry_after


@pytest.mark.parametrize(
    ("http_status", "code", "behaviour"),
    [
        (400, 1, Behaviour.LATER),
        (400, 131000, Behaviour.LATER),
        (400, 424242, Behaviour.FINAL),
        (404, 424242, Behaviour.FINAL),
        (429, 424242, Behaviour.LATER),
        (403, 230, Behaviour.STOP_NUMBER),
        (400, 132999, Behaviour.STOP_RUN),
        (400, "131026", Behaviour.FINAL),
    ],
)
async def test_refusals_outside_the_table(
    meta: MetaClient, respx_mock: respx.MockRouter, http_status: int, code: Any, behaviour: Behaviour
) -> None:
    found = await outcome(meta, respx_mock, httpx.Response(http_status, json=error(code)))
    assert isinstance(found, Refused)
    assert found.behaviour is behaviour
    assert found.error.code == int(code)


@pytest.mark.parametrize("data", [{"details": "Why."}, "Why."])
async def test_error_data_may_be_an_object_or_text(meta: MetaClient, respx_mock: respx.MockRouter, data: Any) -> None:
    found = await outcome(meta, respx_mock, httpx.Response(400, json=error(131026, error_data=data)))
    assert isinstance(found, Refused)
    assert found.error.details == "Why."


def usage(minutes: Any) -> dict[str, str]:
    return {"x-business-use-case-usage": json.dumps({"2": [{"estimated_time_to_regain_access": minutes}]})}


@pytest.mark.parametrize(
    ("code", "headers", "seconds"),
    [
        (130429, {}, 4),
        (130429, {"retry-after": "30"}, 30),
        (130429, {"retry-after": "2"}, 4),
        (130429, {"retry-after": "999999"}, 3600),
        (130429, {"retry-after": "soon"}, 4),
        (130429, {"retry-after": "-5"}, 4),
        (80007, usage(5), 300),
        (80007, usage(500), 3600),
        (80007, usage("x"), 60),
        (80007, {"x-business-use-case-usage": "nonsense"}, 60),
        (80007, {"x-business-use-case-usage": '{"2": 7}'}, 60),
        (131056, usage(5), 4),
        (131026, {"retry-after": "30"}, 0),
    ],
)
async def test_how_long_to_wait(
    meta: MetaClient, respx_mock: respx.MockRouter, code: int, headers: dict[str, str], seconds: float
) -> None:
    found = await outcome(meta, respx_mock, httpx.Response(400, json=error(code), headers=headers))
    assert isinstance(found, Refused)
    assert found.retry_after == seconds


# Unknown


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, json=error(1)),
        httpx.Response(500, json=error(131000)),
        httpx.Response(503, json=error(424242)),
        httpx.Response(500, json=error("nonsense")),
        httpx.Response(500, json=error(None)),
        httpx.Response(500, json={"error": "nonsense"}),
        httpx.Response(500, html="<html>Bad gateway</html>"),
        httpx.Response(502),
        httpx.Response(400, html="<html>Bad request</html>"),
        httpx.Response(400, json=error(True)),
        httpx.Response(400, json=error(-1)),
        httpx.Response(400, json=error(10**30)),
        httpx.Response(400, json=[]),
        httpx.Response(429, html="<html>Slow down</html>"),
        httpx.Response(200),
        httpx.Response(200, text="OK"),
        httpx.Response(200, html="<html>Sign in to this Wi-Fi</html>"),
        httpx.Response(200, json={}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"messages": []}),
        httpx.Response(200, json={"messages": {"id": "wamid.A"}}),
        httpx.Response(200, json={"messages": [{"id": 7}]}),
        httpx.Response(200, json={"messages": [{"id": ""}]}),
        httpx.Response(200, json=error(131026)),
        httpx.Response(200, content=b'{"messages":[{"id":"wamid.A"}' + b" " * 70_000 + b"]}"),
        httpx.Response(204),
        httpx.Response(302, headers={"location": "https://elsewhere.test/"}, json=ACCEPTED),
        httpx.Response(200, content=b"[" * 60_000),
    ],
)
async def test_an_answer_that_proves_nothing_is_unknown(
    meta: MetaClient, respx_mock: respx.MockRouter, answer: httpx.Response
) -> None:
    found = await outcome(meta, respx_mock, answer)
    assert isinstance(found, Unknown)
    assert found.evidence.http_status == answer.status_code


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (httpx.PoolTimeout, NotSent),
        (httpx.ConnectTimeout, NotSent),
        (httpx.ConnectError, NotSent),
        (httpx.ProxyError, NotSent),
        (httpx.ReadTimeout, Unknown),
        (httpx.WriteTimeout, Unknown),
        (httpx.ReadError, Unknown),
        (httpx.WriteError, Unknown),
        (httpx.CloseError, Unknown),
        (httpx.RemoteProtocolError, Unknown),
        (httpx.LocalProtocolError, Unknown),
        (httpx.DecodingError, Unknown),
        (OSError, Unknown),
        (TimeoutError, Unknown),
        (RuntimeError, Unknown),
    ],
)
async def test_only_what_surely_never_left_may_be_tried_again(
    meta: MetaClient, respx_mock: respx.MockRouter, failure: type[Exception], kind: type[Outcome]
) -> None:
    found = await outcome(meta, respx_mock, failure(f"to +16505550101 with {TOKEN}"))
    assert isinstance(found, kind)
    assert found.evidence.error == failure.__name__
    assert "+16505550101" not in repr(found)


async def test_cancellation_goes_through(meta: MetaClient, respx_mock: respx.MockRouter) -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        return httpx.Response(200)

    respx_mock.post(MESSAGES).mock(side_effect=hang)
    task = asyncio.create_task(meta.send(MESSAGE))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# Evidence


async def test_evidence_keeps_few_headers_and_a_bounded_storable_body(
    meta: MetaClient, respx_mock: respx.MockRouter
) -> None:
    headers = {
        "X-FB-Trace-ID": "Az8",
        "facebook-api-version": "v26.0",
        "x-app-usage": "{}",
        "set-cookie": "session=1",
        "retry-after": "1",
    }
    answer = httpx.Response(500, content=b"\x00\xff" * 20_000, headers=headers)
    found = await outcome(meta, respx_mock, answer)
    assert found.evidence.headers == {
        "x-fb-trace-id": "Az8",
        "facebook-api-version": "v26.0",
        "x-app-usage": "{}",
        "retry-after": "1",
    }
    assert found.evidence.body is not None
    assert len(found.evidence.body.encode()) <= 16 * 1024
    assert set(found.evidence.body) == {"\ufffd"}


async def test_the_token_never_comes_out(
    meta: MetaClient, respx_mock: respx.MockRouter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    malformed = error(190) | {"note": TOKEN}
    malformed["error"]["message"] = f"Malformed access token {TOKEN}"
    found = await outcome(meta, respx_mock, httpx.Response(400, json=malformed))
    assert isinstance(found, Refused)
    assert found.error.title == "Malformed access token [access token]"
    assert TOKEN not in repr(found)
    assert TOKEN not in repr(meta)
    assert TOKEN not in caplog.text


# Real sockets: where an error really comes from

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length"))
    return head + await reader.readexactly(length)


def http_answer(body: bytes, extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), extra, body)


async def test_a_closed_port_means_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with client(f"http://127.0.0.1:{taken.getsockname()[1]}") as meta:
            found = await meta.send(MESSAGE)
    assert found == NotSent(found.evidence)
    assert found.evidence.error == "ConnectError"


async def test_failed_tls_means_not_sent_and_nothing_was() -> None:
    received = bytearray()

    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.read(4096))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with server(no_tls) as url, client(url.replace("http:", "https:")) as meta:
        found = await meta.send(MESSAGE)
    assert isinstance(found, NotSent)
    assert received
    assert b"POST" not in received
    assert TOKEN.encode() not in received


async def test_a_connection_cut_after_the_request_is_unknown() -> None:
    async def cut(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await read_request(reader)

    async with server(cut) as url, client(url) as meta:
        found = await meta.send(MESSAGE)
    assert isinstance(found, Unknown)
    assert found.evidence.error == "RemoteProtocolError"


async def test_a_connection_cut_within_the_answer_is_unknown() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(http_answer(json.dumps(ACCEPTED).encode())[:-5])
        await writer.drain()

    async with server(cut) as url, client(url) as meta:
        assert isinstance(await meta.send(MESSAGE), Unknown)


async def test_a_stale_connection_that_took_the_request_is_unknown_and_not_sent_again() -> None:
    requests: list[bytes] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(http_answer(json.dumps(ACCEPTED).encode()))
        await writer.drain()
        requests.append(await read_request(reader))

    async with server(once) as url, client(url) as meta:
        assert isinstance(await meta.send(MESSAGE), Accepted)
        assert isinstance(await meta.send(MESSAGE), Unknown)
    assert len(requests) == 2


async def test_an_answer_that_trickles_ends_with_the_timeout() -> None:
    whole = False

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(200):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)
        nonlocal whole
        whole = True

    async with server(trickle) as url, client(url, timeout=0.4) as meta:
        found = await meta.send(MESSAGE)
        assert not whole
    assert isinstance(found, Unknown)
    assert found.evidence.error == "TimeoutError"


async def test_an_answer_without_end_is_cut_short() -> None:
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while sent < 100_000_000:
            writer.write(b" " * 65_536)
            await writer.drain()
            sent += 65_536

    async with server(pour) as url, client(url) as meta:
        assert isinstance(await meta.send(MESSAGE), Unknown)
    assert sent < 50_000_000


async def test_a_full_pool_means_not_sent() -> None:
    release = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await release.wait()
        writer.write(http_answer(json.dumps(ACCEPTED).encode()))
        await writer.drain()

    async with server(hang) as url, client(url, timeout=3.0, concurrency=1) as meta:
        first = asyncio.create_task(meta.send(MESSAGE))
        await asyncio.sleep(0.1)
        second = await meta.send(MESSAGE)
        release.set()
        assert isinstance(await first, Accepted)
    assert isinstance(second, NotSent)
    assert second.evidence.error == "PoolTimeout"


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(http_answer(json.dumps(ACCEPTED).encode(), b"Connection: close\r\n"))
        await writer.drain()

    async with server(accept) as url, client(url) as meta:
        assert isinstance(await meta.send(MESSAGE), Accepted)


# Templates and the number

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
        "id": "100000000000001",
    }
    route = respx_mock.get(f"{ROOT}/100000000000001").respond(json=body)
    found = await meta.number_profile("100000000000001")
    assert found == NumberProfile("+1 555-010-0001", "Asha & Rohan", "GREEN", "TIER_2K", None)
    assert "whatsapp_business_manager_messaging_limit" in route.calls.last.request.url.params["fields"]


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
