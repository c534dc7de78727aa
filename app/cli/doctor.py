"""``invites doctor``: is everything there that sending needs, and if not, what is to be done."""

import asyncio
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import click
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from app.auth.fetching import fetch_keys
from app.auth.keys import KeysError
from app.cli.output import console, show_table, shown
from app.cli.running import state_of
from app.config import Secret, Settings, SettingsError, described
from app.db.engine import Database, UnitOfWork
from app.db.tables import NumberRow, TemplateRow
from app.domain.enums import MessageState, TemplateStatus
from app.domain.errors import AppError
from app.domain.texts import STATES
from app.main import build_database, build_meta
from app.services.erasure import require_all_keys
from app.services.health import Concerns, DatabaseState, concerns

Mark = Literal["ok", "warn", "fail"]

_STYLES: Final[dict[Mark, str]] = {"ok": "green", "warn": "yellow", "fail": "red"}
_OLD: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Finding:
    mark: Mark
    subject: str
    text: str
    """What was found and, unless it is ok, what to do."""


@click.command("doctor", epilog="Example: invites doctor")
def doctor_command() -> None:
    """Check settings, database and the connection to Meta.

    Sends nothing and changes nothing. Exits with 1 when something fails; a warning is no failure.
    """
    out = console()
    settings: Settings | None = None
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        findings = [Finding("fail", "Settings", str(error))]
    else:
        show_table(out, "Settings", ("Variable", "Value", "From"), _settings(settings))
        findings = [Finding("ok", "Settings", "complete and well-formed"), *asyncio.run(_examine(settings))]
    for found in findings:
        out.print(
            f"{found.mark:<5}", f"{found.subject:<11}", shown(found.text), style=_STYLES[found.mark], soft_wrap=True
        )
    failed = sum(found.mark == "fail" for found in findings)
    if failed:
        raise click.ClickException(f"{failed} of {len(findings)} checks failed.")


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
        findings = [await _sign_in(settings), _database(state), *_provider(settings), *await _meta(settings)]
        if state is DatabaseState.OK and settings.meta_phone_number_id is not None:
            phone_number_id = settings.meta_phone_number_id
            findings += await database.read(lambda uow: _number(uow, phone_number_id))
        if state is DatabaseState.OK:
            findings.append(await _erasure(database))
            after = timedelta(seconds=settings.unconfirmed_after)
            findings += _messages(await database.read(lambda uow: concerns(uow, after)))
    finally:
        await database.close()
    return findings


async def _sign_in(settings: Settings) -> Finding:
    """Asks the sign-in, where there is one."""
    if settings.auth_jwks_url is None:
        return Finding("ok", "Sign-in", "tokens signed with AUTH_SECRET (HS256)")
    try:
        keys = await fetch_keys(settings.auth_jwks_url)
    except KeysError as error:
        return Finding("fail", "Sign-in", f"nobody can be signed in. What AUTH_JWKS_URL names {error}.")
    algorithms = sorted({name for same in keys.values() for key in same for name in key.algorithms})
    return Finding("ok", "Sign-in", f"usable keys: {len(keys)}, for {', '.join(algorithms)}")


def _database(state: DatabaseState) -> Finding:
    match state:
        case DatabaseState.OK:
            return Finding("ok", "Database", "reachable, at this version's schema")
        case DatabaseState.NOT_MIGRATED:
            return Finding("fail", "Database", "reachable, not at this version's schema. Run: invites migrate")
        case DatabaseState.AWAY:
            return Finding("fail", "Database", "not reachable. See that it runs and that DATABASE_URL is right.")


async def _erasure(database: Database) -> Finding:
    try:
        await require_all_keys(database)
    except AppError as error:
        return Finding("fail", "Erasure", error.message)
    return Finding("ok", "Erasure", "whoever was erased is recognised")


def _provider(settings: Settings) -> list[Finding]:
    given = {
        "META_PHONE_NUMBER_ID": settings.meta_phone_number_id,
        "META_WABA_ID": settings.meta_waba_id,
        "META_ACCESS_TOKEN": settings.meta_access_token,
    }
    lacking = [name for name, value in given.items() if value is None]
    if len(lacking) == len(given):
        return [
            Finding("warn", "Number", f"none configured, so nothing can be sent. Set {', '.join(lacking)}."),
        ]
    findings = [
        Finding("fail", "Number", f"half configured. Set {', '.join(lacking)} too.")
        if lacking
        else Finding("ok", "Number", f"{settings.meta_phone_number_id} of account {settings.meta_waba_id}")
    ]
    if settings.simulated:
        findings.append(
            Finding(
                "warn",
                "Meta",
                f"{settings.meta_graph_url} is not Meta: nothing reaches a phone. For real: unset META_GRAPH_URL.",
            )
        )
    if settings.meta_app_secret is None:
        findings.append(
            Finding("fail", "Webhook", "every one is refused, so no delivery is ever seen. Set META_APP_SECRET.")
        )
    if settings.meta_verify_token is None:
        findings.append(
            Finding("warn", "Webhook", "Meta cannot verify the address when it is set up. Set META_VERIFY_TOKEN.")
        )
    return findings


async def _meta(settings: Settings) -> list[Finding]:
    """Asks Meta itself."""
    meta = build_meta(settings)
    if meta is None or settings.meta_phone_number_id is None or settings.meta_waba_id is None:
        return []
    async with meta:
        try:
            profile = await meta.number_profile(settings.meta_phone_number_id)
            templates = await meta.list_templates(settings.meta_waba_id)
        except AppError as error:
            return [Finding("fail", "Meta token", error.message)]
    name = (
        f"{profile.verified_name or 'a number without a verified name'}, quality {profile.quality_rating or 'unknown'}"
    )
    return [Finding("ok", "Meta token", f"works: {name}, {len(templates)} templates")]


def _messages(found: Concerns) -> list[Finding]:
    findings = []
    if found.unconfirmed_overdue:
        _, next_step = STATES[MessageState.UNCONFIRMED]
        text = f"Messages for longer than UNCONFIRMED_AFTER: {found.unconfirmed_overdue}. {next_step}"
        findings.append(Finding("warn", "Unconfirmed", text))
    if found.taken_twice:
        text = f"Messages that WhatsApp took under two ids: {found.taken_twice}. Those guests may have got them twice; "
        findings.append(Finding("fail", "Twice", f"{text}'invites verify' names them. Please report it as a fault."))
    return findings


async def _number(uow: UnitOfWork, phone_number_id: str) -> list[Finding]:
    """What this database knows of the number."""
    number = (
        await uow.session.execute(sa.select(NumberRow).where(NumberRow.phone_number_id == phone_number_id))
    ).scalar_one_or_none()
    if number is None:
        return [Finding("warn", "Templates", "the number has never been used here. Start 'invites serve' once.")]
    approved = await uow.session.scalar(
        sa.select(sa.func.count()).where(
            TemplateRow.number_id == number.id, TemplateRow.status == TemplateStatus.APPROVED
        )
    )
    findings = []
    if number.paused:
        findings.append(
            Finding("fail", "Sending", f"paused. {number.paused_reason or ''} Mend that, then resume the stopped run.")
        )
    if number.synced_at is None:
        findings.append(
            Finding("warn", "Templates", "never synced. Run the mutation syncTemplates, or use the console.")
        )
    elif not approved:
        findings.append(Finding("warn", "Templates", "none is approved. Have one approved by Meta, then sync."))
    else:
        findings.append(Finding("ok", "Templates", f"{approved} approved, synced {_age(number.synced_at)} ago"))
    if number.last_webhook_at is None:
        findings.append(
            Finding("warn", "Webhook", "none has come in yet. Set Meta's callback address to …/webhooks/whatsapp.")
        )
    elif datetime.now(UTC) - number.last_webhook_at > _OLD:
        findings.append(
            Finding(
                "warn", "Webhook", f"the last came in {_age(number.last_webhook_at)} ago. If invites went out since, "
                "look at the callback address and its subscription to “messages”.",
            )
        )  # fmt: skip
    else:
        findings.append(Finding("ok", "Webhook", f"the last came in {_age(number.last_webhook_at)} ago"))
    return findings


def _age(moment: datetime) -> str:
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds} s"
