"""Durable webhooks with one status each: against the same kind of handler that stores nothing, and one by one."""

from litestar.handlers import ASGIRouteHandler

from app.http.webhook import webhook_route
from benchmarks import child
from benchmarks.sheet import Sample, Sheet, Spread
from benchmarks.stage import Server, Stage
from benchmarks.world import World, world_at

ROUTE, ASGI, BARE, SINGLE = (
    "floor: Litestar route",
    "floor: Litestar asgi handler",
    "floor: bare ASGI",
    "one transaction each",
)
PRODUCT, WIDE, SQLITE = "product, 32 connections", "product, 256 connections", "product on SQLite, 32"
RATE, P99, ERRORS = "req/s", "p99 ms", "not 200"


async def measure(stage: Stage) -> Sheet:
    """(a) 32 connections, (b) 256, (c) the same on SQLite, in one run."""
    sheet = Sheet("durable webhooks, 1 status each")
    postgres, sqlite = await stage.postgres(), stage.sqlite()
    one_by_one = await stage.postgres()
    async with world_at(postgres) as grouped, world_at(one_by_one) as single, world_at(sqlite) as file:
        contenders: dict[str, tuple[Server, World | None, int]] = {
            ROUTE: (await stage.serve("", kind="litestar-route"), None, 32),
            ASGI: (await stage.serve("", kind="litestar-asgi"), None, 32),
            BARE: (await stage.serve("", kind="bare"), None, 32),
            SINGLE: (await stage.serve(one_by_one, kind="single"), single, 32),
            SQLITE: (await stage.serve(sqlite, "--no-dispatch"), file, 32),
        }
        product = await stage.serve(postgres, "--no-dispatch")
        contenders |= {PRODUCT: (product, grouped, 32), WIDE: (product, grouped, 256)}
        for _ in range(stage.rounds):
            for name, (server, world, connections) in contenders.items():
                sheet.add(name, await _posted(stage, server, world, connections))
    _judge(sheet)
    return sheet


async def _posted(stage: Stage, server: Server, world: World | None, connections: int) -> Sample:
    messages = stage.size(20_000, 8_000)
    serial, _ = await world.run_of(messages) if world else (1, "")
    found = await child.run(
        "benchmarks.posting:post", port=server.port, serial=serial, messages=messages, each=1, connections=connections,
        seconds=stage.size(3, 2), warm=0.5, watched={"server": server.pid, "postgres": await stage.postgres_pid()},
        again=world is None,
    )  # fmt: skip
    wrong = sum(number for status, number in found["answers"].items() if status != "200")
    values = {
        RATE: found["counted"] / found["seconds"],
        "p50 ms": found["p50"],
        P99: found["p99"],
        ERRORS: float(wrong),
    }
    return Sample(values, found["seconds"], found["cpu"])


def _judge(sheet: Sheet) -> None:
    route = webhook_route(lambda: _keep, app_secrets=("x",), verify_token=None)
    around = isinstance(route, ASGIRouteHandler)
    floor, share = (ASGI, 0.4) if around else (ROUTE, 0.8)
    sheet.notes.append(f"The product's handler is {'an asgi handler' if around else 'a Litestar route'}.")
    sheet.bar(f"rate / {floor}", sheet.ratio(RATE, PRODUCT, floor), at_least=share)
    sheet.bar("rate / one transaction each", sheet.ratio(RATE, PRODUCT, SINGLE), at_least=3)
    sheet.bar(f"p99 / {floor}", sheet.ratio(P99, PRODUCT, floor), at_most=8)
    sheet.bar("rate at 256 / at 32", sheet.ratio(RATE, WIDE, PRODUCT), at_least=0.8, moonshot=1)
    sheet.bar("SQLite / PostgreSQL", sheet.ratio(RATE, SQLITE, PRODUCT), at_least=0.6, moonshot=0.9)
    errors = [error for each in sheet.samples for error in sheet.values(each, ERRORS)]
    sheet.bar("answers other than 200", Spread.of(errors), at_most=0)


async def _keep(_body: bytes) -> None:
    """Only the kind of handler is asked for."""
