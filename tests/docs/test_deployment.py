"""The files of ``deploy/`` and the pages about running the service are true: settings, commands, limits, alerts, scripts.

``python -m tests.deployment`` tries them for real; this is what can be told in a second.
"""

import re
import shlex
import subprocess
from dataclasses import MISSING
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.auth import MAX_HEADER
from app.cli.server import KEEP_ALIVE_SECONDS, LAST_ANSWERS_SECONDS
from app.config import Settings, described
from app.db.engine import Database, UnitOfWork
from app.domain.enums import SendRunStatus
from app.http import console, exports, webhook
from app.schema import controller, limits
from app.worker import DRAIN_SECONDS
from tests.deployment import certificate
from tests.deployment.files import DEPLOY, PORTS, environment, main_conf, section, site
from tests.docs.test_docs import TEXTS, blocks, problem
from tests.sending.world import make_wedding, people
from tests.tools import needed

GUIDE, OPERATIONS, FIRST = (TEXTS[f"docs/{name}.md"] for name in ("deployment", "operations", "first-send"))
NGINX = (DEPLOY / "nginx.conf").read_text()
UNITS = sorted([*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")])
INVITES = re.compile(r"(?:sudo -u invites |bin/)(invites [^\"#\n]+)")


def location(path: str) -> str:
    found = re.search(rf"^    location (?:= )?{re.escape(path)} \{{\n(.*?)^    \}}", NGINX, re.MULTILINE | re.DOTALL)
    assert found is not None, path
    return found[1]


def test_nginx_takes_its_file(tmp_path: Path) -> None:
    needed("nginx", "openssl")
    (tmp_path / "conf.d").mkdir()
    certificate.make(tmp_path)
    text = site(
        http=18080,
        https=18443,
        servers=dict(zip(PORTS, PORTS, strict=True)),
        certificates=tmp_path,
        log=tmp_path / "log",
    )
    (tmp_path / "conf.d" / "invites.conf").write_text(text)
    (tmp_path / "nginx.conf").write_text(main_conf(tmp_path))
    asked = subprocess.run(["nginx", "-t", "-c", tmp_path / "nginx.conf"], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    assert "[warn]" not in asked.stderr.replace('the "user" directive', "")


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    needed("systemd-analyze")
    programs = re.compile(r"^(Exec\w+=)\S+", re.MULTILINE)  # which are not on this machine
    for unit in UNITS:
        text = re.sub(r"^(User|Group)=.*\n", "", programs.sub(r"\1/bin/true", unit.read_text()), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    names = [tmp_path / unit.name.replace("@.", "@8001.") for unit in UNITS]
    for unit, name in zip(UNITS, names, strict=True):
        (tmp_path / unit.name).rename(name)
    asked = subprocess.run(["systemd-analyze", "verify", *names], capture_output=True, text=True, check=False)
    assert (asked.returncode, [line for line in asked.stderr.splitlines() if str(tmp_path) in line]) == (0, [])


def test_the_settings_of_the_example() -> None:
    text = (DEPLOY / "invites.env.example").read_text()
    given = environment(text)
    assert len(given) == len(re.findall(r"^[^#\n]", text, re.MULTILINE)), "each line a setting in single quotes"
    assert set(given) <= {name.upper() for name, _, _ in described()}
    required = {name.upper() for name, _, default in described() if default is MISSING}
    assert required | {"DATABASE_URL", "ERASURE_SECRET"} <= set(given)
    assert {name for name, _, _ in described() if name.startswith("meta_") and not name.startswith("meta_graph")} <= {
        name.lower() for name in given
    }
    Settings.from_env(given | {"AUTH_SECRET": "a secret of this test of 32 bytes", "ERASURE_SECRET": ""})


@pytest.mark.parametrize("where", ["docs/deployment.md", "docs/operations.md", *(unit.name for unit in UNITS)])
def test_commands_exist(where: str) -> None:
    text = TEXTS[where] if where in TEXTS else (DEPLOY / where).read_text()
    found = [shlex.split(words.partition(" …")[0]) for words in INVITES.findall(text)]
    assert [said for words in found if (said := problem(words))] == []
    if where == "docs/deployment.md":
        assert {words[1] for words in found if len(words) > 1} >= {"migrate", "doctor", "verify", "replay"}


def test_the_guide_and_the_folder_name_the_same_files() -> None:
    files = {f"deploy/{each.name}" for each in DEPLOY.iterdir()}
    named = set(re.findall(r"deploy/[\w.@-]+\w", GUIDE))
    units = {f"deploy/{unit.name}" for unit in UNITS}  # copied with a pattern
    assert named == files - units
    assert "deploy/*.service deploy/*.timer" in GUIDE
    assert all(re.search(rf"{unit.stem.rstrip('@')}[@.]", GUIDE) for unit in UNITS)


def test_what_comes_through_nginx_is_what_the_service_has() -> None:
    assert re.findall(r"^    location (?:= )?(/\S*) ", NGINX, re.MULTILINE) == [
        webhook.PATH, controller.PATH, f"{exports.PATH}/", console.PATH, "/",
    ]  # fmt: skip
    assert "return 404" in location("/")
    for path, most in ((webhook.PATH, webhook.MAX_BYTES), (controller.PATH, limits.MAX_BODY)):
        assert f"client_max_body_size {most // 2**20}m;" in location(path)
        assert f"client_body_buffer_size {most // 2**20}m;" in location(path)
        assert most % 2**20 == 0


def test_times_and_sizes_of_nginx_fit_the_service() -> None:
    keeps = re.search(r"^    keepalive_timeout (\d+)s;", NGINX, re.MULTILINE)
    assert keeps is not None
    assert int(keeps[1]) < KEEP_ALIVE_SECONDS
    line = re.search(r"large_client_header_buffers \d+ (\d+)k;", NGINX)
    assert line is not None
    assert int(line[1]) * 1024 > MAX_HEADER + len("Authorization: \r\n")
    reads = re.search(r"proxy_read_timeout (\d+)s;", location(controller.PATH))
    assert reads is not None
    assert int(reads[1]) > next(default for name, _, default in described() if name == "query_timeout")


def test_only_a_webhook_is_posted_twice() -> None:
    assert "proxy_next_upstream error timeout non_idempotent;" in location(webhook.PATH)
    assert "non_idempotent" not in location(controller.PATH) + location(f"{exports.PATH}/")
    assert not re.search(
        r"\$(request|request_uri|args|query_string)\b", NGINX.partition("log_format")[2].partition(";")[0]
    )


def test_units_wait_for_as_long_as_an_end_takes() -> None:
    defaults = {name: default for name, _, default in described()}
    worker = section((DEPLOY / "invites-worker@.service").read_text(), "Service")
    assert int(worker["TimeoutStopSec"]) > defaults["send_timeout"] + DRAIN_SECONDS
    server = section((DEPLOY / "invites-serve@.service").read_text(), "Service")
    assert int(server["TimeoutStopSec"]) > LAST_ANSWERS_SECONDS


@pytest.mark.parametrize("script", sorted(DEPLOY.glob("*.sh")), ids=lambda script: script.name)
def test_scripts_are_shell(script: Path) -> None:
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0


@pytest.mark.parametrize("fails", ["", "invites-serve@8002"])
def test_a_rolling_restart_takes_one_server_after_the_other_out_of_nginx(tmp_path: Path, fails: str) -> None:
    """And one that does not come up stays out, with the other untouched and an error at the end."""
    conf = tmp_path / "invites.conf"
    conf.write_text(NGINX)
    calls = tmp_path / "calls"
    stub = (
        f'#!/bin/sh\n[ "$1" = list-units ] && {{ echo invites-worker@1.service loaded; exit; }}\n'
        f'down=$(sed -n "s/^ *server .*:\\([0-9]*\\) .* down;/\\1/p" "{conf}")\n'
        f'echo "$* [$down]" >> "{calls}"\n[ "$2" != "{fails}" ]\n'
    )
    for name, text in (("systemctl", stub), ("sleep", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [DEPLOY / "rolling-restart.sh", conf],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )
    told = calls.read_text().splitlines()
    first = ["reload nginx [8001]", "restart invites-serve@8001 [8001]", "reload nginx []"]
    second = ["reload nginx [8002]", "restart invites-serve@8002 [8002]"]
    if fails:
        assert (done.returncode, told) == (1, first + second)
    else:
        assert (done.returncode, told) == (
            0,
            [*first, *second, "reload nginx []", "restart invites-worker@1.service []"],
        )
        assert conf.read_text() == NGINX


@pytest.mark.anyio
async def test_a_database_that_is_held_sends_nothing(db: Database) -> None:
    wedding = await make_wedding(db, people(3))
    run_id = await wedding.send()
    statement = (DEPLOY / "hold.sql").read_text().replace(":", "\\:")

    async def hold(uow: UnitOfWork) -> None:
        await uow.session.execute(sa.text(statement))

    await db.write(hold)
    run = await wedding.run(run_id)
    assert run.status is SendRunStatus.STOPPED
    assert run.status_reason
    assert run.next_step
    assert await wedding.claim() == []
    await wedding.check()
    await wedding.runs.resume(wedding.world.admin, id=run_id)
    assert len(await wedding.claim()) == 3


def test_every_alert_and_every_reason_has_its_advice() -> None:
    alerts = re.findall(r"- alert: (\w+)", TEXTS["docs/metrics.md"])
    assert re.findall(r"^\| `([A-Z]\w+)` \|", OPERATIONS, re.MULTILINE) == alerts
    reasons = re.findall(r"^\| `([a-z]+-[a-z]+)` \|", TEXTS["docs/metrics.md"], re.MULTILINE)
    assert re.findall(r"^- \*\*`([a-z]+-[a-z]+)`\*\*", OPERATIONS, re.MULTILINE) == reasons


def test_metrics_that_are_watched_exist() -> None:
    known = set(re.findall(r"^\| `(invites_\w+)` \|", TEXTS["docs/metrics.md"], re.MULTILINE))
    assert set(re.findall(r"\binvites_\w+", OPERATIONS + GUIDE)) <= known


def test_settings_that_are_named_exist() -> None:
    known = {name.upper() for name, _, _ in described()}
    for text in (GUIDE, OPERATIONS, FIRST):
        named = re.findall(
            r"\b((?:META|AUTH|SEND|ERASURE|RECEIPTS|AUDIT|METRICS|DATABASE|UNCONFIRMED)_[A-Z_]+)\b", text
        )
        assert set(named) <= known | {"AUDIT_GOVERNANCE"}


def test_blocks_of_shell_can_be_copied() -> None:
    for text in (GUIDE, OPERATIONS, FIRST):
        for block in blocks(text, "sh"):
            assert subprocess.run(["sh", "-n"], input=block, text=True, check=False).returncode == 0, block
