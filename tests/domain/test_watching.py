"""The pace of watching, by a clock that the test moves."""

import pytest

from app.domain.watching import ANYWAY, LINGER, TICK, Looks, Pace


def test_looks_are_at_most_four_a_second_while_something_changes() -> None:
    looks, now, begun = Looks(), 0.0, []
    while now < 1:
        looks.changed()
        if not looks.wait(now):
            looks.starts(now)
            begun.append(now)
        now += 1 / 64
    assert begun == [0, 0.25, 0.5, 0.75]


def test_a_change_is_seen_one_tick_after_the_last_look_and_silence_is_looked_into() -> None:
    looks = Looks()
    assert looks.wait(7) == 0, "the first one is at once"
    looks.starts(7)
    assert looks.wait(7) == ANYWAY
    looks.changed()
    assert looks.wait(7) == TICK
    assert looks.wait(7 + TICK) == 0
    looks.starts(7 + TICK)
    assert looks.wait(7 + TICK) == ANYWAY, "what has changed before a look began is seen by it"


def test_whoever_comes_waits_for_no_tick() -> None:
    looks = Looks()
    looks.starts(7)
    looks.asked()
    assert looks.wait(7) == 0
    looks.starts(7)
    assert looks.wait(7) == ANYWAY


def test_only_news_is_shown_and_then_there_is_a_rest() -> None:
    pace = Pace()
    assert pace.rest(1) == 0
    assert pace.shows((1, 2), 1)
    assert not pace.shows((1, 2), 1.125)
    assert pace.rest(1.125) == TICK - 0.125
    assert pace.rest(9) == 0
    assert pace.shows((1, 3), 9)


@pytest.mark.parametrize("linger", [0, LINGER])
def test_it_is_over_a_while_after_the_last_change_when_nothing_is_left(linger: float) -> None:
    pace = Pace(linger)
    pace.shows("half", 0)
    assert not pace.over(linger + 100, nothing_left=False)
    pace.shows("all", 100)
    assert pace.over(100, nothing_left=True) is (linger == 0)
    assert not pace.over(100 + linger - 1, nothing_left=True)
    pace.shows("all", 100 + linger - 1)
    assert pace.over(100 + linger, nothing_left=True), "the same once more is no change"
