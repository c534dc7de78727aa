"""The end of the demo: what the service shows, and whether it is true."""

from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console

from app.cli.demo import documents, wedding
from app.cli.demo.client import Caller
from app.cli.demo.story import Cast, Sent, counts_of, show_advice
from app.cli.output import show_table, shown

_TRIED = 10


async def show_report(out: Console, cast: Cast, sent: Sent) -> None:
    """Event, run, rejections, failures, one guest's timeline, the audit entry."""
    data = await cast.parent.ask(documents.REPORT, r=sent.run_id, e=sent.event_id)
    run, event = data["sendRun"], data["event"]
    summary = run["summary"]
    show_table(
        out,
        f"{event['title']}: {summary['candidates']} candidates, {summary['eligible']} to be sent",
        ("State", "#Count", "Meaning"),
        [(each["state"], each["count"], each["operatorText"]) for each in summary["byState"]],
    )
    coverage = event["coverage"]
    show_table(
        out,
        f"{coverage['households']} households, each by its best message",
        ("Coverage", "#Count"),
        [(name, count) for name, count in coverage.items() if name != "households" and count],
    )
    show_advice(out, "Rejected", "Reason", "reason", summary["rejections"])
    show_advice(out, "Failed", "Code", "code", summary["failures"])
    await _show_timeline(out, cast.parent, sent.event_id)
    entries = run["audit"]["nodes"]
    show_table(
        out,
        "Audit trail of the run",
        ("When", "What", "Who", "Text"),
        [(_clock(each["at"]), each["action"], each["actorText"], each["text"]) for each in entries],
    )


async def _show_timeline(out: Console, parent: Caller, event_id: str) -> None:
    """Of the guest, among some who have read theirs, with whom WhatsApp was the most confused."""
    found = (await parent.ask(documents.READ, e=event_id))["event"]["messages"]["nodes"][:_TRIED]
    messages = [(await parent.ask(documents.TIMELINE, m=each["id"]))["inviteMessage"] for each in found]
    if not messages:
        return
    message = max(messages, key=lambda each: sum(entry["repeated"] + 2 * entry["late"] for entry in each["timeline"]))
    rows = [
        (_clock(entry["at"]), _clock(entry["receivedAt"]), entry["kind"], entry["text"], _remark(entry))
        for entry in message["timeline"]
    ]
    show_table(out, f"{message['recipientName']}: one guest's way", ("At", "Received", "Kind", "Text", "Remark"), rows)


def _remark(entry: Any) -> str:
    return ", ".join(word for word in ("repeated", "late") if entry[word])


def _clock(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(ZoneInfo(wedding.TIMEZONE)):%H:%M:%S}"


async def check(out: Console, cast: Cast, sent: Sent) -> None:
    """Compare the service's figures with each other and with the simulator's own books. Raises ClickException."""
    data = await cast.parent.ask(documents.REPORT, r=sent.run_id, e=sent.event_id)
    summary, truth = data["sendRun"]["summary"], await cast.simulator.state()
    messages = await _messages(cast.parent, sent.event_id)
    counts = counts_of(summary)
    told = {_message_of(each["callback"]): each["told"].upper() for each in truth["messages"]}
    recipients = Counter(each["to"] for each in truth["messages"])
    unconfirmed = sum(state == "UNCONFIRMED" and message in told for message, state in messages.items())
    wrong = [message for message, state in told.items() if not _agrees(messages.get(message), state)]
    checks = [
        (
            "The ten states add up to the candidates",
            sum(counts.values()) == summary["candidates"],
            f"{' + '.join(str(count) for count in counts.values())} = {summary['candidates']}",
        ),
        ("The event's summary is the run's", data["event"]["summary"] == _without_reasons(summary), "one run so far"),
        (
            "Counting the messages gives the summary",
            Counter(messages.values()) == Counter({state.value: count for state, count in counts.items() if count}),
            f"{len(messages)} messages",
        ),
        (
            "What WhatsApp accepted is what is counted",
            truth["accepted"] == summary["reachedAccepted"] + unconfirmed,
            f"{truth['accepted']} = {summary['reachedAccepted']} known + {unconfirmed} unconfirmed",
        ),
        ("Nobody got two messages", all(count == 1 for count in recipients.values()), f"{len(recipients)} phones"),
        (
            "Every message stands where WhatsApp's last word puts it",
            not wrong,
            f"{len(told) - len(wrong)} of {len(told)}",
        ),
    ]
    statuses = truth["statuses"]
    out.print(
        f"   {statuses['acknowledged']} statuses came in with {statuses['posts']} webhooks: {statuses['repeated']} repeated, "
        f"{statuses['lost']} lost on the way. All in {sent.seconds:.0f} s.",
        soft_wrap=True,
    )
    for text, holds, figures in checks:
        out.print(
            f"   {'ok  ' if holds else 'FAIL'} {text}: {shown(figures)}",
            style="green" if holds else "bold red",
            soft_wrap=True,
        )
    failed = [text for text, holds, _ in checks if not holds]
    if failed:
        raise click.ClickException(f"The figures do not agree: {'; '.join(failed)}.")


async def _messages(parent: Caller, event_id: str) -> dict[str, str]:
    """State by message id, page by page."""
    messages: dict[str, str] = {}
    after = None
    while True:
        data = await parent.ask(documents.MESSAGES, e=event_id, after=after)
        page = data["event"]["messages"]
        messages |= {each["id"]: each["state"] for each in page["nodes"]}
        if not page["pageInfo"]["hasNextPage"]:
            return messages
        after = page["pageInfo"]["endCursor"]


def _message_of(attempt: str) -> str:
    return attempt.rpartition(".")[0]


def _agrees(state: str | None, told: str) -> bool:
    # An accepted message whose answer was cut off, and of which every status got lost, nobody here can know of.
    return state == told or (told == "ACCEPTED" and state == "UNCONFIRMED")


def _without_reasons(summary: Any) -> Any:
    return {name: value for name, value in summary.items() if name not in {"rejections", "failures"}}
