"""What this installation knows by itself: its sign-in, its database, its settings, and what that database tells."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from app.auth.fetching import fetch_keys
from app.auth.keys import KeysError
from app.cli.doctor.findings import Finding, age, clock, failed
from app.cli.doctor.meta import Known
from app.config import Settings
from app.db.engine import Database, UnitOfWork
from app.db.tables import AttemptRow, NumberRow, RunCountersRow, SendRunRow, TemplateRow
from app.domain.enums import MessageState, TemplateStatus
from app.domain.errors import AppError
from app.domain.texts import STATES
from app.logs import masked
from app.services.erasure import require_all_keys
from app.services.health import Concerns, DatabaseState

_SILENCE: Final = timedelta(minutes=10)
"""So long after Meta took a message, its first status is overdue."""
_PATH: Final = "…/webhooks/whatsapp"


async def sign_in(settings: Settings) -> Finding:
    """Asks the sign-in, where there is one."""
    if settings.auth_jwks_url is None:
        return Finding("ok", "Sign-in", "tokens signed with AUTH_SECRET (HS256)")
    try:
        keys = await fetch_keys(settings.auth_jwks_url)
    except KeysError as error:
        return Finding("fail", "Sign-in", "nobody can be signed in.", f"What AUTH_JWKS_URL names {error}.")
    algorithms = sorted({name for same in keys.values() for key in same for name in key.algorithms})
    return Finding("ok", "Sign-in", f"usable keys: {len(keys)}, for {', '.join(algorithms)}")


def database(state: DatabaseState) -> list[Finding]:
    if state is DatabaseState.AWAY:
        todo = "See that it runs and that DATABASE_URL is right."
        return [Finding("fail", "Database", "not reachable.", todo)]
    reachable = Finding("ok", "Database", "reachable")
    if state is DatabaseState.OK:
        return [reachable, Finding("ok", "Migrations", "at this version's schema")]
    if state is DatabaseState.AHEAD:
        todo = "Run that version: this one goes on where it runs, and does not start again."
        return [reachable, Finding("fail", "Migrations", "a newer version has migrated it.", todo)]
    return [reachable, Finding("fail", "Migrations", "not at this version's schema.", "Run: invites migrate")]


async def database_clock(uow: UnitOfWork) -> list[Finding]:
    """SQLite has no clock of its own."""
    if uow.sqlite:
        return []
    await uow.session.execute(sa.text("SELECT 1"))  # so that the time it takes to connect is no part of the skew
    before = datetime.now(UTC)
    told = await uow.now()
    return [clock("the database's", told, before, datetime.now(UTC))]


async def erasure(db: Database) -> Finding:
    try:
        await require_all_keys(db)
    except AppError as error:
        return failed("Erasure", error)
    return Finding("ok", "Erasure", "whoever was erased is recognised")


def provider(settings: Settings) -> list[Finding]:
    given = {
        "META_PHONE_NUMBER_ID": settings.meta_phone_number_id,
        "META_WABA_ID": settings.meta_waba_id,
        "META_ACCESS_TOKEN": settings.meta_access_token,
    }
    lacking = [name for name, value in given.items() if value is None]
    todo = f"Set {', '.join(lacking)}{' too' if len(lacking) < len(given) else ''}."
    if len(lacking) == len(given):
        return [Finding("warn", "Number", "none configured, so nothing can be sent.", todo)]
    findings = [
        Finding("fail", "Number", "half configured.", todo)
        if lacking
        else Finding("ok", "Number", f"{settings.meta_phone_number_id} of account {settings.meta_waba_id}")
    ]
    if settings.simulated:
        text = f"{settings.meta_graph_url} is not Meta: nothing reaches a phone."
        findings.append(Finding("warn", "Meta", text, "For real: unset META_GRAPH_URL."))
    if settings.meta_app_secret is None:
        text = "every one is refused, so no delivery is ever seen."
        findings.append(Finding("fail", "Webhook", text, "Set META_APP_SECRET."))
    if settings.meta_verify_token is None:
        text = "Meta cannot verify the address when it is set up."
        findings.append(Finding("warn", "Webhook", text, "Set META_VERIFY_TOKEN."))
    return findings


def messages(found: Concerns) -> list[Finding]:
    findings = []
    if found.unconfirmed_overdue:
        _, next_step = STATES[MessageState.UNCONFIRMED]
        text = f"Messages for longer than UNCONFIRMED_AFTER: {found.unconfirmed_overdue}."
        findings.append(Finding("warn", "Unconfirmed", text, next_step))
    if found.taken_twice:
        text = f"Messages that WhatsApp took under two ids: {found.taken_twice}. Those guests may have got them twice."
        todo = "'invites verify' names them. Please report it as a fault."
        findings.append(Finding("fail", "Twice", text, todo))
    return findings


@dataclass(frozen=True, slots=True)
class Kept:
    """What the database has about the sending number."""

    paused: str | None
    """Why, when it is."""
    synced_at: datetime | None
    last_webhook_at: datetime | None
    last_accepted_at: datetime | None
    """When Meta last took a message, of whatever number."""
    templates: list[Known]


async def kept(uow: UnitOfWork, phone_number_id: str) -> Kept | None:
    """None for a number that was never used here."""
    query = sa.select(NumberRow).where(NumberRow.phone_number_id == phone_number_id)
    number = (await uow.session.execute(query)).scalar_one_or_none()
    if number is None:
        return None
    accepted = sa.select(AttemptRow.finished_at).where(
        AttemptRow.outcome == "ACCEPTED", AttemptRow.finished_at.is_not(None)
    )
    return Kept(
        (number.paused_reason or "No reason was kept.") if number.paused else None,
        number.synced_at,
        number.last_webhook_at,
        await uow.session.scalar(accepted.order_by(AttemptRow.finished_at.desc()).limit(1)),
        [Known(*row) for row in await uow.session.execute(_templates(number.id))],
    )


def _templates(number_id: str) -> sa.Select[str, str, TemplateStatus, int, int]:
    T = TemplateRow  # noqa: N806 - the table's alias, as in every query
    runs = (
        sa.select(
            SendRunRow.template_id,
            sa.func.count().label("all"),
            sa.func.sum(sa.case((RunCountersRow.completed_at.is_(None), 1), else_=0)).label("open"),
        )
        .join(RunCountersRow, RunCountersRow.run_id == SendRunRow.id)
        .group_by(SendRunRow.template_id)
        .subquery()
    )
    return (
        sa.select(
            T.name, T.language, T.status, sa.func.coalesce(runs.c.open, 0), sa.func.coalesce(runs.c["all"], 0)
        )
        .outerjoin(runs, runs.c.template_id == T.id)
        .where(T.number_id == number_id)
        .order_by(T.name, T.language)
    )  # fmt: skip


def number(known: Kept | None) -> list[Finding]:
    if known is None:
        text = "the number has never been used here."
        return [Finding("warn", "Templates", text, "Start 'invites serve' once, then sync the templates.")]
    findings = []
    if known.paused:
        text = f"paused. {masked(known.paused)}"
        findings.append(
            Finding("fail", "Sending", text, "Mend that, then resume the stopped run or sync the templates.")
        )
    approved = sum(each.status is TemplateStatus.APPROVED for each in known.templates)
    if known.synced_at is None:
        todo = "Run the mutation syncTemplates."
        findings.append(Finding("warn", "Templates", "never synced.", todo))
    elif not approved:
        findings.append(Finding("warn", "Templates", "none is approved.", "Have one approved by Meta, then sync."))
    else:
        findings.append(
            Finding("ok", "Templates", f"kept here: {approved} approved, synced {age(known.synced_at)} ago")
        )
    findings.append(webhooks(known.last_webhook_at, known.last_accepted_at))
    return findings


def webhooks(last: datetime | None, accepted: datetime | None) -> Finding:
    """``last`` came in when, and when Meta took the last message."""
    overdue = accepted is not None and datetime.now(UTC) - accepted > _SILENCE
    todo = (
        "Check the subscription (the app's field “messages”, and the app on the account), the secret (META_APP_SECRET is "
        f"that app's) and the tunnel or proxy (Meta's callback address ends in {_PATH} and reaches this service)."
    )
    if last is None:
        text = f"no webhook ever received{', though Meta took messages' if overdue else ''}."
        return Finding("fail" if overdue else "warn", "Webhook", text, todo)
    if accepted is not None and overdue and accepted - last > _SILENCE:
        text = f"the last came in {age(last)} ago, and none since Meta took a message {age(accepted)} ago."
        return Finding("fail", "Webhook", text, todo)
    return Finding("ok", "Webhook", f"the last came in {age(last)} ago")
