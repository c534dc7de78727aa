"""What Meta says when it is asked: about the token, the number, the templates, and who gets the webhooks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from app.cli.doctor.findings import Finding, Mark, clock, failed
from app.domain.enums import TemplateStatus
from app.domain.errors import UnavailableError
from app.domain.reach import daily_limit
from app.logs import masked
from app.whatsapp.port import Account, NumberProfile, ProviderTemplate

_SMALL_LIMIT: Final = 250
_SHOWN: Final = 10
"""Templates that are told one by one at most."""
_SECOND: Final = timedelta(seconds=1)
_MANAGER: Final = "WhatsApp Manager says why and what to do."
_QUALITIES: Final = {
    "GREEN": Finding("ok", "Quality", "GREEN"),
    "YELLOW": Finding(
        "warn",
        "Quality",
        "YELLOW: guests have blocked or reported messages.",
        "Send only to those who expect an invite.",
    ),
    "RED": Finding(
        "warn", "Quality", "RED: Meta may soon stop or slow the number.", f"Pause what is not urgent. {_MANAGER}"
    ),
}


@dataclass(frozen=True, slots=True)
class Known:
    """A template as it is kept here."""

    name: str
    language: str
    status: TemplateStatus
    open_runs: int
    """Runs with it that are not over."""
    runs: int

    @property
    def title(self) -> str:
        return f"{self.name} ({self.language})"


async def examine(account: Account, phone_number_id: str, waba_id: str, known: Sequence[Known]) -> list[Finding]:
    """Asks Meta three things; what it refuses is a finding. Nothing more is asked when it does not take the token."""
    before = datetime.now(UTC)
    try:
        profile = await account.number_profile(phone_number_id)
    except UnavailableError as error:
        return [failed("Meta token", error)]
    after = datetime.now(UTC)
    name = masked(profile.verified_name) if profile.verified_name else "a number without a verified name"
    findings = [Finding("ok", "Meta token", f"works: {name}")]
    if profile.answered_at is not None:
        findings.append(clock("Meta's", profile.answered_at, before, after, _SECOND))
    findings += number(profile)
    try:
        findings += templates(await account.list_templates(waba_id), known)
    except UnavailableError as error:
        findings.append(failed("Templates", error))
    try:
        findings.append(subscription(await account.subscribed_apps(waba_id)))
    except UnavailableError as error:
        findings.append(failed("Webhook", error, "warn"))
    return findings


def number(profile: NumberProfile) -> list[Finding]:
    """Its state, quality and limit. Source: Meta, "Messaging limits" and the fields of a business phone number."""
    findings = []
    if (profile.status or "CONNECTED").upper() != "CONNECTED":
        findings.append(Finding("fail", "Number", f"Meta calls it {profile.status}: nothing can be sent.", _MANAGER))
    if profile.can_send in {"BLOCKED", "LIMITED"}:
        mark: Mark = "fail" if profile.can_send == "BLOCKED" else "warn"
        findings.append(Finding(mark, "Number", f"Meta lets it send: {profile.can_send}.", _MANAGER))
    quality = (profile.quality_rating or "").upper()
    findings.append(_QUALITIES.get(quality, Finding("ok", "Quality", "not rated yet")))
    limit = daily_limit(profile.messaging_limit)
    if limit is None:
        known = profile.messaging_limit == "TIER_UNLIMITED"
        findings.append(Finding("ok", "Limit", "unlimited" if known else "not told by Meta"))
    else:
        told = f"{limit:,} guests in 24 hours, over all numbers of the account together"
        small = limit <= _SMALL_LIMIT
        todo = "Verify the business in Meta's Business Manager, or send in parts on several days." if small else None
        findings.append(Finding("warn" if small else "ok", "Limit", f"{told}." if small else told, todo))
    return findings


def templates(listed: Sequence[ProviderTemplate], known: Sequence[Known]) -> list[Finding]:
    """Each template that is or was in use here, as Meta has it now; of the others, how many have changed."""
    now = {(each.name, each.language): each.status for each in listed}
    used = [each for each in known if each.runs]
    findings = [found for each in used if (found := _template(each, now.get((each.name, each.language))))]
    changed = sum(_status(now.get((each.name, each.language))) is not each.status for each in known if not each.runs)
    if changed:
        text = f"Meta has changed templates since they were fetched: {changed}."
        findings.append(Finding("warn", "Templates", text, "Run the mutation syncTemplates."))
    if len(findings) > _SHOWN:
        rest = Finding("warn", "Templates", f"and {len(findings) - _SHOWN} more like these.", _MANAGER)
        findings = [*findings[:_SHOWN], rest]
    if findings:
        return findings
    approved = sum(_status(each.status) is TemplateStatus.APPROVED for each in listed)
    return [Finding("ok", "Templates", f"Meta lists {len(listed)}, {approved} approved; in use here: {len(used)}")]


def _template(known: Known, word: str | None) -> Finding | None:
    status = _status(word)
    told = f"Meta says {masked(word)}" if word else "Meta lists it no more"
    if status is TemplateStatus.APPROVED:
        if known.status is status:
            return None
        todo = "Run the mutation syncTemplates."
        return Finding("warn", "Templates", f"{known.title}: {told}, here it is {known.status}.", todo)
    if known.open_runs:
        text = f"{known.title}: {told}. Runs that are not over send it: {known.open_runs}."
        return Finding("fail", "Templates", text, "Mend it in WhatsApp Manager, sync, then resume those runs.")
    text = f"{known.title}: {told}, so it cannot be sent again."
    return Finding("warn", "Templates", text, "Mend it in WhatsApp Manager if you still need it.")


def _status(word: str | None) -> TemplateStatus:
    return TemplateStatus.__members__.get((word or "").upper(), TemplateStatus.UNKNOWN)


def subscription(apps: Sequence[str]) -> Finding:
    if apps:
        return Finding("ok", "Webhook", f"the account's webhooks go to: {masked(', '.join(apps))}")
    return Finding(
        "warn",
        "Webhook",
        "no app is subscribed to the account, so Meta posts no status.",
        "Subscribe yours: POST /META_WABA_ID/subscribed_apps with the access token.",
    )
