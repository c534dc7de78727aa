"""The demo's own processes: a simulated Meta and the service, started like anybody would start them."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import click
import httpx

import app
from app.config import described

_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 20.0
_PORTS_TRIED: Final = 100
_LOG_LINES: Final = 5


def free_port(first: int) -> int:
    """``first``, or the next port that nobody listens on. Raises ClickException when there is none."""
    for port in range(first, min(first + _PORTS_TRIED, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise click.ClickException(f"No port from {first} on is free. Name another one with --port.")


@contextlib.asynccontextmanager
async def running(command: Sequence[str], env: Mapping[str, str], log: Path, ready: str) -> AsyncIterator[None]:
    """``invites`` with these arguments, until the context is left; its output goes to ``log``.

    Entered when ``ready`` answers (with anything but an error of its own). Raises ClickException when it does not.
    """
    with log.open("wb") as lines:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app", *command, env=_environment(env), cwd=log.parent,
            stdin=asyncio.subprocess.DEVNULL, stdout=lines, stderr=lines,
            start_new_session=True,  # Ctrl-C is for the demo, which then ends this in good order
        )  # fmt: skip
    try:
        await _until_ready(process, command[0], log, ready)
        yield
    finally:
        await _end(process)


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without any setting of a real installation: the demo must not touch that."""
    settings = {name.upper() for name, _, _ in described()}
    inherited = {name: value for name, value in os.environ.items() if name not in settings}
    code = str(Path(app.__file__).resolve().parents[1])
    paths = os.pathsep.join(filter(None, [code, inherited.get("PYTHONPATH")]))
    return inherited | {"PYTHONPATH": paths, "LOG_FORMAT": "plain", "LOG_LEVEL": "WARNING"} | dict(own)


async def _until_ready(process: asyncio.subprocess.Process, name: str, log: Path, ready: str) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_START_SECONDS), httpx.AsyncClient(trust_env=False) as client:
            while process.returncode is None:
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(ready)).status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                        return
                await asyncio.sleep(0.1)
    raise click.ClickException(f"'invites {name}' did not start. {tail(log)}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def tail(log: Path) -> str:
    """The last lines of a process, in one."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return " / ".join(line.strip() for line in lines[-_LOG_LINES:]) or "It said nothing."
