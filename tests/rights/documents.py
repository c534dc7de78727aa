"""Operations made from the built schema: a way to every type, every argument filled, whatever fields there are.

An argument whose meaning does not follow from its type (an id, a text of some form) is looked up by its coordinate. An id
that is missing there is a KeyError, which says what to add when the schema has grown.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_composite_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

from app.schema import schema_sdl
from tests.rights.world import Things

OMIT: Any = object()
"""Left out unless asked for: it excludes another argument, or would empty the answer."""

NAMES: dict[str, Callable[[Things], str]] = {
    "Query.node.id": lambda of: of.event,
    "Query.workspace.id": lambda of: of.workspace,
    "Query.event.id": lambda of: of.event,
    "Query.sendRun.id": lambda of: of.run,
    "Query.inviteMessage.id": lambda of: of.message,
    "Query.guestUnit.id": lambda of: of.unit,
    "Query.guestImport.id": lambda of: of.guest_import,
    "Query.precheck.token": lambda of: of.token,
    "Mutation.pauseSendRun.id": lambda of: of.run,
    "Mutation.resumeSendRun.id": lambda of: of.run,
    "Mutation.cancelSendRun.id": lambda of: of.run,
    "Subscription.sendRunProgress.id": lambda of: of.run,
    "UpdateEventInput.id": lambda of: of.event,
    "UpdateGuestUnitInput.id": lambda of: of.unit,
    "UpdatePersonInput.id": lambda of: of.person,
    "RevokeDoNotMessageInput.id": lambda of: of.block,
    "EraseGuestInput.id": lambda of: of.person,
    "precheckToken": lambda of: of.token,
    "workspaceId": lambda of: of.workspace,
    "eventId": lambda of: of.event,
    "guestUnitId": lambda of: of.unit,
    "includeGuestUnitIds": lambda of: of.unit,
    "excludeGuestUnitIds": lambda of: of.unit,
    "runId": lambda of: of.run,
    "actorId": lambda of: of.member,
    "targetId": lambda of: of.event,
    "search": lambda of: of.name,
    "templateName": lambda of: of.template_name,
}
"""What names a thing of a family, by coordinate or else by the argument's own name."""

SHARED = {"templateName"}
"""What both families see: the templates of their number."""

VALUES: dict[str, Any] = {
    "ImportGuestsInput.csv": OMIT,
    "PrecheckSendInput.fromRun": OMIT,
    "AudienceInput.excludeGuestUnitIds": OMIT,
    "AuditFilter.actions": OMIT,
    "ConsentInput.at": "2026-03-01T00:00:00Z",
    "AuditFilter.before": "2040-01-01T00:00:00Z",
    "AuditFilter.after": "2020-01-01T00:00:00Z",
    "FromRunInput.states": ["FAILED", "UNCONFIRMED", "CANCELLED", "REJECTED"],
    "SetSendPolicyInput.rolesThatSend": ["OWNER", "PARENT_ADMIN"],
    "SetSendPolicyInput.requireConsent": False,
    "SetMemberInput.role": "FAMILY_COORDINATOR",
    "SetMemberInput.subject": "newcomer",
    "UpdateEventInput.status": "PUBLISHED",
    "UpdateEventInput.visibility": "INVITE_ONLY",
    "UpdatePersonInput.phone": "+919876500003",
    "TemplateParameterInput.component": "BODY",
    "TemplateParameterInput.name": "guest_name",
    "TemplateParameterInput.source": "GUEST_NAME",
    "TemplateParameterInput.position": OMIT,
    "TemplateParameterInput.buttonIndex": OMIT,
    "TemplateParameterInput.value": OMIT,
    "Precheck.candidates.verdict": OMIT,
    "archived": False,
    "defaultRegion": "IN",
    "timezone": "Asia/Kolkata",
    "phone": "+919876500001",
    "deliveryPhone": "+919876500002",
    "templateLanguage": "en",
    "tags": ["family"],
    "after": OMIT,
    "first": 3,
}
"""What must be of some form, by coordinate or by name."""

DEFAULTS = {"String": "some text", "Int": 1, "Boolean": True, "DateTime": "2027-02-03T18:30:00Z"}

GOES_WITH = {
    "GuestUnitFilter.eventId": {"GuestUnitFilter.coverage"},
    "PrecheckSendInput.eventId": {"PrecheckSendInput.audience"},
}
"""What else must be given for an argument to have a meaning."""


@cache
def schema() -> GraphQLSchema:
    return build_schema(schema_sdl())


def object_type(name: str) -> GraphQLObjectType:
    found = schema().type_map[name]
    assert isinstance(found, GraphQLObjectType)
    return found


def object_types() -> list[str]:
    kinds = schema().type_map.values()
    return [kind.name for kind in kinds if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__")]


def all_fields() -> set[str]:
    return {f"{kind}.{name}" for kind in object_types() for name in object_type(kind).fields}


@dataclass(frozen=True)
class Filling:
    """What stands in the arguments. With ``spot`` alone everything optional that does not lead to it is left out."""

    of: Things
    spot: tuple[str, ...] = ()
    """The coordinates from a field's argument down to the one that names ``foreign``'s thing."""
    foreign: Things | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    """Values of this very call by coordinate, before all others."""
    everything: bool = True

    def arguments(self, parent: str, name: str, expected: str = "") -> str:
        """In parentheses, or nothing. ``expected``: the type that a ``node`` shall be of."""
        if (parent, name) == ("Query", "node") and expected:
            return f"(id: {json.dumps(self.of.nodes[expected])})"
        filled = [
            f"{each}: {text}"
            for each, argument in object_type(parent).fields[name].args.items()
            if self._wanted(f"{parent}.{name}.{each}", required=is_required_argument(argument))
            and (text := self._text(argument.type, f"{parent}.{name}.{each}", each)) is not None
        ]
        return f"({', '.join(filled)})" if filled else ""

    def _wanted(self, coordinate: str, *, required: bool) -> bool:
        if required or coordinate in self.given or coordinate in self.spot:
            return True
        if self.spot:
            return coordinate in GOES_WITH.get(self.spot[-1], ())
        return self.everything

    def _text(self, kind: Any, coordinate: str, name: str) -> str | None:
        """The value as GraphQL writes it; None to leave it out."""
        kind = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
        named = get_named_type(kind)
        for key in (coordinate, name):
            if key in self.given:
                return _written(self.given[key], named)
            if VALUES.get(key) is OMIT and coordinate not in self.spot:
                return None
            if key in NAMES:
                at_the_spot = self.foreign is not None and self.spot[-1:] == (coordinate,)
                value = NAMES[key](self.foreign if self.foreign is not None and at_the_spot else self.of)
                return _written([value] if isinstance(kind, GraphQLList) else value, named)
            if key in VALUES and VALUES[key] is not OMIT:
                return _written(VALUES[key], named)
        if isinstance(kind, GraphQLList):
            if isinstance(named, GraphQLEnumType):
                return _written(list(named.values), named)
            return f"[{self._text(kind.of_type, coordinate, name)}]"
        if isinstance(named, GraphQLInputObjectType):
            parts = [
                f"{each}: {text}"
                for each, part in named.fields.items()
                if self._wanted(f"{named.name}.{each}", required=is_required_input_field(part))
                and (text := self._text(part.type, f"{named.name}.{each}", each)) is not None
            ]
            return "{" + ", ".join(parts) + "}"
        if isinstance(named, GraphQLEnumType):
            return str(next(iter(named.values)))
        if named.name not in DEFAULTS:
            raise KeyError(f"say in NAMES or VALUES what to give for {coordinate}")
        return _written(DEFAULTS[named.name], named)


def _written(value: Any, kind: GraphQLNamedType) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_written(each, kind) for each in value) + "]"
    return str(value) if isinstance(kind, GraphQLEnumType) else json.dumps(value)


@dataclass(frozen=True)
class Step:
    parent: str
    name: str
    expected: str
    """The object type that it leads to."""
    abstract: bool


@cache
def ways() -> dict[str, tuple[Step, ...]]:
    """The shortest way from a root to every object type; through ``Query`` where there is one."""
    found: dict[str, tuple[Step, ...]] = {}
    for root in ("Query", "Mutation", "Subscription"):
        found[root] = ()
        queue = [root]
        while queue:
            parent = queue.pop(0)
            for name, each in object_type(parent).fields.items():
                target = get_named_type(each.type)
                if not is_composite_type(target):
                    continue
                abstract = not isinstance(target, GraphQLObjectType)
                for kind in [target] if isinstance(target, GraphQLObjectType) else schema().get_possible_types(target):
                    if kind.name not in found:
                        found[kind.name] = (*found[parent], Step(parent, name, kind.name, abstract))
                        queue.append(kind.name)
    return found


@dataclass(frozen=True)
class Call:
    """Some fields of one type, with the way to it."""

    kind: str
    names: tuple[str, ...]

    @property
    def fields(self) -> set[str]:
        return {f"{self.kind}.{name}" for name in self.names}

    @property
    def way(self) -> tuple[Step, ...]:
        return ways()[self.kind]

    @property
    def root(self) -> str:
        """The root type."""
        return self.way[0].parent if self.way else self.kind

    @property
    def root_field(self) -> str:
        return self.way[0].name if self.way else self.names[0]

    def document(self, filling: Filling) -> str:
        """``filling`` is for the fields; the way itself is of ``filling.of`` and as short as can be."""
        body = " ".join(f"{name}{filling.arguments(self.kind, name)}{_shown(self.kind, name)}" for name in self.names)
        for step in reversed(self.way):
            plain = Filling(filling.of, everything=step.parent in {"Query", "Mutation", "Subscription"})
            inner = f"... on {step.expected} {{ {body} }}" if step.abstract else body
            body = f"{step.name}{plain.arguments(step.parent, step.name, step.expected)} {{ __typename {inner} }}"
        return f"{self.root.lower()} {{ {body} }}"

    def reached(self, data: Any) -> list[Any]:
        """The objects of ``kind`` in an answer."""
        found = [data] if data else []
        for step in self.way:
            values = [each.get(step.name) for each in found]
            found = [each for value in values for each in (value if isinstance(value, list) else [value]) if each]
            found = [each for each in found if each["__typename"] == step.expected]
        return found

    def spots(self) -> Iterator[tuple[str, ...]]:
        """Every place in the arguments that can name a thing of a family."""
        for name in self.names:
            for each, argument in object_type(self.kind).fields[name].args.items():
                yield from _spots(argument.type, f"{self.kind}.{name}.{each}", each)

    @property
    def names_something(self) -> bool:
        """False where nothing of a family is asked for: ``me`` and ``createWorkspace``."""
        first = self.way[0] if self.way else Step(self.kind, self.names[0], "", abstract=False)
        return any(Call(first.parent, (first.name,)).spots())


def _spots(kind: Any, coordinate: str, name: str) -> Iterator[tuple[str, ...]]:
    named = get_named_type(kind)
    if isinstance(named, GraphQLInputObjectType):
        for each, part in named.fields.items():
            for inner in _spots(part.type, f"{named.name}.{each}", each):
                yield (coordinate, *inner)
    elif name not in SHARED and (coordinate in NAMES or name in NAMES):
        yield (coordinate,)
    elif isinstance(named, GraphQLScalarType) and named.name == "ID":
        raise KeyError(f"say in NAMES what to give for {coordinate}")


def calls() -> list[Call]:
    """Every field of every object type: those without arguments in one call, each other one in a call of its own."""
    found = []
    for kind in object_types():
        fields = object_type(kind).fields
        alone = [name for name, each in fields.items() if each.args or not ways()[kind]]
        together = tuple(name for name in fields if name not in alone)
        found += [Call(kind, (name,)) for name in alone] + ([Call(kind, together)] if together else [])
    return found


def _shown(kind: str, name: str) -> str:
    """What is selected of a field's value: all that it says itself, and for a page what its entries say."""
    target = get_named_type(object_type(kind).fields[name].type)
    return "" if is_leaf_type(target) else f" {{ {_leaves(target, pages=True)} }}"


def _leaves(target: Any, *, pages: bool) -> str:
    words = ["__typename"]
    if isinstance(target, GraphQLObjectType | GraphQLInterfaceType):
        parts: dict[str, GraphQLField] = target.fields
        for name, each in parts.items():
            inner = get_named_type(each.type)
            if each.args:
                continue
            if is_leaf_type(inner):
                words.append(name)
            elif pages and target.name.endswith("Connection"):
                words.append(f"{name} {{ {_leaves(inner, pages=False)} }}")
    return " ".join(words)
