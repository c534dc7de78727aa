"""Guest lists come in: read and judged outside the transaction, written in one."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from app.db.blocks import insert_listed_blocks
from app.db.engine import UnitOfWork
from app.db.guest_lists import load_known, store_consents, store_plan, store_results
from app.db.tables import GuestImportRow
from app.domain import ids
from app.domain.enums import AuditAction, Permission
from app.domain.errors import BadInputError, TooLargeError
from app.domain.guest_list import MAX_ROWS, GuestRow, make_row, parse_csv
from app.domain.import_plan import ImportPlan, Known
from app.domain.import_planner import plan_import
from app.domain.phone import Phone, mask, normalise
from app.domain.text import clean_name
from app.services import audit
from app.services.access import Access, require
from app.services.base import Actor, UseCases, utc_now
from app.services.blocking import reject_blocked
from app.services.tenancy import require_alone

Progress = Callable[[int, int], None]

_READ_AT_ONCE = 1_000
_DOING = "import guests"


class GuestImports(UseCases):
    async def import_guests(
        self,
        actor: Actor,
        *,
        workspace_id: str,
        csv: str | None,
        rows: list[GuestRow] | None,
        file_name: str | None,
        progress: Progress | None = None,
    ) -> GuestImportRow:
        """Import a list, given as CSV text or as rows. The same list again changes nothing.

        ``progress(done, total)`` is called now and then on the event loop; a row is two steps, read and written.
        Raises BadInputError (field ``csv``) for a text that is no guest list, TooLargeError past the limits.
        """
        if (csv is None) == (rows is None):
            raise BadInputError("Give exactly one of csv and rows.", field="csv")
        # Refuse before the work, and learn the region. Both are looked at again when writing.
        region, number_id = await self._read(lambda uow: _setting(uow, actor, workspace_id))
        given = await asyncio.to_thread(_rows, csv, rows)
        name = clean_name(file_name) or None
        list_name = f"Guest list {name}" if name else "Guest list"
        blocks = any(row.do_not_message is not None for row in given)
        steps = 2 * len(given)
        tell = progress or (lambda _done, _total: None)
        judged: list[tuple[GuestRow, Phone]] = []
        while batch := given[len(judged) : len(judged) + _READ_AT_ONCE]:
            # Judging 50,000 phones takes seconds: never on the loop that answers webhooks, never in a transaction.
            judged += await asyncio.to_thread(_judge, batch, region)
            tell(len(judged), steps)

        async def store(uow: UnitOfWork) -> GuestImportRow:
            if blocks and number_id is not None:
                # Before the workspace's lock, as everywhere; and a claim that is under way ends first.
                await uow.lock_number(number_id, exclusive=True)
            access = await require_alone(uow, actor, workspace_id, Permission.GUEST_EDIT, doing=_DOING)
            known = await load_known(uow, workspace_id)
            plan, outcomes = await asyncio.to_thread(_plan, known, judged)
            now = utc_now()
            await store_plan(uow, workspace_id, plan, now)
            await _store_policy(uow, access, plan, list_name, now)
            done = GuestImportRow(
                id=ids.new_id(ids.GUEST_IMPORT),
                workspace_id=workspace_id,
                file_name=name,
                created_by=access.member.id,
                created_at=now,
                row_count=len(judged),
                outcomes=outcomes,
            )
            uow.session.add(done)
            await uow.session.flush()
            await store_results(uow, done.id, plan.results, lambda written: tell(len(judged) + written, steps))
            audit.record(
                uow, AuditAction.GUEST_IMPORT, f"Imported a guest list of {len(judged)} rows", workspace_id=workspace_id,
                actor=actor, member=access.member, target_id=done.id,
                # Not the file's name, which may be a guest's.
                after={
                    "outcomes": outcomes, "blocked": len(plan.new_blocks), "consents": len(plan.new_consents),
                },
            )  # fmt: skip
            return done

        return await self._write(store)


async def _setting(uow: UnitOfWork, actor: Actor, workspace_id: str) -> tuple[str, str | None]:
    """The workspace's region and number; neither ever changes."""
    access = await require(uow, actor, workspace_id, Permission.GUEST_EDIT, doing=_DOING)
    return access.workspace.default_region, access.workspace.number_id


async def _store_policy(uow: UnitOfWork, access: Access, plan: ImportPlan, list_name: str, now: datetime) -> None:
    """Whom the list blocks, with an audit entry for each, and who has consented."""
    workspace, member = access.workspace, access.member
    await store_consents(uow, plan.new_consents, list_name=list_name, recorded_by=member.id, at=now)
    if not plan.new_blocks:
        return
    entries = await insert_listed_blocks(
        uow, workspace.id, plan.new_blocks, list_name=list_name, created_by=member.id, at=now
    )
    acts = (
        (
            f"Blocked {mask(block.phone)}",
            {"phone": mask(block.phone), "active": True},
            entry_id,
        )
        for entry_id, block in entries
    )
    await audit.record_many(
        uow, AuditAction.BLOCK_ADD, acts, workspace_id=workspace.id, actor=access.actor, member=member
    )
    if workspace.number_id is not None:
        phones = [block.phone for block in plan.new_blocks]
        await reject_blocked(uow, workspace.number_id, phones, now, workspace.id)


def _rows(csv: str | None, rows: Sequence[GuestRow] | None) -> list[GuestRow]:
    if csv is not None:
        return parse_csv(csv)
    assert rows is not None
    if len(rows) > MAX_ROWS:
        raise TooLargeError(f"The list has more than {MAX_ROWS:,} rows. Split it and import the parts.")
    return [_cleaned(number, row) for number, row in enumerate(rows, start=1)]


def _cleaned(number: int, row: GuestRow) -> GuestRow:
    """The row as reading a CSV would give it: whoever made it, what is stored is clean and bounded."""
    cleaned = make_row(
        number,
        household=row.household,
        name=row.name,
        phone=row.phone,
        side=row.side,
        tags=row.tags,
        primary=row.primary,
        problems=row.problems,
        do_not_message=row.do_not_message,
        consent=row.consent,
    )
    # A row that went through ``make_row`` before brings the problems that are found again.
    return replace(cleaned, problems=tuple(dict.fromkeys(cleaned.problems)))


def _plan(known: Known, judged: Sequence[tuple[GuestRow, Phone]]) -> tuple[ImportPlan, dict[str, int]]:
    plan = plan_import(known, judged)
    return plan, plan.outcomes()


def _judge(rows: Sequence[GuestRow], region: str) -> list[tuple[GuestRow, Phone]]:
    return [(row, normalise(row.phone, region)) for row in rows]
