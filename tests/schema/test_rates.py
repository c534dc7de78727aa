"""How often one person may change something or have candidates judged, over HTTP and over a websocket."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from app import main
from app.db.engine import Database
from app.domain.errors import RateLimitedError
from app.schema.rates import PRECHECKS, Rates
from tests.schema.service import Service, serving, wedding
from tests.schema.sockets import Socket

pytestmark = [pytest.mark.anyio, pytest.mark.either_database]

CHANGE = 'mutation { pauseSendRun(id: "x") { id } }'
PREVIEW = '{ audiencePreview(input: {eventId: "x", audience: {}}) { units } }'
MADE_BY_THE_WEDDING = 5


@pytest.fixture(autouse=True)
def _no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, nobody may do one thing more meanwhile."""
    monkeypatch.setattr(main, "Rates", partial(Rates, clock=lambda: 0))


@pytest.fixture
async def strict(db: Database) -> AsyncIterator[Service]:
    """A service that lets pass what a wedding takes and three more."""
    async with serving(
        db, dispatch=False, mutations_per_minute=MADE_BY_THE_WEDDING + 3, prechecks_per_minute=3
    ) as running:
        yield running


async def test_mutations(strict: Service) -> None:
    made = await wedding(strict)
    # Refused for other reasons, they count too: to find out costs the same.
    assert [await strict.code(CHANGE) for _ in range(3)] == ["NOT_FOUND"] * 3
    refused = await strict.error(CHANGE)
    seconds = refused["extensions"].pop("retryAfter")
    assert refused["extensions"] == {"code": "RATE_LIMITED"}
    assert seconds == 8, "a minute divided by eight"
    assert refused["message"] == f"At most 8 changes a minute. Nothing was done; try again in {seconds} s."
    assert refused["path"] == ["pauseSendRun"]

    query = "mutation($w: ID!) { syncTemplates(input: {workspaceId: $w}) { id } }"
    assert await strict.code(query, {"w": made.workspace}) == "RATE_LIMITED", "all mutations share one bucket"
    assert await strict.data("{ me { subject } }"), "reading is not counted"
    assert await strict.code(CHANGE, by="chandra") == "NOT_FOUND", "each person has one"
    async with Socket(strict.app, strict.token()) as socket:
        await socket.subscribe("1", CHANGE)
        found = (await socket.until("next"))["payload"]["errors"][0]["extensions"]
        assert (found["code"], found["retryAfter"] >= 1) == ("RATE_LIMITED", True)


async def test_nothing_is_done_by_what_is_refused(strict: Service) -> None:
    made = await wedding(strict)
    block = """mutation($w: ID!, $p: String!) {
        addDoNotMessage(input: {workspaceId: $w, phone: $p, reason: "asked"}) { id } }"""
    phones = [f"+9198000000{number}" for number in (21, 28, 35, 42, 49)]
    answers = await asyncio.gather(*(strict.answer(block, {"w": made.workspace, "p": phone}) for phone in phones))
    assert sum("errors" in answer for answer in answers) == 2
    query = "query($w: ID!) { workspace(id: $w) { doNotMessage { nodes { phone } } } }"
    found = await strict.data(query, {"w": made.workspace})
    assert len(found["workspace"]["doNotMessage"]["nodes"]) == 3


async def test_prechecks_and_previews(strict: Service) -> None:
    made = await wedding(strict)
    ask = "query($i: PrecheckSendInput!) { precheckSend(input: $i) { token } }"
    token = (await strict.data(ask, {"i": made.request()}))["precheckSend"]["token"]
    opened = "query($t: String!) { a: precheck(token: $t) { eligibleCount } b: precheck(token: $t) { eligibleCount } }"
    assert (await strict.data(opened, {"t": token}))["a"] == {"eligibleCount": 2}
    for query, variables in (
        (ask, {"i": made.request()}),
        ("query($t: String!) { precheck(token: $t) { eligibleCount } }", {"t": token}),
        (PREVIEW, {}),
    ):
        refused = await strict.error(query, variables)
        assert refused["extensions"]["code"] == "RATE_LIMITED"
        assert "At most 3 prechecks and previews a minute." in refused["message"]
    async with Socket(strict.app, strict.token()) as socket:
        await socket.subscribe("1", PREVIEW)
        assert (await socket.until("next"))["payload"]["errors"][0]["extensions"]["code"] == "RATE_LIMITED"

    send = (
        "mutation($t: String!) { sendInvites(input: {precheckToken: $t}) { ... on SendInvitesSuccess { replayed } } }"
    )
    for replayed in (False, True):
        assert await strict.data(send, {"t": token}) == {"sendInvites": {"replayed": replayed}}


async def test_an_alias_is_one_more(strict: Service) -> None:
    four = " ".join(f'a{n}: audiencePreview(input: {{eventId: "x", audience: {{}}}}) {{ units }}' for n in range(4))
    answer = await strict.answer("{ " + four + " }")
    assert [error["extensions"]["code"] for error in answer["errors"]].count("RATE_LIMITED") == 1


async def test_without_a_token_nothing_is_used_up(strict: Service) -> None:
    for _ in range(12):
        assert await strict.code(CHANGE, by=None) == "UNAUTHENTICATED"
        assert await strict.code(PREVIEW, by=None) == "UNAUTHENTICATED"
    assert await strict.code(CHANGE) == "NOT_FOUND"


async def test_every_mutation_and_each_precheck_asks_first(db: Database) -> None:
    """Also those that will be added: the rule is put over the types, not into the resolvers."""
    async with serving(db, dispatch=False, graphiql=True, mutations_per_minute=1, prechecks_per_minute=1) as service:
        roots = await service.data("{ __schema { mutationType { fields { name } } queryType { fields { name } } } }")
        assert len(roots["__schema"]["mutationType"]["fields"]) > 10
        assert {each["name"] for each in roots["__schema"]["queryType"]["fields"]} > PRECHECKS
        assert await service.code(CHANGE) == "NOT_FOUND"
        for call in ('syncTemplates(input: {workspaceId: "x"}) { id }', 'cancelSendRun(id: "x") { id }'):
            assert await service.code(f"mutation {{ {call} }}") == "RATE_LIMITED"


def test_the_time_is_told_in_whole_seconds() -> None:
    now = 0
    rates = Rates(mutations_per_minute=60, prechecks_per_minute=1, clock=lambda: now)
    for _ in range(60):
        rates.admit_mutation("anita")
    for now, wanted in ((0, 1), (999_999_999, 1)):
        with pytest.raises(RateLimitedError) as refused:
            rates.admit_mutation("anita")
        assert refused.value.retry_after == wanted, now
    rates.admit_precheck("anita")
    with pytest.raises(RateLimitedError, match="prechecks and previews a minute") as refused:
        rates.admit_precheck("anita")
    assert refused.value.retry_after == 60
    now = 1_000_000_000
    rates.admit_mutation("anita")
