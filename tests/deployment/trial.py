"""The steps of ``docs/deployment.md`` in their order, with what has to hold after each."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from app.auth import issue_token
from app.cli.demo import documents
from app.cli.demo.client import Caller
from app.config import Settings
from app.db.migrate import newest
from tests.deployment import face, files, postgres
from tests.deployment.load import Load
from tests.deployment.machine import META_TOKEN, Machine, tracebacks

GUESTS = 1_500
RATE = "20"
OWNER = "owner@example.org"
TEMPLATE = {
    "templateName": "will_you_come",
    "templateLanguage": "en",
    "audience": {},
    "parameters": [{"component": "BODY", "name": "event_title", "source": "EVENT_TITLE"}],
}
TABLES = ("invite_messages", "attempts", "facts", "receipts", "status_items", "do_not_message", "audit", "run_counters")


@dataclass
class Trial:
    at: Machine
    wrong: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    load: Load | None = None
    workspace_id: str = ""
    event_id: str = ""
    dump: str = ""

    def steps(self) -> list[Callable[[], Awaitable[None]]]:
        return [
            self.install, self.wedding, self.face, self.restart, self.back_up, self.upgrade, self.crash, self.rotate,
            self.sign_out, self.settle, self.restore,
        ]  # fmt: skip

    def check(self, what: str, holds: object, shown: object = "") -> None:
        print(f"  {'ok  ' if holds else 'FAIL'} {what}{f': {shown}' if shown != '' else ''}", flush=True)
        if not holds:
            self.wrong.append(what)

    def token(self) -> str:
        return issue_token(Settings.from_env(self.at.settings), OWNER, "Owner", timedelta(days=1))

    @asynccontextmanager
    async def caller(self) -> AsyncIterator[Caller]:
        async with httpx.AsyncClient(
            base_url=self.at.base, verify=self.at.trusted, timeout=60, trust_env=False
        ) as http:
            yield Caller("Owner", self.token(), http)

    @asynccontextmanager
    async def under_load(self, what: str, *, strict: bool = True) -> AsyncIterator[None]:
        """Meta posts and a console asks meanwhile; nothing of it may fail."""
        assert self.load is not None
        line, began = self.at.logged(), time.monotonic()
        async with self.load:
            await asyncio.sleep(2)
            yield
            await asyncio.sleep(2)
        told, failures, longest = self.load.taken()
        refused = self.at.refused(line)
        requests = self.at.logged() - line
        self.figures[what] = {
            "seconds": round(time.monotonic() - began, 1),
            "requests": requests, "refused": len(refused), "told": dict(told), "failures": len(failures),
            "longest": {kind: round(seconds, 2) for kind, seconds in longest.items()},
        }  # fmt: skip
        print(f"  {json.dumps(self.figures[what])}", flush=True)
        for each in [*failures[:3], *refused[:3]]:
            print(f"  .... {each}")
        if strict:
            failed = len(failures) + len(refused)
            self.check(f"{what}: no request failed", not failed, f"{failed} of {requests}")
        else:
            self.check(
                f"{what}: Meta's posts", not any(each.startswith("post") for each in failures), f"{told['post']} kept"
            )

    async def install(self) -> None:
        self.at.cluster.create()
        self.check("fsync", self.at.cluster.sql("SHOW fsync") == "on")
        self.at.cluster.archive(self.at.folder / "archive")
        self.at.install("1", files.ROOT)
        self.at.use("1")
        self.at.configure(SEND_RATE=RATE)
        await self.at.run("invites", "migrate")
        await self.at.start_meta()
        for unit in self.at.units:
            await self.at.run("systemctl", "start", unit)
        await self.at.start_nginx()
        doctor = await self.at.run("invites", "doctor")
        self.check("invites doctor", "fail" not in doctor)

    async def face(self) -> None:
        for what, holds, shown in await face.looked_at(self.at, self.token()):
            self.check(what, holds, shown)

    async def wedding(self) -> None:
        rows = "\n".join(f"Guest {k},98200 1{k:04d}" for k in range(GUESTS))
        async with self.caller() as owner:
            made = await owner.ask(
                documents.WORKSPACE, i={"name": "Asha & Rohan", "defaultRegion": "IN", "timezone": "Asia/Kolkata"}
            )
            self.workspace_id = made["createWorkspace"]["id"]
            await owner.ask(documents.TEMPLATES, i={"workspaceId": self.workspace_id})
            event = {"title": "Sangeet", "startsAt": "2099-02-13T19:00:00+05:30"}
            made = await owner.ask(documents.EVENT, i={"workspaceId": self.workspace_id, **event})
            self.event_id = made["createEvent"]["id"]
            await owner.ask(documents.PUBLISH, i={"id": self.event_id, "status": "PUBLISHED"})
            await owner.ask(documents.IMPORT, i={"workspaceId": self.workspace_id, "csv": f"name,phone\n{rows}\n"})
            await self._base_backup()
            data = await owner.ask(documents.PRECHECK, i={"eventId": self.event_id, **TEMPLATE})
            sent = await owner.ask(documents.SEND, t=data["precheckSend"]["token"])
        run_id = sent["sendInvites"]["run"]["id"]
        self.check("the run is on its way", data["precheckSend"]["eligibleCount"] == GUESTS, run_id)
        self.load = Load(
            self.at.base, self.at.trusted, self.at.settings["META_PHONE_NUMBER_ID"], self.at.settings["META_APP_SECRET"],
            self.token(), self.workspace_id, self.event_id, run_id,
        )  # fmt: skip

    async def _base_backup(self) -> None:
        words = ("pg_basebackup", "-D", self.at.folder / "base", "--checkpoint=fast")
        await asyncio.to_thread(self.at.cluster.tool, *words)

    async def restart(self) -> None:
        async with self.under_load("rolling restart"):
            await self.at.restart_all()

    async def upgrade(self) -> None:
        source = self.at.next_version(newest())
        self.at.install("2", source)
        async with self.under_load("upgrade"):
            began = time.monotonic()
            await self.at.run(
                self.at.folder / "opt" / "invites" / "2" / "bin" / "invites", "migrate", **self.at.settings
            )
            print(f"  migrated beside the old version in {time.monotonic() - began:.1f} s", flush=True)
            for port in self.at.servers.values():
                self.check(
                    "the old version stays ready", (await self.ready(port)).get("database", "").startswith("ahead")
                )
            self.at.use("2")
            await self.at.restart_all()
            for port in self.at.servers.values():
                self.check("the new version is ready", (await self.ready(port))["database"] == "ok")

    async def ready(self, port: int) -> dict[str, Any]:
        async with httpx.AsyncClient(trust_env=False) as http:
            told: dict[str, Any] = (await http.get(f"http://127.0.0.1:{port}/health/ready")).raise_for_status().json()
        return told

    async def crash(self) -> None:
        first = self.at.units[0]
        async with self.under_load("a server is killed", strict=False):
            await self.at.run("systemctl", "kill", first)
            await asyncio.sleep(3)
            await self.at.run("systemctl", "start", first)

    async def rotate(self) -> None:
        assert self.load is not None
        old = dict(self.at.settings)
        app_secret, erasure, metrics = (
            "f" + old["META_APP_SECRET"][1:] + "0",
            old["ERASURE_SECRET"][::-1],
            "m" * 4 + old["METRICS_TOKEN"],
        )
        async with self.under_load("rotation of META_APP_SECRET and ERASURE_SECRET"):
            self.at.configure(
                META_APP_SECRET=f"{app_secret},{old['META_APP_SECRET']}",
                ERASURE_SECRET=f"{erasure},{old['ERASURE_SECRET']}",
                METRICS_TOKEN=metrics,
            )
            await self.at.restart_all()
            self.load.app_secret = app_secret  # Meta signs with the new one from now on
            await asyncio.sleep(2)
        port = next(iter(self.at.servers.values()))
        async with httpx.AsyncClient(trust_env=False) as http:
            for name, token, status in (("old", old["METRICS_TOKEN"], 401), ("new", metrics, 200)):
                answer = await http.get(
                    f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token}"}
                )
                self.check(f"the {name} METRICS_TOKEN", answer.status_code == status, answer.status_code)

    async def sign_out(self) -> None:
        """A new AUTH_SECRET: between the first server and the last, a token is good at one and not at the other."""
        assert self.load is not None
        self.at.configure(AUTH_SECRET=self.at.settings["AUTH_SECRET"][::-1])
        async with self.under_load("rotation of AUTH_SECRET", strict=False):
            for unit in self.at.units[:2]:
                await self.at.run("systemctl", "restart", unit)
            self.load.token = self.token()
            self.load.told["signed in again"] = 1
        async with self.under_load("after the rotation of AUTH_SECRET"):
            pass

    async def settle(self) -> None:
        """All is sent and told; the books are those of the simulator."""
        assert self.load is not None
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.at.meta}", headers={"Authorization": f"Bearer {META_TOKEN}"}, trust_env=False,
        ) as meta, self.caller() as owner:  # fmt: skip
            for _ in range(240):
                state = (await meta.get("/_simulator/state")).json()
                run = (await owner.ask(documents.RUN, r=self.load.run_id))["sendRun"]
                if state["idle"] and run["status"] == "COMPLETED":
                    break
                await asyncio.sleep(0.5)
        recipients = Counter(each["to"] for each in state["messages"])
        counts = {each["state"]: each["count"] for each in run["summary"]["byState"] if each["count"]}
        self.check("the run is complete", run["status"] == "COMPLETED", counts)
        self.check(
            "every guest got one message",
            len(recipients) == GUESTS and set(recipients.values()) == {1},
            len(recipients),
        )
        self.check("nothing is unconfirmed", "UNCONFIRMED" not in counts)
        facts = self.at.cluster.sql("SELECT count(*) FROM facts WHERE message_id IS NULL", "invites")
        self.check(
            "every status that got 200 is kept, once",
            int(facts) == len(self.load.kept),
            f"{facts} of {len(self.load.kept)}",
        )
        blocks = self.at.cluster.sql("SELECT count(*) FROM do_not_message", "invites")
        self.check(
            "every block that was confirmed is kept, once",
            int(blocks) == len(self.load.blocked),
            f"{blocks} of {len(self.load.blocked)}",
        )
        self.check("invites verify", "FAIL" not in await self.at.run("invites", "verify"))
        self.check("no traceback in a log", not tracebacks(self.at.folder), tracebacks(self.at.folder))

    async def back_up(self) -> None:
        """While messages are being sent."""
        backup = files.DEPLOY / "backup.sh"
        self.dump = await asyncio.to_thread(self.at.cluster.tool, backup, "invites", self.at.folder / "backups")

    async def restore(self) -> None:
        before = self.counts(self.at.cluster)
        self.at.cluster.sql("SELECT pg_switch_wal()")
        for unit in self.at.units:
            await self.at.run("systemctl", "stop", unit)
        await asyncio.sleep(2)
        again = await asyncio.to_thread(
            postgres.restored, self.at.folder / "base", self.at.folder / "archive", self.at.folder / "replayed"
        )
        self.check("base backup and log: nothing is missing", self.counts(again) == before, before)
        self.at.configure(DATABASE_URL=again.url)
        self.check("invites verify there", "FAIL" not in await self.at.run("invites", "verify"))
        again.stop()

        other = await asyncio.to_thread(postgres.Cluster, self.at.folder / "restored")
        other.create()
        await asyncio.to_thread(
            other.tool, "pg_restore", "--no-owner", "--role=invites", "--exit-on-error", "-d", "invites", self.dump
        )
        queued = "SELECT count(*) FROM invite_messages WHERE state = 'QUEUED'"
        waiting, sent = int(other.sql(queued, "invites")), int(other.sql("SELECT count(*) FROM attempts", "invites"))
        self.check(
            "the dump is of the middle of the run", waiting and sent, f"{sent} sent, {waiting} would be sent again"
        )
        other.tool("psql", "-XAtq", "-d", "invites", "-f", files.DEPLOY / "hold.sql")
        self.at.configure(DATABASE_URL=other.url)
        await self.at.run("invites", "migrate")
        await self.at.run("systemctl", "start", "invites-worker@1")
        await asyncio.sleep(5)
        self.check("nothing goes out of a database that is held", int(other.sql(queued, "invites")) == waiting)
        self.check("invites verify there", "FAIL" not in await self.at.run("invites", "verify"))
        await self.at.run("systemctl", "stop", "invites-worker@1")
        other.stop()

    def counts(self, cluster: postgres.Cluster) -> dict[str, int]:
        return {table: int(cluster.sql(f"SELECT count(*) FROM {table}", "invites")) for table in TABLES}
