"""The lifecycle's laws. The tables read as the specification, hypothesis looks for an order that breaks it."""

from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.enums import InviteCoverage, LifecycleState, MessageState, SendRunStatus
from app.domain.lifecycle import (
    COVERAGE_OF_STATE,
    COVERAGE_RANK,
    DISPATCH,
    DISPATCH_STATES,
    FACT_STATES,
    LIVE_STATES,
    NOTHING_KNOWN,
    RANK,
    Dispatch,
    Fact,
    FactStatus,
    Failure,
    Progress,
    coverage_of,
    join,
    lifecycle_of,
    run_status,
    settle,
)

START = datetime(2026, 11, 24, tzinfo=UTC)

times = st.integers(0, 5).map(lambda seconds: START + timedelta(seconds=seconds))
# Not by st.builds, which now and then makes up a title too: different words have different digests.
failures = st.tuples(times, st.sampled_from([0, 131026, 131049]), st.sampled_from(["a", "b"])).map(
    lambda given: Failure(*given)
)


@st.composite
def facts(draw: st.DrawFn) -> Fact:
    status = draw(st.sampled_from(FactStatus))
    if status is FactStatus.FAILED:
        failure = draw(failures)
        return Fact(status, failure.at, failure)
    return Fact(status, draw(times))


def fold(found: list[Fact]) -> Progress:
    return reduce(join, (fact.progress for fact in found), NOTHING_KNOWN)


progresses = st.lists(facts(), max_size=6).map(fold)


@given(progresses, progresses, progresses)
def test_join_is_associative_commutative_idempotent(one: Progress, two: Progress, three: Progress) -> None:
    assert join(one, two) == join(two, one)
    assert join(join(one, two), three) == join(one, join(two, three))
    assert join(one, one) == one
    assert join(one, NOTHING_KNOWN) == one


@given(
    st.lists(facts(), max_size=8).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found + found[:3])))
)
def test_any_order_and_repetition_of_facts_says_the_same(case: tuple[list[Fact], list[Fact]]) -> None:
    found, shuffled = case
    assert fold(shuffled) == fold(found)


@given(st.lists(facts(), min_size=1, max_size=8))
def test_the_state_is_the_strongest_fact_and_never_falls(found: list[Fact]) -> None:
    ranks = [RANK[state] for state in (fold(found[: n + 1]).state for n in range(len(found))) if state]
    assert ranks == sorted(ranks)
    assert fold(found).state == max(
        (fact.progress.state for fact in found), key=lambda state: RANK[state or MessageState.ACCEPTED]
    )


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("", None),
        ("accepted", MessageState.ACCEPTED),
        ("sent", MessageState.SENT),
        ("accepted sent", MessageState.SENT),
        ("failed", MessageState.FAILED),
        ("sent failed", MessageState.FAILED),
        ("failed delivered", MessageState.DELIVERED),
        ("delivered failed", MessageState.DELIVERED),
        ("read", MessageState.READ),
        ("read delivered sent", MessageState.READ),
        ("failed read", MessageState.READ),
    ],
)
def test_what_a_set_of_facts_comes_to(told: str, state: MessageState | None) -> None:
    progress = fold([Fact(FactStatus(word), START) for word in told.split()])
    assert progress.state is state
    assert (progress.failure is not None) == ("failed" in told), "the failure stays visible"


def test_the_earliest_time_is_kept_and_implied_times_stay_empty() -> None:
    later = START + timedelta(seconds=9)
    progress = fold([Fact(FactStatus.READ, later), Fact(FactStatus.READ, START)])
    assert progress == Progress(read_at=START)


def test_the_shown_failure_is_the_least_by_time_code_digest() -> None:
    shown = [Failure(START, 131026, "a"), Failure(START, 131049, "a"), Failure(START + timedelta(seconds=1), 0, "")]
    for order in (shown, shown[::-1]):
        assert fold([Fact(FactStatus.FAILED, failure.at, failure) for failure in order]).failure == shown[0]


@pytest.mark.parametrize("state", MessageState)
def test_a_fact_joins_into_any_state(state: MessageState) -> None:
    assert settle(state, Progress(read_at=START)) is MessageState.READ
    assert settle(state, NOTHING_KNOWN) is state


def test_dispatch_transitions_are_these_and_no_others() -> None:
    assert {
        start: {event: end for (begin, event), end in DISPATCH.items() if begin is start} for start, _ in DISPATCH
    } == {
        MessageState.QUEUED: {
            Dispatch.CLAIM: MessageState.SENDING,
            Dispatch.CANCEL: MessageState.CANCELLED,
            Dispatch.BLOCK: MessageState.REJECTED,
        },
        MessageState.SENDING: {
            Dispatch.REQUEUE: MessageState.QUEUED,
            Dispatch.DROP: MessageState.CANCELLED,
            Dispatch.LOSE: MessageState.UNCONFIRMED,
        },
    }


def test_the_ten_states_are_dispatch_or_fact_states_never_both() -> None:
    assert set(MessageState) == FACT_STATES | DISPATCH_STATES
    assert not FACT_STATES & DISPATCH_STATES
    assert set(MessageState) - {MessageState.REJECTED, MessageState.CANCELLED, MessageState.FAILED} == LIVE_STATES


def test_acceptance_is_not_delivery() -> None:
    assert {state: lifecycle_of(state) for state in MessageState if lifecycle_of(state)} == {
        MessageState.SENT: LifecycleState.SENT,
        MessageState.FAILED: LifecycleState.FAILED,
        MessageState.DELIVERED: LifecycleState.DELIVERED,
        MessageState.READ: LifecycleState.READ,
    }


def test_a_run_without_work_is_completed_unless_it_was_cancelled() -> None:
    assert run_status(SendRunStatus.RUNNING, None) is SendRunStatus.RUNNING
    for stored in (SendRunStatus.RUNNING, SendRunStatus.PAUSED, SendRunStatus.STOPPED):
        assert run_status(stored, START) is SendRunStatus.COMPLETED
    assert run_status(SendRunStatus.CANCELLED, START) is SendRunStatus.CANCELLED


def test_coverage_is_the_best_message() -> None:
    assert coverage_of(set()) is InviteCoverage.NOT_TRIED
    assert coverage_of({MessageState.CANCELLED}) is InviteCoverage.NOT_TRIED
    assert coverage_of({MessageState.REJECTED, MessageState.CANCELLED}) is InviteCoverage.BLOCKED
    assert coverage_of({MessageState.FAILED, MessageState.QUEUED}) is InviteCoverage.PENDING
    assert coverage_of({MessageState.FAILED, MessageState.READ, MessageState.SENT}) is InviteCoverage.READ
    assert set(COVERAGE_OF_STATE) == set(MessageState)
    assert set(COVERAGE_RANK) == set(InviteCoverage)
