"""Callers of the service: each speaks GraphQL over HTTP with a token of their own."""

from dataclasses import dataclass
from typing import Any

import click
import httpx


class RefusedError(Exception):
    """The service answered with a GraphQL error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Caller:
    name: str
    token: str
    http: httpx.AsyncClient

    async def ask(self, document: str, **variables: Any) -> Any:
        """The ``data`` of the answer. Raises RefusedError, or ClickException when there is no proper answer."""
        try:
            answer = await self.http.post(
                "/graphql",
                json={"query": document, "variables": variables},
                headers={"Authorization": f"Bearer {self.token}"},
            )
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise click.ClickException(f"The service gave no answer ({type(error).__name__}).") from None
        if errors := body.get("errors"):
            raise RefusedError(errors[0].get("extensions", {}).get("code", "INTERNAL"), errors[0]["message"])
        return body["data"]


@dataclass(frozen=True, slots=True)
class Simulator:
    """The simulated Meta's own books."""

    http: httpx.AsyncClient

    async def idle(self) -> bool:
        """True when every status has been posted."""
        return bool((await self._get("/_simulator/state?limit=0"))["idle"])

    async def state(self) -> Any:
        """Counts, and every accepted message with what the webhook was told of it."""
        return await self._get("/_simulator/state")

    async def _get(self, path: str) -> Any:
        try:
            return (await self.http.get(path)).raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise click.ClickException(f"The simulator gave no answer ({type(error).__name__}).") from None
