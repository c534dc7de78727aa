"""What SECURITY.md tells to do after a leak of AUTH_SECRET, done: the old one opens nothing, and the erased stay erased."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.config import Secret
from app.domain.errors import UnavailableError
from app.main import build_database
from tests.schema.service import GUESTS, Service, serving, settings, wedding

pytestmark = pytest.mark.anyio

OLD = "the secret that got out and was long enough"
NEW = "the secret after it just as long as that was"
ERASING = "a key for nothing but erasing and as long again"
PRECHECK = "query($t: String!) { precheck(token: $t) { eligibleCount } }"
COUNT = "query($i: PrecheckSendInput!) { precheckSend(input: $i) { token eligibleCount rejections { reason count } } }"


@asynccontextmanager
async def started(url: str, auth: str, erasing: str | None) -> AsyncIterator[Service]:
    """The service as these two settings make it, on the same database."""
    secrets: dict[str, Any] = {"auth_secret": Secret(auth), "erasure_secret": Secret(erasing) if erasing else None}
    db = build_database(settings(database_url=url, **secrets))
    try:
        async with serving(db, dispatch=False, **secrets) as service:
            yield service
    finally:
        await db.close()


async def test_a_new_auth_secret(database_url: str) -> None:
    async with started(database_url, OLD, None) as service:
        made = await wedding(service)
        units = "query($w: ID!) { workspace(id: $w) { guestUnits(first: 2) { nodes { id people { phone } } } } }"
        found = (await service.data(units, {"w": made.workspace}))["workspace"]["guestUnits"]["nodes"]
        (harish,) = [unit["id"] for unit in found if unit["people"][0]["phone"] == GUESTS[0][2]]
        await service.data(
            "mutation($i: ID!) { eraseGuest(input: {id: $i, reason: GUEST_REQUEST}) { id } }", {"i": harish}
        )
        precheck = (await service.data(COUNT, {"i": made.request()}))["precheckSend"]["token"]
        stolen = service.headers()

    without_the_old = pytest.RaisesExc(UnavailableError, match="behind the first in ERASURE_SECRET")
    with pytest.RaisesGroup(without_the_old, flatten_subgroups=True):
        async with started(database_url, NEW, None):
            pass

    async with started(database_url, NEW, f"{ERASING},{OLD}") as service:
        answer = await service.http.post("/graphql", json={"query": "{ me { subject } }"}, headers=stolen)
        assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert (await service.data(PRECHECK, {"t": precheck}))["precheck"] is None
        row = {"household": "The Raos", "name": GUESTS[0][1], "phone": GUESTS[0][2]}
        await service.data(
            "mutation($i: ImportGuestsInput!) { importGuests(input: $i) { id } }",
            {"i": {"workspaceId": made.workspace, "rows": [row]}},
        )
        counted = (await service.data(COUNT, {"i": made.request()}))["precheckSend"]
        assert (counted["eligibleCount"], counted["rejections"]) == (1, [{"reason": "DO_NOT_MESSAGE", "count": 1}])
