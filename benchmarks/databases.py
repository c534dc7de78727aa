"""The tests' PostgreSQL, as safe as a real one."""

import asyncpg


async def durable(admin_url: str) -> None:
    """Wait for the disk at each commit again: no test needs to, but every measurement does."""
    connection = await asyncpg.connect(admin_url)
    try:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            await connection.execute(f"ALTER SYSTEM SET {setting} = on")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
