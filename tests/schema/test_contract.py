"""The schema keeps the public contract, explains itself, and is the one in ``schema.graphql``."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    find_breaking_changes,
    find_dangerous_changes,
)

from app.domain import enums
from app.schema import schema_sdl
from app.schema.enums import DESCRIPTIONS

ROOT = Path(__file__).parents[2]
CONTRACT = build_schema((ROOT / "tests" / "contract.graphql").read_text())
OURS = build_schema(schema_sdl())

NEW_INPUTS = [
    "An optional field GuestRowInput.doNotMessage was added.",
    "An optional field GuestRowInput.consent was added.",
    "An optional field UpdateGuestUnitInput.consent was added.",
    "An optional field UpdatePersonInput.consent was added.",
]
"""Optional, so that whoever does not know them leaves them out; counted as dangerous because a client may count on them."""

BETTERED = {"Mutation.pauseSendRun", "Mutation.cancelSendRun"}
"""The contract explains three fields in one sentence at the first of them."""


def sentences(schema: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    """The description of everything that has one: types, fields, arguments, enum values."""
    for name, kind in schema.type_map.items():
        if name.startswith("__") or name in {"String", "Int", "Float", "Boolean", "ID"}:
            continue
        yield name, kind.description
        if isinstance(kind, GraphQLEnumType):
            yield from ((f"{name}.{value}", each.description) for value, each in kind.values.items())
        if isinstance(kind, GraphQLInputObjectType):
            yield from ((f"{name}.{part}", each.description) for part, each in kind.fields.items())
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for part, field in kind.fields.items():
                yield f"{name}.{part}", field.description
                yield from ((f"{name}.{part}({arg})", each.description) for arg, each in field.args.items())


def test_nothing_of_the_contract_is_broken() -> None:
    assert find_breaking_changes(CONTRACT, OURS) == []
    assert [change.description for change in find_dangerous_changes(CONTRACT, OURS)] == NEW_INPUTS


def test_what_is_more_than_the_contract() -> None:
    """Additions are allowed, and never by accident."""
    more = [change.description for change in find_breaking_changes(OURS, CONTRACT)]
    assert sorted(more) == sorted(
        [
            "Consent was removed.",
            "ConsentInput was removed.",
            "EraseGuestInput was removed.",
            "Erasure was removed.",
            "ErasureReason was removed.",
            "Field Mutation.eraseGuest was removed.",
            "Overdue was removed.",
            "TimelineSource was removed.",
            "Field AudienceTrace.afterCoverage was removed.",
            "Field AuditEntry.reason was removed.",
            "Field DoNotMessageEntry.onTheirWay was removed.",
            "Field DoNotMessageEntry.evidence was removed.",
            "Field DoNotMessageEntry.receiptId was removed.",
            "Field GuestRowInput.doNotMessage was removed.",
            "Field GuestRowInput.consent was removed.",
            "Field GuestUnit.consent was removed.",
            "Field Person.alsoKnownAs was removed.",
            "Field Person.consent was removed.",
            "Field ProviderStatus.dailyLimit was removed.",
            "Field ProviderStatus.syncedAt was removed.",
            "Field SendSummary.overdue was removed.",
            "Field TimelineEntry.source was removed.",
            "Field UpdateGuestUnitInput.consent was removed.",
            "Field UpdatePersonInput.consent was removed.",
        ]
    )


def test_descriptions_of_the_contract_are_kept() -> None:
    ours = dict(sentences(OURS))
    changed = {name for name, text in sentences(CONTRACT) if text and ours[name] != text}
    assert changed == BETTERED


def test_everything_is_explained() -> None:
    assert [name for name, text in sentences(OURS) if not text] == []


def test_schema_graphql_is_the_schema() -> None:
    kept = (ROOT / "schema.graphql").read_text()
    assert kept == schema_sdl(), "schema.graphql is out of date; run: invites export-schema"


@pytest.mark.parametrize("kind", list(DESCRIPTIONS), ids=lambda kind: kind.__name__)
def test_enum_sentences_are_for_the_members_that_there_are(kind: type[StrEnum]) -> None:
    assert list(DESCRIPTIONS[kind][1]) == list(kind.__members__)


def test_every_vocabulary_of_the_domain_is_public() -> None:
    def is_vocabulary(value: Any) -> bool:
        return isinstance(value, type) and issubclass(value, StrEnum) and value is not StrEnum

    assert {value for value in vars(enums).values() if is_vocabulary(value)} == set(DESCRIPTIONS)
