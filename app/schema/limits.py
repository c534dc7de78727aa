"""How much one request, and one document, may ask for. Each limit says its name and its number when it is passed; the cost is in ``cost``.

Everything is measured before validation, whose check for fields that overlap takes seconds for a document of some
kilobytes. Strawberry's own depth and alias limiters run beside it, and walk a fragment again for every spread of it: thirty
fragments which spread each other twice take 2³⁰ steps. Here every fragment is measured once.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from graphql import (
    BREAK,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Visitor,
    VisitorAction,
    visit,
)
from strawberry.extensions import SchemaExtension

from app.domain.errors import ErrorCode
from app.schema.cost import cost_problem
from app.schema.errors import CodedError

MAX_BODY: Final = 8 * 1024 * 1024
MAX_DOCUMENT: Final = 64 * 1024
MAX_UNSIGNED: Final = 2 * MAX_DOCUMENT
"""Bytes of a request without a valid token, and characters of a message before it: the parser takes its time."""
MAX_CONTAINERS: Final = 250_000
"""Lists and objects of one request, counted by their brackets. The rows of an import of 50,000 guests have 100,000."""
MAX_TOKENS: Final = 3_000
MAX_DEPTH: Final = 12
MAX_FIELDS: Final = 400
"""With fragments filled in. The largest operation of the console has some 50."""
MAX_ALIASES: Final = 30
MAX_FRAGMENTS: Final = 50
"""The console's largest document has four, GraphiQL's introspection three."""
MAX_NESTING: Final = 60
"""Selections within each other, where spreads and inline fragments are levels too: whoever walks them calls itself."""
MAX_DIGITS: Final = 100
"""Of a whole number in the document. Int has 10; past 4,300 Python itself refuses to convert one, with a ValueError."""

_INTROSPECTION: Final = frozenset({"__schema", "__type"})
_LONG_NUMBER: Final = re.compile(rf"\d{{{MAX_DIGITS}}}")
_OPERATION_NAME: Final = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,254}")
"""GraphQL's grammar of names (spec §2.1.9). No other text is looked up, or said back: not every one can be encoded."""
BAD_NAME: Final = "Send operationName as a name of up to 255 letters, digits and underscores, or leave it out."


def document_problem(document: object) -> CodedError | None:
    """Judged before parsing: a parser in Python takes seconds for what may be sent in a body of 8 MiB."""
    if isinstance(document, str) and len(document.encode("utf-8", "replace")) > MAX_DOCUMENT:
        return CodedError(
            f"The query document is larger than {MAX_DOCUMENT // 1024} kB. Put values into variables.",
            ErrorCode.TOO_LARGE,
        )
    return None


def has_too_many_containers(data: str | bytes) -> bool:
    """Judged without parsing, which takes seconds for millions of them; brackets within texts count too."""
    if isinstance(data, str):
        return data.count("[") + data.count("{") > MAX_CONTAINERS
    return data.count(b"[") + data.count(b"{") > MAX_CONTAINERS


def may_name_an_operation(name: object) -> bool:
    return name is None or (isinstance(name, str) and _OPERATION_NAME.fullmatch(name) is not None)


class Limits(SchemaExtension):
    """Tokens while parsing, the rest before validating."""

    def on_operation(self) -> Iterator[None]:
        self.execution_context.parse_options["max_tokens"] = MAX_TOKENS
        # Once the document is parsed, the name of its first operation stands in for the one that was not sent.
        self._named = self.execution_context.operation_name is not None
        yield

    def on_validate(self) -> Iterator[None]:
        document = self.execution_context.graphql_document
        if document and (problem := self._problem(document)):
            self.execution_context.pre_execution_errors = [problem]
        yield

    def _problem(self, document: DocumentNode) -> CodedError | None:
        if problem := self._choice(document) or self._number(document):
            return problem
        try:
            _measure(document)
        except CodedError as found:
            return found
        return self._cost(document)

    def _choice(self, document: DocumentNode) -> CodedError | None:
        """GraphQL's GetOperation() (spec §6.1), which Strawberry answers with the first."""
        operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
        if self._named or len(operations) == 1:
            return None
        return CodedError("Name the operation to run in operationName: the document has several.", ErrorCode.BAD_INPUT)

    def _number(self, document: DocumentNode) -> CodedError | None:
        # Looking into every value takes as long as the parser, so only where there may be something to find.
        if not _LONG_NUMBER.search(self.execution_context.query or ""):
            return None
        visit(document, numbers := _Numbers())
        if not numbers.too_long:
            return None
        return CodedError(f"A number has more than {MAX_DIGITS} digits.", ErrorCode.BAD_INPUT, nodes=numbers.too_long)

    def _cost(self, document: DocumentNode) -> CodedError | None:
        context = self.execution_context
        schema: GraphQLSchema = context.schema._schema  # noqa: SLF001 - the only way to it
        return cost_problem(schema, document, context.operation_name, context.variables)


class _Numbers(Visitor):
    too_long: IntValueNode | None = None

    def enter_int_value(self, node: IntValueNode, *_: object) -> VisitorAction:
        if len(node.value.lstrip("-")) <= MAX_DIGITS:
            return None
        self.too_long = node
        return BREAK


def _measure(document: DocumentNode) -> None:
    """Raises CodedError."""
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    if len(fragments) > MAX_FRAGMENTS:
        raise CodedError(f"The document has more than {MAX_FRAGMENTS} fragments.", ErrorCode.TOO_LARGE)
    measure = _Measure(fragments)
    for node in document.definitions:
        if not isinstance(node, OperationDefinitionNode):
            continue
        size = measure.of(node.selection_set)
        for count, limit, what in (
            (size.depth, MAX_DEPTH, "levels"),
            (size.fields, MAX_FIELDS, "fields"),
            (size.aliases, MAX_ALIASES, "aliases"),
        ):
            if count > limit:
                text = f"The operation has more than {limit} {what}. Ask in several requests."
                raise CodedError(text, ErrorCode.TOO_LARGE, nodes=node)
        if node.operation is OperationType.MUTATION and size.width > 1:
            # The first could be done and the second refused, and the caller would have to find out which.
            raise CodedError("Send one mutation per request.", ErrorCode.BAD_INPUT, nodes=node)
    # What no operation spreads was not measured, and validation looks into it all the same (spec §5.5.1.4).
    if unused := fragments.keys() - measure.measured.keys():
        raise CodedError(f"Fragment '{min(unused)}' is never used.", ErrorCode.BAD_INPUT)


@dataclass(frozen=True, slots=True)
class _Size:
    """What a selection comes to with its fragments filled in; ``width`` counts its own level only."""

    depth: int = 0
    width: int = 0
    fields: int = 0
    aliases: int = 0


class _Measure:
    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self.measured: dict[str, _Size] = {}

    def of(self, selections: SelectionSetNode | None, nesting: int = 0) -> _Size:
        """Raises CodedError."""
        if selections and nesting > MAX_NESTING:
            text = f"The operation has more than {MAX_NESTING} fields and fragments within each other."
            raise CodedError(text, ErrorCode.TOO_LARGE)
        depth = width = fields = aliases = 0
        for selection in selections.selections if selections else ():
            if isinstance(selection, FieldNode):
                inner = _of_field(selection, self.of(selection.selection_set, nesting + 1))
            elif isinstance(selection, FragmentSpreadNode):
                inner = self._fragment(selection.name.value, nesting + 1)
            else:
                assert isinstance(selection, InlineFragmentNode)
                inner = self.of(selection.selection_set, nesting + 1)
            depth, width = max(depth, inner.depth), width + inner.width
            fields, aliases = fields + inner.fields, aliases + inner.aliases
        return _Size(depth, width, fields, aliases)

    def _fragment(self, name: str, nesting: int) -> _Size:
        if name not in self.measured:
            self.measured[name] = _Size()  # validation refuses a circle; here it must only come to an end
            fragment = self._fragments.get(name)
            self.measured[name] = self.of(fragment.selection_set, nesting) if fragment else _Size()
        return self.measured[name]


def _of_field(node: FieldNode, inner: _Size) -> _Size:
    """Raises CodedError."""
    name, aliases = node.name.value, inner.aliases + (node.alias is not None)
    if name in _INTROSPECTION:
        if aliases:
            # The answer to one name is some hundred kilobytes, and every alias would be another.
            raise CodedError(f"There are no aliases for or below {name}.", ErrorCode.BAD_INPUT, nodes=node)
        return _Size(fields=inner.fields + 1)  # of its depth graphql-core takes care
    return _Size(inner.depth + 1, 0 if name == "__typename" else 1, inner.fields + 1, aliases)
