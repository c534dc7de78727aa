"""The dispatcher's units of work: what ``app.worker`` does, one transaction each. No request to Meta is made in here."""

import logging
from collections.abc import Callable, Sequence

from sqlalchemy.exc import StatementError

from app.db.engine import Database, UnitOfWork
from app.db.queue import Place, any_due
from app.services import claims, outcomes, sweeping, throttle
from app.services.base import utc_now
from app.services.breakers import Finished
from app.services.claims import Claim, Lease
from app.services.failures import values_are_at_fault

log = logging.getLogger(__name__)


def _uncounted(_messages: int) -> None:
    """Nobody measures."""


class Dispatch:
    """No actor: the right to send was checked when the run was made, the right to receive is checked at every claim."""

    def __init__(self, db: Database, *, rate: float, lease: Lease, claimed: Callable[[int], None] = _uncounted) -> None:
        """``claimed`` hears how many messages each claim took."""
        self._db = db
        self._claimed = claimed
        self._rate = rate
        self._lease = lease
        self._taken: dict[str, dict[str, Place]] = {}
        """By number and run, of the last claim, see ``claims.furthest``."""

    async def has_due(self, number_id: str) -> bool:
        """True when a running run has something that may go out now: asked before tokens are taken, which are lost unused."""

        async def unit(uow: UnitOfWork) -> bool:
            now, behind = await uow.now(), self._taken.get(number_id, {})
            found = await any_due(uow, number_id, now, behind)
            return found or (bool(behind) and await any_due(uow, number_id, now, {}))

        return await self._db.read(unit)

    async def take_tokens(self, number_id: str, wanted: int) -> int:
        """How many of ``wanted`` messages the number's pace allows now."""
        return await self._db.write(lambda uow: throttle.take(uow, number_id, wanted, self._rate))

    async def claim(self, number_id: str, limit: int, turn: int) -> list[Claim]:
        """Take up to ``limit`` due messages; see ``services.claims``."""
        behind = self._taken.get(number_id, {})
        taken = await self._db.write(
            lambda uow: claims.claim(uow, number_id, limit, self._lease, turn, behind), "claim"
        )
        self._taken[number_id] = claims.furthest(taken)
        self._claimed(len(taken))
        return taken

    async def record(self, number_id: str, finished: Sequence[Finished]) -> None:
        """Write what became of claims; see ``services.outcomes``.

        A batch that the database cannot take for what is in it is halved until the one outcome is alone; its message
        becomes UNCONFIRMED with its lease, the others are written.
        """
        try:
            await self._db.write(lambda uow: outcomes.record(uow, number_id, finished), "outcomes")
        except StatementError as error:
            if not values_are_at_fault(error):
                raise
            if len(finished) == 1:
                claim = finished[0].claim
                log.exception(
                    "the outcome of message %s cannot be written",
                    claim.message_id,
                    extra={"about": {"run": claim.run_id, "message": claim.message_id}},
                )
                return
            middle = len(finished) // 2
            await self.record(number_id, finished[:middle])
            await self.record(number_id, finished[middle:])

    async def sweep(self, *, everything: bool = False) -> None:
        """The housekeeping of every second; ``everything`` also looks at facts from before this process started."""
        while await self._db.write(sweeping.expire_leases, "leases") == sweeping.BATCH:
            pass
        since = None if everything else utc_now() - sweeping.RECENT
        while await self._db.write(lambda uow: sweeping.match_facts(uow, since), "sweep") == sweeping.BATCH:
            pass
        await self._db.write(sweeping.close_completed)
