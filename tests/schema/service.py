"""The whole service in this process: the app with its lifespan, spoken to over HTTP, and a Meta that does as it is told."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
from litestar import Litestar

from app.auth import issue_token
from app.config import Secret, Settings
from app.db.engine import Database
from app.domain.errors import UnavailableError
from app.main import create_app
from app.whatsapp.port import (
    Accepted,
    Evidence,
    NumberProfile,
    Outcome,
    ProviderTemplate,
    TemplateMessage,
)
from tests.logged import found_in

APP_SECRET = "the app secret of the tests"
NUMBER = "100000000000001"
TEMPLATE = "wedding_invite"


def settings(**changes: Any) -> Settings:
    defaults: dict[str, Any] = {
        "auth_secret": Secret("a secret of the tests, long enough for them"),
        "meta_phone_number_id": NUMBER,
        "meta_waba_id": "200000000000001",
        "meta_access_token": Secret("token-of-the-tests"),
        "meta_app_secret": Secret(APP_SECRET),
        "meta_verify_token": Secret("verify me"),
        "send_rate": 1000.0,
    }
    return Settings(**defaults | changes)


class FakeMeta:
    """Implements both ports. Accepts every message unless told otherwise, and knows one approved template."""

    def __init__(self) -> None:
        self.sent: list[TemplateMessage] = []
        self.outcome: Outcome | None = None
        self.away = False

    async def send(self, message: TemplateMessage) -> Outcome:
        self.sent.append(message)
        return self.outcome or Accepted(wamid(message.attempt_id), held=False, evidence=Evidence(http_status=200))

    async def list_templates(self, waba_id: str) -> list[ProviderTemplate]:
        assert waba_id
        if self.away:
            raise UnavailableError("Meta cannot be reached.")
        body = {"type": "BODY", "text": "Dear {{guest_name}}, come to our wedding."}
        return [
            ProviderTemplate("1", TEMPLATE, "en", "APPROVED", "MARKETING", None, "NAMED", "GREEN", [body]),
            ProviderTemplate("2", "other", "en", "PENDING", "UTILITY", None, "NAMED", None, [body]),
        ]

    async def number_profile(self, phone_number_id: str) -> NumberProfile:
        assert phone_number_id == NUMBER
        return NumberProfile("+1 555 010 0001", "The Wedding", "GREEN", "TIER_1K", "CONNECTED")


def wamid(attempt_id: str) -> str:
    return f"wamid.{hashlib.sha256(attempt_id.encode()).hexdigest()}"


def status(message_id: str, name: str, at: int, **more: Any) -> dict[str, Any]:
    return {"id": message_id, "status": name, "timestamp": str(at), "recipient_id": "919800000007", **more}


def body_of(*statuses: dict[str, Any]) -> bytes:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100001", "phone_number_id": NUMBER},
        "statuses": list(statuses),
    }
    entry = {"id": "200000000000001", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def signed(body: bytes, secret: str = APP_SECRET) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


@dataclass
class Service:
    app: Litestar
    http: httpx.AsyncClient
    meta: FakeMeta
    settings: Settings
    db: Database

    def break_reader(self, reader: Any) -> None:
        """Let another object do the reading, from the next operation on."""
        running = self.app.state["running"]
        running.services = replace(running.services, reader=reader)

    def token(self, subject: str = "anita") -> str:
        return issue_token(self.settings, subject, subject.title(), timedelta(minutes=5))

    def headers(self, subject: str = "anita") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(subject)}"}

    async def answer(
        self, query: str, variables: dict[str, Any] | None = None, *, by: str | None = "anita"
    ) -> dict[str, Any]:
        """The whole answer, errors too."""
        response = await self.http.post(
            "/graphql",
            # Escaped: httpx itself would refuse the lone surrogates that a client of another kind may send.
            content=json.dumps({"query": query, "variables": variables or {}}),
            headers={"Content-Type": "application/json"} | (self.headers(by) if by else {}),
        )
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        assert found_in(json.dumps(found.get("errors"))) == [], "no error says anything personal, whatever was asked"
        return found

    async def data(self, query: str, variables: dict[str, Any] | None = None, *, by: str = "anita") -> dict[str, Any]:
        """The data of an answer without errors."""
        answer = await self.answer(query, variables, by=by)
        assert "errors" not in answer, answer["errors"]
        found: dict[str, Any] = answer["data"]
        return found

    async def code(self, query: str, variables: dict[str, Any] | None = None, *, by: str | None = "anita") -> str:
        """The code of the one error of an answer."""
        error = await self.error(query, variables, by=by)
        found: str = error["extensions"]["code"]
        return found

    async def error(
        self, query: str, variables: dict[str, Any] | None = None, *, by: str | None = "anita"
    ) -> dict[str, Any]:
        answer = await self.answer(query, variables, by=by)
        assert len(answer.get("errors", ())) == 1, answer
        found: dict[str, Any] = answer["errors"][0]
        return found

    async def post_statuses(self, *statuses: dict[str, Any]) -> httpx.Response:
        body = body_of(*statuses)
        return await self.http.post("/webhooks/whatsapp", content=body, headers=signed(body))


def client(app: Any) -> httpx.AsyncClient:
    """Speaks to an app without a socket; what the app raises is its answer 500, as with a server between."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://service")


@asynccontextmanager
async def serving(db: Database, *, meta: FakeMeta | None = None, **changes: Any) -> AsyncIterator[Service]:
    meta = meta or FakeMeta()
    chosen = settings(**changes)
    configured = chosen.provider_configured
    app = create_app(chosen, db=db, sender=meta if configured else None, directory=meta if configured else None)
    async with app.lifespan(), client(app) as http:
        yield Service(app, http, meta, chosen, db)


@dataclass
class Wedding:
    """A workspace of anita with guests, a published event and synced templates."""

    service: Service
    workspace: str
    event: str

    def request(self, **changes: Any) -> dict[str, Any]:
        parameters = [{"component": "BODY", "name": "guest_name", "source": "GUEST_NAME"}]
        return {
            "eventId": self.event,
            "templateName": TEMPLATE,
            "templateLanguage": "en",
            "parameters": parameters,
            "audience": {},
        } | changes

    async def send(self) -> str:
        """Precheck and send to everybody; the run's id."""
        query = "query($i: PrecheckSendInput!) { precheckSend(input: $i) { token } }"
        token = (await self.service.data(query, {"i": self.request()}))["precheckSend"]["token"]
        query = """mutation($t: String!) { sendInvites(input: {precheckToken: $t}) {
            ... on SendInvitesSuccess { run { id } } ... on SendRefusal { message } } }"""
        found: str = (await self.service.data(query, {"t": token}))["sendInvites"]["run"]["id"]
        return found


GUESTS = [("The Raos", "Harish Rao", "+919800000007"), ("The Thomases", "Anita Thomas", "+919800000014")]


async def wedding(
    service: Service, guests: Sequence[tuple[str, str, str | None]] = GUESTS, *, by: str = "anita"
) -> Wedding:
    made = await service.data(
        'mutation { createWorkspace(input: {name: "W", defaultRegion: "IN", timezone: "Asia/Kolkata"}) { id } }', by=by
    )
    workspace = made["createWorkspace"]["id"]
    query = """mutation($w: ID!) { createEvent(input: {
        workspaceId: $w, title: "Sangeet", startsAt: "2027-02-03T18:30:00+05:30", venue: "Taj"}) { id } }"""
    event = (await service.data(query, {"w": workspace}, by=by))["createEvent"]["id"]
    await service.data(
        "mutation($e: ID!) { updateEvent(input: {id: $e, status: PUBLISHED}) { id } }", {"e": event}, by=by
    )
    rows = [
        {"household": household, "name": name, "phone": phone, "side": "BRIDE"} for household, name, phone in guests
    ]
    await service.data(
        "mutation($i: ImportGuestsInput!) { importGuests(input: $i) { id } }",
        {"i": {"workspaceId": workspace, "rows": rows}},
        by=by,
    )
    await service.data("mutation($w: ID!) { syncTemplates(input: {workspaceId: $w}) { id } }", {"w": workspace}, by=by)
    return Wedding(service, workspace, event)
