"""Odd texts, odd JSON, and documents that were in order until something happened to them."""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

_ODD_TEXTS = [
    "", " ", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "\N{ZERO WIDTH JOINER}", "\N{RIGHT-TO-LEFT OVERRIDE}x", "é" * 300,
    "x" * 20_000, "null", "NaN", "-1", "9" * 400, "\N{FULLWIDTH DIGIT ONE}", "' OR 1=1 --", "%_\\", "{{guest_name}}", "=1+1",
    "../../etc/passwd", "\r\nSet-Cookie: a=b", "2026-13-45T99:99:99Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00",
    "+919800000007", "00919800000007", "+" + "9" * 40,
]  # fmt: skip

texts = st.one_of(st.sampled_from(_ODD_TEXTS), st.text(st.characters(exclude_categories=()), max_size=40))
"""Any code point, lone surrogates and NUL too."""

_ODD_NUMBERS = [0, -1, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63, -(2**63) - 1, 10**30, 1e308, 5e-324, 1.5, -0.0]

scalars: SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.sampled_from(_ODD_NUMBERS), st.integers(), st.floats(allow_nan=False), texts
)

anything: SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)

_RAW = [
    b"NaN", b"-Infinity", b"1e999", b"9" * 5_000, b"-" + b"9" * 25, b'"\\ud800"', b'"\\u0000"', b'"\xff\xfe"', b'"\xed\xa0\x80"',
    b"[" * 3_000 + b"]" * 3_000, b'{"a":' * 3_000 + b"1" + b"}" * 3_000, b"[" * 100_000, b"", b"nul", b"/**/1", b'"' + b"x" * 100_000 + b'"',
    b"[" + b"1," * 20_000 + b"1]", b'{"a":1,"a":2}',
]  # fmt: skip
"""What no JSON writer writes, or not at this size."""
_MARK = "\N{BULLET}raw\N{BULLET}"

Path = tuple[Any, ...]


@st.composite
def changed(draw: DrawFn, documents: Sequence[Any]) -> Any:
    """One of the JSON documents with one to three places of it taken out, replaced, moved or repeated."""
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(_paths(document))))
        document = _at(document, path, draw(st.sampled_from(_CHANGES))(draw, document))
    return document


@st.composite
def serialised(draw: DrawFn, documents: SearchStrategy[Any]) -> bytes:
    """The bytes of a document, perhaps with something raw in one place, or cut, or with bytes swapped."""
    document = draw(documents)
    raw = draw(st.none() | st.sampled_from(_RAW))
    if raw is not None:
        path = draw(st.sampled_from(list(_paths(document))))
        document = _at(copy.deepcopy(document), path, lambda _: _MARK)
    body = json.dumps(document, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if raw is not None:
        body = body.replace(json.dumps(_MARK).encode(), raw).replace(f'"{_MARK}"'.encode(), raw)
    return draw(broken(body)) if draw(st.integers(0, 3)) == 0 else body


@st.composite
def broken(draw: DrawFn, body: bytes) -> bytes:
    """Cut off, cut out, or with something put into the middle."""
    begin = draw(st.integers(0, len(body)))
    end = draw(st.integers(begin, min(len(body), begin + 8)) | st.just(len(body)))
    return body[:begin] + draw(st.binary(max_size=6)) + body[end:]


def broken_text(text: str) -> SearchStrategy[str]:
    return broken(text.encode()).map(lambda body: body.decode("utf-8", "replace"))


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from _paths(inner, (*path, key))


def _at(value: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """``value`` with what stands at ``path`` changed; an Ellipsis for it takes it away."""
    if not path:
        made = change(value)
        return None if made is ... else made
    made = change(value[path[0]]) if len(path) == 1 else _at(value[path[0]], path[1:], change)
    if made is ...:
        del value[path[0]]
    else:
        value[path[0]] = made
    return value


def _replace(draw: DrawFn, _document: Any) -> Callable[[Any], Any]:
    new = draw(anything)
    return lambda _: new


def _take_out(_draw: DrawFn, _document: Any) -> Callable[[Any], Any]:
    return lambda _: ...


def _repeat(draw: DrawFn, _document: Any) -> Callable[[Any], Any]:
    times = draw(st.sampled_from([2, 3, 50]))
    return lambda old: old * times if isinstance(old, list) and len(old) < 50 else [old] * times


def _wrap(draw: DrawFn, _document: Any) -> Callable[[Any], Any]:
    name = draw(texts)
    return lambda old: {name: old}


def _move(draw: DrawFn, document: Any) -> Callable[[Any], Any]:
    """Something from another place of the same document."""
    found = copy.deepcopy(document)
    for key in draw(st.sampled_from(list(_paths(document)))):
        found = found[key]
    return lambda _: found


_CHANGES = [_replace, _replace, _replace, _take_out, _repeat, _wrap, _move]
