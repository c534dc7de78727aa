"""The token bucket, on a clock that the test moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.buckets import MAX_KEYS, WINDOW, Buckets

SECOND = 1_000_000_000


@pytest.mark.parametrize("per_minute", [1, 7, 60, 240, 100_000])
def test_a_full_bucket_holds_what_a_minute_gives(per_minute: int) -> None:
    buckets = Buckets(per_minute)
    assert [buckets.take("a", 5) for _ in range(per_minute)] == [0] * per_minute
    assert buckets.take("a", 5) == WINDOW // per_minute


def test_it_fills_evenly_and_a_refusal_costs_nothing() -> None:
    buckets = Buckets(60)
    assert all(buckets.take("a", 0) == 0 for _ in range(60))
    for _ in range(3):
        assert buckets.take("a", SECOND // 4) == SECOND - SECOND // 4
    assert buckets.take("a", SECOND) == 0
    assert buckets.take("a", SECOND) == SECOND
    assert [buckets.take("a", 11 * SECOND) for _ in range(11)] == [0] * 10 + [SECOND]


def test_everybody_has_one() -> None:
    buckets = Buckets(1)
    assert (buckets.take("a", 0), buckets.take("b", 0)) == (0, 0)
    assert buckets.take("a", 0) == WINDOW


def test_a_pause_is_not_made_up_for_by_more_than_a_bucket() -> None:
    buckets = Buckets(2)
    assert [buckets.take("a", 3600 * SECOND) == 0 for _ in range(3)] == [True, True, False]
    assert [buckets.take("a", 7200 * SECOND) == 0 for _ in range(3)] == [True, True, False]


def test_the_one_used_longest_ago_is_forgotten() -> None:
    buckets = Buckets(1)
    for number in range(MAX_KEYS):
        assert buckets.take(f"subject {number}", number) == 0
    assert buckets.take("new", MAX_KEYS) == 0
    assert len(buckets) == MAX_KEYS
    assert buckets.take("subject 1", MAX_KEYS) > 0, "is remembered"
    assert buckets.take("subject 0", MAX_KEYS) == 0, "was forgotten"


@given(st.integers(1, 50), st.lists(st.integers(0, 90 * SECOND), max_size=200))
def test_no_minute_sees_more_than_two_buckets(per_minute: int, pauses: list[int]) -> None:
    """The bound of a token bucket: what it held, and what it got meanwhile."""
    buckets, now, taken = Buckets(per_minute), 0, []
    for pause in pauses:
        now += pause
        wait = buckets.take("a", now)
        if wait == 0:
            taken.append(now)
        else:
            assert buckets.take("a", now + wait - 1) > 0
    for begin in taken:
        assert sum(begin <= each < begin + WINDOW for each in taken) <= 2 * per_minute
