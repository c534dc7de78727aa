"""The one request to a sign-in: for its JWK Set. Bounded in time and size, since it is made while somebody waits."""

import asyncio
from typing import Final

import httpx

from app.auth.keys import Keys, KeysError, read_keys
from app.setting_types import LOOPBACK

TIMEOUT: Final = 5.0
"""Seconds, for all of it."""
MAX_DOCUMENT: Final = 256 * 1024
"""Bytes. A hundred RSA keys with their certificates are fewer."""


async def fetch_keys(url: str, *, within: float = TIMEOUT) -> Keys:
    """The usable keys at ``url``. Raises KeysError; follows no redirect, which could lead to an address without TLS."""
    try:
        async with asyncio.timeout(within):
            return read_keys(await _document(url, within))
    except (TimeoutError, httpx.TimeoutException):
        raise KeysError(f"does not answer within {within:g} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise KeysError(f"cannot be reached ({type(error).__name__})") from None


async def _document(url: str, within: float) -> bytes:
    # A proxy for the outside world cannot reach a sign-in on this machine.
    outside = httpx.URL(url).host not in LOOPBACK
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    async with (
        httpx.AsyncClient(timeout=within, headers=headers, trust_env=outside, follow_redirects=False) as http,
        http.stream("GET", url) as response,
    ):
        if response.status_code != httpx.codes.OK:
            raise KeysError(f"answers {response.status_code}")
        body = bytearray()
        # Raw: a compressed answer, which we did not ask for, could unfold to any size.
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_DOCUMENT:
                raise KeysError(f"answers with more than {MAX_DOCUMENT // 1024} KiB")
    return bytes(body)
