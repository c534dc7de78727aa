"""``invites import-guests``."""

import asyncio
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from app.cli.output import console, show_table, shown
from app.cli.running import actor_of, looking_as_a_member, services_of, settings_from_env
from app.config import Settings
from app.db.tables import GuestImportRow, ImportRowRow
from app.domain.enums import ImportOutcome
from app.domain.guest_list import MAX_BYTES
from app.services.base import Actor
from app.services.bundle import Services

_TO_LOOK_AT = (ImportOutcome.WARNING_MALFORMED_PHONE, ImportOutcome.SKIPPED_NO_PHONE)
_PAGE = 100
_SHOWN = 20
"""Rows to look at that are shown; more would push the counts out of sight."""
_PREAMBLES = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@click.command(
    "import-guests", epilog="Example: invites import-guests guests.csv --workspace wsp_0197… --as asha@example.org"
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--workspace", "workspace_id", required=True, help="Id of the wedding.")
@click.option("--as", "subject", required=True, help="The member who imports.")
@click.option(
    "--all-rows", is_flag=True, help=f"List every row, not only the first {_SHOWN} that want to be looked at."
)
def import_guests_command(file: str, workspace_id: str, subject: str, *, all_rows: bool) -> None:
    """Import a guest list.

    FILE is a CSV from a spreadsheet or from Google Contacts, "-" is standard input. Its first line names the columns;
    name and phone are needed; household, side, tags, primary, do not message and consent are read too. The same list again changes nothing.
    """
    with click.open_file(file, "rb") as source:
        text = _text(source.read(MAX_BYTES + 1))
    name = None if file == "-" else Path(file).name
    actor = actor_of(subject)
    with looking_as_a_member():
        asyncio.run(_import(settings_from_env(), actor, workspace_id, text, name, all_rows=all_rows))


def _text(raw: bytes) -> str:
    """Raises ClickException for what is no Unicode text: a guess at the encoding would spoil names."""
    if len(raw) > MAX_BYTES:
        raise click.ClickException(
            f"The list is larger than {MAX_BYTES // 1024**2} MiB. Split it and import the parts."
        )
    encoding = next((name for mark, name in _PREAMBLES.items() if raw.startswith(mark)), "utf-8")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        raise click.ClickException(
            "The file is not Unicode text. In the spreadsheet, save it as “CSV UTF-8” and import that."
        ) from None


async def _import(
    settings: Settings, actor: Actor, workspace_id: str, text: str, name: str | None, *, all_rows: bool
) -> None:
    out = console()
    progress = Progress(
        TextColumn("Importing"), BarColumn(), MofNCompleteColumn(), console=console(stderr=True), transient=True
    )
    async with services_of(settings) as services:
        with progress:
            bar = progress.add_task("rows", total=None)
            done = await services.guests.import_guests(
                actor,
                workspace_id=workspace_id,
                csv=text,
                rows=None,
                file_name=name,
                progress=lambda steps, of: progress.update(bar, completed=steps // 2, total=of // 2),
            )
        rows = await _rows(services, actor, done)
    if not all_rows:
        rows = [row for row in rows if row.message or row.outcome in _TO_LOOK_AT]
    counts = [(ImportOutcome(outcome), count) for outcome, count in done.outcomes.items()]
    show_table(out, f"{done.row_count} rows imported", ("Outcome", "#Rows"), [each for each in counts if each[1]])
    if rows:
        title = "All rows" if all_rows else "Rows to look at"
        columns = ("#Row", "Name", "Phone as given", "Outcome", "What to do")
        listed = rows if all_rows else rows[:_SHOWN]
        show_table(out, title, columns, [(row.row, row.name, row.phone, row.outcome, row.message) for row in listed])
        if len(rows) > len(listed):
            out.print(f"{len(rows) - len(listed):,} more want to be looked at. To list every row: --all-rows")
    out.print(f"Import {shown(done.id)}", style="dim")


async def _rows(services: Services, actor: Actor, done: GuestImportRow) -> list[ImportRowRow]:
    rows: list[ImportRowRow] = []
    after = None
    while True:
        page = await services.reader.import_rows(actor, done.id, first=_PAGE, after=after)
        rows += page.nodes
        if not page.has_next:
            return rows
        after = page.cursors[-1]
