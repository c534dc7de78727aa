"""The processes of one ``serve --workers`` add up, whichever of them is scraped, also after one of them has died."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.metrics import SHARED, forget_the_dead
from tests.cli.installation import Installation, address_in, end, installation, wait_for
from tests.databases import CHOSEN, Databases

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif("postgres" not in CHOSEN, reason="more processes than one need PostgreSQL"),
]

TOKEN = "a-token-of-the-tests"
POSTS = 30


@pytest.fixture
def place(tmp_path: Path, databases: Databases) -> Iterator[Installation]:
    url = databases.make("postgres")
    with installation(tmp_path, url, simulator=None) as made:
        made.env |= {"METRICS_TOKEN": TOKEN, "TMPDIR": str(tmp_path)}
        yield made
    databases.drop(url)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A connection for each request, so that both processes get some."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Connection": "close"}
    with httpx.Client(headers=headers, trust_env=False) as client:
        yield client


def samples(http: httpx.Client, address: str) -> dict[str, float]:
    answer = http.get(f"{address}/metrics")
    return {
        sample.name + json.dumps(sample.labels): sample.value
        for family in text_string_to_metric_families(answer.raise_for_status().text)
        for sample in family.samples
    }


def post(http: httpx.Client, address: str, times: int) -> None:
    for _ in range(times):
        assert http.post(f"{address}/webhooks/whatsapp", content=b"{}").status_code == 401


def pids(folder: Path) -> set[int]:
    """Those that count in the folder."""
    return {int(file.stem.rpartition("_")[2]) for file in folder.glob("counter_*.db")}


def test_processes_add_up(place: Installation, http: httpx.Client) -> None:
    server, line = place.start("serve", "--port", "0", "--workers", "2")
    address = address_in(line)
    wait_for("the first answer", lambda: _answers(http, address))
    (folder,) = place.folder.glob("invites-metrics-*")
    wait_for("both processes", lambda: len(pids(folder)) == 2)

    post(http, address, POSTS)
    forged = 'invites_webhook_requests_total{"answer": "not_signed"}'
    limit = 'invites_db_connections_limit{"pool": "read"}'
    wait_for("the pools of both", lambda: samples(http, address)[limit] == 20)
    # From whichever process each comes, and often enough for both.
    seen = [samples(http, address) for _ in range(10)]
    assert {each[forged] for each in seen} == {POSTS}
    assert {each[limit] for each in seen} == {20}

    dead = min(pids(folder))
    os.kill(dead, signal.SIGKILL)
    wait_for("a new process", lambda: len(pids(folder)) == 3 and _answers(http, address))
    wait_for("the dead one's connections to be forgotten", lambda: samples(http, address)[limit] == 20)
    assert samples(http, address)[forged] == POSTS, "what the dead one counted stays counted"
    assert not list(folder.glob(f"gauge_live*_{dead}.db"))
    post(http, address, 10)
    assert samples(http, address)[forged] == POSTS + 10

    assert end(server)[0] == 0
    assert not folder.exists(), "nothing is left behind"


def _answers(http: httpx.Client, address: str) -> bool:
    try:
        return http.get(f"{address}/health/live").status_code == 200
    except httpx.TransportError:
        return False


def test_who_lives_under_another_user_is_not_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And who is forgotten by two scrapes at the same moment breaks neither."""
    kept, gone = tmp_path / "gauge_livesum_11.db", tmp_path / "gauge_livesum_22.db"
    kept.touch()
    gone.touch()

    def kill(pid: int, _signal: int) -> None:
        raise PermissionError if pid == 11 else ProcessLookupError

    def remove(file: str) -> None:
        Path(file).unlink()  # by the other scrape
        raise FileNotFoundError

    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(os, "remove", remove)
    forget_the_dead(tmp_path)
    assert list(tmp_path.iterdir()) == [kept]


def test_the_variable_is_the_library_s_own() -> None:
    from prometheus_client import multiprocess

    assert SHARED in (Path(multiprocess.__file__)).read_text(encoding="utf-8")
