"""Refusals, faults and scripts, and the books that the simulator keeps about them."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.domain.errors import BadInputError
from app.whatsapp.simulator import Answer, ScriptedStatus, Step
from app.whatsapp.simulator.fate import decide, statuses
from tests.whatsapp_simulator.support import GUEST, Meta, in_process, options, send, served, until

pytestmark = pytest.mark.anyio

GUESTS = [f"+4477009{number:05d}" for number in range(200)]


async def codes(meta: Meta, guests: list[str]) -> dict[str, int | None]:
    return {to: (await meta.send(send(to=to))).json().get("error", {}).get("code") for to in guests}


async def test_refusals_depend_on_seed_and_recipient_alone() -> None:
    given = options(refuse_codes={131026: 0.2, 131056: 0.2})
    async with in_process(given) as meta:
        first, again = await codes(meta, GUESTS), await codes(meta, GUESTS)
    async with in_process(given) as meta:
        shuffled = await codes(meta, random.Random(5).sample(GUESTS, len(GUESTS)))
    async with in_process(options(refuse_codes=given.refuse_codes, seed=2)) as meta:
        other_seed = await codes(meta, GUESTS)
    assert first == again == shuffled != other_seed
    assert set(first.values()) == {None, 131026, 131056}
    assert first == {to: decide(given, to, 0).code or None for to in GUESTS}


async def test_final_outcomes_depend_on_seed_and_recipient_alone() -> None:
    given = options(
        fail_codes={131026: 0.2, 131049: 0.2},
        delivered_share=0.7,
        read_share=0.5,
        delivered_omitted=0.3,
        held=0.4,
        held_dropped=0.5,
    )
    async with in_process(given) as meta:
        answers = {}
        for to in GUESTS:
            answers[to] = (await meta.send(send(to=to))).json()["messages"][0]["message_status"]
        state = await meta.state()
    held = {to: answer == "held_for_quality_assessment" for to, answer in answers.items()}
    assert set(held.values()) == {True, False}
    ends = {each["to"]: (each["state"], each["code"]) for each in state["messages"]}
    assert {state for state, _ in ends.values()} == {"sent", "failed", "delivered", "read"}
    assert {code for _, code in ends.values()} == {None, 131026, 131049, 132015}
    assert all(held[to] for to, (_, code) in ends.items() if code == 132015)
    for to, (state, _) in ends.items():
        assert statuses(given, to, held=held[to])[-1].status == state


async def test_throttle_is_a_bucket_of_one_second() -> None:
    clock = [1_795_500_000.0]
    async with in_process(options(throttle=5.0), now=lambda: clock[0]) as meta:
        first = [(await meta.send()).status_code for _ in range(5)]
        over = await meta.send()
        clock[0] += 0.2
        one_more = [(await meta.send()).status_code for _ in range(2)]
        clock[0] += 60
        refilled = [(await meta.send()).status_code for _ in range(6)]
        assert (await meta.accepted())["total"] == 11
    assert first == [200] * 5
    assert (over.status_code, over.json()["error"]["code"]) == (400, 130429)
    assert one_more == [200, 400]
    assert refilled == [200] * 5 + [400]


async def test_script_says_what_each_request_gets() -> None:
    script = [
        Step(Answer.REFUSE, code=131056),
        Step(Answer.ERROR_HTML),
        Step(Answer.ERROR_JSON),
        Step(Answer.ERROR_JSON, code=2, accepted=True),
        Step(Answer.GARBAGE),
        Step(Answer.NO_ID),
        Step(Answer.EMPTY),
        Step(Answer.HELD),
        Step(Answer.OK),
    ]
    async with in_process(options(scripts={GUEST: script}, refuse_codes={131026: 1.0})) as meta:
        answers, totals = [], []
        for _ in range(10):
            answers.append(await meta.send())
            totals.append((await meta.accepted())["total"])
        other = await meta.send(send(to="+447700900102"))
        state = await meta.state()
    assert [answer.status_code for answer in answers] == [400, 500, 500, 500, 200, 200, 200, 200, 200, 400]
    assert totals == [0, 0, 0, 1, 2, 3, 4, 5, 6, 6]
    assert answers[0].json()["error"]["code"] == 131056
    assert answers[1].text.startswith("<!DOCTYPE html>")
    assert answers[2].json()["error"]["code"] == 131000
    assert answers[3].json()["error"]["code"] == 2
    with pytest.raises(json.JSONDecodeError):
        answers[4].json()
    assert "messages" not in answers[5].json()
    assert answers[6].content == b""
    assert answers[7].json()["messages"][0]["message_status"] == "held_for_quality_assessment"
    assert answers[8].json()["messages"][0]["message_status"] == "accepted"
    # The script is used up, and was this recipient's alone: chance refuses both.
    assert answers[9].json()["error"]["code"] == other.json()["error"]["code"] == 131026
    assert state["answers"] == {
        "REFUSE 131056": 1, "ERROR_HTML": 1, "ERROR_JSON": 2, "GARBAGE": 1, "NO_ID": 1, "EMPTY": 1, "HELD": 1, "OK": 1,
        "REFUSE 131026": 2,
    }  # fmt: skip


async def test_scripts_and_options_change_while_it_runs() -> None:
    async with in_process(options()) as meta:
        await meta.order("scripts", {GUEST: [{"answer": "REFUSE", "code": 190}]})
        assert (await meta.send()).status_code == 401
        assert (await meta.send()).status_code == 200
        await meta.order("options", {"refuse_codes": {"131026": 1.0}, "loss": 0.5})
        assert (await meta.send()).json()["error"]["code"] == 131026


BAD_ORDERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "secret": ("options", {"access_token": "x"}, "access_token"),
    "misspelt": ("options", {"los": 0.1}, "los"),
    "wrong type": ("options", {"loss": "much"}, "loss"),
    "out of range": ("options", {"refuse_codes": {"131026": 1.0}, "loss": 2}, "loss"),
    "not a phone": ("scripts", {"0650": [{"answer": "OK"}]}, "scripts"),
    "unknown answer": ("scripts", {GUEST: [{"answer": "MAYBE"}]}, "body"),
    "unknown field of a step": ("scripts", {GUEST: [{"answr": "OK"}]}, "body"),
    "refusal without code": ("scripts", {GUEST: [{"answer": "REFUSE"}]}, "code"),
    "failed without code": ("scripts", {GUEST: [{"statuses": [{"status": "failed"}]}]}, "code"),
    "inbound without content": ("inbound", {"from": GUEST}, "text"),
    "inbound from nobody": ("inbound", {"from": "650", "text": "hi"}, "from"),
    "inbound without webhook": ("inbound", {"from": GUEST, "text": "hi"}, "webhook_url"),
    "unknown template": ("template", {"name": "x", "language": "en", "status": "PAUSED"}, "name"),
    "unknown status": ("template", {"name": "save_the_date", "language": "en", "status": "GONE"}, "body"),
}


async def test_bad_orders_name_the_field_and_change_nothing() -> None:
    async with in_process(options()) as meta:
        named = {}
        for label, (what, body, _) in BAD_ORDERS.items():
            answer = await meta.client.post(f"/_simulator/{what}", json=body)
            named[label] = (answer.status_code, answer.json()["field"])
        assert named == {label: (400, field) for label, (_, _, field) in BAD_ORDERS.items()}
        assert (await meta.send()).status_code == 200


@pytest.mark.parametrize(
    "arguments",
    [
        {"answer": Answer.OK, "accepted": False},
        {"answer": Answer.REFUSE, "code": 131026, "accepted": True},
        {"answer": Answer.REFUSE},
        {"answer": Answer.ERROR_HTML, "twice": True},
    ],
)
def test_contradictory_steps_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(BadInputError):
        Step(**arguments)


@pytest.mark.parametrize("arguments", [{"status": "Sent"}, {"status": "sent", "code": 1}, {"status": "failed"}])
def test_contradictory_statuses_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(BadInputError):
        ScriptedStatus(**arguments)


async def test_journal_has_every_accepted_message_before_its_answer(tmp_path: Path) -> None:
    journal = tmp_path / "accepted.jsonl"
    script = [Step(Answer.OK), Step(Answer.REFUSE, code=131026), Step(Answer.ERROR_HTML, accepted=True)]
    for _ in range(2):  # a restarted simulator goes on in the same file
        async with in_process(options(journal=journal, scripts={GUEST: script})) as meta:
            for number in range(3):
                await meta.send(send(callback=f"msg_{number}.1"))
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [line["callback"] for line in lines] == ["msg_0.1", "msg_2.1"] * 2
    assert {line["to"] for line in lines} == {GUEST}
    assert len({line["id"] for line in lines}) == 4
    assert journal.stat().st_mode & 0o077 == 0


async def test_memory_is_bounded() -> None:
    async with in_process(options(capacity=2)) as meta:
        answers = [await meta.send() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 503]
        assert answers[2].json()["error"]["code"] == 2
        assert (await meta.accepted())["total"] == 2


async def test_paused_template_refuses_until_it_is_approved_again() -> None:
    order = {"name": "save_the_date", "language": "en", "status": "PAUSED"}
    async with in_process(options()) as meta:
        await meta.order("template", order)
        assert (await meta.send()).json()["error"]["code"] == 132015
        await meta.order("template", order | {"status": "DISABLED"})
        assert (await meta.send()).json()["error"]["code"] == 132016
        await meta.order("template", order | {"status": "APPROVED"})
        assert (await meta.send()).status_code == 200


async def test_transport_faults_vary_from_request_to_request_and_can_be_foretold() -> None:
    given = options(server_errors=0.5, server_errors_accepted=0.5)
    async with in_process(given) as meta:
        seen = []
        for _ in range(40):
            before = (await meta.accepted())["total"]
            answer = await meta.send()
            seen.append((answer.status_code, (await meta.accepted())["total"] > before))
    expected = [decide(given, GUEST, earlier) for earlier in range(40)]
    assert seen == [(200 if step.answer is Answer.OK else 500, step.accepts) for step in expected]
    assert {(500, True), (500, False), (200, True)} == set(seen)


@pytest.mark.parametrize(("fault", "total"), [("hang", 1), ("hang_before", 0)])
async def test_hang_gives_no_answer(fault: str, total: int) -> None:
    async with served(options(**{fault: 1.0})) as meta:
        request = asyncio.create_task(meta.send())
        await until(meta.state, lambda state: state["answers"] == {"HANG": 1})
        assert (await meta.accepted())["total"] == total
        assert not request.done()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request


async def test_hang_ends_at_its_limit_without_an_answer() -> None:
    async with served(options(hang=1.0, hang_limit=0.01)) as meta:
        with pytest.raises(httpx.RemoteProtocolError):
            await meta.send()


async def test_cut_breaks_the_connection_or_garbles_the_answer_of_an_accepted_message() -> None:
    async with served(options(cut=1.0)) as meta:
        seen = set()
        for number in range(20):
            try:
                answer = await meta.send(send(to=GUESTS[number]))
            except httpx.RemoteProtocolError:
                seen.add("cut")
            else:
                with pytest.raises(json.JSONDecodeError):
                    answer.json()
                seen.add("garbage")
        assert seen == {"cut", "garbage"}
        assert (await meta.accepted())["total"] == 20


async def test_cut_before_acceptance_takes_nothing() -> None:
    async with served(options(scripts={GUEST: [Step(Answer.CUT, accepted=False)]})) as meta:
        with pytest.raises(httpx.RemoteProtocolError):
            await meta.send()
        assert (await meta.accepted())["total"] == 0


async def test_latency_delays_the_answer_and_not_the_acceptance() -> None:
    async with in_process(options(latency=3600.0)) as meta:
        request = asyncio.create_task(meta.send())
        await until(meta.accepted, lambda accepted: accepted["total"] == 1)
        assert not request.done()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
