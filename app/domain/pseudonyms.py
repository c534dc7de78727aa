"""What stands in the database for an erased phone or message id: a keyed hash, which finds again and tells nothing.

HMAC-SHA256 (RFC 2104), cut to 128 bits. A plain hash would not do: there are only some 10¹⁰ phones, and a computer tries
them all in minutes. The key is a setting and so never beside the hashes.
"""

import hashlib
import hmac
from collections.abc import Sequence

LEAD = "erased:"
_PURPOSE = b"whatsapp-invites erasure"


class Pseudonyms:
    """``erased:<key>:<hash>``. The first key makes new ones; the others still find what they have made."""

    def __init__(self, secrets: Sequence[bytes] = ()) -> None:
        keys = [hmac.digest(secret, _PURPOSE, hashlib.sha256) for secret in secrets]
        self._keys = {hmac.digest(key, b"name", hashlib.sha256).hex()[:8]: key for key in keys}

    @property
    def leads(self) -> list[str]:
        """How the pseudonyms begin that these keys have made."""
        return [f"{LEAD}{name}:" for name in self._keys]

    def of(self, value: str, *stored: str | None) -> str:
        """The pseudonym to store; the one of ``stored`` that is the value's. Raises ValueError without a key."""
        if is_pseudonym(value):
            return value
        if not self._keys:
            raise ValueError("nothing can be erased without a key")
        known = self.all_of(value)
        return next((each for each in stored if each in known), known[0])

    def all_of(self, value: str) -> list[str]:
        """Every pseudonym under which this value may be stored."""
        return [
            f"{LEAD}{name}:{hmac.digest(key, value.encode(), hashlib.sha256).hex()[:32]}"
            for name, key in self._keys.items()
        ]

    def keys_of(self, value: str) -> list[str]:
        """Everything under which this value may be stored: in the clear, or as a pseudonym. A pseudonym is only itself."""
        return [value] if is_pseudonym(value) else [value, *self.all_of(value)]


def is_pseudonym(value: str | None) -> bool:
    return value is not None and value.startswith(LEAD)
