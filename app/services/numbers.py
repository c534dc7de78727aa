"""The number that this installation sends from."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from app.db.engine import Database, UnitOfWork
from app.db.tables import NumberRow, WorkspaceRow
from app.domain import ids
from app.services.base import utc_now


async def ensure_number(db: Database, *, phone_number_id: str, waba_id: str | None, simulated: bool) -> str:
    """The public id of Meta's number, made when it is new; workspaces that have none yet get it.

    Done at every start: a family may have set up its guests before it had a number.
    """

    async def unit(uow: UnitOfWork) -> str:
        query = sa.select(NumberRow).where(NumberRow.phone_number_id == phone_number_id)
        number = (await uow.session.execute(query)).scalar_one_or_none()
        if number is None:  # else not even tried: it would wait for whoever is changing the row
            await _insert_new(uow, phone_number_id)
            number = (await uow.session.execute(query)).scalar_one()
        if (number.waba_id, number.simulated) != (waba_id, simulated):
            number.waba_id, number.simulated = waba_id, simulated
        await uow.session.execute(
            sa.update(WorkspaceRow)
            .where(WorkspaceRow.number_id.is_(None))
            .values(number_id=number.id)
            .execution_options(synchronize_session=False)
        )
        return number.id

    return await db.write(unit)


async def _insert_new(uow: UnitOfWork, phone_number_id: str) -> None:
    """Two processes that start at once insert one row."""
    values = {"id": ids.new_id(ids.NUMBER), "phone_number_id": phone_number_id, "created_at": utc_now()}
    insert = (sqlite if uow.sqlite else postgresql).insert(NumberRow).values(values)
    await uow.session.execute(insert.on_conflict_do_nothing(index_elements=["phone_number_id"]))
