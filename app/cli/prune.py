"""``invites prune``."""

import asyncio

import click

from app.cli.output import console, show_table
from app.cli.running import require_migrated, settings_from_env
from app.config import Settings
from app.main import build_database
from app.services.pruning import Pruned, Pruning


@click.command("prune", epilog="Example: invites prune --apply")
@click.option("--apply", is_flag=True, help="Let it go; without it only say how much is due.")
def prune_command(*, apply: bool) -> None:
    """Let go of what has been kept long enough.

    Texts of WhatsApp and of imported lists after RECEIPTS_KEPT_DAYS, audit entries after AUDIT_KEPT_MONTHS. Facts, states,
    counts and digests stay. Run 'invites replay' before, after an update: what is gone cannot be read again. May run while
    invites are being sent.
    """
    done = asyncio.run(_prune(settings_from_env(), apply=apply))
    out = console()
    rows = [(each.what, f"{each.before:%Y-%m-%d}", f"{each.rows:,}") for each in done]
    show_table(out, "Pruned" if apply else "Due", ("What", "Before", "#Rows"), rows)
    if not apply and any(each.rows for each in done):
        out.print("Nothing was changed. To let it go: invites prune --apply")


async def _prune(settings: Settings, *, apply: bool) -> list[Pruned]:
    database = build_database(settings)
    try:
        await require_migrated(database)
        pruning = Pruning(database, days=settings.receipts_kept_days, months=settings.audit_kept_months)
        return await pruning.prune(apply=apply)
    finally:
        await database.close()
