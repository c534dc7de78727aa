"""A run's progress where there is no terminal."""

import pytest

from app.cli.output import console
from app.cli.progress import StateProgress
from app.domain.enums import MessageState

QUEUED, SENT, READ = MessageState.QUEUED, MessageState.SENT, MessageState.READ


def test_a_log_gets_the_first_and_the_last_counts_and_no_line_twice(capsys: pytest.CaptureFixture[str]) -> None:
    with StateProgress(console(), total=3) as progress:
        for counts in ({QUEUED: 3}, {QUEUED: 3}, {QUEUED: 1, SENT: 2}, {SENT: 1, READ: 2, MessageState.REJECTED: 9}):
            progress.update(counts)
    assert capsys.readouterr().out.splitlines() == ["QUEUED 3", "SENT 1 · READ 2"]
