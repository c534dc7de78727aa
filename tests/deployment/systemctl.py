"""As much of ``systemctl`` as the guide uses, for machines without systemd: it reads the same unit files.

``python -m tests.deployment.systemctl start|stop|restart|kill UNIT``, ``reload nginx``, ``list-units … PATTERN``; the folder
of the trial is in ``TRIAL``. It ends only processes that it started.
"""

import fnmatch
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.deployment import files

KILLED = "killed: it did not end in time"


class Units:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = folder / "run"

    def start(self, unit: str) -> None:
        instance, service = unit.partition("@")[2], self._service(unit)
        variables = files.environment(Path(service["EnvironmentFile"]).read_text())
        log = (self._folder / "logs" / f"{unit}.log").open("ab")
        process = subprocess.Popen(
            service["ExecStart"].replace("%i", instance).split(), env=variables | {"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        self._file(unit).write_text(str(process.pid))
        if ready := service.get("ExecStartPost"):
            subprocess.run(ready.replace("%i", instance).split(), check=True)

    def stop(self, unit: str, *, by: int = signal.SIGTERM) -> None:
        pid = int(self._file(unit).read_text())
        patience = float(self._service(unit)["TimeoutStopSec"])
        began = time.monotonic()
        os.kill(pid, by)
        while _runs(pid):
            if time.monotonic() - began > patience:
                os.kill(pid, signal.SIGKILL)
                raise SystemExit(f"{unit} was {KILLED}")
            time.sleep(0.02)
        self._file(unit).unlink()

    def list_units(self, pattern: str) -> list[str]:
        return sorted(each.name for each in self._running.iterdir() if fnmatch.fnmatch(each.name, pattern))

    def reload_nginx(self) -> None:
        subprocess.run(["nginx", "-c", self._folder / "nginx" / "nginx.conf", "-s", "reload"], check=True)

    def _service(self, unit: str) -> dict[str, str]:
        template = f"{unit.partition('@')[0]}@" if "@" in unit else unit
        return files.section((self._folder / "units" / f"{template}.service").read_text(), "Service")

    def _file(self, unit: str) -> Path:
        return self._running / unit


def _runs(pid: int) -> bool:
    """A process that ended and that nobody has waited for is gone too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def main(words: list[str]) -> None:
    units = Units(Path(os.environ["TRIAL"]))
    match words:
        case ["start", unit]:
            units.start(unit)
        case ["stop", unit]:
            units.stop(unit)
        case ["kill", unit]:
            units.stop(unit, by=signal.SIGKILL)
        case ["restart", unit]:
            units.stop(unit)
            units.start(unit)
        case ["reload", "nginx"]:
            units.reload_nginx()
        case ["list-units", *_, pattern]:
            print("\n".join(units.list_units(pattern)))
        case _:
            raise SystemExit(f"not part of the trial: systemctl {' '.join(words)}")


if __name__ == "__main__":
    main(sys.argv[1:])
