"""``invites send``: what a console does with a send, on the command line."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final

import click

from app.cli import parameters
from app.cli.output import console, shown
from app.cli.progress import StateProgress
from app.cli.running import actor_of, looking_as_a_member, services_of, settings_from_env
from app.cli.send_view import show_precheck, show_run, show_templates
from app.domain.audience import Audience
from app.domain.enums import BlockerCode, InviteCoverage, MessageState, SendRunStatus, Side
from app.domain.requests import RETRYABLE_STATES, FromRun, SendRequest
from app.domain.template_parameters import TemplateParameter
from app.services.base import Actor
from app.services.bundle import Services
from app.services.prechecks import Precheck
from app.services.sends import PrecheckStale, SendBlocked

_STILL_AFTER: Final = 10.0
"""Seconds without any change after which the operator is told what may be missing."""


@click.command(
    "send",
    epilog="Example: invites send --as asha@example.org --event evt_0197… --template wedding_invite --language en "
    "--param header=MEDIA_URL:https://example.org/invite.jpg --param body.guest_name=GUEST_NAME --side bride",
)
@click.option("--as", "subject", required=True, help="The member who sends.")
@click.option("--event", "event_id", required=True, help="Id of the event.")
@click.option("--template", "template_name", required=True, help="Name of the template.")
@click.option("--language", "template_language", required=True, help="Language of the template, such as en.")
@click.option("--param", "given", type=parameters.Parameter(), multiple=True, help=parameters.HELP)
@click.option("--side", type=click.Choice(Side, case_sensitive=False), help="Only this side.")
@click.option("--tag", "tags", multiple=True, help="Only households with this tag; several must all be there.")
@click.option("--search", help="Only households in whose names this occurs.")
@click.option(
    "--coverage",
    type=click.Choice(InviteCoverage, case_sensitive=False),
    multiple=True,
    help="Only households standing so with the event. May be repeated.",
)
@click.option("--from-run", "run_id", help="Retry an earlier run, instead of choosing an audience.")
@click.option(
    "--state",
    "states",
    type=click.Choice(sorted(RETRYABLE_STATES), case_sensitive=False),
    multiple=True,
    help="With --from-run: messages standing so. May be repeated. UNCONFIRMED accepts that some may get it twice.",
)
@click.option("--include-already-invited", is_flag=True, help="Also invite again those who have an invite.")
@click.option("--yes", is_flag=True, help="Send without asking. What changes meanwhile is still refused.")
def send_command(
    subject: str,
    event_id: str,
    template_name: str,
    template_language: str,
    given: tuple[TemplateParameter, ...],
    *,
    yes: bool,
    include_already_invited: bool,
    **audience: Any,
) -> None:
    """Precheck, confirm, send and follow the invites of an event.

    Shows who would get what and who would not and why, asks, and then follows the run until nothing is left to send.
    Ctrl-C while following leaves the run going. Sending itself is done by 'invites serve' or 'invites worker'.
    """
    whom, from_run = _selection(**audience)
    request = SendRequest(event_id, template_name, template_language, given, whom, from_run, include_already_invited)
    actor = actor_of(subject)
    with looking_as_a_member():
        asyncio.run(_Sending(request, actor, sure=yes).run())


def _selection(
    side: Side | None,
    tags: tuple[str, ...],
    search: str | None,
    coverage: tuple[InviteCoverage, ...],
    run_id: str | None,
    states: Sequence[str],
) -> tuple[Audience | None, FromRun | None]:
    """Raises UsageError unless it is one of the two."""
    if run_id is None:
        if states:
            raise click.UsageError("--state belongs to --from-run. To choose households by how they stand: --coverage.")
        return Audience(side=side, tags=tags, search=search, coverage=coverage), None
    if side or tags or search or coverage:
        raise click.UsageError(
            "--from-run takes its people from the run: leave out --side, --tag, --search, --coverage."
        )
    if not states:
        raise click.UsageError("--from-run needs --state, such as --state FAILED.")
    return None, FromRun(run_id, tuple(MessageState(state) for state in states))


class _Sending:
    """One call of the command."""

    def __init__(self, request: SendRequest, actor: Actor, *, sure: bool) -> None:
        self._request = request
        self._actor = actor
        self._sure = sure
        self._out = console()

    async def run(self) -> None:
        async with services_of(settings_from_env()) as services:
            precheck = await services.prechecks.precheck(self._actor, self._request)
            run_id = None
            while run_id is None:
                show_precheck(self._out, precheck)
                await self._help_with_template(services, precheck)
                self._confirm(precheck)
                assert precheck.token is not None
                result = await services.sends.send_invites(self._actor, token=precheck.token)
                match result:
                    case SendBlocked():
                        raise click.ClickException(f"{result.message} {result.next_step}")
                    case PrecheckStale():
                        if self._sure:
                            raise click.ClickException(
                                f"{result.message} Run the command again to see how it stands now."
                            )
                        self._out.print(f"{result.message} {result.next_step}", style="bold")
                        precheck = result.precheck
                    case _:
                        run_id = result.run.id
            self._out.print(f"Run {run_id} is queued.", style="bold")
            try:
                await self._follow(services, run_id, precheck.eligible_count)
            except asyncio.CancelledError:  # Ctrl-C
                self._out.print(f"Not following any more. Run {run_id} goes on; pause or cancel it in the console.")
                return
            await self._close(services, run_id)

    async def _help_with_template(self, services: Services, precheck: Precheck) -> None:
        """Which templates there are, when there is none of this name; what this one has to be given, when that is wrong."""
        codes = {blocker.code for blocker in precheck.blockers}
        if BlockerCode.TEMPLATE_MISSING in codes:
            workspace_id = precheck.event.workspace_id
            known = await services.reader.templates(self._actor, [workspace_id])
            show_templates(self._out, known.get(workspace_id, []))
        elif BlockerCode.PARAMETERS_INCOMPLETE in codes and precheck.template is not None:
            show_templates(self._out, [precheck.template])

    def _confirm(self, precheck: Precheck) -> None:
        """Raises ClickException when nothing can be sent, Abort when the operator says no."""
        if precheck.token is None:
            advice = " ".join(f"{shown(blocker.message)} {blocker.next_step}" for blocker in precheck.blockers)
            raise click.ClickException(f"Nothing was sent. {advice}")
        if self._sure:
            return
        if not sys.stdin.isatty():
            raise click.ClickException("Nothing was sent: there is no terminal to confirm on. Add --yes.")
        click.confirm(f"Send {precheck.eligible_count} invites for “{shown(precheck.event.title)}”?", abort=True)

    async def _follow(self, services: Services, run_id: str, total: int) -> None:
        """Until nothing is left to send, or somebody or something stops the run."""
        loop, still = asyncio.get_running_loop(), None
        with StateProgress(self._out, total) as progress:
            async with aclosing(services.live.follow(lambda: self._actor, run_id)) as following:
                async for look in following:
                    if still is not None:
                        still.cancel()
                    still = loop.call_later(_STILL_AFTER, self._tell_that_nothing_moves)
                    progress.update(look.view.summary.states)
                    if look.view.status is not SendRunStatus.RUNNING:
                        break
        if still is not None:
            still.cancel()

    def _tell_that_nothing_moves(self) -> None:
        self._out.print(
            "Nothing moves. Is 'invites serve' or 'invites worker' running on this database, with the same number? It "
            "may also wait because WhatsApp asked for it.",
            style="yellow",
        )

    async def _close(self, services: Services, run_id: str) -> None:
        """Raises ClickException when the run did not get to its end."""
        run = (await services.reader.runs(self._actor, [run_id])).get(run_id)
        if run is None:
            raise click.ClickException(f"{self._actor.subject} may not see the run any more. It goes on.")
        summary = run.summary
        show_run(self._out, summary)
        if run.status is SendRunStatus.COMPLETED:
            self._out.print("Everything was handed to WhatsApp. Deliveries still come in.", style="bold")
            if summary.failures:
                self._out.print(
                    f"To try the failed again, once that is mended: --from-run {run_id} --state failed, with the same event, "
                    "template and parameters.",
                    soft_wrap=True,
                )
            return
        reason = " ".join(filter(None, [run.row.status_reason, run.row.next_step]))
        raise click.ClickException(f"The run is {run.status.lower()}. {shown(reason)}")
