"""What is counted of requests to Meta: each by what became of it. The page that tells it: ``tests/http/test_metrics.py``."""

import pytest

from app.metrics import Metrics, outcome_name
from app.metrics_of_database import OUTCOMES
from app.whatsapp.port import Accepted, Behaviour, Evidence, NotSent, Outcome, TemplateMessage, Unknown
from tests.schema.service import FakeMeta
from tests.sending.world import refused

pytestmark = pytest.mark.anyio

NOTHING = Evidence()
RESULTS: dict[str, Outcome] = {
    "accepted": Accepted("wamid.1", held=False, evidence=NOTHING),
    "held": Accepted("wamid.1", held=True, evidence=NOTHING),
    "later": refused(131016, Behaviour.LATER),
    "stop_run": refused(132001, Behaviour.STOP_RUN),
    "stop_number": refused(190, Behaviour.STOP_NUMBER),
    "final": refused(131026, Behaviour.FINAL),
    "not_sent": NotSent(NOTHING),
    "unknown": Unknown(NOTHING),
}


@pytest.mark.parametrize("name", RESULTS)
async def test_requests_to_meta_by_their_outcome(name: str) -> None:
    meta, metrics = FakeMeta(), Metrics()
    meta.outcome = RESULTS[name]
    assert await metrics.measured(meta).send(_message()) is meta.outcome
    text = metrics.exposition(None).decode()
    assert f'invites_sends_total{{outcome="{name}"}} 1.0' in text
    assert "invites_send_seconds_count 1.0" in text
    assert outcome_name(meta.outcome) == name


def test_every_outcome_is_counted() -> None:
    assert tuple(RESULTS) == OUTCOMES
    assert {behaviour.value.lower() for behaviour in Behaviour} < set(OUTCOMES)


async def test_a_fault_of_ours_is_an_unknown_outcome() -> None:
    class Broken(FakeMeta):
        async def send(self, message: TemplateMessage) -> Outcome:
            raise RuntimeError("a bug")

    metrics = Metrics()
    with pytest.raises(RuntimeError):
        await metrics.measured(Broken()).send(_message())
    assert 'invites_sends_total{outcome="unknown"} 1.0' in metrics.exposition(None).decode()


def _message() -> TemplateMessage:
    return TemplateMessage("1", "+919800000007", "invite", "en", [], "msg_1.1")
