"""Every public method of the reader with arguments that fit, found by introspection, so that a new one cannot escape."""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from app.db.keyset import Page
from app.services.base import Actor
from app.services.reading import AuditFilter, GuestUnitFilter, MessageFilter, Reader
from app.services.reading.visibility import SEEN
from tests.reading.world import Family

METHODS = {
    name: method for name, method in inspect.getmembers(Reader, inspect.iscoroutinefunction) if not name.startswith("_")
}
PAGES = [name for name, method in METHODS.items() if "first" in inspect.signature(method).parameters]
_FILTERS = {"guest_units": GuestUnitFilter(), "audit": AuditFilter()}

Call = Callable[[Actor], Any]


def arguments(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """``given`` has one id or list of ids per parameter name; an unknown parameter without default is an error."""
    found: dict[str, Any] = {}
    for parameter in list(inspect.signature(METHODS[name]).parameters.values())[2:]:
        if parameter.name == "where":
            found["where"] = _FILTERS.get(name, MessageFilter())
        elif parameter.name == "first":
            found["first"] = 100
        elif parameter.name in given:
            found[parameter.name] = given[parameter.name]
        else:
            assert parameter.default is not parameter.empty, f"say what to pass for {parameter.name} of {name}"
    return found


def of_family(family: Family) -> dict[str, Any]:
    """Ids of the family's things by parameter name."""
    one = {
        "workspace_id": family.workspace.id,
        "event_id": family.event.id,
        "unit_id": family.unit.id,
        "run_id": family.run.id,
        "message_id": family.message.id,
        "import_id": family.guest_import.id,
        "entry_id": family.block.id,
    }
    return one | {f"{name}s": [value] for name, value in one.items()} | {"pairs": [(family.unit.id, family.event.id)]}


def nonsense(value: str) -> dict[str, Any]:
    one = ("workspace_id", "event_id", "unit_id", "run_id", "message_id", "import_id", "entry_id")
    return dict.fromkeys(one, value) | {f"{name}s": [value] for name in one} | {"pairs": [(value, value)]}


def by_id(family: Family) -> dict[type, str]:
    """One id of each kind that ``rows`` and ``node`` know."""
    found: list[Any] = [
        family.workspace, family.owner, family.event, family.unit, family.person, family.guest_import, family.template,
        family.run, family.message, family.block, family.entry,
    ]  # fmt: skip
    ids = {type(row): row.id for row in found}
    assert ids.keys() == SEEN.keys()
    return ids


def every_call(reader: Reader, given: dict[str, Any], rows: dict[type, str]) -> Iterator[tuple[str, Call]]:
    """One call of each method; of ``rows`` and ``node`` one per kind of row."""
    for name in METHODS:
        method = getattr(reader, name)
        if name == "rows":
            for kind, row_id in rows.items():
                yield name, partial(method, kind=kind, row_ids=[row_id])
        elif name == "node":
            for row_id in rows.values():
                yield name, partial(method, node_id=row_id)
        else:
            yield name, partial(method, **arguments(name, given))


def is_nothing(result: Any) -> bool:
    if isinstance(result, Page):
        return not result.nodes and not result.cursors and not result.has_next and not result.total
    return not result
