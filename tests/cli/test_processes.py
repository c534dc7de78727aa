"""Real processes: what a deployment starts, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import Result

from app.domain.enums import EventStatus, MessageState
from app.services.bundle import Services
from tests.cli.installation import (
    COORDINATOR,
    OWNER,
    TEMPLATE,
    Installation,
    Wedding,
    address_in,
    end,
    installation,
    make_wedding,
    wait_for,
)
from tests.cli.test_connections import HANDSHAKE
from tests.faults.running import fork

pytestmark = pytest.mark.process

GUESTS = 30


@pytest.fixture
def place(tmp_path: Path, sqlite_url: str) -> Iterator[Installation]:
    with installation(tmp_path, sqlite_url) as made:
        yield made


def send(place: Installation, wedding: Wedding, *more: str, subject: str = OWNER.subject) -> Result:
    return place.run("send", "--as", subject, "--event", wedding.event_id, *TEMPLATE, *more)


def states(place: Installation, wedding: Wedding) -> dict[MessageState, int]:
    async def read(services: Services) -> dict[MessageState, int]:
        summary = (await services.reader.event_summaries(OWNER, [wedding.event_id]))[wedding.event_id]
        return {state: count for state, count in summary.states.items() if count}

    return place.with_services(read)


def test_send_from_the_precheck_to_the_last_message(place: Installation) -> None:
    wedding = make_wedding(place, GUESTS)
    worker, line = place.start("worker")
    assert "Sending from number 100000000000001" in line

    refused = send(place, wedding, "--yes", subject=COORDINATOR.subject)
    assert (refused.exit_code, place.accepted()) == (1, {})
    assert refused.stderr.startswith("Error: You may not do this here.")
    asked = send(place, wedding)
    assert (asked.exit_code, place.accepted()) == (1, {})
    assert "Add --yes" in asked.stderr

    sent = send(place, wedding, "--yes")
    assert sent.exit_code == 0, sent.stderr
    assert "MISSING_PHONE" in sent.stdout
    assert "MALFORMED_PHONE" in sent.stdout
    assert "Will you come to Sangeet?" in sent.stdout
    assert "Everything was handed to WhatsApp." in sent.stdout
    assert list(place.accepted().values()) == [1] * GUESTS

    again = send(place, wedding, "--yes")
    assert again.exit_code == 1
    assert "ALREADY_INVITED" in again.stdout
    assert "Nobody in this selection can be messaged." in again.stderr
    assert list(place.accepted().values()) == [1] * GUESTS
    assert end(worker)[0] == 0


def test_nothing_is_sent_for_an_event_that_is_not_published(place: Installation) -> None:
    wedding = make_wedding(place, 2, status=EventStatus.DRAFT)
    result = send(place, wedding, "--yes")
    assert result.exit_code == 1
    assert "The event is not published. Publish the event, then precheck again." in result.stderr


def test_ctrl_c_while_following_leaves_the_run_going(place: Installation) -> None:
    wedding = make_wedding(place, 3)
    sending, _ = place.start("send", "--as", OWNER.subject, "--event", wedding.event_id, *TEMPLATE, "--yes")
    wait_for("the run", lambda: states(place, wedding))
    time.sleep(1)  # it follows
    sending.send_signal(signal.SIGINT)
    told, _ = sending.communicate(timeout=60)
    assert sending.returncode == 0
    assert "goes on" in told
    assert states(place, wedding)[MessageState.QUEUED] == 3
    assert place.accepted() == {}


@pytest.mark.parametrize("command", [("worker",), ("serve", "--port", "0")])
def test_a_sender_that_is_told_to_end_records_what_is_under_way(
    tmp_path: Path, sqlite_url: str, command: tuple[str, ...]
) -> None:
    with installation(tmp_path, sqlite_url, ["--latency", "0.7"]) as place:
        place.env["SEND_CONCURRENCY"] = "5"
        wedding = make_wedding(place, GUESTS)
        sender, _ = place.start(*command)
        order = ("send", "--as", OWNER.subject, "--event", wedding.event_id, *TEMPLATE, "--yes")
        follower = fork(order, place.environment, tmp_path / "send.log")
        try:
            wait_for("the first requests", place.accepted)
            code, seconds = end(sender)
        finally:
            follower.close()
        assert code == 0
        assert seconds < place.settings.send_timeout
        taken = len(place.accepted())
        assert 0 < taken < GUESTS
        left = states(place, wedding)
        assert MessageState.SENDING not in left
        assert left[MessageState.ACCEPTED] == taken
        assert left[MessageState.QUEUED] == GUESTS - taken


def test_serve_tells_where_it_listens_and_answers_there(place: Installation) -> None:
    server, line = place.start("serve", "--port", "0", "--no-dispatch")
    assert "another process" in line
    ready = httpx.get(f"{address_in(line)}/health/ready", trust_env=False)
    assert (ready.status_code, ready.json()["dispatcher"]) == (200, "off")
    assert end(server)[0] == 0


def test_a_handshake_with_a_body_does_not_disturb_the_end(place: Installation) -> None:
    """It once stayed open beyond every deadline, unknown to the server, whose shutdown then broke off."""
    server, line = place.start("serve", "--port", "0", "--no-dispatch")
    port = httpx.URL(address_in(line)).port
    assert port is not None
    with socket.create_connection(("127.0.0.1", port), 10) as opened:
        opened.sendall(HANDSHAKE + b"Content-Length: 10\r\n\r\n")
        time.sleep(0.5)  # it has come in, whatever became of it
        assert end(server)[0] == 0
    assert "Traceback" not in (place.folder / "serve.log").read_text()


def test_serve_without_migrating_refuses_an_old_database(tmp_path: Path) -> None:
    with installation(tmp_path, f"sqlite:///{tmp_path / 'new.db'}", simulator=None) as place:
        server, line = place.start("serve", "--port", "0", "--no-migrate")
        assert (server.wait(60), line) == (1, "")
        assert "invites migrate" in (tmp_path / "serve.log").read_text()


def test_doctor_finds_a_working_installation_and_a_refused_token(place: Installation) -> None:
    make_wedding(place, 2)
    fine = place.run("doctor")
    assert fine.exit_code == 0, fine.stdout
    for line in ("ok    Database", "ok    Number", "ok    Meta token", "ok    Templates", "warn  Webhook"):
        assert line in fine.stdout
    assert place.env["META_ACCESS_TOKEN"] not in fine.stdout
    place.env["META_ACCESS_TOKEN"] = "another"
    wrong = place.run("doctor")
    assert wrong.exit_code == 1
    assert "fail  Meta token" in wrong.stdout


def test_demo_tells_the_whole_story_and_leaves_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-m", "app", "demo", "--exit", "--guests", "60", "--port", str(port)],
            env=os.environ | {"TMPDIR": str(tmp_path), "DATABASE_URL": "postgresql://127.0.0.1:1/real", "SEND_TIMEOUT": "x"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr
    text = result.stdout
    assert "Refused with FORBIDDEN" in text
    assert "the second click got the same one" in text
    assert text.count("\n   ok   ") == 6
    assert "FAIL" not in text.partition("9. Is it true?")[2]
    assert "\x1b" not in text
    assert not list(tmp_path.iterdir())
    assert not _running(str(tmp_path))


def test_demo_ends_what_it_started_when_it_is_ended(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "app", "demo", "--exit"], env=os.environ | {"TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_for("the demo's service", lambda: list(tmp_path.glob("*/demo.db")))
        demo.terminate()
        _, complaint = demo.communicate(timeout=60)
    finally:
        demo.kill()
        demo.communicate()
    assert demo.returncode == 1
    assert "Traceback" not in complaint
    assert not list(tmp_path.iterdir())
    assert not _running(str(tmp_path))


def _running(folder: str) -> list[str]:
    """Processes that work in a folder. They may take a moment to be gone."""
    found: list[str] = []
    for _ in range(20):
        found = []
        for process in Path("/proc").glob("[0-9]*") if Path("/proc/self").exists() else ():
            try:
                if str((process / "cwd").readlink()).startswith(folder):
                    found.append(process.name)
            except OSError:
                continue
        if not found:
            break
        time.sleep(0.1)
    return found
