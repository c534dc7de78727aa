"""Counting in memory."""

import pytest

from app.counters import Counters


def test_what_happened_is_counted_by_cause() -> None:
    counters = Counters(["kept", "refused"])
    counters.add("refused")
    counters.add("refused")
    assert dict(counters.totals) == {"kept": 0, "refused": 2}


def test_nobody_makes_the_set_grow() -> None:
    counters = Counters(["kept"])
    with pytest.raises(KeyError):
        counters.add("made up by a caller")
    assert dict(counters.totals) == {"kept": 0}
