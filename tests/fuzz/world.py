"""What the cases are sent to: the whole service in this process, over a database with two weddings in it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.tables import Base, MessageRow
from app.domain.errors import ErrorCode
from tests.databases import PSEUDONYMS
from tests.schema.service import Service, serving, wedding

T = TypeVar("T")

OWNER = "anita"
STRANGER = "boris"
"""Owns the other wedding, and nothing of the first."""
CALLERS = (OWNER, OWNER, OWNER, STRANGER, None)
_WORSE = {ErrorCode.INTERNAL.value, ErrorCode.UNAVAILABLE.value}
"""Nothing is away here, so nothing may say so."""


@dataclass
class World:
    """Its loop runs only inside ``run``, so that Hypothesis, which knows no loops, can drive it."""

    runner: asyncio.Runner
    service: Service
    ids: list[str]
    """Of everything that there is, some of each kind, in the order of their tables."""
    message_ids: list[str]
    """As Meta would name them."""
    attempts: list[str]
    tokens: list[str]
    """Of prechecks: one that has been used, one that has not."""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def ask(self, content: bytes, by: str | None = OWNER, kind: str = "application/json") -> str:
        headers = {"Content-Type": kind} | (self.service.headers(by) if by else {})
        return answered(await self.service.http.post("/graphql", content=content, headers=headers))


def answered(response: httpx.Response) -> str:
    """How a GraphQL request was answered: its error codes, or its status."""
    assert response.status_code < 500, response.text
    body = response.json()
    codes = [error["extensions"]["code"] for error in body.get("errors") or ()]
    assert not _WORSE & set(codes), body
    assert set(codes) <= {code.value for code in ErrorCode}, body
    assert codes or response.status_code == 200, body
    return "+".join(sorted(set(codes))) or "data"


@contextmanager
def world(url: str) -> Iterator[World]:
    """Over a migrated, empty database."""
    with asyncio.Runner() as runner:
        stop = asyncio.Event()
        ready: asyncio.Future[Service] = runner.get_loop().create_future()
        task = runner.get_loop().create_task(_serve(url, ready, stop))
        # Whichever is first: a service that does not start must not be waited for.
        runner.run(_first(ready, task))
        try:
            yield runner.run(_look_around(runner, ready.result()))
        finally:
            stop.set()
            runner.run(_first(task))


async def _first(*waited: "asyncio.Future[Any]") -> None:
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    for each in waited:
        if each.done():
            each.result()


async def _serve(url: str, ready: "asyncio.Future[Service]", stop: asyncio.Event) -> None:
    """In one task from start to stop, which the app's lifespan needs."""
    async with _service(url) as service:
        ready.set_result(service)
        await stop.wait()


@asynccontextmanager
async def _service(url: str) -> AsyncIterator[Service]:
    db = Database(url, pseudonyms=PSEUDONYMS)
    try:
        async with serving(db) as service:
            await _celebrate(service)
        # The dispatcher is off from here: what a case does must not depend on how far another one has been sent.
        async with serving(db, dispatch=False) as service:
            yield service
    finally:
        await db.close()


async def _celebrate(service: Service) -> None:
    """Two weddings, of one of which the invites are out."""
    made = await wedding(service)
    await wedding(service, by=STRANGER)
    member = """mutation($w: ID!) {
        setMember(input: {workspaceId: $w, subject: "chandra", displayName: "C", role: FAMILY_COORDINATOR}) { id } }"""
    await service.data(member, {"w": made.workspace})
    block = 'mutation($w: ID!) { addDoNotMessage(input: {workspaceId: $w, phone: "+919800000021", reason: "asked"}) { id } }'
    await service.data(block, {"w": made.workspace})
    await made.send()
    async with asyncio.timeout(30):
        while len(await _column(service.db, MessageRow.provider_message_id)) < 2:
            await asyncio.sleep(0.05)


async def _look_around(runner: asyncio.Runner, service: Service) -> World:
    found: list[str] = []
    for table in Base.metadata.sorted_tables:
        if "id" in table.columns:
            found += [str(each) for each in (await _column(service.db, table.c.id))[:4]]
    return World(
        runner,
        service,
        found,
        await _column(service.db, MessageRow.provider_message_id),
        [f"{message}.1" for message in await _column(service.db, MessageRow.id)],
        await _tokens(service),
    )


async def _tokens(service: Service) -> list[str]:
    event = await service.data("{ me { memberships { workspace { events { id } } } } }")
    chosen = event["me"]["memberships"][0]["workspace"]["events"][0]["id"]
    query = "query($i: PrecheckSendInput!) { precheckSend(input: $i) { token } }"
    request = {
        "eventId": chosen,
        "templateName": "wedding_invite",
        "templateLanguage": "en",
        "parameters": [{"component": "BODY", "name": "guest_name", "source": "GUEST_NAME"}],
        "audience": {},
        "includeAlreadyInvited": True,
    }
    tokens: list[str] = [(await service.data(query, {"i": request}))["precheckSend"]["token"] for _ in range(2)]
    send = "mutation($t: String!) { sendInvites(input: {precheckToken: $t}) { __typename } }"
    await service.data(send, {"t": tokens[0]})
    return tokens


async def _column(db: Database, column: Any) -> list[Any]:
    async def unit(uow: UnitOfWork) -> list[Any]:
        return list(await uow.session.scalars(sa.select(column).where(column.is_not(None)).order_by(column)))

    return await db.read(unit)
