"""Who may import whom, who may commit, and the few habits that a linter does not know."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.mutants.breaks import MUTANTS

ROOT = Path(__file__).parents[1]
APP = ROOT / "app"
FILES = sorted(path for path in APP.rglob("*.py") if "migrations" not in path.parts)

INSTALLED = {
    "aiohttp", "alembic", "asyncpg", "click", "cross_web", "graphql", "httpx", "jwt", "litestar", "msgspec", "phonenumbers",
    "prometheus_client", "rich", "sqlalchemy", "strawberry", "uvicorn", "uvloop",
}  # fmt: skip

MAY_IMPORT: dict[str, set[str]] = {
    "app.domain": {"phonenumbers", "app.domain"},
    "app.whatsapp.simulator": {"httpx", "litestar", "msgspec", "app.domain", "app.whatsapp"},
    "app.whatsapp": {"aiohttp", "httpx", "msgspec", "app.domain", "app.whatsapp"},
    "app.checkpoints": set(),
    "app.db": {"sqlalchemy", "alembic", "asyncpg", "msgspec", "app.checkpoints", "app.domain", "app.db"},
    # Services know the port to Meta, its codes and what its webhooks say; never the adapter that opens sockets.
    "app.services": {
        "sqlalchemy", "app.checkpoints", "app.logs", "app.domain", "app.db", "app.services", "app.whatsapp.port",
        "app.whatsapp.codes", "app.whatsapp.webhook", "app.whatsapp.items",
    },
    # Rows and pages for typing; what Meta's codes mean for an operator.
    "app.schema": {
        "strawberry", "graphql", "litestar", "msgspec", "cross_web", "app.domain", "app.db.tables", "app.db.keyset",
        "app.services", "app.schema", "app.auth", "app.whatsapp.codes",
    },
    "app.http": {
        "litestar", "app.auth", "app.logs", "app.metrics", "app.domain", "app.services", "app.http", "app.whatsapp.webhook",
        "app.graphiql_files",
    },
    # Runs by itself, also while nothing else can.
    "app.graphiql_files": set(),
    # Nothing else knows Prometheus: services and worker are given the one function that they call.
    "app.metrics": {"prometheus_client", "app.metrics_of_database", "app.services", "app.whatsapp.port"},
    "app.metrics_of_database": {"prometheus_client", "app.domain", "app.services", "app.whatsapp.port"},
    "app.config": {"app.setting_types", "app.domain"},
    "app.setting_types": {"sqlalchemy", "app.domain"},
    "app.auth": {"jwt", "httpx", "app.auth", "app.config", "app.setting_types", "app.domain"},
    "app.logs": {"app.domain"},
    "app.worker": {"app.checkpoints", "app.logs", "app.domain", "app.services", "app.whatsapp.port"},
}  # fmt: skip
"""By package, the most particular rule counts. ``app.main`` and the command line build everything, so they may all."""

FREE = {"app.main", "app.cli", "app.__main__", "app"}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Absolute names of everything that a file imports, also late and for typing only."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for each in node.names:
                # "from app import logs" imports the module app.logs.
                inner = f"{node.module}.{each.name}"
                yield inner if (ROOT / inner.replace(".", "/")).with_suffix(".py").exists() else str(node.module)


def rule_for(module: str) -> set[str] | None:
    found = [package for package in MAY_IMPORT if module == package or module.startswith(package + ".")]
    return MAY_IMPORT[max(found, key=len)] if found else None


def allowed(name: str, rule: set[str]) -> bool:
    top = name.partition(".")[0]
    if top != "app" and top not in INSTALLED:
        return True
    return any(name == each or name.startswith(each + ".") for each in rule)


def test_imports() -> None:
    wrong = []
    for path in FILES:
        module = module_of(path)
        if module in FREE or module.startswith("app.cli"):
            continue
        rule = rule_for(module)
        assert rule is not None, f"{module} has no rule: add one to MAY_IMPORT"
        wrong += [f"{module} imports {name}" for name in imported(path) if not allowed(name, rule)]
    assert wrong == []


def test_nothing_imports_the_composition_root() -> None:
    importers = {module_of(path) for path in FILES if "app.main" in set(imported(path))}
    assert {each for each in importers if not each.startswith(("app.cli", "app.__main__"))} == set()


def calls(path: Path) -> Iterator[tuple[str, int]]:
    """Dotted ends of all calls: ``self._db.write`` as ``_db.write``; ``datetime.now()`` when it is given nothing."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            left = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
            bare = "()" if node.func.attr == "now" and not (node.args or node.keywords) else ""
            yield f"{left}.{node.func.attr}{bare}", node.lineno


def test_one_place_commits() -> None:
    """Everything else leaves its unit of work, which commits, or raises, which rolls back. A pool gives up what it drops."""
    committing = {"commit", "rollback", "begin", "begin_nested"}
    assert (
        found_outside(
            {"app.db.engine", "app.db.migrate", "app.db.pools"}, lambda name: name.split(".")[1] in committing
        )
        == []
    )


def test_only_services_open_transactions() -> None:
    opening = {f"{db}.{way}" for db in ("db", "_db") for way in ("write", "read", "glance", "snapshot")}
    assert found_outside({"app.services"}, lambda name: name in opening) == []


def test_times_know_their_zone() -> None:
    naive = {"datetime.utcnow", "datetime.utcfromtimestamp", "date.today", "datetime.today", "datetime.now()"}
    assert found_outside(set(), lambda name: name in naive) == []


def found_outside(packages: set[str], wanted: Callable[[str], bool]) -> list[str]:
    """Where, outside these packages, a wanted call is made."""
    return [
        f"{module_of(path)}:{line} {name}"
        for path in FILES
        if not any(module_of(path).startswith(package) for package in packages)
        for name, line in calls(path)
        if wanted(name)
    ]


def test_a_file_can_be_read_in_one_sitting() -> None:
    lengths = {module_of(path): len(path.read_text().splitlines()) for path in FILES}
    assert {module: lines for module, lines in lengths.items() if lines > 360} == {}


def test_every_deliberate_break_still_has_something_to_break() -> None:
    """``make mutants``, which is run now and then, must not find that the code has long been written otherwise."""
    assert [each.name for each in MUTANTS if each.before not in (ROOT / each.file).read_text()] == []


def test_the_rules_bite() -> None:
    assert not allowed("httpx", MAY_IMPORT["app.services"])
    assert not allowed("app.whatsapp.client", MAY_IMPORT["app.services"])
    assert not allowed("app.db.engine", MAY_IMPORT["app.schema"])
    assert not allowed("app.services.access", MAY_IMPORT["app.domain"])
    assert not allowed("app.db.engine", MAY_IMPORT["app.http"])
    assert allowed("app.logs", MAY_IMPORT["app.http"])
    assert allowed("json", MAY_IMPORT["app.domain"])
    assert "app.whatsapp.webhook" in set(imported(APP / "services" / "webhooks.py"))
    assert {name for name, _ in calls(APP / "services" / "base.py")} >= {"_db.write", "_db.read", "datetime.now"}
