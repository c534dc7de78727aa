"""Every reason, blocker and state has a sentence for the operator."""

from app.domain.enums import BlockerCode, MessageState, RejectionReason, StaleReason, WarningCode
from app.domain.texts import BLOCKERS, REJECTIONS, STALE, STATES, WARNINGS


def test_nothing_is_without_words() -> None:
    assert set(REJECTIONS) == set(RejectionReason)
    assert set(BLOCKERS) == set(BlockerCode)
    assert set(STALE) == set(StaleReason)
    assert set(WARNINGS) == set(WarningCode)
    assert set(STATES) == set(MessageState)
    for advice in (*REJECTIONS.values(), *BLOCKERS.values(), *STALE.values()):
        assert advice.operator_text.endswith(".")
        assert advice.next_step.endswith(".")
