"""The GraphQL schema: ``build_schema()`` makes it, ``schema_sdl()`` is what ``schema.graphql`` holds."""

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from functools import cache, partial
from typing import Any

import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    Undefined,
)
from strawberry.extensions import DisableIntrospection, SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

import app.schema.enums  # noqa: F401 - makes the domain's enums known before any type names one
from app.schema.cleaning import StorableTexts
from app.schema.counting import Counted
from app.schema.deadline import timed_execution
from app.schema.errors import ErrorMapping, coded
from app.schema.known import Documents, Known
from app.schema.limits import Limits
from app.schema.mutations import Mutation
from app.schema.pagination import Names
from app.schema.queries import Query
from app.schema.rates import limit_rates
from app.schema.scalars import SCALARS
from app.schema.subscriptions import Subscription


class OwnContext(SchemaExtension):
    """Gives each operation a context of its own: a websocket has one for all, and its loaders would remember."""

    def on_operation(self) -> Iterator[None]:
        if self.execution_context.context is not None:
            self.execution_context.context = self.execution_context.context.for_operation()
        yield


class Schema(strawberry.Schema):
    """Leaves logging to ``ErrorMapping``, which knows the error id that the caller gets."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for kind in self._schema.type_map.values():
            if isinstance(kind, GraphQLInputObjectType):
                _drop_null_defaults(kind.fields.values())
            elif isinstance(kind, GraphQLObjectType):
                for field in kind.fields.values():
                    _drop_null_defaults(field.args.values())
        limit_rates(self._schema)

    async def execute(self, query: str | None, *args: Any, **kwargs: Any) -> ExecutionResult:
        """One answer to one request. A subscription has many, so here it is refused; Strawberry would try, and fail."""
        kwargs["allowed_operation_types"] = {OperationType.QUERY, OperationType.MUTATION} & set(
            kwargs.get("allowed_operation_types") or OperationType
        )
        result = await super().execute(query, *args, **kwargs)
        # ``ErrorMapping`` is an extension itself: it does not see what one of them raises.
        result.errors = result.errors and [
            each if "code" in (each.extensions or {}) else coded(each) for each in result.errors
        ]
        return result

    async def stream(self, query: str | None, *args: Any, **kwargs: Any) -> Any:
        """The answers to one message of a socket; what an extension raises is one of them, with its code."""
        return _coded(await super().stream(query, *args, **kwargs))

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        pass


async def _coded(results: Any) -> AsyncGenerator[Any, None]:
    async with aclosing(results):
        try:
            async for result in results:
                yield result
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller waits for an answer
            yield PreExecutionError(data=None, errors=[coded(GraphQLError(str(error), original_error=error))])


def _drop_null_defaults(inputs: Iterable[GraphQLArgument | GraphQLInputField]) -> None:
    """``= None`` in Python only says "may be left out", which GraphQL says by nullability; ``= null`` would be noise."""
    for each in inputs:
        if each.default_value is None:
            each.default_value = Undefined


@cache
def build_schema(*, introspection: bool = True, query_timeout: float = 30.0) -> Schema:
    """``query_timeout`` is in seconds. Without ``introspection`` no name is told that was not asked with."""
    # Counted is outermost: it sees the errors with their codes.
    extensions: list[Any] = [
        Counted,
        partial(ErrorMapping, suggestions=introspection),
        Limits,
        StorableTexts,
        OwnContext,
        partial(Known, Documents()),
    ]
    if not introspection:
        extensions.append(DisableIntrospection)
    return Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        extensions=extensions,
        execution_context_class=timed_execution(query_timeout),
        config=StrawberryConfig(name_converter=Names(), scalar_map=SCALARS),
    )


def schema_sdl() -> str:
    """The schema in GraphQL's own language, as ``schema.graphql`` holds it."""
    return build_schema().as_str() + "\n"
