"""``invites verify``."""

import asyncio
import json
from typing import Any

import click

from app.cli.output import console, show_table, shown
from app.cli.running import require_migrated, settings_from_env
from app.config import Settings
from app.main import build_database
from app.services.checks import Report
from app.services.verification import Verification
from app.whatsapp.kept import read_again


@click.command("verify", epilog="Example: invites verify --run run_0197…")
@click.option("--run", "run_id", metavar="ID", help="Only this run.")
@click.option("--json", "as_json", is_flag=True, help="For programs: everything as one JSON object.")
def verify_command(run_id: str | None, *, as_json: bool) -> None:
    """Check on the live database that the promises hold.

    Changes nothing, and may run while invites are being sent. Exits with 1 when something is wrong, and names it.
    What the promises are: docs/promises.md.
    """
    report = asyncio.run(_verify(settings_from_env(), run_id))
    if as_json:
        click.echo(json.dumps(_json(report), indent=2))
    else:
        _show(report)
    if report.failed:
        raise click.ClickException(f"{len(report.failed)} of {len(report.checks)} checks failed.")


async def _verify(settings: Settings, run_id: str | None) -> Report:
    database = build_database(settings)
    try:
        await require_migrated(database)
        return await Verification(database, read_again).verify(run_id)
    finally:
        await database.close()


def _show(report: Report) -> None:
    out = console()
    rows = [
        (check.promise, check.title, f"{check.looked_at:,} {check.unit}", f"{check.offending:,}")
        for check in report.checks.values()
    ]
    show_table(out, f"{report.runs:,} runs", ("#Promise", "Check", "Looked at", "#Wrong"), rows)
    if report.pruned:
        out.print(
            f"{report.pruned:,} statuses have been pruned or erased, so their text could not be read again.",
            soft_wrap=True,
        )
    if report.unaudited:
        out.print(
            f"{report.unaudited:,} runs are so old that their audit has been pruned: who sent them was not checked.",
            soft_wrap=True,
        )
    for check in report.failed:
        out.print(
            shown(f"Promise {check.promise}: {check.title}: {check.offending:,} wrong"), style="red", soft_wrap=True
        )
        for offence in check.examples:
            out.print(shown(f"  {offence.id}: {offence.what}"), soft_wrap=True)
        if check.offending > len(check.examples):
            out.print(f"  and {check.offending - len(check.examples):,} more", soft_wrap=True)
    if not report.failed:
        out.print("Everything holds.", style="green")


def _json(report: Report) -> dict[str, Any]:
    return {
        "holds": not report.failed,
        "runs": report.runs,
        "prunedStatuses": report.pruned,
        "prunedAudit": report.unaudited,
        "checks": [
            {
                "check": check.name,
                "promise": check.promise,
                "title": check.title,
                "lookedAt": check.looked_at,
                "wrong": check.offending,
                "examples": [{"id": offence.id, "what": offence.what} for offence in check.examples],
            }
            for check in report.checks.values()
        ],
    }
