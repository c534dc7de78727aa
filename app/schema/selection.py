"""What the caller asked of a field, for answers whose parts cost something."""

from strawberry.types.nodes import FragmentSpread, InlineFragment, SelectedField, Selection

from app.schema.context import Info


def selects(info: Info, name: str) -> bool:
    """True when the running field's selection has a field ``name`` (its GraphQL name), also within fragments."""
    return any(_has(selection, name) for field in info.selected_fields for selection in field.selections)


def _has(selection: Selection, name: str) -> bool:
    if isinstance(selection, SelectedField):
        return selection.name == name
    assert isinstance(selection, FragmentSpread | InlineFragment)
    return any(_has(inner, name) for inner in selection.selections)
