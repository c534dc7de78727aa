"""Every error has a code, and nothing of the inside gets out."""

import json
import logging
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from app.db.engine import Database
from app.domain.errors import ErrorCode
from app.schema.errors import AWAY
from tests.schema.service import FakeMeta, Service, serving, wedding
from tests.schema.sockets import Socket

pytestmark = [pytest.mark.anyio, pytest.mark.either_database]


class Broken:
    """Stands for a service that fails in a given way, whatever is asked of it."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, _name: str) -> Any:
        async def fail(*_args: Any, **_kwargs: Any) -> None:
            raise self.error

        return fail


async def broken(db: Database, error: Exception, query: str = "{ me { memberships { id } } }") -> dict[str, Any]:
    async with serving(db) as service:
        service.break_reader(Broken(error))
        return await service.error(query)


async def test_what_nobody_foresaw_is_masked_and_logged_under_its_id(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    error = await broken(db, RuntimeError("secret of the inside"))
    assert error["message"] == "Internal error"
    assert error["extensions"]["code"] == "INTERNAL"
    record = next(each for each in caplog.records if error["extensions"]["errorId"] in each.getMessage())
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert "secret of the inside" in str(record.exc_info[1])


@pytest.mark.parametrize(
    "away", [OSError("refused"), TimeoutError(), OperationalError("SELECT 1", {}, Exception("locked"))]
)
async def test_a_database_that_is_away(db: Database, away: Exception) -> None:
    error = await broken(db, away)
    assert error["message"] == AWAY
    assert error["extensions"] == {"code": "UNAVAILABLE"}


async def test_documents_that_are_wrong(service: Service) -> None:
    wrong = {
        "{ me { ": "Syntax Error",
        "{ nothing }": "Cannot query field 'nothing'",
        "{ event { id } }": "Argument 'Query.event(id:)'",
        "query($id: ID!) { event(id: $id) { id } }": "$id",
        "{ me { memberships(first: 1) { id } } }": "first",
    }
    for query, part in wrong.items():
        error = await service.error(query)
        assert error["extensions"] == {"code": "BAD_INPUT"}
        assert part in error["message"]


async def test_names_are_not_suggested_where_introspection_is_off(service: Service) -> None:
    for query in ("{ me { subjec } }", "{ event(idd: 1) { id } }", "{ node(id: 1) { ... on Evnt { id } } }"):
        answer = await service.answer(query)
        assert "Did you mean" not in str(answer["errors"])
    assert "introspection" in (await service.answer("{ __schema { types { name } } }"))["errors"][0]["message"]
    assert await service.data("{ __typename }") == {"__typename": "Query"}


async def test_field_of_bad_input(service: Service) -> None:
    made = await wedding(service, [])
    query = "query($w: ID!, $n: Int) { workspace(id: $w) { guestUnits(first: $n) { nodes { id } } } }"
    for first in (0, 101, -1):
        error = await service.error(query, {"w": made.workspace, "n": first})
        assert error["extensions"] == {"code": "BAD_INPUT", "field": "first"}


async def test_every_code_can_be_met(db: Database) -> None:
    """The codes are a contract: each of them is said somewhere, and no other."""
    met: set[str] = set()
    meta = FakeMeta()
    async with serving(db, meta=meta) as service:
        made = await wedding(service)
        met.add(await service.code("{ me { subject } }", by=None))
        met.add(await service.code("{"))
        met.add(await service.code('mutation { pauseSendRun(id: "x") { id } }'))

        member = """mutation($w: ID!) {
            setMember(input: {workspaceId: $w, subject: "chandra", displayName: "C", role: FAMILY_COORDINATOR}) { id } }"""
        await service.data(member, {"w": made.workspace})
        policy = "mutation($w: ID!) { setSendPolicy(input: {workspaceId: $w, rolesThatSend: [OWNER]}) { id } }"
        met.add(await service.code(policy, {"w": made.workspace}, by="chandra"))

        run = await made.send()
        await service.data("mutation($r: ID!) { cancelSendRun(id: $r) { id } }", {"r": run})
        met.add(await service.code("mutation($r: ID!) { resumeSendRun(id: $r) { id } }", {"r": run}))

        csv = "name,phone\n" + "x" * (8 * 1024 * 1024 + 1)
        rows = [{"name": "x"}] * 50_001
        query = "mutation($i: ImportGuestsInput!) { importGuests(input: $i) { id } }"
        met.add(await service.code(query, {"i": {"workspaceId": made.workspace, "rows": rows}}))
        too_large = await service.http.post("/graphql", json={"query": query, "variables": {"csv": csv}})
        assert too_large.status_code == 413
        met.add(too_large.json()["errors"][0]["extensions"]["code"])

        async with Socket(service.app, service.token()) as socket:
            watch = "subscription($r: ID!) { sendRunProgress(id: $r) { id } }"
            for number in range(11):
                await socket.subscribe(str(number), watch, {"r": run})
            met.add((await socket.until("error"))["payload"][0]["extensions"]["code"])

        meta.away = True
        met.add(
            await service.code(
                "mutation($w: ID!) { syncTemplates(input: {workspaceId: $w}) { id } }", {"w": made.workspace}
            )
        )
        service.break_reader(Broken(RuntimeError("oh")))
        met.add(await service.code("{ me { memberships { id } } }"))
    assert met == {code.value for code in ErrorCode}


NO_REQUESTS = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[" * 100_000,
    b'[{"query": "{ me { subject } }"}]',
    b'"query"',
    b"{}",
    b'{"query": 1}',
    b'{"query": "{ me { subject } }", "variables": []}',
    b'{"query": "{ me { subject } }", "operationName": 1}',
    b'{"query": "{ me { subject } }", "operationName": "other"}',
    b'{"query": "{ me { subject } }", "operationName": "\\ud800"}',
    b'{"query": "{ me { subject } }", "operationName": ""}',
    b'{"query": "{ me { subject } }", "operationName": "' + b"x" * 256 + b'"}',
    b'{"query": "{ me { subject } }", "variables": {"x": NaN}}',
    b'{"query": "{ me { subject } }", "variables": {"x": ' + b"9" * 5000 + b"}}",
    b'{"query": "subscription { sendRunProgress(id: \\"x\\") { id } }"}',
]


async def test_bodies_that_are_no_request(service: Service) -> None:
    headers = service.headers() | {"Content-Type": "application/json"}
    for content in NO_REQUESTS:
        response = await service.http.post("/graphql", content=content, headers=headers)
        assert response.status_code == 400, content[:80]
        assert response.json()["errors"][0]["extensions"]["code"] == "BAD_INPUT"
        assert response.json()["data"] is None
        assert len(response.content) < 300, "nothing of the request is said back"


async def test_only_json_is_taken(service: Service) -> None:
    """What a web form of another site can send without asking is refused."""
    content = json.dumps({"query": "{ me { subject } }"})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        headers = service.headers() | {"Content-Type": kind}
        response = await service.http.post("/graphql", content=content, headers=headers)
        assert response.status_code == 400, kind


async def test_get_asks_nothing(service: Service) -> None:
    response = await service.http.get("/graphql", params={"query": "{ me { subject } }"}, headers=service.headers())
    assert response.status_code == 400
    assert "subject" not in response.text


async def test_no_answer_may_be_kept(service: Service) -> None:
    response = await service.http.post("/graphql", json={"query": "{ __typename }"})
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
