"""Each operation counted once, by its type and by how it ended."""

from collections.abc import Iterator
from typing import Any, Final

from strawberry.extensions import SchemaExtension
from strawberry.types.execution import StreamExecutionResult

from app.domain.errors import ErrorCode
from app.schema.errors import OF_THE_DOCUMENT

UNREAD: Final = "unread"
"""The type of what could not be read so far as to have one."""
OK: Final = "OK"


class Counted(SchemaExtension):
    """A subscription counts when it ends, with the code of its last value."""

    def on_operation(self) -> Iterator[None]:
        self._streamed: str | None = None
        context = self.execution_context.context
        code: str | None = None  # stays so where the client left before the end
        try:
            yield
            code = self._streamed or _code(self.execution_context.result)
        except Exception as error:
            code = ErrorCode.BAD_INPUT if isinstance(error, OF_THE_DOCUMENT) else ErrorCode.INTERNAL
            raise
        finally:
            if context is not None:
                context.counted(self._kind(), code or self._streamed or OK)

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        yield
        self._streamed = _code(result)

    def _kind(self) -> str:
        if self.execution_context.graphql_document is None:
            return UNREAD
        try:
            return self.execution_context.operation_type.value
        except RuntimeError:  # no operation of the name that was asked for
            return UNREAD


def _code(result: Any) -> str:
    errors = getattr(result, "errors", None)
    return (errors[0].extensions or {}).get("code", ErrorCode.INTERNAL) if errors else OK
