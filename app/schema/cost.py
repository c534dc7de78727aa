"""What an operation may cost: about how many values its answer would have, worked out before anything is read.

A field costs one. What is below a list is counted as often as the list is long: ``first`` of a connection, as the
argument, the variable or the default says; ``ASSUMED`` for a list that takes no ``first``. So the limit on fields, which
counts the document, and this one, which counts the answer, do not replace each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

from app.db.keyset import MAX_FIRST
from app.domain.errors import ErrorCode
from app.schema.errors import CodedError

MAX_COST: Final = 50_000
"""A page of 100 messages with all that is known of each, of its run and of its guests costs some 27,500."""
MAX_SUBSCRIPTION_COST: Final = 2_000
"""Of one value. It is read again four times a second, for as long as somebody looks on."""
ASSUMED: Final = 5
"""Entries of a list without ``first``: the people of a household, the events of a wedding, what happened to a message."""


def cost_problem(
    schema: GraphQLSchema, document: DocumentNode, operation_name: str | None, variables: Mapping[str, Any] | None
) -> CodedError | None:
    """The refusal of the operation that is to run, when it costs too much. What the schema does not know costs nothing."""
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode) and operation_name in {None, node.name and node.name.value}:
            cost = operation_cost(schema, document, node, variables or {})
            limit = MAX_SUBSCRIPTION_COST if node.operation is OperationType.SUBSCRIPTION else MAX_COST
            if cost > limit:
                text = (
                    f"The operation costs {cost:,} and {limit:,} is the most. Ask for fewer entries with first, "
                    "for fewer lists within lists, or in several requests."
                )
                return CodedError(text, ErrorCode.TOO_LARGE, nodes=node)
    return None


def operation_cost(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> int:
    """The cost of one operation of ``document``; ``variables`` as sent, their defaults are in the operation."""
    root = schema.get_root_type(operation.operation)
    return _Costs(schema, document, operation, variables).of(operation.selection_set, root).total(ASSUMED)


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of a selection whose parent may yet say how long the lists in it are, as a connection does for ``nodes``."""

    once: int = 0
    each: int = 0
    """Per entry of its lists that have no ``first`` of their own."""

    def total(self, entries: int) -> int:
        return self.once + entries * self.each


class _Costs:
    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
    ) -> None:
        self._schema = schema
        self._fragments = {
            each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)
        }
        self._measured: dict[str, _Cost] = {}
        self._variables = {
            each.variable.name.value: int(each.default_value.value)
            for each in operation.variable_definitions or ()
            if isinstance(each.default_value, IntValueNode)
        } | dict(variables)

    def of(self, selections: SelectionSetNode | None, parent: GraphQLNamedType | None) -> _Cost:
        once = each = 0
        for selection in selections.selections if selections else ():
            found = self._selection(selection, parent)
            once, each = once + found.once, each + found.each
        return _Cost(once, each)

    def _selection(self, selection: SelectionNode, parent: GraphQLNamedType | None) -> _Cost:
        if isinstance(selection, FieldNode):
            return self._field(selection, parent)
        if isinstance(selection, FragmentSpreadNode):
            return self._fragment(selection.name.value)
        assert isinstance(selection, InlineFragmentNode)
        condition = selection.type_condition
        return self.of(selection.selection_set, self._schema.get_type(condition.name.value) if condition else parent)

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> _Cost:
        known = parent.fields if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) else {}
        field = known.get(node.name.value)
        if field is None:  # introspection and __typename too
            return _Cost()
        below = self.of(node.selection_set, get_named_type(field.type))
        entries = self._first(node, field)
        if not is_list_type(get_nullable_type(field.type)):
            return _Cost(1 + below.total(ASSUMED if entries is None else entries))
        if entries is None:
            return _Cost(1, below.total(ASSUMED))
        return _Cost(1 + entries * below.total(ASSUMED))

    def _fragment(self, name: str) -> _Cost:
        if name not in self._measured:
            self._measured[name] = _Cost()  # validation refuses a circle; here it must only come to an end
            if fragment := self._fragments.get(name):
                condition = self._schema.get_type(fragment.type_condition.name.value)
                self._measured[name] = self.of(fragment.selection_set, condition)
        return self._measured[name]

    def _first(self, node: FieldNode, field: GraphQLField) -> int | None:
        """How long the list is at most; None where nobody may say it. A wrong ``first`` counts as the largest."""
        argument = field.args.get("first")
        if argument is None:
            return None
        default: int = argument.default_value
        given = next((each.value for each in node.arguments or () if each.name.value == "first"), None)
        value: Any = default
        if isinstance(given, IntValueNode):
            value = int(given.value)
        elif isinstance(given, VariableNode):
            value = self._variables.get(given.name.value, default)
        if value is None:
            value = default
        return int(value) if isinstance(value, int | float) and 0 <= value <= MAX_FIRST else MAX_FIRST
