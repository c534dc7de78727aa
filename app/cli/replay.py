"""``invites replay``."""

import asyncio
from itertools import islice

import click

from app import logs
from app.cli.output import console, show_table
from app.cli.running import require_migrated, settings_from_env
from app.config import Settings
from app.db.messages import Standing
from app.main import build_database
from app.services.replay import Replay, Replayed
from app.whatsapp.kept import read_again

_SHOWN = 100
"""Messages that are listed."""


@click.command("replay", epilog="Example: invites replay --apply")
@click.option("--run", "run_id", metavar="ID", help="Only the messages of this run.")
@click.option("--apply", is_flag=True, help="Write what is missing; without it only say what would change.")
def replay_command(run_id: str | None, *, apply: bool) -> None:
    """Read the stored words of WhatsApp again.

    After a new version that understands more, this brings in what older ones could not read: statuses of webhooks and
    answers to requests. It only adds facts, so doing it twice, or while invites are being sent, is harmless.
    """
    settings = settings_from_env()
    logs.configure(settings.log_level, settings.log_format)
    _show(asyncio.run(_replay(settings, run_id, apply=apply)), applied=apply)


async def _replay(settings: Settings, run_id: str | None, *, apply: bool) -> Replayed:
    database = build_database(settings)
    try:
        await require_migrated(database)
        return await Replay(database, read_again).replay(run_id, apply=apply)
    finally:
        await database.close()


def _show(done: Replayed, *, applied: bool) -> None:
    out = console()
    rows = [
        (message_id, before.state, after.state, _learnt(before, after))
        for message_id, (before, after) in islice(done.changes.items(), _SHOWN)
    ]
    show_table(out, "Changed" if applied else "Would change", ("Message", "Stored", "Rebuilt", "Learnt"), rows)
    if len(done.changes) > _SHOWN:
        out.print(f"and {len(done.changes) - _SHOWN:,} more")
    lines = [
        f"Read again: {done.pieces:,} statuses, {done.answers:,} answers. Facts that were missing: {done.missing:,}."
    ]
    if done.unplaced:
        lines.append(f"Of them about no message of this service: {done.unplaced:,}.")
    if done.pruned:
        lines.append(
            f"Skipped, because they have been pruned or erased: {done.pruned:,} statuses. "
            "What they said when they came stays."
        )
    if done.refused:
        lines.append(f"Statuses that cannot be stored as facts and stay as they are: {done.refused:,}.")
    if applied:
        lines.append(f"Messages brought up to date: {len(done.changes):,}.")
    elif done.missing or done.changes:
        lines.append("Nothing was written. To write it: invites replay --apply")
    for line in lines:
        out.print(line, soft_wrap=True)


def _learnt(before: Standing, after: Standing) -> str:
    """Which times and failure are new or other, in words."""
    names = {"accepted_at": "accepted", "sent_at": "sent", "delivered_at": "delivered", "read_at": "read"}
    new = [word for name, word in names.items() if getattr(before.progress, name) != getattr(after.progress, name)]
    if before.progress.failure != after.progress.failure and after.progress.failure is not None:
        new.append(f"failed ({after.progress.failure.code})")
    if before.provider_message_id != after.provider_message_id:
        new.append("WhatsApp's id")
    return ", ".join(new)
