"""``invites audit``."""

import asyncio

import click

from app.cli.output import console, shown
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
    for entry in entries:
        for line in _lines(entry):
            out.print(line, soft_wrap=True)
    if not entries:
        out.print("There are no such entries.")


async def _read(settings: Settings, workspace_id: str | None, limit: int, *, refused: bool) -> list[AuditRow]:
    database = build_database(settings)
    try:
        await require_migrated(database)
        return await newest_entries(database, workspace_id=workspace_id, refused=refused, limit=limit)
    finally:
        await database.close()


def _lines(entry: AuditRow) -> tuple[str, str]:
    """Who and what, then where, so that ids stay whole. A subject may be a phone; the target, in old entries, what a stranger sent."""
    parts = (entry.actor_text, entry.text, entry.target_id or "")
    who, what, target = (shown(masked(part).replace("\n", " ")) for part in parts)
    return (
        f"{entry.at:%Y-%m-%d %H:%M:%S}Z  {entry.action}  {who}: {what}",
        f"    workspace {shown(entry.workspace_id)}, target {target}",
    )
