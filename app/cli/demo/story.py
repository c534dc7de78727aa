"""The story that the demo tells: prepare, precheck, be refused, send, follow. Every step is a request of a console."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import click
from rich.console import Console
from rich.panel import Panel

from app.cli.demo import documents, wedding
from app.cli.demo.client import Caller, RefusedError, Simulator
from app.cli.output import show_table, shown
from app.cli.progress import StateProgress
from app.cli.send_view import preview
from app.domain.enums import MessageState

_LOOK_EVERY: Final = 0.25


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part."""

    owner: Caller
    parent: Caller
    coordinator: Caller
    simulator: Simulator


@dataclass(frozen=True, slots=True)
class Sent:
    workspace_id: str
    event_id: str
    run_id: str
    seconds: float
    """From the click to the last status."""


class Story:
    """Tells it on ``out``. Raises ClickException where it does not go as it must."""

    def __init__(self, out: Console, cast: Cast) -> None:
        self._out = out
        self._cast = cast
        self._chapter = 0

    async def tell(self, guests: int) -> Sent:
        workspace_id, events = await self._set_up()
        await self._import_guests(workspace_id, guests)
        await self._set_limits(workspace_id)
        event_id = events[wedding.SENT_FOR]
        token, eligible = await self._precheck(event_id)
        await self._refuse(token)
        started = time.monotonic()
        run_id = await self._send(token)
        await self._follow(run_id, eligible)
        return Sent(workspace_id, event_id, run_id, time.monotonic() - started)

    def heading(self, text: str) -> None:
        self._chapter += 1
        self._out.print()
        self._out.print(f"{self._chapter}. {text}", style="bold cyan")

    def say(self, text: str) -> None:
        self._out.print(f"   {shown(text)}", soft_wrap=True)

    async def _set_up(self) -> tuple[str, dict[str, str]]:
        self.heading("A wedding, three people, three events")
        owner = self._cast.owner
        made = await owner.ask(
            documents.WORKSPACE,
            i={"name": wedding.NAME, "defaultRegion": wedding.REGION, "timezone": wedding.TIMEZONE},
        )
        workspace_id: str = made["createWorkspace"]["id"]
        self.say(f"{wedding.NAME} ({workspace_id}) belongs to {owner.name}.")
        for person in (wedding.PARENT, wedding.COORDINATOR):
            member = {"subject": person.subject, "displayName": person.name, "role": person.role}
            await owner.ask(documents.MEMBER, i={"workspaceId": workspace_id, **member})
            self.say(f"{person.name} joins as {person.role}.")
        events = {}
        for title, day, at, venue in wedding.EVENTS:
            event = {"title": title, "startsAt": wedding.moment(day, at), "venue": venue}
            made = await owner.ask(documents.EVENT, i={"workspaceId": workspace_id, **event})
            events[title] = made["createEvent"]["id"]
            await owner.ask(documents.PUBLISH, i={"id": events[title], "status": "PUBLISHED"})
            self.say(f"{title}, {venue}: published.")
        return workspace_id, events

    async def _import_guests(self, workspace_id: str, guests: int) -> None:
        coordinator = self._cast.coordinator
        self.heading(f"{coordinator.name} imports {guests} guests, as families keep their lists")
        data = await coordinator.ask(
            documents.IMPORT,
            i={"workspaceId": workspace_id, "csv": wedding.guest_list(guests), "fileName": "sample_wedding.csv"},
        )
        imported = data["importGuests"]
        counts = [(each["outcome"], each["count"]) for each in imported["outcomes"] if each["count"]]
        show_table(self._out, "What became of the rows", ("Outcome", "#Rows"), counts)
        rows = [(row["row"], row["name"], row["phone"], row["message"]) for row in imported["rows"]["nodes"]]
        show_table(self._out, "Phones to correct", ("#Row", "Name", "As written", "What to do"), rows)

    async def _set_limits(self, workspace_id: str) -> None:
        self.heading("Somebody must not be messaged, somebody is not invited, and WhatsApp's templates come in")
        coordinator = self._cast.coordinator
        data = await coordinator.ask(documents.REACHABLE, w=workspace_id)
        households = data["workspace"]["guestUnits"]["nodes"]
        blocked, left_out, *_ = [each for each in households if each["name"][0].isalpha()]
        person = next(each for each in blocked["people"] if each["phone"])
        entry = {"workspaceId": workspace_id, "phone": person["phone"], "reason": "Asked by phone not to be messaged"}
        await coordinator.ask(documents.BLOCK, i=entry)
        self.say(f"{person['name']} is on the Do-Not-Message list.")
        await coordinator.ask(documents.NOT_INVITED, i={"id": left_out["id"], "inviteable": False})
        self.say(f"{left_out['name']} is not to be invited.")
        data = await self._cast.owner.ask(documents.TEMPLATES, i={"workspaceId": workspace_id})
        templates = data["syncTemplates"]
        usable = [each["name"] for each in templates if each["status"] == "APPROVED" and each["supported"]]
        self.say(f"{len(templates)} templates, {len(usable)} of them can be sent: {', '.join(usable)}.")

    async def _precheck(self, event_id: str) -> tuple[str, int]:
        coordinator = self._cast.coordinator
        self.heading(f"{coordinator.name} prechecks the invite to the {wedding.SENT_FOR}")
        wish = {
            "eventId": event_id,
            "templateName": wedding.TEMPLATE,
            "templateLanguage": wedding.LANGUAGE,
            "parameters": wedding.PARAMETERS,
            "audience": {},
        }
        precheck = (await coordinator.ask(documents.PRECHECK, i=wish))["precheckSend"]
        show_precheck(self._out, precheck)
        if not precheck["token"]:
            raise click.ClickException("The precheck gave no token: " + str(precheck["blockers"]))
        return precheck["token"], precheck["eligibleCount"]

    async def _refuse(self, token: str) -> None:
        coordinator = self._cast.coordinator
        self.heading(f"{coordinator.name} tries to send")
        try:
            await coordinator.ask(documents.SEND, t=token)
        except RefusedError as refusal:
            if refusal.code != "FORBIDDEN":
                raise
            self.say(f"Refused with {refusal.code}: {refusal} (kept in the audit trail)")
            return
        raise click.ClickException("A coordinator could send. That must not be.")

    async def _send(self, token: str) -> str:
        parent = self._cast.parent
        self.heading(f"{parent.name} opens the same precheck and sends it, with a double click")
        opened = (await parent.ask(documents.OPEN, t=token))["precheck"]
        self.say(f"The same {opened['eligibleCount']} invites, {opened['rejectedCount']} left out.")
        # At the same time, as a double click is.
        first, second = await asyncio.gather(parent.ask(documents.SEND, t=token), parent.ask(documents.SEND, t=token))
        results = sorted((first["sendInvites"], second["sendInvites"]), key=lambda each: each.get("replayed", True))
        for result in results:
            if result["__typename"] != "SendInvitesSuccess":
                raise click.ClickException(f"Not sent: {result['message']} {result['nextStep']}")
        one, other = results
        if one["run"]["id"] != other["run"]["id"] or one["replayed"] or not other["replayed"]:
            raise click.ClickException("A double click made two runs. That must not be.")
        run_id: str = one["run"]["id"]
        self.say(f"One run, {run_id}; the second click got the same one.")
        return run_id

    async def _follow(self, run_id: str, total: int) -> None:
        self.heading("WhatsApp answers: statuses late, twice, out of order, some of them never")
        with StateProgress(self._out, total) as progress:
            showing = asyncio.create_task(self._show(run_id, progress))
            try:
                # Asked first: what it has posted by then is in the counts that are asked for second.
                while not (await self._cast.simulator.idle() and await self._completed(run_id, progress)):
                    if showing.done():
                        await showing
                    await asyncio.sleep(_LOOK_EVERY)
            finally:
                showing.cancel()
                await asyncio.wait([showing])

    async def _show(self, run_id: str, progress: StateProgress) -> None:
        async with aclosing(self._cast.parent.watch(documents.LIVE, r=run_id)) as values:
            async for value in values:
                _update(progress, value["sendRunProgress"])

    async def _completed(self, run_id: str, progress: StateProgress) -> bool:
        run = (await self._cast.parent.ask(documents.RUN, r=run_id))["sendRun"]
        _update(progress, run)
        return bool(run["status"] == "COMPLETED")


def _update(progress: StateProgress, run: Any) -> None:
    """Raises ClickException when something has stopped the run."""
    progress.update(counts_of(run["summary"]))
    if run["status"] not in {"RUNNING", "COMPLETED"}:
        raise click.ClickException(f"The run is {run['status']}: {run['statusReason']} {run['nextStep']}")


def counts_of(summary: Any) -> dict[MessageState, int]:
    return {MessageState(each["state"]): each["count"] for each in summary["byState"]}


def show_precheck(out: Console, precheck: Any) -> None:
    trace = precheck["trace"]
    counts = [
        ("Households", trace["units"]),
        ("Phones among them", trace["recipients"]),
        ("Households without a usable phone", trace["withoutPhone"]),
        ("Candidates", precheck["candidateCount"]),
        ("Would be sent", precheck["eligibleCount"]),
        ("Would not be sent", precheck["rejectedCount"]),
    ]
    show_table(out, "Counts", ("What", "#Count"), counts)
    show_advice(out, "Who would not get it, and why", "Reason", "reason", precheck["rejections"])
    for each in precheck["previews"]:
        out.print(
            Panel(preview(each["text"]), title=f"To {shown(each['recipientName'])}", title_align="left", width=80)
        )
    for warning in precheck["warnings"]:
        out.print(f"   Note: {shown(warning['message'])}", style="yellow")


def show_advice(out: Console, title: str, label: str, key: str, rows: Any) -> None:
    """Counts with what they mean and what can be done."""
    cells = [(each[key], each["count"], each["operatorText"], each["nextStep"]) for each in rows]
    show_table(out, title, (label, "#Count", "Meaning", "Next step"), cells)
