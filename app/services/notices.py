"""What a webhook says that is not about one message: guests who stop, templates that are paused, accounts in trouble."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from app.db import messages
from app.db.engine import UnitOfWork
from app.db.number_blocks import NumberBlock, Resume, insert_number_blocks, lift_number_blocks
from app.db.tables import NumberRow, RunCountersRow, SendRunRow, TemplateRow
from app.domain.enums import DoNotMessageSource, TemplateCategory, TemplateStatus
from app.domain.stop_words import is_stop_word
from app.services.blocking import waiting_for
from app.services.matching import owners_of
from app.services.runs import STILL_RUNNING, pause_number, stop
from app.services.throttle import slow_down
from app.whatsapp.codes import CODE_USER_STOPPED, describe_failure, rule_for
from app.whatsapp.items import (
    AccountUpdate,
    InboundItem,
    Item,
    ParsedWebhook,
    PreferenceItem,
    StatusItem,
    TemplateUpdate,
    Unrecognised,
)
from app.whatsapp.port import Behaviour

_STATUS_OF_EVENT: dict[str, TemplateStatus] = {
    **{status.value: status for status in TemplateStatus if status is not TemplateStatus.UNKNOWN},
    "REINSTATED": TemplateStatus.APPROVED,
    "UNPAUSED": TemplateStatus.APPROVED,
    "LOCKED": TemplateStatus.DISABLED,
    "DELETED": TemplateStatus.DISABLED,
    "PENDING_DELETION": TemplateStatus.DISABLED,
}
"""Meta's template events; those that are left out (FLAGGED, UNLOCKED, LIMIT_EXCEEDED …) change no status."""

_HALTS = {
    TemplateStatus.PAUSED: 132015,
    TemplateStatus.DISABLED: 132016,
    TemplateStatus.REJECTED: 132001,
    TemplateStatus.ARCHIVED: 132001,
}
"""Statuses with which no message goes out any more, and the code with which Meta would refuse the next one."""


@dataclass(slots=True)
class Notices:
    """Collect with ``read``, then ``lock`` before any other lock of the unit, then ``apply``."""

    uow: UnitOfWork
    numbers: dict[str, str]
    stop_words: frozenset[str]
    stops: list[NumberBlock] = field(default_factory=list)
    resumes: list[Resume] = field(default_factory=list)
    refused: list[tuple[str, StatusItem, str]] = field(default_factory=list)
    """Failed statuses with code 131050: number, item, receipt."""
    templates: list[TemplateUpdate] = field(default_factory=list)
    accounts: list[AccountUpdate] = field(default_factory=list)
    """Those that stop sending."""
    profiles: list[AccountUpdate] = field(default_factory=list)
    """Those that tell what a number is worth to Meta now."""
    problems: list[tuple[str, int]] = field(default_factory=list)

    def read(self, receipt_id: str, parsed: ParsedWebhook, received_at: datetime) -> None:
        self._read_guests(receipt_id, parsed, received_at)
        for status in parsed.statuses:
            number_id = self.numbers.get(status.phone_number_id)
            if number_id is not None and any(error.code == CODE_USER_STOPPED for error in status.errors):
                self.refused.append((number_id, status, receipt_id))
        self.templates += parsed.templates
        self.accounts += [account for account in parsed.accounts if account.stops_sending]
        self.profiles += [account for account in parsed.accounts if account.quality or account.messaging_limit]
        for problem in parsed.problems:
            number_id = self.numbers.get(problem.phone_number_id or "")
            if number_id is not None:
                self.problems.append((number_id, problem.error.code))

    def _read_guests(self, receipt_id: str, parsed: ParsedWebhook, received_at: datetime) -> None:
        """What guests did themselves: Stop and Resume in WhatsApp, and stop words."""

        def block(
            number_id: str, phone: str, source: DoNotMessageSource, why: str, said: PreferenceItem | InboundItem
        ) -> None:
            at = _said_at(said, received_at)
            self.stops.append(NumberBlock(number_id, phone, source, why, at, said.item, receipt_id))

        for preference in parsed.preferences:
            number_id = self.numbers.get(preference.phone_number_id)
            if number_id is None or preference.phone is None:
                continue
            if preference.value == "stop":
                why = "The guest stopped such messages in WhatsApp."
                block(number_id, preference.phone, DoNotMessageSource.META_STOP, why, preference)
            elif preference.value == "resume":
                self.resumes.append(Resume(number_id, preference.phone, _said_at(preference, received_at)))
        for inbound in parsed.inbound:
            number_id = self.numbers.get(inbound.phone_number_id)
            if number_id is not None and inbound.phone is not None and says_stop(inbound, self.stop_words):
                why = "The guest answered with a stop word."
                block(number_id, inbound.phone, DoNotMessageSource.INBOUND_STOP_WORD, why, inbound)

    async def lock(self) -> None:
        """The advisory locks of the numbers on which somebody is blocked: a claim under way ends first. And of those on
        which somebody resumes, so that a stop and a resume that arrive together see each other.
        """
        blocking = {stop_.number_id for stop_ in self.stops} | {resume.number_id for resume in self.resumes}
        blocking |= {number_id for number_id, _, _ in self.refused}
        for number_id in sorted(blocking):
            await self.uow.lock_number(number_id, exclusive=True)

    async def apply(self) -> set[str]:
        """Numbers and runs, then blocks. Returns the messages that wait for somebody who is blocked now: the caller locks
        them together with those that it has to do with itself, and turns them away.
        """
        await self._update_numbers()
        await self._update_templates()
        await lift_number_blocks(self.uow, self.resumes)
        blocked = await insert_number_blocks(self.uow, [*self.stops, *await self._read_refusals()])
        return await waiting_for(self.uow, blocked)

    async def _update_numbers(self) -> None:
        """Their profiles, brakes and pauses; each row is locked once, in the order of the ids."""
        profiles, pauses, slow = await self._profiles(), await self._pauses(), self._brakes()
        for number_id in sorted(pauses.keys() | slow.keys() | profiles.keys()):
            number = await self.uow.session.get(
                NumberRow, number_id, with_for_update={"key_share": True}, populate_existing=True
            )
            assert number is not None
            for name, value in profiles.get(number_id, {}).items():
                setattr(number, name, value)
            if number_id in slow:
                slow_down(number, await self.uow.now(), slow[number_id])
            if number_id in pauses:
                await pause_number(self.uow, number, *pauses[number_id])
        await self.uow.session.flush()

    async def _profiles(self) -> dict[str, dict[str, str]]:
        """New values of the columns of numbers."""
        profiles: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for account in self.profiles:
            exact, every = await self._numbers_of(account)
            # The limit is the account's, whichever number the webhook names; the rating is that number's.
            for name, value, number_ids in (
                ("messaging_limit", account.messaging_limit, every),
                ("quality_rating", account.quality, exact),
            ):
                if value is not None:
                    for number_id in number_ids:
                        profiles[number_id][name] = value
        return profiles

    async def _pauses(self) -> dict[str, tuple[str, str]]:
        """Why, and what to do, by number."""
        pauses: dict[str, tuple[str, str]] = {}
        for account in self.accounts:
            exact, every = await self._numbers_of(account)
            advice = (account.explanation, "Look at the account in WhatsApp Manager, then resume.")
            pauses.update(dict.fromkeys(exact or every, advice))
        for number_id, code in self.problems:
            rule = rule_for(code)
            if rule is not None and rule.behaviour is Behaviour.STOP_NUMBER:
                pauses[number_id] = describe_failure(code)[1:]
        return pauses

    def _brakes(self) -> dict[str, float]:
        """Seconds to wait, by number."""
        slow: dict[str, float] = {}
        for number_id, code in self.problems:
            rule = rule_for(code)
            if rule is not None and rule.behaviour is not Behaviour.STOP_NUMBER and rule.slows_number:
                slow[number_id] = max(slow.get(number_id, 0.0), rule.retry_after)
        return slow

    async def _numbers_of(self, account: AccountUpdate) -> tuple[list[str], list[str]]:
        """The numbers that it names, and all of its account: account webhooks carry the WABA and perhaps the displayed
        phone, never Meta's phone number id.
        """
        digits = "".join(filter(str.isdecimal, account.display_phone or ""))
        rows = (
            await self.uow.session.execute(
                sa.select(NumberRow.id, NumberRow.display_phone)
                .where(NumberRow.waba_id == account.waba_id)
                .order_by(NumberRow.id)
            )
        ).all()
        exact = [row.id for row in rows if digits and "".join(filter(str.isdecimal, row.display_phone or "")) == digits]
        return exact, [row.id for row in rows]

    async def _update_templates(self) -> None:
        halted: dict[str, TemplateStatus] = {}
        for update in self.templates:
            for template in await self._templates_of(update):
                template.status = _STATUS_OF_EVENT.get(update.event or "", template.status)
                if update.new_category and update.new_category in TemplateCategory.__members__:
                    template.category = TemplateCategory(update.new_category)
                template.correct_category = update.correct_category
                template.quality = update.quality or template.quality
                if template.status in _HALTS:
                    halted[template.id] = template.status
        await self.uow.session.flush()
        if halted:
            await self._stop_runs(halted)

    async def _templates_of(self, update: TemplateUpdate) -> Sequence[TemplateRow]:
        numbers = sa.select(NumberRow.id).where(NumberRow.waba_id == update.waba_id)
        query = sa.select(TemplateRow).where(
            TemplateRow.number_id.in_(numbers), TemplateRow.name == update.name, TemplateRow.language == update.language
        )
        return (await self.uow.session.execute(query.order_by(TemplateRow.id))).scalars().all()

    async def _stop_runs(self, halted: dict[str, TemplateStatus]) -> None:
        query = (
            sa.select(SendRunRow)
            .join(RunCountersRow, RunCountersRow.run_id == SendRunRow.id)
            .where(STILL_RUNNING, SendRunRow.template_id.in_(sorted(halted)))
            .order_by(SendRunRow.id)
            .with_for_update(key_share=True, of=SendRunRow)
            .execution_options(populate_existing=True)
        )
        for run in (await self.uow.session.execute(query)).scalars():
            _, text, next_step = describe_failure(_HALTS[halted[run.template_id]])
            stop(self.uow, run, text, next_step)

    async def _read_refusals(self) -> list[NumberBlock]:
        """131050 names a message; its phone, and the one that Meta names, must not be messaged again.

        No erasure is under way: it takes the numbers' locks too.
        """
        owners = await owners_of(self.uow, [(number_id, status) for number_id, status, _ in self.refused])
        addressees = await messages.addressees(self.uow, {owner for owner in owners if owner is not None})
        blocks = []
        for (number_id, status, receipt_id), owner in zip(self.refused, owners, strict=True):
            known = addressees.get(owner) if owner is not None else None
            told = {status.phone, known.phone if known else None}
            blocks += [
                NumberBlock(
                    number_id,
                    phone,
                    DoNotMessageSource.META_CODE_131050,
                    "The guest stopped such messages in WhatsApp (Meta's code 131050).",
                    status.at,
                    status.item,
                    receipt_id,
                    erased=known is not None and known.erased,
                    message_id=owner,
                )
                for phone in told
                if phone is not None
            ]
        return blocks


def _said_at(said: PreferenceItem | InboundItem, received_at: datetime) -> datetime:
    """By Meta's clock, and never later than it was heard: a resume from the future would beat every stop to come."""
    return min(said.at or received_at, received_at)


def says_stop(inbound: InboundItem, stop_words: frozenset[str]) -> bool:
    """Whether the guest wrote or tapped a stop word and nothing else."""
    return any(is_stop_word(text, stop_words) for text in inbound.texts)


def nameless(parsed: ParsedWebhook, stop_words: frozenset[str]) -> list[Unrecognised]:
    """Stops of guests of whom Meta gives no phone: nobody can be blocked by them, so a person has to look."""
    why = (
        "A guest asked for no more messages, but WhatsApp did not say which phone: find out who, and block it by hand."
    )
    asked: list[PreferenceItem | InboundItem] = [each for each in parsed.preferences if each.value == "stop"]
    asked += [each for each in parsed.inbound if says_stop(each, stop_words)]
    return [Unrecognised(each.phone_number_id, None, why, each.item) for each in asked if each.phone is None]


def notices_of(parsed: ParsedWebhook) -> Iterator[ParsedWebhook]:
    """Each piece of a body that ``Notices`` may act on, as a body of its own."""
    pieces: tuple[Item, ...] = (
        *parsed.preferences, *parsed.inbound, *parsed.templates, *parsed.accounts, *parsed.problems, *parsed.statuses,
    )  # fmt: skip
    for piece in pieces:
        alone = ParsedWebhook(phone_number_ids=parsed.phone_number_ids)
        alone.add(piece)
        yield alone
