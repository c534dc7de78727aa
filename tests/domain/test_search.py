"""Search finds what people type, and nothing across the parts of a key."""

import re

import pytest

from app.domain.errors import BadInputError
from app.domain.search import ESCAPE, fold, needle, search_key


def _finds(query: str, *parts: str | None) -> bool:
    """LIKE, as both databases do it for folded text."""
    pattern = needle(query)
    assert pattern is not None
    parsed = re.sub(r"\\(.)|%|_|([^\\%_]+)", _piece, pattern, flags=re.DOTALL)
    return re.fullmatch(parsed, search_key(*parts), flags=re.DOTALL) is not None


def _piece(found: re.Match[str]) -> str:
    if found[1] or found[2]:
        return re.escape(found[1] or found[2])
    return {"%": ".*", "_": "."}[found[0]]


@pytest.mark.parametrize(
    ("query", "parts", "expected"),
    [
        ("sharma", ("Śharma  Family", None), True),
        ("FAMILY", ("Sharma\u00a0Family",), True),
        ("98200 12345", ("Sharma", "+919820012345"), True),
        ("09820012345", ("Sharma", "+919820012345"), True),
        ("00919820012345", ("Sharma", "+919820012345"), True),
        ("+91-98200-12345", ("Sharma", "+919820012345"), True),
        ("٩٨٢٠٠", ("Sharma", "+919820012345"), True),
        ("7", ("Sharma", "+919820012345"), False),
        ("a91", ("Sharma", "+919820012345"), False),
        ("50%", ("Half 50% off",), True),
        ("5_%", ("Half 50% off",), False),
        ("5 % off", ("Half 50% off",), False),
        ("\\", ("a\\b",), True),
        ("000", ("Zero 000",), True),
        ("amit", (None, "", "Amit"), True),
    ],
)
def test_finds(query: str, parts: tuple[str | None, ...], expected: bool) -> None:
    assert _finds(query, *parts) is expected


@pytest.mark.parametrize("query", [None, "", "   ", "\0", "\ud800", "\u200b"])
def test_nothing_to_search_for(query: str | None) -> None:
    assert needle(query) is None


def test_the_longest_query() -> None:
    assert needle("x" * 100) == "%" + "x" * 100 + "%"
    with pytest.raises(BadInputError, match="100") as caught:
        needle("x" * 101)
    assert caught.value.field == "search"


def test_fold_is_idempotent_and_escapes_nothing() -> None:
    for text in ("Šarma", "+91 98200 12345", "50% _\\", "अमित"):
        assert fold(fold(text)) == fold(text)
    assert ESCAPE not in fold("50% _")
