"""The dispatcher's units of work: what ``app.worker`` does, one transaction each. No request to Meta is made in here."""

from collections.abc import Sequence

import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.messages import M
from app.db.tables import RunCountersRow, SendRunRow
from app.domain.enums import MessageState, SendRunStatus
from app.services import claims, outcomes, sweeping, throttle
from app.services.base import utc_now
from app.services.breakers import Finished
from app.services.claims import Claim, Lease


class Dispatch:
    """No actor: the right to send was checked when the run was made, the right to receive is checked at every claim."""

    def __init__(self, db: Database, *, rate: float, lease: Lease) -> None:
        self._db = db
        self._rate = rate
        self._lease = lease

    async def has_due(self, number_id: str) -> bool:
        """True when a running run has something that may go out now: asked before tokens are taken, which are lost unused."""

        async def unit(uow: UnitOfWork) -> bool:
            now = await uow.now()
            due = (
                sa.select(M.id)
                .where(M.run_id == SendRunRow.id, M.state == MessageState.QUEUED, M.not_before <= now)
                .exists()
            )
            query = (
                sa.select(SendRunRow.id)
                .join(RunCountersRow, RunCountersRow.run_id == SendRunRow.id)
                .where(
                    SendRunRow.number_id == number_id,
                    SendRunRow.status == SendRunStatus.RUNNING,
                    RunCountersRow.queued > 0,
                    due,
                )
                .limit(1)
            )
            return (await uow.session.execute(query)).first() is not None

        return await self._db.read(unit)

    async def take_tokens(self, number_id: str, wanted: int) -> int:
        """How many of ``wanted`` messages the number's pace allows now."""
        return await self._db.write(lambda uow: throttle.take(uow, number_id, wanted, self._rate))

    async def claim(self, number_id: str, limit: int, turn: int) -> list[Claim]:
        """Take up to ``limit`` due messages; see ``services.claims``."""
        return await self._db.write(lambda uow: claims.claim(uow, number_id, limit, self._lease, turn), "claim")

    async def record(self, number_id: str, finished: Sequence[Finished]) -> None:
        """Write what became of claims; see ``services.outcomes``."""
        await self._db.write(lambda uow: outcomes.record(uow, number_id, finished), "outcomes")

    async def sweep(self, *, everything: bool = False) -> None:
        """The housekeeping of every second; ``everything`` also looks at facts from before this process started."""
        while await self._db.write(sweeping.expire_leases, "leases") == sweeping.BATCH:
            pass
        since = None if everything else utc_now() - sweeping.RECENT
        while await self._db.write(lambda uow: sweeping.match_facts(uow, since), "sweep") == sweeping.BATCH:
            pass
        await self._db.write(sweeping.close_completed)
