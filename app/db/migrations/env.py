"""Runs migrations on the connection that ``app.db.migrate`` hands over."""

import sqlalchemy as sa
from alembic import context

from app.db.tables import Base

connection: sa.Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
