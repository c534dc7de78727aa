"""The client of Meta: what each answer, and each way of getting none, proves about the message."""

import asyncio
import json
import logging
from typing import Any

import httpx
import pytest
import respx

from app.whatsapp.client import MetaClient
from app.whatsapp.codes import CODES
from app.whatsapp.port import (
    Accepted,
    Behaviour,
    NotSent,
    Outcome,
    ProviderError,
    Refused,
    TemplateMessage,
    Unknown,
)
from tests.whatsapp.meta_client import ACCEPTED, MESSAGE, MESSAGES, TOKEN, error, outcome

pytestmark = pytest.mark.anyio


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
