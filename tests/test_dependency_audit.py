"""The audit of dependencies, with an OSV of the test's own: a known fault is never taken for a service that is away."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.audit import audit

FAULT = {
    "id": "GHSA-0000-0000-0000",
    "aliases": ["CVE-2026-0001"],
    "summary": "It falls over.",
    "affected": [
        {
            "package": {"name": "anyio", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "4.99"}]}],
        }
    ],
}
NAMED = "anyio 4.16.0: CVE-2026-0001, mended in 4.99"
NOTHING = b"{}"


@contextmanager
def osv(answers: dict[str, bytes], *, status: int = 200) -> Iterator[str]:
    """Answers as it is told by package, and to all others that nothing is known; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = answers.get(query["package"]["name"], NOTHING)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that is overridden
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def constraints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    path = tmp_path / "constraints.txt"
    path.write_text("# pinned\nanyio==4.16.0\nclick==8.5.1\n")
    return path


def test_nothing_is_known(constraints: Path) -> None:
    with osv({}) as url:
        verdict = audit(constraints, osv_url=url, required=True)
    assert (verdict.failed, verdict.text) == (False, "dependency audit: nothing is known against 2 versions")


def test_a_known_fault_fails(constraints: Path) -> None:
    with osv({"anyio": json.dumps({"vulns": [FAULT]}).encode()}) as url:
        verdict = audit(constraints, osv_url=url, required=False)
    assert (verdict.failed, verdict.text) == (True, f"dependency audit failed:\n  {NAMED}")


def test_an_accepted_fault_is_told_with_its_reason_and_goes_when_it_is_known_no_more(constraints: Path) -> None:
    accepted = {"CVE-2026-0001": "we never fall"}
    with osv({"anyio": json.dumps({"vulns": [FAULT]}).encode()}) as url:
        verdict = audit(constraints, osv_url=url, required=True, accepted=accepted)
        assert not verdict.failed
        assert verdict.text.endswith("\n  accepted: CVE-2026-0001, we never fall")
    with osv({}) as url:
        verdict = audit(constraints, osv_url=url, required=False, accepted=accepted)
        assert verdict.failed
        assert "CVE-2026-0001 is accepted in tests/audit.py and known no more" in verdict.text


@pytest.mark.parametrize(("answer", "status"), [(NOTHING, 503), (b"<html>Please sign in</html>", 200)])
def test_a_service_that_cannot_be_asked(constraints: Path, answer: bytes, status: int) -> None:
    """At the second package, or at the first: what was heard about one is no verdict."""
    with osv({"click": answer}, status=status) as url:
        verdict = audit(constraints, osv_url=url, required=False)
    assert not verdict.failed
    assert verdict.text.startswith("dependency audit skipped: OSV could not be asked (")
    assert "\n" not in verdict.text


def test_a_service_that_is_not_there(constraints: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    cause = "OSV could not be asked (ConnectionError)"
    assert audit(constraints, osv_url=url, required=False).text == f"dependency audit skipped: {cause}"
    verdict = audit(constraints, osv_url=url, required=True)
    assert (verdict.failed, verdict.text) == (True, f"dependency audit failed, since AUDIT=required: {cause}")


def test_a_list_that_cannot_be_read_fails_also_while_nobody_can_be_asked(constraints: Path) -> None:
    constraints.write_text("anyio\n")
    with osv({}, status=503) as url:
        verdict = audit(constraints, osv_url=url, required=False)
    assert verdict.failed
    assert "anyio is not pinned" in verdict.text


def test_a_version_that_was_left_out_fails(constraints: Path) -> None:
    constraints.write_text("anyio==4.16.0\nclick==8.5.1; python_version < '3'\n")
    with osv({}) as url:
        verdict = audit(constraints, osv_url=url, required=False)
    assert (verdict.failed, verdict.text) == (True, "dependency audit failed: 1 of 2 versions were judged")
