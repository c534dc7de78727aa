"""Meta's Graph API over HTTP: sends one message, reads templates and the number. The only module that opens sockets.

Meta has no idempotency key, so two requests are two messages. What matters here is to tell "not a byte left" from
"nobody knows": the first may be tried again, the second never by itself.
"""

import asyncio
import functools
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote
from urllib.request import getproxies, proxy_bypass

import httpx

from app.domain.errors import UnavailableError
from app.whatsapp import wire
from app.whatsapp.outcomes import Answer, outcome_of
from app.whatsapp.port import (
    Evidence,
    JsonObject,
    NotSent,
    NumberProfile,
    Outcome,
    ProviderTemplate,
    TemplateMessage,
    Unknown,
)
from app.whatsapp.transport import AiohttpTransport
from app.whatsapp.wire import WORD_LIMIT, read_word

_ANSWER_BYTES: Final = 64 * 1024
_LISTING_BYTES: Final = 8 * 1024 * 1024
_PAGES: Final = 200
_PAGE_SIZE: Final = 100
_NAME_LIMIT: Final = 512
_CURSOR_REFUSED: Final = 131059
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

# httpx raises these while it waits for a connection, resolves the name, connects, or speaks TLS or to a proxy: always
# before the first byte of the request. Every other error may come after it.
_NOT_A_BYTE_LEFT: Final = (
    httpx.PoolTimeout,
    httpx.ConnectTimeout,
    httpx.ConnectError,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

_TEMPLATE_FIELDS: Final = (
    "id,name,language,status,category,sub_category,parameter_format,components,quality_score,rejected_reason,"
    "previous_category,correct_category,message_send_ttl_seconds"
)
_NUMBER_FIELDS: Final = (
    "display_phone_number,verified_name,quality_rating,whatsapp_business_manager_messaging_limit,status,health_status"
)

_AWAY: Final = "Meta cannot be reached at the moment or does not answer as it should. Try again in some minutes."
_COMPLAINTS: Final = {
    "Meta does not accept the access token: it is wrong or has expired. Put a valid one in META_ACCESS_TOKEN.": (
        frozenset({0, 102, 104, 190, 2500})
    ),
    "The access token may not read this. Grant it whatsapp_business_management and access to this account.": (
        frozenset({3, 10, 131005, *range(200, 300)})
    ),
    "Meta limits how often it may be asked. Try again in some minutes.": frozenset({4, 17, 613, 80007, 130429}),
    "Meta does not know this account or number. Check META_WABA_ID, META_PHONE_NUMBER_ID and META_GRAPH_VERSION.": (
        frozenset({33, 100, 803})
    ),
}


class _CursorRefusedError(UnavailableError):
    """Templates changed while they were listed, and the cursor with them (131059, since v24.0)."""


class MetaClient:
    """Implements ``port.Sender`` and ``port.Account`` with one pool of connections.

    ``timeout`` is the whole time of one call in seconds: the caller's lease on a message is reckoned with it.
    """

    def __init__(
        self,
        *,
        base_url: str,
        version: str,
        access_token: str,
        timeout: float,
        concurrency: int,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        if not access_token or not access_token.isascii() or not all("!" <= each <= "~" for each in access_token):
            # Found here, since an illegal header would otherwise show as an unknown outcome of every message.
            raise ValueError("The access token is empty or has a space, a new line or a non-ASCII character in it.")
        self._token = access_token.encode()
        self._root = f"{base_url.rstrip('/')}/{version}"
        self._timeout = timeout
        self._messages_of = functools.lru_cache(maxsize=16)(self._messages_url)
        # A proxy for the outside world cannot reach a simulator on this machine.
        local = httpx.URL(base_url).host in _LOOPBACK
        if transport is None and (local or not _through_proxy(base_url)):
            transport = AiohttpTransport(verify=httpx.create_ssl_context(trust_env=not local), connections=concurrency)
        self._http = httpx.AsyncClient(
            headers={
                "Authorization": f"Bearer {access_token}",
                "Accept": "application/json",
                # A compressed answer could unfold to any size before we see its length.
                "Accept-Encoding": "identity",
            },
            # Together they stay below ``timeout``: connect counts twice, once for TCP and once for TLS.
            timeout=httpx.Timeout(pool=0.1 * timeout, connect=0.15 * timeout, write=0.1 * timeout, read=0.45 * timeout),
            # Of httpx's own connections, which only a proxy needs: httpcore looks at every idle one for every request, so
            # keeping as many as may be open costs a multiple of the throughput.
            limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=20),
            follow_redirects=False,
            trust_env=not local,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def send(self, message: TemplateMessage) -> Outcome:
        """One call of ``POST /{phone number id}/messages``. Raises nothing but cancellation."""
        request = self._http.build_request(
            "POST",
            self._messages_of(message.phone_number_id),
            headers={"Content-Type": "application/json"},
            content=json.dumps(_send_body(message)),
        )
        try:
            answer = await self._exchange(request, _ANSWER_BYTES)
        except _NOT_A_BYTE_LEFT as error:
            return NotSent(Evidence(error=type(error).__name__))
        except Exception as error:  # noqa: BLE001 - whatever broke, bytes may have left: nobody knows, so say so
            return Unknown(Evidence(error=type(error).__name__))
        return outcome_of(answer)

    def _messages_url(self, phone_number_id: str) -> httpx.URL:
        """Parsed once, and not for every message."""
        return httpx.URL(f"{self._root}/{quote(phone_number_id, safe='')}/messages")

    async def list_templates(self, waba_id: str) -> list[ProviderTemplate]:
        """All templates of the account. Raises ``UnavailableError``."""
        try:
            return await self._all_templates(waba_id)
        except _CursorRefusedError:
            return await self._all_templates(waba_id)

    async def number_profile(self, phone_number_id: str) -> NumberProfile:
        """The sending number as Meta sees it. Raises ``UnavailableError``."""
        body, headers = await self._get(quote(phone_number_id, safe=""), {"fields": _NUMBER_FIELDS})
        return NumberProfile(
            display_phone=wire.read_text(body.get("display_phone_number"), WORD_LIMIT),
            verified_name=wire.read_text(body.get("verified_name"), _NAME_LIMIT),
            quality_rating=wire.read_text(body.get("quality_rating"), WORD_LIMIT),
            messaging_limit=wire.read_text(body.get("whatsapp_business_manager_messaging_limit"), WORD_LIMIT),
            status=wire.read_text(body.get("status"), WORD_LIMIT),
            can_send=read_word(wire.read_object(body.get("health_status")).get("can_send_message")),
            answered_at=_clock_of(headers),
        )

    async def subscribed_apps(self, waba_id: str) -> list[str]:
        """``GET /{account}/subscribed_apps`` (Meta, "Manage webhooks"). Raises ``UnavailableError``."""
        body, _ = await self._get(f"{quote(waba_id, safe='')}/subscribed_apps", {})
        entries = body.get("data")
        if not isinstance(entries, list):
            raise UnavailableError(_AWAY)
        apps = (wire.read_object(wire.read_object(each).get("whatsapp_business_api_data")) for each in entries)
        return [wire.read_text(app.get("name"), _NAME_LIMIT) or "an app without a name" for app in apps]

    async def _all_templates(self, waba_id: str) -> list[ProviderTemplate]:
        # Keyed, because a template that is edited meanwhile may show on two pages.
        found: dict[tuple[str, str], ProviderTemplate] = {}
        params = {"fields": _TEMPLATE_FIELDS, "limit": str(_PAGE_SIZE)}
        for _ in range(_PAGES):
            body, _ = await self._get(f"{quote(waba_id, safe='')}/message_templates", params)
            entries = body.get("data")
            if not isinstance(entries, list):
                raise UnavailableError(_AWAY)
            for template in map(_read_template, entries):
                if template:
                    found[template.name, template.language] = template
            paging = wire.read_object(body.get("paging"))
            after = wire.read_object(paging.get("cursors")).get("after")
            if not paging.get("next") or not isinstance(after, str):
                return list(found.values())
            # Our own address and not Meta's ``next``: that one would take the token wherever it points.
            params["after"] = after
        raise UnavailableError(
            f"Meta lists more than {_PAGES * _PAGE_SIZE} templates. Delete unused ones and try again."
        )

    async def _get(self, path: str, params: dict[str, str]) -> tuple[dict[str, Any], Mapping[str, str]]:
        """The JSON object and the headers of a good answer. Raises ``UnavailableError``."""
        request = self._http.build_request("GET", f"{self._root}/{path}", params=params)
        try:
            answer = await self._exchange(request, _LISTING_BYTES)
        except (httpx.HTTPError, OSError) as error:
            raise UnavailableError(_AWAY) from error
        body = answer.json()
        if answer.http_status == 200 and body:
            return body, answer.headers
        found = wire.read_error(body.get("error"))
        if found is None:
            raise UnavailableError(_AWAY)
        if found.code == _CURSOR_REFUSED:
            raise _CursorRefusedError(_AWAY)
        raise UnavailableError(next((text for text, codes in _COMPLAINTS.items() if found.code in codes), _AWAY))

    async def _exchange(self, request: httpx.Request, limit: int) -> Answer:
        """The answer, its body cut at ``limit`` bytes. Raises httpx's errors and ``TimeoutError``."""
        body = bytearray()
        async with asyncio.timeout(self._timeout):
            response = await self._http.send(request, stream=True)
            try:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > limit:
                        break
            finally:
                await response.aclose()
        # Meta quotes a token that it cannot read in its error message.
        redacted = bytes(body).replace(self._token, b"[access token]")
        return Answer(response.status_code, response.headers, redacted[:limit])


def _clock_of(headers: Mapping[str, str]) -> datetime | None:
    """The answer's ``Date`` (RFC 9110, 6.6.1)."""
    try:
        return parsedate_to_datetime(headers.get("date", "")).astimezone(UTC)
    except ValueError:
        return None


def _through_proxy(base_url: str) -> bool:
    """True when the environment names a proxy for this address, by the rules that httpx goes by too."""
    url = httpx.URL(base_url)
    proxies = getproxies()
    return bool(proxies.get(url.scheme) or proxies.get("all")) and not proxy_bypass(url.host)


def _send_body(message: TemplateMessage) -> JsonObject:
    template: JsonObject = {"name": message.template_name, "language": {"code": message.language}}
    if message.components:
        template["components"] = message.components
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": message.to,
        "type": "template",
        "biz_opaque_callback_data": message.attempt_id,
        "template": template,
    }


def _read_template(entry: Any) -> ProviderTemplate | None:
    """None for an entry without a name and a language: nobody could send it."""
    body = wire.read_object(entry)
    name, language = wire.read_text(body.get("name"), _NAME_LIMIT), wire.read_text(body.get("language"), WORD_LIMIT)
    if name is None or language is None:
        return None
    quality = body.get("quality_score")
    components = body.get("components")
    return ProviderTemplate(
        provider_id=wire.read_text(body.get("id"), WORD_LIMIT) or "",
        name=name,
        language=language,
        status=read_word(body.get("status")) or "UNKNOWN",
        category=read_word(body.get("category")) or "UNKNOWN",
        correct_category=read_word(body.get("correct_category")),
        parameter_format=read_word(body.get("parameter_format")) or "POSITIONAL",
        quality=read_word(quality.get("score") if isinstance(quality, dict) else quality),
        components=[wire.read_json(each) for each in components if isinstance(each, dict)]
        if isinstance(components, list)
        else [],
    )
