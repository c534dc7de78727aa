"""Statuses in POSTs of 100, against what PostgreSQL alone does with the same rows: set-based SQL from one connection.

The floor writes the product's own tables, indexes and counters, 1,000 statuses a transaction; its values are made before.
"""

import gc
import hashlib
import itertools
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from app.domain.ids import RECEIPT, new_id
from benchmarks import child
from benchmarks.sheet import Sample, Sheet
from benchmarks.stage import Stage
from benchmarks.statuses import FIRST_SECOND, STEPS, body, message_id, provider_id, status_json
from benchmarks.usage import cpu_of_all
from benchmarks.world import world_at

EACH, BATCH, CONNECTIONS = 100, 1_000, 16
PRODUCT, FLOOR, RATE = "product", "floor: SQL in batches of 1,000", "statuses/s"
BEFORE = ("accepted", *STEPS)

RECEIPTS = """INSERT INTO receipts (id, number_id, received_at, digest, body)
SELECT id, $1, $2, digest, body FROM unnest($3::uuid[], $4::text[], $5::bytea[]) AS given(id, digest, body)"""
# Who is meant is found once, in the order of the ids, and locked: the three statements after it only write.
OWNERS = """SELECT given.place, m.id, m.run_id FROM unnest($2::text[]) WITH ORDINALITY AS given(wamid, place)
JOIN invite_messages m ON m.number_id = $1 AND m.provider_message_id = given.wamid ORDER BY m.id FOR UPDATE OF m"""
FACTS = """INSERT INTO facts (id, number_id, provider_message_id, status, at, error_code, attempt, message_id, digest, received_at)
SELECT id, $1, wamid, $3, $4, 0, attempt, message, digest, $2
FROM unnest($5::uuid[], $6::text[], $7::text[], $8::uuid[], $9::text[]) AS given(id, wamid, attempt, message, digest)
ON CONFLICT (number_id, provider_message_id, status, at, error_code) DO NOTHING"""
ITEMS = """INSERT INTO status_items
(id, receipt_id, number_id, received_at, provider_message_id, attempt, status, at, message_id, repeated, item)
SELECT id, receipt, $1, $2, wamid, attempt, $3, $4, message, false, item
FROM unnest($5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::uuid[], $10::text[])
AS given(id, receipt, wamid, attempt, message, item)"""
COUNTED = """WITH moved AS (
  UPDATE invite_messages m SET state = '{after}', state_since = $1, {step}_at = $2, claim_id = NULL, lease_until = NULL,
  updated_at = $1 FROM unnest($3::uuid[]) AS given(id) WHERE m.id = given.id AND m.state = '{before}' RETURNING m.run_id
), counted AS (SELECT run_id, count(*) AS n FROM moved GROUP BY run_id)
UPDATE run_counters c SET {before_column} = {before_column} - n, {step} = {step} + n, reached_{step} = reached_{step} + n,
changed_at = $1 FROM counted WHERE c.run_id = counted.run_id"""


async def measure(stage: Stage) -> Sheet:
    """(d)"""
    sheet = Sheet("statuses in POSTs of 100, PostgreSQL")
    ours, bare = await stage.postgres(), await stage.postgres()
    messages = stage.size(30_000, 10_000)
    async with world_at(ours) as world, world_at(bare) as other:
        server = await stage.serve(ours, "--no-dispatch")
        watched = {"postgres": await stage.postgres_pid()}
        for _ in range(stage.rounds):
            serial, _ = await other.run_of(messages)
            found = await child.run(
                "benchmarks.batches:floor", url=bare, serial=serial, messages=messages, watched=watched
            )
            sheet.add(FLOOR, Sample({RATE: found["counted"] / found["seconds"]}, found["seconds"], found["cpu"]))
            serial, _ = await world.run_of(messages)
            found = await child.run(
                "benchmarks.posting:post", port=server.port, serial=serial, messages=messages, each=EACH,
                connections=CONNECTIONS, seconds=15, warm=0, watched=watched | {"server": server.pid}, again=False,
            )  # fmt: skip
            values = {RATE: EACH * found["counted"] / found["seconds"], "p99 ms": found["p99"]}
            sheet.add(PRODUCT, Sample(values, found["seconds"], found["cpu"]))
    sheet.bar("rate / floor", sheet.ratio(RATE, PRODUCT, FLOOR), at_least=0.5, moonshot=0.8)
    return sheet


async def floor(*, url: str, serial: int, messages: int, watched: dict[str, int]) -> dict[str, Any]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    number = await connection.fetchval("SELECT id FROM numbers")
    made = [
        _values(serial, step, range(first, min(first + BATCH, messages + 1)))
        for step, first in itertools.product(range(len(STEPS)), range(1, messages + 1, BATCH))
    ]
    gc.freeze()
    gc.disable()
    before, own, started = cpu_of_all(watched), time.process_time(), time.perf_counter()
    for each in made:
        async with connection.transaction():
            await _write(connection, number, *each)
    seconds = time.perf_counter() - started
    cpu = {name: spent - before[name] for name, spent in cpu_of_all(watched).items()}
    cpu["connection"] = time.process_time() - own
    stored = await connection.fetchval("SELECT reached_read FROM run_counters ORDER BY run_id DESC LIMIT 1")
    assert stored == messages, f"{stored} of {messages} were counted"
    await connection.close()
    return {"counted": len(STEPS) * messages, "seconds": seconds, "cpu": cpu}


def _values(serial: int, step: int, places: range) -> tuple[int, list[Any], list[Any]]:
    """The receipts of a batch, and its statuses by column."""
    wamids = [provider_id(serial, place) for place in places]
    attempts = [f"{message_id(serial, place)}.1" for place in places]
    digests = [hashlib.sha256(wamid.encode()).hexdigest()[:16] for wamid in wamids]
    items = [status_json(serial, place, step) for place in places]
    raw = [body(items[first : first + EACH]) for first in range(0, len(items), EACH)]
    receipts = [UUID(new_id(RECEIPT)[4:]) for _ in raw]
    owner = [receipts[index // EACH] for index in range(len(items))]
    ids = [UUID(new_id(RECEIPT)[4:]) for _ in range(2 * len(items))]
    bodies = [receipts, [hashlib.sha256(each).hexdigest() for each in raw], raw]
    return step, bodies, [wamids, attempts, digests, items, owner, ids[: len(items)], ids[len(items) :]]


async def _write(connection: Any, number: Any, step: int, bodies: list[Any], columns: list[Any]) -> None:
    wamids, attempts, digests, items, receipts, fact_ids, item_ids = columns
    now, at, status = datetime.now(UTC), datetime.fromtimestamp(FIRST_SECOND + 60 * step, UTC), STEPS[step]
    await connection.execute(RECEIPTS, number, now, *bodies)
    owners: list[Any] = [None] * len(wamids)
    for place, message, _ in await connection.fetch(OWNERS, number, wamids):
        owners[place - 1] = message
    await connection.execute(FACTS, number, now, status.upper(), at, fact_ids, wamids, attempts, owners, digests)
    await connection.execute(ITEMS, number, now, status, at, item_ids, receipts, wamids, attempts, owners, items)
    before = BEFORE[step]
    moving = COUNTED.format(after=status.upper(), before=before.upper(), before_column=before, step=status)
    await connection.execute(moving, now, at, owners)
