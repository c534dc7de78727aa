"""What no database stores does not get in: NUL and lone surrogates are taken out of every text that a caller sends.

Once, at the door: behind it a search, an id that is none and the audit of a refusal would each have to remember.
"""

from collections.abc import Iterator
from typing import Any, Final

from graphql import StringValueNode, Visitor, visit
from strawberry.extensions import SchemaExtension

from app.domain.errors import ErrorCode
from app.domain.text import storable
from app.schema.errors import CodedError
from app.services.inputs import Shortened

MAX_NESTING: Final = 32
"""Lists and objects within each other in the variables. The deepest input of the contract has 5."""


MAX_VALUES: Final = 1_000_000
"""In the variables, all levels together. The rows of an import of 50,000 guests, with every field of each, are half."""


class StorableTexts(SchemaExtension):
    """Cleans variables, and the literals of the document."""

    def on_operation(self) -> Iterator[None]:
        context = self.execution_context
        try:
            context.variables = _Cleaning().of(context.variables, MAX_NESTING)
        except CodedError as problem:
            # Raised from here it would get past ``ErrorMapping``, and on a websocket be no answer at all.
            context.pre_execution_errors = [problem]
        yield

    def on_validate(self) -> Iterator[None]:
        document = self.execution_context.graphql_document
        # In a document both can only be written as escapes.
        if document and "\\u" in (self.execution_context.query or ""):
            self.execution_context.graphql_document = visit(document, _Literals())
        yield


class _Literals(Visitor):
    def enter_string_value(self, node: StringValueNode, *_: Any) -> StringValueNode | None:
        cleaned = _stored(node.value)
        if cleaned == node.value:
            return None
        return StringValueNode(value=cleaned, block=node.block, loc=node.loc)


class _Cleaning:
    def __init__(self) -> None:
        self._left = MAX_VALUES

    def of(self, value: Any, nesting: int) -> Any:
        """``value``, which is JSON, with every text in it made storable. Raises CodedError for too many or too deep."""
        if isinstance(value, str):
            return _stored(value)
        if not isinstance(value, list | dict):
            return value
        if not nesting:
            raise CodedError(f"The variables are nested more than {MAX_NESTING} levels deep.", ErrorCode.TOO_LARGE)
        self._left -= len(value)
        if self._left < 0:
            raise CodedError(f"The variables have more than {MAX_VALUES:,} values.", ErrorCode.TOO_LARGE)
        if isinstance(value, list):
            return [self.of(each, nesting - 1) for each in value]
        return {name: self.of(each, nesting - 1) for name, each in value.items()}


def _stored(text: str) -> str:
    cleaned = storable(text)
    return text if cleaned == text else Shortened(cleaned)
