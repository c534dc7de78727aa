"""Keys that tokens are verified with, and what a JWK Set (RFC 7517) must be for its keys to be taken.

The algorithms are pinned by the key, never by the token that claims one: a public key is no secret for HS256.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import jwt

SYMMETRIC: Final = "HS256"
_BY_TYPE: Final[dict[tuple[str, str | None], tuple[str, ...]]] = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""By ``kty`` and ``crv``: RFC 7518 §3.1 and RFC 8037 §3.1, without what is symmetric."""
ASYMMETRIC: Final = frozenset(name for names in _BY_TYPE.values() for name in names)
_RSA_BITS: Final = range(2048, 8193)
"""Fewer can be broken (RFC 7518 §3.3), more would let each token cost milliseconds."""
MAX_KEYS: Final = 100
_MAX_KEY_ID: Final = 255
_PRIVATE: Final = frozenset({"d", "k"})
"""Members that only a private or a symmetric key has."""


class KeysError(Exception):
    """The keys cannot be had. The message goes on after the name of their address, which it does not quote."""


@dataclass(frozen=True, slots=True)
class Key:
    """What PyJWT verifies with, and the algorithms for which it may."""

    material: Any
    algorithms: tuple[str, ...]


Keys: TypeAlias = Mapping[str, tuple[Key, ...]]
"""By ``kid``; keys of different types may share one (RFC 7517 §4.5)."""


def read_keys(document: bytes) -> Keys:
    """The usable keys of a JWK Set; the others are passed over. Raises KeysError when there are none, or too many."""
    try:
        found = json.loads(document)
    except (ValueError, RecursionError):
        raise KeysError("does not answer with JSON") from None
    entries = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(entries, list):
        raise KeysError('answers with something else than a JWK Set, which has a list "keys"')
    if len(entries) > MAX_KEYS:
        raise KeysError(f"has more than {MAX_KEYS} keys")
    keys: dict[str, tuple[Key, ...]] = {}
    for entry in entries:
        key = _read_key(entry) if isinstance(entry, dict) else None
        if key is not None:
            keys[entry["kid"]] = (*keys.get(entry["kid"], ()), key)
    if not keys:
        raise KeysError('has no usable key: a public key for signatures, with a "kid", of RSA, EC or Ed25519')
    return keys


def _read_key(entry: dict[str, Any]) -> Key | None:
    """None for what is no public key to verify with, or has no name: a token could not say that it means this one."""
    kind, name, own = entry.get("kty"), entry.get("kid"), entry.get("alg")
    if not isinstance(kind, str) or not isinstance(name, str) or not 1 <= len(name) <= _MAX_KEY_ID:
        return None
    # Who publishes a private key has lost it.
    if not _PRIVATE.isdisjoint(entry) or not _may_verify(entry):
        return None
    curve = None if kind == "RSA" else str(entry.get("crv"))
    algorithms = _BY_TYPE.get((kind, curve), ())
    if own is not None:
        algorithms = tuple(each for each in algorithms if each == own)
    if not algorithms:
        return None
    try:
        material = jwt.PyJWK(entry, algorithms[0]).key
    except Exception:  # noqa: BLE001 - whatever is wrong with one key must not take the others away
        return None
    if kind == "RSA" and material.key_size not in _RSA_BITS:
        return None
    return Key(material, algorithms)


def _may_verify(entry: dict[str, Any]) -> bool:
    """RFC 7517 §4.2 and §4.3."""
    operations = entry.get("key_ops", ["verify"])
    return entry.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
