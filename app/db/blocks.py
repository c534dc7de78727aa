"""Do-Not-Message: who is blocked, and the one way to block. Spellings make the check an equality on an index."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.db.bulk import insert_rows
from app.db.engine import UnitOfWork
from app.db.prepared import Prepared
from app.db.tables import (
    DoNotMessageRow,
    DoNotMessageSpellingRow,
    EventRow,
    MessageRow,
    SendRunRow,
    is_state,
)
from app.domain import ids
from app.domain.enums import DoNotMessageSource, MessageState, SendRunKind
from app.domain.errors import UnavailableError
from app.domain.import_plan import ListedBlock
from app.domain.lifecycle import LIVE_STATES
from app.domain.phone import spellings
from app.domain.pseudonyms import Pseudonyms, is_pseudonym

D = DoNotMessageRow
M = MessageRow
S = DoNotMessageSpellingRow


class Blocked:
    """Who is blocked. Ask with ``in``: a phone is found under its pseudonyms too."""

    def __init__(self, spellings: Iterable[str], pseudonyms: Pseudonyms) -> None:
        self._stored = frozenset(spellings)
        self._pseudonyms = pseudonyms
        self._erased = any(map(is_pseudonym, self._stored))

    def __contains__(self, phone: object) -> bool:
        if phone in self._stored:
            return True
        if not self._erased or not isinstance(phone, str):
            return False
        return not self._stored.isdisjoint(self._pseudonyms.all_of(phone))


# Written out, as only then a partial index is used.
_ERASED = D.phone.like(sa.literal_column("'erased:%'"))


async def blocks_the_erased(uow: UnitOfWork) -> bool:
    """Whether anybody is blocked by a pseudonym: what no join can find."""
    return (await uow.session.execute(sa.select(D.id).where(_ERASED, D.active).limit(1))).first() is not None


async def require_keys(uow: UnitOfWork) -> None:
    """Raises UnavailableError when a phone is blocked by a pseudonym of a key that is not set any more.

    Such an entry would match nobody, and the erased guest would be messaged again: better nothing is sent.
    """
    if await _UNKNOWN(uow, [(lead,) for lead in uow.pseudonyms.leads]):
        raise UnavailableError(
            "Guests were erased with a key that is not set now, so they would not be recognised. Put the key used then "
            "(ERASURE_SECRET, or AUTH_SECRET where that was not set) behind the first in ERASURE_SECRET."
        )


async def blocked_phones(
    uow: UnitOfWork, *, workspace_id: str, number_id: str | None, phones: Collection[str] | None
) -> Blocked:
    """Which of ``phones`` are blocked in this workspace or for its number. Raises UnavailableError, see ``require_keys``.

    None for ``phones`` reads all active spellings: for audiences so large that asking for each would be dearer.
    """
    await require_keys(uow)
    scope = {"workspace_id": workspace_id, "number_id": number_id}
    if phones is None:
        found = await _ALL_BLOCKED(uow, (), **scope)
    else:
        keys = {key for phone in phones for key in uow.pseudonyms.keys_of(phone)}
        found = await _BLOCKED(uow, [(key,) for key in sorted(keys)], **scope)
    return Blocked((spelling for (spelling,) in found), uow.pseudonyms)


def _unknown(leads: sa.FromClause, _on_sqlite: bool) -> sa.Select[*tuple[Any, ...]]:
    known = sa.exists().where(sa.func.substr(D.phone, 1, sa.func.length(leads.c.lead)) == leads.c.lead)
    return sa.select(D.id).where(_ERASED, D.active, ~known).limit(1)


def _blocked(_rows: sa.FromClause, _on_sqlite: bool) -> sa.Select[*tuple[Any, ...]]:
    # Without a number the comparison is with NULL, and so true of no entry.
    ours = D.workspace_id == sa.bindparam("workspace_id", type_=D.workspace_id.type)
    theirs = D.number_id == sa.bindparam("number_id", type_=D.number_id.type)
    return sa.select(S.spelling).join(D, D.id == S.entry_id).where(D.active, ours | theirs).distinct()


_UNKNOWN = Prepared({"lead": sa.Text()}, _unknown)
_ALL_BLOCKED = Prepared({}, _blocked)
_BLOCKED = Prepared(
    {"phone": sa.Text()},
    lambda asked, on_sqlite: _blocked(asked, on_sqlite).join(asked, asked.c.phone == S.spelling),
)


ON_THEIR_WAY = (MessageState.SENDING, MessageState.UNCONFIRMED, MessageState.ACCEPTED, MessageState.SENT)
"""States of a message that Meta has or may have, and that has not arrived: no block calls it back."""

MAX_ON_THEIR_WAY = 100


async def on_their_way(uow: UnitOfWork, entry_ids: Collection[str], workspaces: sa.Select[Any]) -> dict[str, list[M]]:
    """The messages of these workspaces that are on their way to the phone of each entry, newest first, at most
    ``MAX_ON_THEIR_WAY`` of an entry.
    """
    asked = uow.rows({"id": D.id.type}, [(entry_id,) for entry_id in entry_ids], "asked")
    # By event and phone, which is indexed for live invites; the few tests by their runs.
    invites = (
        sa.select(S.entry_id, M.id)
        .join(asked, asked.c.id == S.entry_id)
        .join(D, D.id == S.entry_id)
        .join(EventRow, EventRow.workspace_id.in_(workspaces))
        .join(M, sa.and_(M.event_id == EventRow.id, M.phone == S.spelling))
        .where(is_state(M.kind, SendRunKind.INVITE), is_state(M.state, *LIVE_STATES))
    )
    tests = (
        sa.select(S.entry_id, M.id)
        .join(asked, asked.c.id == S.entry_id)
        .join(SendRunRow, SendRunRow.workspace_id.in_(workspaces))
        .join(M, sa.and_(M.run_id == SendRunRow.id, M.phone == S.spelling))
        .where(SendRunRow.kind == SendRunKind.TEST)
    )
    found = sa.union(invites, tests).subquery()
    query = (
        sa.select(found.c.entry_id, M)
        .join(M, M.id == found.c.id)
        .join(D, D.id == found.c.entry_id)
        .where(is_state(M.state, *ON_THEIR_WAY), sa.or_(D.workspace_id.is_(None), D.workspace_id == M.workspace_id))
        .where(sa.or_(D.number_id.is_(None), D.number_id == M.number_id))
        .order_by(M.id.desc())
    )
    messages: dict[str, list[M]] = {}
    for entry_id, message in await uow.session.execute(query):
        of_entry = messages.setdefault(entry_id, [])
        if len(of_entry) < MAX_ON_THEIR_WAY:
            of_entry.append(message)
    return messages


async def insert_block(
    uow: UnitOfWork,
    *,
    workspace_id: str,
    phone: str,
    reason: str,
    source: DoNotMessageSource,
    created_by: str,
    at: datetime,
) -> tuple[DoNotMessageRow, bool]:
    """Block an E.164 phone in a workspace; for a number, see ``db.number_blocks``.

    An active entry of the workspace and phone is returned as it is, with False. The caller holds the exclusive advisory
    lock of the workspace's number (``uow.lock_number(number_id, exclusive=True)``; without a number, the workspace's row):
    otherwise a claim could commit that has not seen the entry, or two callers could insert it.
    """
    ours = sa.and_(S.spelling == phone, D.phone == phone, D.active, D.workspace_id == workspace_id)
    found: DoNotMessageRow | None = await uow.session.scalar(
        sa.select(D).join(S, S.entry_id == D.id).where(ours).limit(1)
    )
    if found:
        return found, False
    entry = DoNotMessageRow(
        id=ids.new_id(ids.DO_NOT_MESSAGE),
        workspace_id=workspace_id,
        phone=phone,
        reason=reason,
        source=source,
        active=True,
        created_at=at,
        created_by=created_by,
    )
    uow.session.add(entry)
    await uow.session.flush()
    await insert_rows(uow, S, [{"entry_id": entry.id, "spelling": key} for key in sorted(spellings(phone))])
    return entry, True


async def insert_listed_blocks(
    uow: UnitOfWork, workspace_id: str, blocks: Sequence[ListedBlock], *, list_name: str, created_by: str, at: datetime
) -> list[tuple[str, ListedBlock]]:
    """Block the phones of a guest list, none of which is blocked in the workspace; returns each with its entry's id.

    The caller holds the number's exclusive advisory lock, and the workspace's row.
    """
    entries = [(ids.new_id(ids.DO_NOT_MESSAGE), block) for block in blocks]
    await insert_rows(
        uow, D,
        (
            {
                "id": entry_id, "workspace_id": workspace_id, "phone": block.phone,
                "reason": f"{list_name}, row {block.row}: {block.text}", "source": DoNotMessageSource.IMPORT, "active": True,
                "evidence": {"list": list_name, "row": block.row, "text": block.text},
                "created_at": at, "created_by": created_by,
            }
            for entry_id, block in entries
        ),
    )  # fmt: skip
    await insert_rows(
        uow, S,
        ({"entry_id": entry_id, "spelling": key} for entry_id, block in entries for key in spellings(block.phone)),
    )  # fmt: skip
    return entries
