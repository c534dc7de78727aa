"""Meta's door: bodies with a right signature are kept, whatever is in them; all others are refused and leave nothing."""

import hashlib
import json
import urllib.parse
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from app.db.engine import UnitOfWork
from app.db.tables import ReceiptRow
from app.http.webhook import MAX_BYTES, Answer
from tests.fuzz.engine import Target
from tests.fuzz.values import broken, broken_text, changed, serialised, texts
from tests.fuzz.world import World
from tests.schema.service import body_of, signed, status

URL = "/webhooks/whatsapp"
PAYLOADS = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[1] / "payloads").glob("*.json"))
]
Headers = list[tuple[bytes, bytes]]


def _bodies(world: World) -> SearchStrategy[bytes]:
    """Changed examples of Meta's, and changed statuses of messages that exist."""
    own = [
        json.loads(
            body_of(
                *(status(message, name, 1_795_500_000, biz_opaque_callback_data=attempt) for name in ("sent", "read"))
            )
        )
        for message, attempt in zip(world.message_ids, world.attempts, strict=False)
    ]
    return serialised(changed(PAYLOADS + own))


async def _signed(world: World, body: bytes) -> str:
    response = await world.service.http.post(URL, content=body, headers=signed(body))
    if len(body) > MAX_BYTES:
        assert (response.status_code, response.text) == (413, "too large")
        return "413"
    assert (response.status_code, response.text) == (200, "ok")

    async def kept(uow: UnitOfWork) -> bool:
        # By its digest: what tells of somebody whom another target has erased is kept without the body.
        digest = hashlib.sha256(body).hexdigest()
        found = await uow.session.scalars(sa.select(ReceiptRow.body).where(ReceiptRow.digest == digest))
        return any(stored in (body, None) for stored in found)

    assert await world.service.db.read(kept), "answered 200 and not kept"
    return "200 and kept"


@st.composite
def _forgeries(draw: DrawFn, world: World) -> tuple[bytes, Headers]:
    """A body with headers of which none is its signature."""
    body = draw(_bodies(world))
    right = signed(body)["X-Hub-Signature-256"].encode()
    value = draw(
        st.one_of(
            st.sampled_from([
                b"", b"sha256=", right[:-1], right + b"0", right.upper(), right[7:], b"sha1=" + right[7:], b"sha256= " + right[7:],
                b"sha256=" + b"0" * 64, right + b", " + right, b'"' + right + b'"',
            ]),
            broken(right),
            st.binary(max_size=100),
        ).filter(lambda value: value.strip() != right)
    )  # fmt: skip
    names = st.sampled_from([b"X-Hub-Signature-256", b"x-hub-signature-256", b"X-Hub-Signature", b"X-Signature"])
    headers = [(draw(names), _sendable(value)) for _ in range(draw(st.integers(0, 2)))]
    return body, headers + draw(
        st.sampled_from([[], [(b"Content-Type", b"text/html")], [(b"Content-Encoding", b"gzip")]])
    )


def _sendable(value: bytes) -> bytes:
    """Without what a server refuses before an app sees it (RFC 9110 §5.5)."""
    return value.translate(None, b"\x00\r\n")


async def _forged(world: World, case: tuple[bytes, Headers]) -> str:
    response = await world.service.http.post(URL, content=case[0], headers=case[1])
    answer = Answer.TOO_LARGE if len(case[0]) > MAX_BYTES else Answer.NOT_SIGNED
    assert (response.status_code, response.text) == (413 if answer is Answer.TOO_LARGE else 401, answer)
    return str(response.status_code)


def _questions(_world: World) -> SearchStrategy[str]:
    right = {"hub.mode": "subscribe", "hub.verify_token": "verify me", "hub.challenge": "1158201444"}
    pairs = st.tuples(
        st.sampled_from([*right, "hub_mode", "hub.mode[]"]) | texts,
        st.sampled_from(list(right.values())) | texts,
    )
    written = st.lists(pairs, max_size=5).map(
        lambda pairs: "&".join(
            "=".join(urllib.parse.quote(part[:500].encode("utf-8", "surrogatepass")) for part in pair) for pair in pairs
        )
    )
    in_order = st.just(urllib.parse.urlencode(right))
    # A query string is ASCII by the time that a server hands it on.
    return (
        in_order
        | written
        | broken_text(urllib.parse.urlencode(right)).map(lambda text: urllib.parse.quote(text, safe="&=%+;"))
    )


async def _asked(world: World, query: str) -> str:
    response = await world.service.http.get(f"{URL}?{query}")
    if response.status_code == 200:
        known: dict[str, Any] = dict(urllib.parse.parse_qsl(query, errors="replace"))
        assert known["hub.verify_token"] == "verify me"
        assert response.text == known["hub.challenge"]
    assert response.status_code in {200, 403}, response.text
    assert response.headers["Content-Type"].startswith("text/plain")
    return str(response.status_code)


TARGETS = [
    Target("webhook bodies, signed", 4, {"200 and kept"}, _bodies, _signed, "postgres"),
    Target("webhook bodies, forged", 4, {"401"}, _forgeries, _forged, "sqlite"),
    Target("webhook subscription check", 2, {"200", "403"}, _questions, _asked, "postgres"),
]
