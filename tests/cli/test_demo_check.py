"""The demo's last chapter is worth something only if it notices a wrong figure."""

import io
from copy import deepcopy
from typing import Any

import click
import pytest
from rich.console import Console

from app.cli.demo import documents
from app.cli.demo.report import check
from app.cli.demo.story import Cast, Sent
from app.domain.enums import MessageState

pytestmark = pytest.mark.anyio

STATES = ["READ", "READ", "FAILED", "UNCONFIRMED", "REJECTED"]


def summary(states: list[str]) -> dict[str, Any]:
    return {
        "candidates": len(states),
        "eligible": len(states) - states.count("REJECTED"),
        "byState": [{"state": state.value, "count": states.count(state), "operatorText": ""} for state in MessageState],
        "reachedAccepted": sum(state in {"READ", "FAILED"} for state in states),
        "reachedDelivered": states.count("READ"),
        "reachedRead": states.count("READ"),
    }


class Books:
    """A service and a simulator that agree, until a test changes one of them."""

    def __init__(self) -> None:
        self.run = summary(STATES)
        self.event = deepcopy(self.run)
        self.messages = {f"msg_{place}": state for place, state in enumerate(STATES)}
        told = ["read", "read", "failed", "accepted"]
        self.accepted = [
            {"callback": f"msg_{place}.1", "told": state, "to": f"+9198200{place:05d}"}
            for place, state in enumerate(told)
        ]

    async def ask(self, document: str, **_: Any) -> Any:
        if document == documents.MESSAGES:
            nodes = [{"id": message, "state": state} for message, state in self.messages.items()]
            return {"event": {"messages": {"nodes": nodes, "pageInfo": {"hasNextPage": False, "endCursor": None}}}}
        assert document == documents.REPORT
        return {
            "sendRun": {"summary": {**self.run, "rejections": [], "failures": []}},
            "event": {"summary": self.event},
        }

    async def state(self) -> Any:
        statuses = {"acknowledged": 9, "posts": 3, "repeated": 1, "lost": 0}
        return {"accepted": len(self.accepted), "statuses": statuses, "messages": self.accepted}


async def examine(books: Any) -> str:
    out = Console(file=io.StringIO(), width=120)
    await check(out, Cast(books, books, books, books), Sent("wsp_1", "evt_1", "run_1", 1.0))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


async def test_books_that_agree() -> None:
    assert (await examine(Books())).count("ok  ") == 6


def _state_lost(books: Books) -> None:
    for figures in (books.run, books.event):
        figures["byState"][0]["count"] += 1


def _event_differs(books: Books) -> None:
    books.event["reachedRead"] = 0


def _row_differs(books: Books) -> None:
    books.messages["msg_4"] = "QUEUED"


def _one_more_accepted(books: Books) -> None:
    books.accepted.append({"callback": "msg_4.1", "told": "accepted", "to": "+919820099999"})


def _sent_twice(books: Books) -> None:
    books.accepted[1]["to"] = books.accepted[0]["to"]


def _status_not_applied(books: Books) -> None:
    books.accepted[2]["told"] = "delivered"


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (_state_lost, "The ten states add up"),
        (_event_differs, "The event's summary is the run's"),
        (_row_differs, "Counting the messages gives the summary"),
        (_one_more_accepted, "What WhatsApp accepted is what is counted"),
        (_sent_twice, "Nobody got two messages"),
        (_status_not_applied, "Every message stands where WhatsApp's last word puts it"),
    ],
)
async def test_every_wrong_figure_is_noticed(spoil: Any, complaint: str) -> None:
    books = Books()
    spoil(books)
    with pytest.raises(click.ClickException, match="The figures do not agree") as refusal:
        await examine(books)
    assert complaint in refusal.value.message
