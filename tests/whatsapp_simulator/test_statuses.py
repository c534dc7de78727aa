"""What the simulator posts to a webhook, and how it behaves when the webhook does not."""

import json
from collections import Counter

import pytest

from app.whatsapp.simulator import ScriptedStatus, Step
from app.whatsapp.simulator.webhooks import sign
from tests.whatsapp_simulator.support import GUEST, in_process, options, send, until, with_webhook

pytestmark = pytest.mark.anyio

GUESTS = [f"+4477009{number:05d}" for number in range(30)]
WORDS = ["sent", "delivered", "read"]


def scripted(*statuses: ScriptedStatus) -> dict[str, list[Step]]:
    return {GUEST: [Step(statuses=tuple(statuses))]}


@pytest.mark.parametrize(
    ("body", "digest"),
    [
        (
            rb'{"object":"whatsapp_business_account","entry":[]}',
            "dec6a680679a968e7e0319355b23599cbfc54502c0784668e9618baa0c633756",
        ),
        (
            rb'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"value":{"name":"Jos\u00e9","href":"https:\/\/example.com"},"field":"messages"}]}]}',
            "21e2795f38267178024e252c3ff514b47f5d90cb6cc5f9197b71a7b70b14792e",
        ),
    ],
)
def test_signature_vectors(body: bytes, digest: str) -> None:
    assert sign("test_app_secret", body) == f"sha256={digest}"


async def test_statuses_of_a_message_that_is_read() -> None:
    async with with_webhook() as (meta, webhook):
        answer = (await meta.send(send(callback="msg_7.1"))).json()
        state = await meta.idle()
    assert [status["status"] for status in webhook.statuses] == WORDS
    for status in webhook.statuses:
        assert status["id"] == answer["messages"][0]["id"]
        assert status["recipient_id"] == GUEST[1:]
        assert status["recipient_user_id"].startswith("US.")
        assert status["biz_opaque_callback_data"] == "msg_7.1"
        assert isinstance(status["timestamp"], str)
    assert ["pricing" in status for status in webhook.statuses] == [True, True, False]
    for value in webhook.values:
        assert value["messaging_product"] == "whatsapp"
        assert value["metadata"] == {"display_phone_number": "15550100001", "phone_number_id": "100000000000001"}
        assert value["contacts"][0]["wa_id"] == GUEST[1:]
    message = state["messages"][0]
    assert (message["state"], message["told"], message["code"]) == ("read", "read", None)


async def test_failed_status_has_errors_and_no_contacts() -> None:
    async with with_webhook(fail_codes={131026: 1.0}) as (meta, webhook):
        for to in GUESTS:
            await meta.send(send(to=to))
        state = await meta.idle()
    by_word = Counter(status["status"] for status in webhook.statuses)
    assert by_word["failed"] == len(GUESTS)
    assert 0 < by_word["sent"] < len(GUESTS)
    for value in webhook.values:
        words = {status["status"] for status in value["statuses"]}
        assert ("contacts" in value) == ("failed" not in words)
        assert "failed" not in words or len(words) == 1
    failed = [status for status in webhook.statuses if status["status"] == "failed"]
    for status in failed:
        assert status["errors"][0]["code"] == 131026
        assert status["errors"][0]["title"] == status["errors"][0]["message"] == "Message undeliverable"
        assert status["errors"][0]["error_data"]["details"]
        assert "recipient_user_id" not in status
        assert status["biz_opaque_callback_data"] == "msg_1.1"
    assert {(each["state"], each["told"], each["code"]) for each in state["messages"]} == {("failed", "failed", 131026)}


async def test_biz_data_can_be_left_out_of_failed_statuses() -> None:
    async with with_webhook(
        omit_biz_data_on_failed=True, scripts=scripted(ScriptedStatus("sent"), ScriptedStatus("failed", 131049))
    ) as (meta, webhook):
        await meta.send()
        await meta.idle()
    assert [("biz_opaque_callback_data" in status) for status in webhook.statuses] == [True, False]


async def test_bodies_are_compact_ascii_with_escaped_slashes() -> None:
    async with with_webhook(fail_codes={131026: 0.5}) as (meta, webhook):
        for to in GUESTS:
            await meta.send(send(to=to))
        await meta.idle()
    everything = b"".join(webhook.bodies)
    assert everything.isascii()
    assert rb"\u00e9" in everything
    assert rb"\/documentation\/business-messaging" in everything
    for body in webhook.bodies:
        text = json.dumps(json.loads(body), separators=(",", ":")).replace("/", r"\/")
        assert body.decode() == text


async def test_scripted_statuses_come_in_their_order_with_rising_times() -> None:
    posted = [("read", 0), ("failed", 131026), ("sent", 0), ("delivered", 0), ("played", 0)]
    script = scripted(*(ScriptedStatus(status, code) for status, code in posted))
    async with with_webhook(scripts=script, status_delay=0.02, status_spread=0.0) as (meta, webhook):
        await meta.send()
        state = await meta.idle()
    assert [(each["status"], each.get("errors", [{"code": 0}])[0]["code"]) for each in webhook.statuses] == posted
    times = {each["status"]: int(each["timestamp"]) for each in webhook.statuses}
    assert times["sent"] <= times["failed"] <= times["delivered"] <= times["read"]
    assert (state["messages"][0]["state"], state["messages"][0]["code"]) == ("read", 131026)


async def test_full_disorder_keeps_the_set_and_metas_times() -> None:
    async with with_webhook(disorder=1.0, late=0.5, status_delay=0.01, batch=7) as (meta, webhook):
        for to in GUESTS:
            await meta.send(send(to=to))
        state = await meta.idle()
    orders = {to: [s["status"] for s in webhook.statuses if s["recipient_id"] == to[1:]] for to in GUESTS}
    assert all(sorted(order) == sorted(WORDS) for order in orders.values())
    assert sum(order != WORDS for order in orders.values()) > len(GUESTS) / 3
    first_seen = list(dict.fromkeys(status["recipient_id"] for status in webhook.statuses))
    assert first_seen != [to[1:] for to in GUESTS]
    for to in GUESTS:
        times = {s["status"]: int(s["timestamp"]) for s in webhook.statuses if s["recipient_id"] == to[1:]}
        assert times["sent"] <= times["delivered"] <= times["read"]
    assert {(each["state"], each["told"]) for each in state["messages"]} == {("read", "read")}


async def test_duplicates_repeat_the_very_same_status() -> None:
    async with with_webhook(duplicates=1.0) as (meta, webhook):
        await meta.send()
        state = await meta.idle()
    assert Counter(status["status"] for status in webhook.statuses) == dict.fromkeys(WORDS, 2)
    assert len({json.dumps(status) for status in webhook.statuses}) == 3
    assert state["statuses"]["repeated"] == 3
    assert state["statuses"]["acknowledged"] == 6


async def test_lost_statuses_happened_all_the_same() -> None:
    async with with_webhook(loss=0.5) as (meta, webhook):
        for to in GUESTS:
            await meta.send(send(to=to))
        state = await meta.idle()
    assert 0 < len(webhook.statuses) < 90
    assert len(webhook.statuses) + state["statuses"]["lost"] == 90
    assert {each["state"] for each in state["messages"]} == {"read"}
    rank = ["accepted", *WORDS]
    for each in state["messages"]:
        seen = [s["status"] for s in webhook.statuses if s["id"] == each["id"]]
        assert each["told"] == max(["accepted", *seen], key=rank.index)


async def test_anything_but_200_is_repeated_with_the_same_bytes() -> None:
    async with with_webhook() as (meta, webhook):
        await meta.order("pause")
        await meta.send()
        webhook.answers = [500, 201, 307]
        await meta.order("resume")
        state = await meta.idle()
    assert len(webhook.bodies) == 4
    assert len(set(webhook.bodies)) == 1
    assert (state["statuses"]["posts"], state["statuses"]["failed_posts"]) == (1, 3)
    assert state["messages"][0]["told"] == "read"


async def test_repetition_ends() -> None:
    async with with_webhook(post_attempts=2, retry_longest=0.01) as (meta, webhook):
        webhook.answers = [503] * 100
        await meta.send()
        state = await meta.idle()
    assert state["statuses"]["given_up"] == 3
    assert state["statuses"]["acknowledged"] == 0
    assert (state["messages"][0]["state"], state["messages"][0]["told"]) == ("read", "accepted")


async def test_webhook_that_is_away_is_found_once_it_is_there() -> None:
    async with with_webhook(retry_longest=0.01) as (meta, webhook):
        await meta.order("options", {"webhook_url": "http://127.0.0.1:9/hook"})
        await meta.send()
        await until(meta.state, lambda state: state["statuses"]["failed_posts"] >= 2)
        await meta.order("options", {"webhook_url": webhook.url})
        await meta.idle()
    assert [status["status"] for status in webhook.statuses] == WORDS


async def test_batches_and_pause() -> None:
    async with with_webhook(batch=7) as (meta, webhook):
        await meta.order("pause")
        for to in GUESTS:
            await meta.send(send(to=to))
        held_back = await meta.state()
        assert not webhook.bodies
        await meta.order("resume")
        state = await meta.idle()
    assert (held_back["statuses"]["pending"], held_back["idle"]) == (90, False)
    sizes = [body.count(b'"recipient_id"') for body in webhook.bodies]
    assert sizes == [7] * 12 + [6]
    assert state["statuses"]["posts"] == 13


async def test_linger_gathers_what_falls_together() -> None:
    async with with_webhook(linger=3600.0, status_delay=0.0) as (meta, webhook):
        await meta.send()
        state = await meta.state()
        assert state["statuses"]["pending"] == 3
        assert not webhook.bodies


async def test_no_webhook_no_statuses() -> None:
    async with in_process(options(webhook_url=None)) as meta:
        await meta.send()
        state = await meta.state()
    assert state["idle"]
    assert (state["messages"][0]["state"], state["messages"][0]["told"]) == ("read", "accepted")


async def test_inbound_and_template_webhooks() -> None:
    async with with_webhook() as (meta, webhook):
        await meta.order("inbound", {"from": GUEST, "text": "STOP"})
        await meta.order("inbound", {"from": GUEST, "preference": "stop"})
        await meta.order(
            "template", {"name": "sangeet_evening", "language": "en_US", "status": "PAUSED", "notify": True}
        )
        await meta.idle()
    entries = [entry for body in webhook.bodies for entry in json.loads(body)["entry"]]
    assert [entry["changes"][0]["field"] for entry in entries] == [
        "messages", "user_preferences", "message_template_status_update",
    ]  # fmt: skip
    assert [("time" in entry) for entry in entries] == [False, False, True]
    inbound, preference, template = webhook.values
    assert inbound["messages"][0]["text"] == {"body": "STOP"}
    assert inbound["messages"][0]["from"] == inbound["contacts"][0]["wa_id"] == GUEST[1:]
    stop = preference["user_preferences"][0]
    assert (stop["wa_id"], stop["value"], stop["category"]) == (GUEST[1:], "stop", "marketing_messages")
    assert isinstance(stop["timestamp"], int)
    assert (template["event"], template["message_template_name"]) == ("PAUSED", "sangeet_evening")
    assert template["message_template_language"] == "en-US"


async def test_what_meta_thinks_of_the_number_changes() -> None:
    async with with_webhook() as (meta, webhook):
        await meta.order("number", {"quality_rating": "RED", "messaging_limit": "TIER_250", "notify": True})
        profile = (await meta.client.get(f"/v26.0/{options().phone_number_id}")).json()
        await meta.idle()
        nothing = await meta.client.post("/_simulator/number", json={})
        told = await meta.client.post("/_simulator/number", json={"quality_rating": "GREEN", "notify": True})
    assert (profile["quality_rating"], profile["whatsapp_business_manager_messaging_limit"]) == ("RED", "TIER_250")
    [value] = webhook.values
    assert value["max_daily_conversations_per_business"] == "TIER_250"
    assert nothing.status_code == told.status_code == 400


async def test_state_is_paged() -> None:
    async with in_process(options()) as meta:
        for to in GUESTS[:5]:
            await meta.send(send(to=to))
        page = (await meta.client.get("/_simulator/state", params={"offset": 1, "limit": 2})).json()
        too_much = await meta.client.get("/_simulator/state", params={"limit": 100_001})
    assert page["accepted"] == 5
    assert [each["to"] for each in page["messages"]] == GUESTS[1:3]
    assert too_much.status_code == 400


async def test_ends_while_statuses_wait() -> None:
    async with with_webhook(status_delay=3600.0) as (meta, webhook):
        await meta.send()
        assert (await meta.state())["statuses"]["pending"] == 3
    assert not webhook.bodies
