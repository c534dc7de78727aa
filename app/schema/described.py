"""Descriptions of the schema from where the rest of the code has its documentation: docstrings, also under attributes."""

import ast
import inspect
import sys
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T", bound=type[Any])


def described(kind: T) -> T:
    """Class decorator over ``@strawberry.type`` and its kin: docstrings become the descriptions of type and fields.

    Raises TypeError for what has none, so that nothing of the API goes unexplained.
    """
    definition = kind.__strawberry_definition__
    sentences: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if "__strawberry_definition__" in vars(base):
            sentences |= _docstrings(base)
    definition.description = definition.description or _one_line(kind.__doc__)
    for field in definition.fields:
        if field.python_name in sentences:
            field.description = sentences[field.python_name]
    missing = [field.python_name for field in definition.fields if not field.description]
    if missing or not definition.description:
        raise TypeError(f"{kind.__name__} has no docstring for {', '.join(missing) or 'itself'}")
    return kind


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    """A module's classes by name. Read once: inspect.getsource would parse all of the file for each of them."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {statement.name: statement for statement in tree.body if isinstance(statement, ast.ClassDef)}


@cache
def _docstrings(kind: type[Any]) -> dict[str, str]:
    """The docstring of each method, and the string under each annotated attribute, of the class body."""
    found: dict[str, str] = {}
    previous: ast.stmt | None = None
    for statement in _classes(kind.__module__)[kind.__qualname__].body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and (text := ast.get_docstring(statement)):
            found[statement.name] = _one_line(text)
        if isinstance(previous, ast.AnnAssign) and isinstance(previous.target, ast.Name):
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    found[previous.target.id] = _one_line(text)
        previous = statement
    return found


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
