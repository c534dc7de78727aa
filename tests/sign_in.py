"""A sign-in of one's own, on this machine: it publishes keys over HTTP, signs tokens, and misbehaves when told to."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

ISSUER: Final = "https://sign-in.example"
AUDIENCE: Final = "invites"

RSA: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC: Final = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
PRIVATE: Final[dict[str, Any]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSA),
    **{name: ec.generate_private_key(curve) for name, curve in EC.items()},
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
"""By algorithm."""


def jwk(key: Any, kid: Any = "first", *, algorithm: str = "RS256", **members: Any) -> dict[str, Any]:
    """The public half, without an ``alg`` of its own; None takes a member away."""
    entry: dict[str, Any] = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
    entry.pop("key_ops", None)
    entry |= {"kid": kid} | members
    return {name: value for name, value in entry.items() if value is not None}


def pem(key: Any) -> bytes:
    found: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return found


def claims(**changes: Any) -> dict[str, Any]:
    """Of a good token; None takes a claim away."""
    found = {"sub": "anita", "iss": ISSUER, "aud": AUDIENCE, "exp": datetime.now(UTC) + timedelta(hours=1)} | changes
    return {
        name: int(value.timestamp()) if isinstance(value, datetime) else value
        for name, value in found.items()
        if value is not None
    }


def bearer(
    key: Any = RSA,
    kid: str | None = "first",
    *,
    algorithm: str = "RS256",
    header: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    """A token in the value of a header. Signs whatever it is told to, unlike ``jwt.encode``."""
    named = {} if kid is None else {"kid": kid}
    payload = json.dumps(claims(**changes)).encode()
    return f"Bearer {jwt.PyJWS().encode(payload, key, algorithm, headers=named | (header or {}))}"


@dataclass
class SignIn:
    """What it answers with, and how often it was asked."""

    url: str = ""
    fetches: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    silent: bool = False
    """Takes the request and never answers."""

    def publish(self, *entries: Any) -> None:
        self.body = json.dumps({"keys": entries}).encode()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.fetches += 1
            if self.silent:
                await reader.read()
                return
            head = {"Content-Length": str(len(self.body)), "Connection": "close"} | self.headers
            lines = [f"HTTP/1.1 {self.status} Any", *(f"{name}: {value}" for name, value in head.items()), "", ""]
            writer.write("\r\n".join(lines).encode() + self.body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked went away, which some of the tests are about
        finally:
            writer.close()


@asynccontextmanager
async def sign_in(*entries: Any) -> AsyncIterator[SignIn]:
    """One that publishes these keys."""
    made = SignIn()
    made.publish(*entries)
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    async with server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
        yield made
