"""What no database stores does not get in: NUL and lone surrogates are taken out of every text that a caller sends.

Once, at the door: behind it a search, an id that is none and the audit of a refusal would each have to remember.
"""

from collections.abc import Iterator
from typing import Any

from graphql import StringValueNode, Visitor, visit
from strawberry.extensions import SchemaExtension

from app.domain.text import storable


class StorableTexts(SchemaExtension):
    """Cleans variables, and the literals of the document."""

    def on_operation(self) -> Iterator[None]:
        if self.execution_context.variables:
            self.execution_context.variables = _clean(self.execution_context.variables)
        yield

    def on_validate(self) -> Iterator[None]:
        document = self.execution_context.graphql_document
        # In a document both can only be written as escapes.
        if document and "\\u" in (self.execution_context.query or ""):
            self.execution_context.graphql_document = visit(document, _Literals())
        yield


class _Literals(Visitor):
    def enter_string_value(self, node: StringValueNode, *_: Any) -> StringValueNode | None:
        cleaned = storable(node.value)
        if cleaned == node.value:
            return None
        return StringValueNode(value=cleaned, block=node.block, loc=node.loc)


def _clean(value: Any) -> Any:
    """``value``, which is JSON, with every text in it made storable."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if isinstance(value, dict):
        return {name: _clean(each) for name, each in value.items()}
    return value
