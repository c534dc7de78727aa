"""A sign-in of one's own in front of the whole service: over HTTP, on a websocket, and while it is away."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.auth import issue_token
from app.auth.sources import NO_KEYS
from app.db.engine import Database
from tests.schema.service import Service, serving
from tests.schema.sockets import Socket
from tests.sign_in import AUDIENCE, ISSUER, OTHER_RSA, RSA, bearer, jwk, sign_in

pytestmark = [pytest.mark.anyio, pytest.mark.either_database]

ME = "{ me { subject displayName } }"


async def told(service: Service, header: str) -> str:
    """The name, or the code."""
    response = await service.http.post("/graphql", json={"query": ME}, headers={"Authorization": header})
    assert response.status_code == 200
    answer = response.json()
    found: str = (
        answer["errors"][0]["extensions"]["code"] if "errors" in answer else answer["data"]["me"]["displayName"]
    )
    return found


async def test_tokens_of_the_sign_in_and_no_others(db: Database) -> None:
    async with (
        sign_in(jwk(RSA)) as issuer,
        serving(db, auth_jwks_url=issuer.url, auth_issuer=ISSUER, auth_audience=AUDIENCE, dispatch=False) as service,
    ):
        async with Socket(service.app, None, headers={"authorization": bearer()}) as socket:
            await socket.send({"type": "connection_init"})
            assert await socket.closed() == 4403
        assert issuer.fetches == 0, "nothing looks at the header of a socket"
        assert await told(service, bearer(name="Anita Thomas")) == "Anita Thomas"
        assert await told(service, bearer(OTHER_RSA)) == "UNAUTHENTICATED"
        # With claims and all as they should be, signed with the secret that signs without a sign-in.
        assert await told(service, f"Bearer {service.token()}") == "UNAUTHENTICATED"
        async with Socket(service.app, bearer().removeprefix("Bearer ")) as socket:
            await socket.subscribe("1", ME)
            assert (await socket.until("next"))["payload"]["data"]["me"]["subject"] == "anita"
        async with Socket(service.app, None) as socket:
            await socket.send({"type": "connection_init", "payload": {"Authorization": bearer(OTHER_RSA)}})
            assert await socket.closed() == 4403
        assert issuer.fetches == 1


async def test_a_sign_in_that_is_away(db: Database) -> None:
    async with (
        sign_in() as issuer,
        serving(db, auth_jwks_url=issuer.url, auth_issuer=ISSUER, auth_audience=AUDIENCE, dispatch=False) as service,
    ):
        issuer.status = 503
        assert await told(service, bearer()) == "UNAVAILABLE"
        answer = await service.http.post("/graphql", json={"query": ME}, headers={"Authorization": bearer()})
        assert answer.json()["errors"][0]["message"] == NO_KEYS
        for known_to_be_bad in ("", "Bearer x", f"Bearer {service.token()}"):
            assert await told(service, known_to_be_bad) == "UNAUTHENTICATED"
        async with Socket(service.app, None) as socket:
            await socket.send({"type": "connection_init", "payload": {"Authorization": bearer()}})
            assert await socket.closed() == 1013, "unlike 4403 a client may try again"
        assert issuer.fetches == 1
        assert (await service.http.get("/health/live")).status_code == 200


async def test_the_secret_alone_still_does(db: Database) -> None:
    async with serving(db, auth_issuer=ISSUER, auth_audience=AUDIENCE, dispatch=False) as service:
        assert await told(service, f"Bearer {service.token()}") == "Anita"
        token = issue_token(replace(service.settings, auth_issuer="x"), "anita", None, timedelta(hours=1))
        assert await told(service, f"Bearer {token}") == "UNAUTHENTICATED"
        assert await told(service, bearer()) == "UNAUTHENTICATED"
