"""The trial's machine: folders in the place of /etc, /opt and /var, and the commands of the guide run in them."""

import asyncio
import os
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from tests.deployment import certificate, files
from tests.deployment.postgres import Cluster

META_TOKEN: Final = secrets.token_urlsafe(24)
NEXT_MIGRATION: Final = """
import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{newest}"


def upgrade() -> None:
    op.add_column("invite_messages", sa.Column("trial", sa.Text(), nullable=True))
    op.add_column("receipts", sa.Column("trial", sa.Text(), nullable=True))
    op.create_table("trial", sa.Column("id", sa.Uuid(), primary_key=True))
"""


def free_ports(many: int) -> list[int]:
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(many)]
    ports = [each.getsockname()[1] for each in opened]
    for each in opened:
        each.close()
    return ports


@dataclass
class Machine:
    folder: Path
    cluster: Cluster
    settings: dict[str, str] = field(default_factory=dict)
    _simulator: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.http, self.https, self.inward, self.meta, *servers = free_ports(6)
        self.servers = dict(zip(files.PORTS, servers, strict=True))
        for name in ("units", "run", "logs", "etc", "opt", "tls", "bin", "backups", "nginx/conf.d"):
            (self.folder / name).mkdir(parents=True)
        self.base = f"https://127.0.0.1:{self.https}"
        self.trusted = ssl.create_default_context(cafile=str(certificate.make(self.folder / "tls")))
        self._script("systemctl", f'cd {files.ROOT} && exec {sys.executable} -m tests.deployment.systemctl "$@"')
        for unit in files.DEPLOY.glob("*@.service"):
            text = files.placed(
                unit.read_text(), {"/etc/invites/": f"{self.folder}/etc/", "/opt/": f"{self.folder}/opt/"}
            )
            (self.folder / "units" / unit.name).write_text(text)
        admin = files.placed(
            (files.DEPLOY / "invites-admin.sh").read_text(),
            {"/etc/invites/invites.env": f"{self.folder}/etc/invites.env", "exec /opt/": f"exec {self.folder}/opt/"},
        )
        self._script("invites", admin)

    @property
    def site(self) -> Path:
        return self.folder / "nginx" / "conf.d" / "invites.conf"

    @property
    def access_log(self) -> Path:
        return self.folder / "logs" / "access.log"

    @property
    def units(self) -> list[str]:
        return [*(f"invites-serve@{port}" for port in self.servers.values()), "invites-worker@1", "invites-worker@2"]

    def install(self, version: str, source: Path) -> None:
        """A version in a folder of its own; the link that says which one runs is another step."""
        place = self.folder / "opt" / "invites" / version / "bin"
        place.mkdir(parents=True)
        self._script("invites", f'cd {source} && PYTHONPATH={source} exec {sys.executable} -m app "$@"', place)

    def use(self, version: str) -> None:
        link = self.folder / "opt" / "invites" / "current"
        fresh = link.with_name("next")
        fresh.symlink_to(link.with_name(version))
        fresh.replace(link)

    def next_version(self, newest: str) -> Path:
        """The source of this version and one migration more, which adds."""
        source = self.folder / "next"
        shutil.copytree(files.ROOT / "app", source / "app", ignore=shutil.ignore_patterns("__pycache__"))
        migration = source / "app" / "db" / "migrations" / "versions" / "9001_trial.py"
        migration.write_text(NEXT_MIGRATION.format(newest=newest))
        return source

    def configure(self, **changed: str) -> None:
        """``invites.env`` from the example: what is asked for there, and for a trial the simulator's address."""
        if not self.settings:
            self.settings = files.environment((files.DEPLOY / "invites.env.example").read_text())
            made = {name: secrets.token_urlsafe(48) for name in ("AUTH_SECRET", "ERASURE_SECRET", "METRICS_TOKEN")}
            self.settings |= made | {
                "DATABASE_URL": self.cluster.url,
                "META_PHONE_NUMBER_ID": "100000000000001",
                "META_WABA_ID": "200000000000001",
                "META_ACCESS_TOKEN": META_TOKEN,
                "META_APP_SECRET": secrets.token_hex(16),
                "META_VERIFY_TOKEN": secrets.token_hex(8),
                "META_GRAPH_URL": f"http://127.0.0.1:{self.meta}",
            }
        self.settings |= changed
        lines = "".join(f"{name}='{value}'\n" for name, value in self.settings.items())
        (self.folder / "etc" / "invites.env").write_text(lines)

    async def run(self, *words: str | Path, **variables: str) -> str:
        """A command of the guide. Raises AssertionError when it fails."""
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        process = await asyncio.create_subprocess_exec(
            *words, env=os.environ | {"PATH": path, "TRIAL": str(self.folder)} | variables,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode == 0, f"{words} ended with {process.returncode}: {out.decode()} {err.decode()}"
        return out.decode().strip()

    async def restart_all(self) -> None:
        await self.run(files.DEPLOY / "rolling-restart.sh", self.site)

    async def start_nginx(self) -> None:
        self.site.write_text(
            files.site(
                http=self.http,
                https=self.https,
                servers=self.servers,
                certificates=self.folder / "tls",
                log=self.access_log,
            )
        )
        # The simulator knows no certificate of ours: this stands in for Meta's side of TLS.
        inward = (
            f"    server {{ listen 127.0.0.1:{self.inward}; location / {{ "
            f"proxy_pass https://127.0.0.1:{self.https}; client_max_body_size 3m; }} }}\n"
        )
        conf = self.folder / "nginx" / "nginx.conf"
        user = "user root;\n" if os.geteuid() == 0 else ""
        conf.write_text(user + files.main_conf(self.folder / "nginx", more=inward))
        await self.run("nginx", "-t", "-c", conf)
        await self.run("nginx", "-c", conf)

    async def start_meta(self) -> None:
        """It signs with the app secret of this moment, for as long as it runs."""
        words = [
            "simulate-meta", "--port", str(self.meta), "--webhook-url", f"http://127.0.0.1:{self.inward}/webhooks/whatsapp",
            "--duplicates", "0.2", "--disorder", "0.5", "--latency", "0.1", "--status-delay", "0.3",
        ]  # fmt: skip
        with (self.folder / "logs" / "meta.log").open("wb") as log:
            self._simulator = subprocess.Popen(
                [sys.executable, "-m", "app", *words], env=os.environ | self.settings, cwd=files.ROOT,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        for _ in range(300):
            with_answer = await _answers(f"http://127.0.0.1:{self.meta}/_simulator/accepted")
            if with_answer:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the simulator does not answer")

    def refused(self, since: int) -> list[str]:
        """Lines of nginx's log, from this one on, with an answer of 400 or more."""
        lines = self.access_log.read_text().splitlines()[since:]
        return [line for line in lines if int(line.split()[4]) >= 400]

    def logged(self) -> int:
        return len(self.access_log.read_text().splitlines())

    async def close(self) -> None:
        for unit in sorted(each.name for each in (self.folder / "run").iterdir()):
            await self.run("systemctl", "stop", unit)
        if (self.folder / "nginx" / "nginx.pid").exists():
            await self.run("nginx", "-c", self.folder / "nginx" / "nginx.conf", "-s", "quit")
        if self._simulator is not None:
            self._simulator.terminate()
            self._simulator.wait()

    def _script(self, name: str, text: str, folder: Path | None = None) -> None:
        file = (folder or self.folder / "bin") / name
        file.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)


async def _answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(url)).status_code < 500
    except httpx.HTTPError:
        return False


def tracebacks(folder: Path) -> dict[str, int]:
    """How many there are in each log."""
    found = {each.name: len(re.findall(r"Traceback", each.read_text())) for each in (folder / "logs").iterdir()}
    return {name: many for name, many in found.items() if many}
