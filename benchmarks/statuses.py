"""Made-up messages of a run and Meta's statuses about them: SQL and load generator know their ids by the same arithmetic."""

import hashlib
import hmac
from collections.abc import Iterator, Sequence

from benchmarks.stage import APP_SECRET, PHONE_NUMBER_ID, WABA_ID

STEPS = ("sent", "delivered", "read")
SPREAD, SPACE = 2_654_435_761, 2**32
"""Meta's ids come in no order: an odd factor modulo a power of two visits every number once, far from its neighbours."""
FIRST_SECOND = 1_795_500_000
PATH = "/webhooks/whatsapp"


def message_id(serial: int, place: int) -> str:
    """Of the ``place``-th message (from 1) of the ``serial``-th run."""
    return f"msg_0199{serial:08x}70008000{place:012x}"


def provider_id(serial: int, place: int) -> str:
    """As long as Meta's."""
    return f"wamid.HBgMOTE5ODAwMDAwMDAwFQIAERgS{place * SPREAD % SPACE:08x}{serial:08x}"


def status_json(serial: int, place: int, step: int) -> str:
    status, second = STEPS[step], FIRST_SECOND + 60 * step
    return (
        f'{{"id":"{provider_id(serial, place)}","status":"{status}","timestamp":"{second}",'
        f'"recipient_id":"9197{place % 100_000_000:08d}","biz_opaque_callback_data":"{message_id(serial, place)}.1",'
        '"conversation":{"id":"0123456789abcdef0123456789abcdef","origin":{"type":"utility"}},'
        '"pricing":{"billable":true,"pricing_model":"PMP","category":"utility","type":"regular"}}'
    )


def steps(messages: int) -> Iterator[tuple[int, int]]:
    """(place, step): every message is sent, then every one delivered, then every one read; no two are alike."""
    for step in range(len(STEPS)):
        for place in range(1, messages + 1):
            yield place, step


def body(statuses: Sequence[str]) -> bytes:
    return (
        f'{{"object":"whatsapp_business_account","entry":[{{"id":"{WABA_ID}","changes":[{{"value":{{'
        '"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550100001",'
        f'"phone_number_id":"{PHONE_NUMBER_ID}"}},"statuses":[{",".join(statuses)}]}},"field":"messages"}}]}}]}}'
    ).encode()


def bodies(serial: int, messages: int, each: int) -> Iterator[bytes]:
    """All statuses of a run, ``each`` to a body."""
    group: list[str] = []
    for place, step in steps(messages):
        group.append(status_json(serial, place, step))
        if len(group) == each:
            yield body(group)
            group = []
    if group:
        yield body(group)


def signature(raw: bytes) -> str:
    return "sha256=" + hmac.new(APP_SECRET.encode(), raw, hashlib.sha256).hexdigest()


def signed(raw: bytes) -> bytes:
    """The whole request, as it goes over the wire."""
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Hub-Signature-256: {signature(raw)}\r\nContent-Length: {len(raw)}\r\n\r\n"
    )
    return head.encode() + raw
