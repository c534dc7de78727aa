"""The summary of a run and pages of its messages over HTTP, against the same answers from memory."""

import base64
import json

from benchmarks import child
from benchmarks.asking import once
from benchmarks.asks import PAGE, SUMMARY
from benchmarks.sheet import Sample, Sheet
from benchmarks.stage import Server, Stage
from benchmarks.world import world_at

P50 = "p50 ms"
NO_RUN = "run_" + 32 * "0"


async def measure(stage: Stage) -> Sheet:
    """(h) and (i)"""
    few, many = 1_000, stage.size(1_000_000, 100_000)
    last = many * 9 // 1_000
    sheet = Sheet(f"a run's summary and pages of 100 over HTTP, PostgreSQL, {many:,} messages")
    url = await stage.postgres()
    async with world_at(url) as world:
        _, small = await world.run_of(few, evidence=False)
        _, large = await world.run_of(many, evidence=False)
        floor = await stage.serve("", kind="graphql")
        server = await stage.serve(url, "--no-dispatch")
        later = await _cursor(server, large, 100 * (last - 1))
        postgres = await stage.postgres_pid()
        questions = [
            {"name": name, "port": asked.port, "query": query, "variables": variables,
             "watched": {"server": asked.pid, "postgres": postgres}}
            for name, asked, query, variables in (
                ("summary, floor from memory", floor, SUMMARY, {"id": NO_RUN}),
                (f"summary of {few:,}", server, SUMMARY, {"id": small}),
                (f"summary of {many:,}", server, SUMMARY, {"id": large}),
                ("page, floor from memory", floor, PAGE, {"id": NO_RUN}),
                ("first page", server, PAGE, {"id": large}),
                (f"page {last:,}", server, PAGE, {"id": large, "after": later}),
            )
        ]  # fmt: skip
        for _ in range(stage.rounds):
            answers = await child.run(
                "benchmarks.asking:timed", questions=questions, blocks=stage.size(20, 10), each=10
            )
            for name, found in answers.items():
                sheet.add(name, Sample({P50: found["p50"], "p99 ms": found["p99"]}, found["seconds"], found["cpu"]))
        await _check(server, large, later, many)
    floors = sheet.ratio(P50, f"summary of {few:,}", "summary, floor from memory")
    sheet.bar("summary / floor", floors, at_most=2, moonshot=1.5)
    grown = sheet.ratio(P50, f"summary of {many:,}", f"summary of {few:,}")
    sheet.bar(f"summary of {many:,} / of {few:,}", grown, at_most=1.5, moonshot=1.1)
    sheet.bar("page / floor", sheet.ratio(P50, "first page", "page, floor from memory"), at_most=2.2, moonshot=1.6)
    sheet.bar(f"page {last:,} / first", sheet.ratio(P50, f"page {last:,}", "first page"), at_most=1.5, moonshot=1.1)
    return sheet


async def _cursor(server: Server, run_id: str, position: int) -> str:
    """Where a reader stands after so many messages: the cursor of the first page, moved on."""
    found, _ = await once(server, PAGE, id=run_id)
    given = found["sendRun"]["messages"]["pageInfo"]["endCursor"]
    scope, _ = json.loads(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)))
    made = json.dumps([scope, position - 1], separators=(",", ":"))
    return base64.urlsafe_b64encode(made.encode()).decode().rstrip("=")


async def _check(server: Server, run_id: str, after: str, many: int) -> None:
    """What was timed is what it should have been."""
    found, _ = await once(server, PAGE, id=run_id, after=after)
    names = [node["recipientName"] for node in found["sendRun"]["messages"]["nodes"]]
    assert len(names) == 100, len(names)
    found, _ = await once(server, SUMMARY, id=run_id)
    assert found["sendRun"]["summary"]["accepted"] == many, found
