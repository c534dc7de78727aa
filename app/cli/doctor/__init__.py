"""``invites doctor``: is everything there that sending needs, and if not, what is to be done."""

import asyncio
import json
import os
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

import click
from sqlalchemy.engine import make_url

from app.cli.doctor import meta, ours
from app.cli.doctor.findings import Finding, Mark
from app.cli.output import console, show_table, shown
from app.cli.running import state_of
from app.config import Secret, Settings, SettingsError, described
from app.db.engine import Database
from app.main import build_database, build_meta
from app.services.health import DatabaseState, concerns

_STYLES: Final[dict[Mark, str]] = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command("doctor", epilog="Example: invites doctor --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
def doctor_command(*, as_json: bool) -> None:
    """Check settings, database, clock, webhooks and what Meta says.

    Sends nothing and changes nothing. Exits with 1 when something fails; a warning is no failure.
    """
    settings: Settings | None = None
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        findings = [Finding("fail", "Settings", str(error))]
    else:
        findings = [Finding("ok", "Settings", "complete and well-formed"), *asyncio.run(_examine(settings))]
    table = _settings(settings) if settings else []
    failed = sum(found.mark == "fail" for found in findings)
    if as_json:
        told = {"ok": not failed, "findings": [asdict(each) for each in findings]}
        click.echo(json.dumps(told | {"settings": {name: value for name, value, _ in table}}, indent=2))
    else:
        _show(table, findings)
    if failed:
        raise click.ClickException(f"{failed} of {len(findings)} checks failed.")


def _show(table: list[tuple[str, str, str]], findings: list[Finding]) -> None:
    """The findings in columns, but unbroken: whoever looks for a sentence finds it whole."""
    out = console()
    show_table(out, "Settings", ("Variable", "Value", "From"), table)
    for each in findings:
        out.print(
            f"{each.mark:<5}", f"{each.subject:<11}", shown(each.text), style=_STYLES[each.mark], soft_wrap=True
        )  # fmt: skip


def _settings(settings: Settings) -> list[tuple[str, str, str]]:
    return [
        (
            name.upper(),
            _hidden(name, getattr(settings, name)),
            "environment" if os.environ.get(name.upper(), "").strip() else "not set" if default is None else "default",
        )
        for name, _, default in described()
    ]


def _hidden(name: str, value: Any) -> str:
    if name == "database_url":
        # A password may stand in the query, too.
        return make_url(value).set(query={}).render_as_string(hide_password=True)
    match value:
        case Secret():
            return "(hidden)"
        case bool():
            return "on" if value else "off"
        case tuple():
            return ", ".join(value)
        case float():
            return f"{value:g}"
    return "" if value is None else str(value)


async def _examine(settings: Settings) -> list[Finding]:
    database = build_database(settings)
    try:
        state = await state_of(database)
        findings = [await ours.sign_in(settings), *ours.database(state)]
        known: ours.Kept | None = None
        number = settings.meta_phone_number_id
        if state is DatabaseState.OK:
            findings += await database.read(ours.database_clock)
            known = await database.read(lambda uow: ours.kept(uow, number)) if number else None
        findings += ours.provider(settings)
        findings += await _meta(settings, known)
        if state is DatabaseState.OK:
            findings += await _kept(settings, database, known)
    finally:
        await database.close()
    return findings


async def _meta(settings: Settings, known: ours.Kept | None) -> list[Finding]:
    adapter = build_meta(settings)
    if adapter is None or settings.meta_phone_number_id is None or settings.meta_waba_id is None:
        return []
    async with adapter:
        return await meta.examine(
            adapter, settings.meta_phone_number_id, settings.meta_waba_id, known.templates if known else ()
        )


async def _kept(settings: Settings, database: Database, known: ours.Kept | None) -> list[Finding]:
    after = timedelta(seconds=settings.unconfirmed_after)
    return [
        *(ours.number(known) if settings.meta_phone_number_id else ()),
        await ours.erasure(database),
        *ours.messages(await database.read(lambda uow: concerns(uow, after))),
    ]
