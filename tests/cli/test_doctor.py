"""What ``invites doctor`` finds, and that each trouble says what to do."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from app.cli.doctor import meta, ours
from app.cli.doctor.findings import MAX_SKEW, Finding, Mark, clock
from app.cli.doctor.meta import Known
from app.db.engine import Database, UnitOfWork
from app.db.tables import NumberRow
from app.domain.enums import TemplateStatus
from app.domain.errors import UnavailableError
from app.services.base import utc_now
from app.whatsapp.port import NumberProfile, ProviderTemplate
from tests.cli.installation import Installation, installation, make_wedding
from tests.logged import found_in
from tests.sending.world import make_wedding as make_sending
from tests.sending.world import people

FINE = NumberProfile("+1 555 010 0001", "Asha & Rohan", "GREEN", "TIER_10K", "CONNECTED", "AVAILABLE")
SECOND = timedelta(seconds=1)


def marks(findings: Sequence[Finding]) -> list[tuple[Mark, str]]:
    assert all(bool(each.todo) == (each.mark != "ok") for each in findings), "what is wrong says what to do"
    return [(each.mark, each.subject) for each in findings]


NUMBERS: dict[str, tuple[NumberProfile, dict[str, Mark]]] = {
    "fine": (FINE, {}),
    "nothing told": (NumberProfile(None, None, None, None, None), {}),
    "not rated": (replace(FINE, quality_rating="UNKNOWN"), {}),
    "yellow": (replace(FINE, quality_rating="yellow"), {"Quality": "warn"}),
    "red": (replace(FINE, quality_rating="RED"), {"Quality": "warn"}),
    "small": (replace(FINE, messaging_limit="TIER_250"), {"Limit": "warn"}),
    "enough": (replace(FINE, messaging_limit="TIER_2K"), {}),
    "unlimited": (replace(FINE, messaging_limit="TIER_UNLIMITED"), {}),
    "away": (replace(FINE, status="DISCONNECTED"), {"Number": "fail"}),
    "blocked": (replace(FINE, can_send="BLOCKED"), {"Number": "fail"}),
    "limited": (replace(FINE, can_send="LIMITED"), {"Number": "warn"}),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_the_number(name: str) -> None:
    profile, wrong = NUMBERS[name]
    found = marks(meta.number(profile))
    assert {subject: mark for mark, subject in found if mark != "ok"} == wrong
    assert {subject for _, subject in found} >= {"Quality", "Limit"}


def test_the_limit_is_told_as_a_number() -> None:
    assert "10,000 guests in 24 hours" in meta.number(FINE)[-1].found


def listed(*statuses: str) -> list[ProviderTemplate]:
    return [
        ProviderTemplate(str(n), f"t{n}", "en", status, "MARKETING", None, "NAMED", None, [])
        for n, status in enumerate(statuses)
    ]


A, P, U = TemplateStatus.APPROVED, TemplateStatus.PAUSED, TemplateStatus.UNKNOWN


TEMPLATES: dict[str, tuple[list[str], Known, Mark, str]] = {
    "in use and approved": (["APPROVED"], Known("t0", "en", A, 1, 1), "ok", "Meta lists 1, 1 approved; in use here: 1"),
    "another case": (["approved"], Known("t0", "en", A, 1, 1), "ok", "Meta lists 1, 1 approved; in use here: 1"),
    "paused under a run": (["PAUSED"], Known("t0", "en", A, 2, 3), "fail", "t0 (en): Meta says PAUSED. Runs that are not over send it: 2."),
    "gone under a run": ([], Known("t0", "en", A, 1, 1), "fail", "t0 (en): Meta lists it no more. Runs that are not over send it: 1."),
    "a new word": (["SLEEPING"], Known("t0", "en", A, 1, 1), "fail", "t0 (en): Meta says SLEEPING. Runs that are not over send it: 1."),
    "paused after its runs": (["PAUSED"], Known("t0", "en", P, 0, 1), "warn", "t0 (en): Meta says PAUSED, so it cannot be sent again."),
    "approved meanwhile": (["APPROVED"], Known("t0", "en", P, 1, 1), "warn", "t0 (en): Meta says APPROVED, here it is PAUSED."),
    "never used, and changed": (["PAUSED"], Known("t0", "en", A, 0, 0), "warn", "Meta has changed templates since they were fetched: 1."),
    "never used, and the same": (["PAUSED"], Known("t0", "en", P, 0, 0), "ok", "Meta lists 1, 0 approved; in use here: 0"),
    "never used, and long gone": ([], Known("t0", "en", U, 0, 0), "ok", "Meta lists 0, 0 approved; in use here: 0"),
    "another language": (["APPROVED"], Known("t0", "hi", A, 1, 1), "fail", "t0 (hi): Meta lists it no more. Runs that are not over send it: 1."),
}  # fmt: skip


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates(name: str) -> None:
    statuses, known, mark, text = TEMPLATES[name]
    (found,) = meta.templates(listed(*statuses), [known])
    assert marks([found]) == [(mark, "Templates")]
    assert found.found == text


def test_many_templates_are_cut() -> None:
    found = meta.templates([], [Known(f"t{n}", "en", A, 1, 1) for n in range(25)])
    assert len(found) == 11
    assert found[-1].found == "and 15 more like these."


NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "mark", "text"),
    [
        (timedelta(0), "ok", "agrees with Meta's within 5 s"),
        (MAX_SKEW, "ok", "agrees with Meta's within 5 s"),
        (MAX_SKEW + 2 * SECOND, "warn", "7 s behind Meta's."),
        (-MAX_SKEW - SECOND, "ok", "agrees with Meta's within 5 s"),
        (-MAX_SKEW - 3 * SECOND, "warn", "7 s ahead of Meta's."),
        (timedelta(days=-1), "warn", "86399 s ahead of Meta's."),
    ],
)
def test_clocks(told: timedelta, mark: Mark, text: str) -> None:
    """Meta's is cut to the second, so one more is no skew; nor is the time that the answer took."""
    found = clock("Meta's", NOW + told, NOW, NOW, SECOND)
    assert (marks([found]), found.found) == ([(mark, "Clock")], text)
    assert clock("Meta's", NOW + told, NOW - abs(told), NOW + abs(told), SECOND).mark == "ok"


AGO = {None: None} | {minutes: timedelta(minutes=minutes) for minutes in (1, 30, 3000)}


@pytest.mark.parametrize(
    ("last", "accepted_ago", "mark", "text"),
    [
        (None, None, "warn", "no webhook ever received."),
        (None, 1, "warn", "no webhook ever received."),
        (None, 30, "fail", "no webhook ever received, though Meta took messages."),
        (1, 30, "ok", "the last came in 1 minute ago"),
        (3000, None, "ok", "the last came in 2 days ago"),
        (3000, 1, "ok", "the last came in 2 days ago"),
        (3000, 30, "fail", "the last came in 2 days ago, and none since Meta took a message 30 minutes ago."),
    ],
)
def test_webhooks(last: int | None, accepted_ago: int | None, mark: Mark, text: str) -> None:
    now = utc_now()
    found = ours.webhooks(*(now - ago if (ago := AGO[each]) else None for each in (last, accepted_ago)))
    assert (marks([found]), found.found) == ([(mark, "Webhook")], text)
    if found.todo:
        assert all(word in found.todo for word in ("subscription", "secret", "tunnel"))


class Account:
    """A Meta that refuses some of what it is asked."""

    def __init__(self, *refused: str, profile: NumberProfile = FINE) -> None:
        self.refused = refused
        self.profile = profile
        self.asked: list[str] = []

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what in self.refused:
            raise UnavailableError("The access token may not read this. Grant it more.")

    async def number_profile(self, phone_number_id: str) -> NumberProfile:
        assert phone_number_id == "1"
        self._ask("number")
        return self.profile

    async def list_templates(self, waba_id: str) -> list[ProviderTemplate]:
        assert waba_id == "2"
        self._ask("templates")
        return []

    async def subscribed_apps(self, waba_id: str) -> list[str]:
        assert waba_id == "2"
        self._ask("apps")
        return []


@pytest.mark.anyio
async def test_what_meta_refuses_is_a_finding_and_hides_no_other() -> None:
    account = Account("number")
    (found,) = await meta.examine(account, "1", "2", [])
    assert found == Finding("fail", "Meta token", "The access token may not read this.", "Grant it more.")
    assert account.asked == ["number"]
    for refused, mark in (("templates", "fail"), ("apps", "ok")):
        found_others = marks(await meta.examine(Account(refused), "1", "2", []))
        assert found_others[-2:] == [(mark, "Templates"), ("warn", "Webhook")]


@pytest.mark.anyio
async def test_meta_s_clock_is_compared_where_it_tells_one() -> None:
    for at, expected in ((None, []), (utc_now(), ["ok"]), (utc_now() - timedelta(minutes=1), ["warn"])):
        found = await meta.examine(Account(profile=replace(FINE, answered_at=at)), "1", "2", [])
        assert [each.mark for each in found if each.subject == "Clock"] == expected


@pytest.mark.anyio
async def test_what_the_database_knows(db: Database) -> None:
    sending = await make_sending(db, people(2))
    await sending.send()
    phone_number_id = sending.phone_number_id

    async def look() -> ours.Kept:
        found = await db.read(lambda uow: ours.kept(uow, phone_number_id))
        assert found is not None
        return found

    before = await look()
    assert (before.paused, before.last_accepted_at) == (None, None)
    assert [(each.open_runs, each.runs) for each in before.templates if each.runs] == [(1, 1)]
    await sending.deliver_all()

    async def pause(uow: UnitOfWork) -> None:
        await uow.session.execute(sa.update(NumberRow).values(paused=True, paused_reason="Of +919800000007. Mend it."))

    await db.write(pause)
    after = await look()
    assert after.last_accepted_at is not None
    assert [(each.open_runs, each.runs) for each in after.templates if each.runs] == [(0, 1)]
    (paused, *_others) = ours.number(after)
    assert (paused.mark, paused.subject) == ("fail", "Sending")
    assert found_in(paused.text) == []
    assert await db.read(lambda uow: ours.kept(uow, "7")) is None
    assert marks(ours.number(None)) == [("warn", "Templates")]
    clocks = await db.read(ours.database_clock)
    assert [each.found for each in clocks] == ([] if db.sqlite else ["agrees with the database's within 5 s"])


def test_against_the_simulator(tmp_path: Path, sqlite_url: str) -> None:
    with installation(tmp_path, sqlite_url, ("--webhook-url", "http://127.0.0.1:1/webhooks/whatsapp")) as place:
        make_wedding(place, 2)
        fine = examined(place)
        assert fine.pop("ok")
        assert {each["subject"] for each in fine["findings"] if each["mark"] == "warn"} == {"Meta", "Webhook"}
        assert {each["subject"] for each in fine["findings"]} >= {
            "Settings", "Sign-in", "Database", "Migrations", "Clock", "Number", "Meta token", "Quality", "Limit", "Templates",
            "Erasure",
        }  # fmt: skip
        order(place, "number", {"quality_rating": "RED", "messaging_limit": "TIER_250"})
        order(place, "template", {"name": "will_you_come", "language": "en", "status": "PAUSED"})
        order(place, "options", {"can_send": "BLOCKED", "webhook_url": None})
        sick = examined(place, exit_code=1)
        wrong = [each["found"] for each in sick["findings"] if each["mark"] != "ok"]
        for part in ("RED", "250 guests", "BLOCKED", "no app is subscribed", "changed templates", "no webhook ever"):
            assert any(part in each for each in wrong), part
        assert all(each["todo"] for each in sick["findings"] if each["mark"] != "ok")


def examined(place: Installation, exit_code: int = 0) -> dict[str, Any]:
    result = place.run("doctor", "--json")
    assert result.exit_code == exit_code, result.stdout
    assert found_in(result.output) == []
    assert place.env["META_ACCESS_TOKEN"] not in result.output
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def order(place: Installation, what: str, body: dict[str, object]) -> None:
    httpx.post(
        f"{place.env['META_GRAPH_URL']}/_simulator/{what}",
        json=body,
        headers={"Authorization": f"Bearer {place.env['META_ACCESS_TOKEN']}"},
        trust_env=False,
    ).raise_for_status()
