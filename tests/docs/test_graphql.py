"""``docs/graphql.md`` is true: its operations run as they are written, its tables are those of the code."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from graphql import OperationDefinitionNode, OperationType, parse

from app.db.engine import Database
from app.domain.enums import BlockerCode, StaleReason
from app.domain.errors import ErrorCode
from app.schema.cost import MAX_COST, MAX_SUBSCRIPTION_COST, operation_cost
from app.schema.sockets import INIT_TIMEOUT, MAX_OPERATIONS, TRY_AGAIN_LATER
from app.services.prechecks import VALIDITY
from app.whatsapp.port import Outcome, ProviderTemplate, TemplateMessage
from app.whatsapp.simulator.templates import DEFAULT_TEMPLATES
from tests.databases import CHOSEN
from tests.docs.test_docs import TEXTS, coded, table
from tests.schema.service import FakeMeta, Service, serving, status, wamid
from tests.schema.sockets import Socket
from tests.schema.test_contract import OURS

TEXT = TEXTS["docs/graphql.md"]
_BLOCK = re.compile(r"^```(graphql|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Operation:
    """One operation of the guide, as its block tells it."""

    name: str
    kind: OperationType
    document: str
    """The whole block; it may hold others besides."""
    person: str
    keeps: dict[str, str]
    """Name of a later variable → path in the data, such as ``workspace.guestUnits.nodes.0.id``."""
    node: OperationDefinitionNode
    values: dict[str, Any] = field(default_factory=dict)
    """Of the JSON block below it: the variables that are no ids."""

    @property
    def named(self) -> set[str]:
        return {each.variable.name.value for each in self.node.variable_definitions or ()}


def guide() -> list[Operation]:
    found: list[Operation] = []
    for language, body in _BLOCK.findall(TEXT):
        if language == "json":
            found[-1].values = json.loads(body)
            continue
        first, *lines = body.splitlines()
        keeps = dict(re.findall(r"^# Keep (\w+) = ([\w.]+)$", "\n".join(lines), re.MULTILINE))
        for node in parse(body).definitions:
            assert isinstance(node, OperationDefinitionNode)
            assert node.name is not None
            found.append(
                Operation(node.name.value, node.operation, body, first.removeprefix("# ").lower(), keeps, node)
            )
    return found


GUIDE = {each.name: each for each in guide()}


class Meta(FakeMeta):
    """With the simulator's templates. Holds every message but a test until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = asyncio.Event()

    async def send(self, message: TemplateMessage) -> Outcome:
        if message.to != "+919800000099":
            await self.let_go.wait()
        return await super().send(message)

    async def list_templates(self, waba_id: str) -> list[ProviderTemplate]:
        assert waba_id
        return [
            ProviderTemplate(
                each["id"], each["name"], each["language"], each["status"], each["category"], None,
                each["parameter_format"], "GREEN", each["components"],
            )
            for each in DEFAULT_TEMPLATES
        ]  # fmt: skip


@dataclass
class Reader:
    """Whoever goes through the guide: runs its operations and keeps what it says to keep."""

    service: Service
    kept: dict[str, Any] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    def variables(self, operation: Operation) -> dict[str, Any]:
        given = operation.values
        return {name: self._filled(given.get(name, self.kept.get(name))) for name in operation.named} | {
            name: self._filled(value) for name, value in given.items()
        }

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        return self.kept[value[1:]] if isinstance(value, str) and value.startswith("$") else value

    async def run(self, name: str) -> Any:
        """The data."""
        operation = GUIDE[name]
        # A default in the document holds where nothing is given, not where null is.
        variables = {key: value for key, value in self.variables(operation).items() if value is not None}
        answer = await self.service.http.post(
            "/graphql",
            json={"query": operation.document, "variables": variables, "operationName": name},
            headers=self.service.headers(f"{operation.person}@example.org"),
        )
        found = answer.json()
        assert "errors" not in found, (name, found["errors"])
        self._keep(operation, found["data"])
        return found["data"]

    async def watch(self, name: str, completed: str) -> list[Any]:
        """What a subscription shows until the run is so."""
        operation = GUIDE[name]
        shown: list[Any] = []
        async with Socket(self.service.app, self.service.token(f"{operation.person}@example.org")) as socket:
            await socket.subscribe("1", operation.document, self.variables(operation))
            while not shown or shown[-1]["status"] != completed:
                shown.append((await socket.until("next"))["payload"]["data"]["sendRunProgress"])
                self.service.meta.let_go.set()  # type: ignore[attr-defined]  # it is the one above
        self.done.append(name)
        return shown

    def _keep(self, operation: Operation, data: Any) -> None:
        self.done.append(operation.name)
        for name, path in operation.keeps.items():
            value = data
            for step in path.split("."):
                value = value[int(step)] if step.isdecimal() else value[step]
            assert isinstance(value, str), (operation.name, path)
            self.kept[name] = value


@pytest.mark.anyio
@pytest.mark.parametrize("database_url", CHOSEN[:1], indirect=True)
async def test_every_operation_runs_in_order(db: Database) -> None:
    meta = Meta()
    async with serving(db, meta=meta) as service:
        reader = Reader(service)
        names = iter(GUIDE)

        async def through(last: str) -> Any:
            """Runs the next operations up to this one; the data of this one."""
            for name in names:
                data = await reader.run(name)
                if name == last:
                    return data
            raise AssertionError(last)

        imported = (await through("Import"))["importGuests"]
        assert {each["outcome"]: each["count"] for each in imported["outcomes"] if each["count"]} == {
            "CREATED": 4, "WARNING_MALFORMED_PHONE": 1, "SKIPPED_NO_PHONE": 1,
        }  # fmt: skip
        assert [each["name"] for each in imported["rows"]["nodes"]] == ["Parvati Nair", "Leela Menon"]
        corrected = await through("Correct")
        assert corrected["updatePerson"]["guestUnit"]["phoneStatus"] == "VALID"
        counted = (await through("Audience"))["audiencePreview"]
        assert (counted["units"], counted["selectedUnits"], counted["withoutPhone"]) == (5, 4, 1)
        assert (await through("Test"))["sendTest"]["run"]["kind"] == "TEST"
        precheck = (await through("Precheck"))["precheckSend"]
        assert (precheck["eligibleCount"], precheck["rejectedCount"], precheck["blockers"]) == (5, 1, [])
        assert precheck["previews"][0]["text"].startswith("Sangeet for ")
        opened = (await through("OpenPrecheck"))["precheck"]
        assert len(opened["candidates"]["nodes"]) == 5
        assert (await through("Send"))["sendInvites"]["replayed"] is False
        assert (await reader.run("Send"))["sendInvites"]["replayed"] is True

        shown = await reader.watch(next(names), "COMPLETED")
        assert {each["summary"]["candidates"] for each in shown} == {6}
        ids = [wamid(message.attempt_id) for message in meta.sent if message.to != "+919800000099"]
        refused = {"errors": [{"code": 131026, "title": "Message undeliverable"}]}
        told = [status(ids[0], "failed", 1_900_000_000, **refused), status(ids[1], "read", 1_900_000_001)]
        assert (await service.post_statuses(*told, status("wamid.unknown", "sent", 1_900_000_002))).status_code == 200

        run = (await through("Run"))["sendRun"]
        assert [each["code"] for each in run["summary"]["failures"]] == [131026]
        assert [each["reason"] for each in run["summary"]["rejections"]] == ["MISSING_PHONE"]
        assert (await through("Failed"))["sendRun"]["messages"]["totalCount"] == 1
        assert (await through("EventSummary"))["event"]["coverage"]["households"] == 5
        missing = (await through("NotYet"))["workspace"]["guestUnits"]["nodes"]
        assert "BLOCKED" in {each["coverage"] for each in missing}
        happened = {each["kind"] for each in (await through("Message"))["inviteMessage"]["timeline"]}
        assert {"PLANNED", "CLAIMED", "PROVIDER_ANSWER", "STATUS"} <= happened

        meta.let_go.clear()
        retried = (await through("Retry"))["precheckSend"]
        assert (retried["eligibleCount"], retried["rejectedCount"]) == (1, 1)
        await reader.run("Send")
        assert (await through("Pause"))["pauseSendRun"]["status"] == "PAUSED"
        assert (await through("Cancel"))["cancelSendRun"]["status"] == "CANCELLED"
        meta.let_go.set()

        assert (await through("Block"))["addDoNotMessage"]["active"] is True
        assert [each["reason"] for each in (await through("Blocked"))["workspace"]["doNotMessage"]["nodes"]] == [
            "Asked by phone"
        ]
        await through("Unblock")
        behind = (await through("Admin"))["workspace"]
        assert [each["role"] for each in behind["members"]] == ["OWNER", "PARENT_ADMIN"]
        assert [each["finding"] for each in behind["webhookFindings"]["nodes"]] == ["UNMATCHED"]
        assert (await through("Again"))["node"]["status"] == "CANCELLED"
        assert set(reader.done) == set(GUIDE)


def test_each_operation_is_there_once() -> None:
    names = [each.name for each in guide()]
    assert len(set(names)) == len(names)
    assert {each.person for each in GUIDE.values()} == {"asha", "rajesh"}


def test_what_it_says_of_costs_and_limits() -> None:
    costs = {
        each.name: operation_cost(OURS, parse(each.document), each.node, {})
        for each in GUIDE.values()
    }  # fmt: skip
    said = re.search(r"None of those below costs more than ([\d,]+)", TEXT)
    assert said is not None
    most = int(said[1].replace(",", ""))
    assert most - 100 < max(costs.values()) <= most
    for words in (
        f"An operation may cost {MAX_COST:,}",
        f"a subscription may cost {MAX_SUBSCRIPTION_COST:,}",
        f"for {VALIDITY.total_seconds() / 60:.0f} minutes",
        f"beyond {MAX_OPERATIONS} at a time",
    ):
        assert words in TEXT


def test_its_tables() -> None:
    readme = table(TEXTS["README.md"], "Code", "It means")
    rows = table(TEXT, "Code", "It means", "What a console does")
    assert [row[:2] for row in rows] == readme, "the same sentences as in the README"
    assert [coded(code) for code, *_ in rows] == [[code.value] for code in ErrorCode]
    assert all(advice for *_, advice in rows)
    assert [coded(code) for code, _ in table(TEXT, "Blocker", "It means")] == [[code.value] for code in BlockerCode]
    assert [coded(code) for code, _ in table(TEXT, "Stale because", "It means")] == [
        [each.value] for each in StaleReason
    ]
    closed = {code: then for code, then, _ in table(TEXT, "Closed with", "Because", "Then")}
    assert str(TRY_AGAIN_LATER) in closed
    assert closed["4408"] == f"No `connection_init` within {INIT_TIMEOUT.total_seconds():.0f} s."


def test_every_mutation_is_named_in_what_happens_when_it_is_asked_again() -> None:
    said = " ".join(cell for cell, _ in table(TEXT, "Operation", "Asked again"))
    assert OURS.mutation_type is not None
    named = set(coded(said)) | {name for name in OURS.mutation_type.fields if name.startswith("update")}
    assert "`update…`" in said
    assert named - {"update…"} == set(OURS.mutation_type.fields)
