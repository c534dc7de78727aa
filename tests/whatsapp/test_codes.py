"""The code table: complete, readable, and right where a mistake would message somebody twice or nobody at all."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.whatsapp.codes import CODE_COOLING, CODE_USER_STOPPED, CODES, describe_failure, rule_for, rule_for_refusal
from app.whatsapp.port import Behaviour

LATER, STOP_RUN, STOP_NUMBER, FINAL = Behaviour.LATER, Behaviour.STOP_RUN, Behaviour.STOP_NUMBER, Behaviour.FINAL

META_LISTS = """
0 1 2 3 4 10 17 33 100 102 104 190 368 613 803 2500 80007 130403 130429 130472 130497 131000 131005 131008 131009 131016
131021 131026 131030 131031 131035 131036 131037 131042 131045 131047 131048 131049 131050 131051 131052 131053 131055
131056 131057 131059 131062 131063 131064 132000 132001 132005 132007 132008 132012 132015 132016 132018 132068 132069
133000 133004 133005 133006 133008 133009 133010 133015 133016 134011 134100 134101 134102 135000 137000 2388019 2494100
"""


def test_the_table_has_every_code_that_meta_lists_and_no_other() -> None:
    assert set(CODES) == {int(code) for code in META_LISTS.split()}
    assert all(CODES[code].code == code for code in CODES)


@pytest.mark.parametrize("code", [*CODES, 200, 250, 132999, 133999, 424242, None])
def test_every_failure_has_words_for_parents(code: int | None) -> None:
    for text in describe_failure(code):
        assert text.strip() == text
        assert text
        assert not re.search(r"\b(API|HTTP|OAuth|WABA|null|None|exception)\b", text.replace("Cloud API", ""))
    title, operator_text, next_step = describe_failure(code)
    assert not title.endswith(".")
    assert len(title) <= 40
    assert operator_text.endswith(".")
    assert next_step.endswith(".")


@pytest.mark.parametrize(
    ("code", "behaviour"),
    [
        *[(code, LATER) for code in (2, 131016, 131057, 133004, 131056, 4, 80007, 130429)],
        *[(code, STOP_RUN) for code in (132000, 132001, 132007, 132012, 132015, 132016, 132555)],
        *[(code, STOP_NUMBER) for code in (0, 3, 10, 190, 200, 218, 299, 368, 131031, 131042, 131045, 131048)],
        *[(code, STOP_NUMBER) for code in (133000, 133010, 133555)],
        *[(code, FINAL) for code in (131026, 131021, 132018, 132005, CODE_USER_STOPPED, CODE_COOLING)],
    ],
)
def test_what_a_refusal_asks_of_us(code: int, behaviour: Behaviour) -> None:
    rule = rule_for(code)
    assert rule is not None
    assert rule.behaviour is behaviour
    assert rule.code == code


@pytest.mark.parametrize("code", [None, 199, 300, 131999, 134000, 424242])
def test_no_rule_is_made_up_for_an_unknown_code(code: int | None) -> None:
    assert rule_for(code) is None


def test_only_the_rate_limits_slow_the_number() -> None:
    assert {code for code, rule in CODES.items() if rule.slows_number} == {4, 17, 613, 80007, 130429}


def test_whatever_is_tried_again_waits_first() -> None:
    assert all(rule.retry_after > 0 for rule in CODES.values() if rule.behaviour is LATER)
    assert all(rule.retry_after == 0 for rule in CODES.values() if rule.behaviour is not LATER)


@pytest.mark.parametrize(
    ("code", "http_status", "behaviour"),
    [
        (1, 500, None),
        (131000, 500, None),
        (131000, 503, None),
        (424242, 500, None),
        (None, 500, None),
        (None, 400, None),
        (None, 429, None),
        (190, 200, None),
        (190, 302, None),
        (1, 400, LATER),
        (131000, 400, LATER),
        (3, 500, STOP_NUMBER),
        (131045, 500, STOP_NUMBER),
        (131016, 500, LATER),
        (2, 503, LATER),
        (424242, 400, FINAL),
        (424242, 429, LATER),
        (131026, 429, FINAL),
    ],
)
def test_a_refusal_needs_a_code_that_proves_it(code: int | None, http_status: int, behaviour: Behaviour | None) -> None:
    rule = rule_for_refusal(code, http_status)
    assert (rule and rule.behaviour) == behaviour


def test_an_unknown_code_with_429_slows_the_number() -> None:
    rule = rule_for_refusal(424242, 429)
    assert rule is not None
    assert rule.slows_number
    assert rule.retry_after > 0


def test_code_zero_of_a_failed_message_means_that_meta_gave_none() -> None:
    assert describe_failure(0) == describe_failure(None)
    assert "token" not in " ".join(describe_failure(0))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.one_of(st.none(), st.integers()), st.integers(100, 599))
def test_every_code_and_status_has_an_answer(code: int | None, http_status: int) -> None:
    assert len(describe_failure(code)) == 3
    rule = rule_for_refusal(code, http_status)
    assert rule is None or (rule.code == code and http_status >= 400)
