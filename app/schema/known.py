"""Documents that were found right once: clients ask with the same few texts, and to parse and validate one takes longer
than to answer it.

What depends on more than the text is judged each time: limits, cost, variables, rights, rates.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, TypeAlias

from graphql import DocumentNode
from strawberry.extensions import SchemaExtension

MOST: Final = 64
LONGEST: Final = 2_000
"""Characters of one. Parsed, each takes up to 280 bytes, so all of them stay below 36 MB."""

Documents: TypeAlias = OrderedDict[str, DocumentNode]
"""By their text, the last one asked with at the end. Those of one schema: another one may refuse them."""


class Known(SchemaExtension):
    """Only callers with a token add to ``documents``, so that strangers cannot put others in their place."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._found: DocumentNode | None = None

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        self._found = context.graphql_document = self._documents.get(context.query or "")
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        if self._found and context.pre_execution_errors is None:
            context.pre_execution_errors = []
        yield
        if context.pre_execution_errors or getattr(context.context, "identity", None) is None:
            return
        text, document = context.query, self._found or context.graphql_document
        if text and document and len(text) <= LONGEST:
            self._documents.pop(text, None)  # not move_to_end: a large request on another thread may have thrown it out
            self._documents[text] = document
            if len(self._documents) > MOST:
                self._documents.popitem(last=False)
