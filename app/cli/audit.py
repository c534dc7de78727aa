"""``invites audit``."""

import asyncio

import click

from app.cli.output import console, show_table
from app.cli.running import require_migrated, settings_from_env
from app.config import Settings
from app.db.tables import AuditRow
from app.logs import masked
from app.main import build_database
from app.services.trail import newest_entries

_MOST = 1_000


@click.command("audit", epilog="Example: invites audit --refused --limit 20")
@click.option("--refused", is_flag=True, help="Only what was refused.")
@click.option("--workspace", "workspace_id", metavar="ID", help="Only this workspace.")
@click.option("--limit", type=click.IntRange(1, _MOST), default=50, show_default=True, help="How many entries.")
def audit_command(workspace_id: str | None, limit: int, *, refused: bool) -> None:
    """Show who did what, newest first.

    Across all workspaces, and with what no console shows: attempts on things that the actor could not even see. Those
    have no workspace. Phones are masked.
    """
    entries = asyncio.run(_read(settings_from_env(), workspace_id, limit, refused=refused))
    out = console()
    columns = ("When (UTC)", "Action", "Who", "What", "Workspace and target")
    show_table(out, f"{len(entries):,} entries", columns, map(_row, entries))
    if not entries:
        out.print("There are no such entries.")


async def _read(settings: Settings, workspace_id: str | None, limit: int, *, refused: bool) -> list[AuditRow]:
    database = build_database(settings)
    try:
        await require_migrated(database)
        return await newest_entries(database, workspace_id=workspace_id, refused=refused, limit=limit)
    finally:
        await database.close()


def _row(entry: AuditRow) -> tuple[str, ...]:
    # A stranger's target is whatever they sent; a subject may be a phone.
    where = f"{entry.workspace_id or 'none'}\n{masked(entry.target_id or '')}"
    return f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.action, masked(entry.actor_text), masked(entry.text), where
