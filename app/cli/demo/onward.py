"""How to go on from the demo with one's own list: a file of settings, and the commands to type."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from app.cli.demo import wedding
from app.cli.demo.story import Sent

TEMPLATE: Final = "save_the_date"
"""Of the simulator; it has nothing to fill in."""


def write_settings(folder: Path, env: Mapping[str, str]) -> Path:
    """The demo's settings as a shell can source them; readable by nobody else, for its secrets sign tokens."""
    file = folder / "settings"
    file.touch(mode=0o600)
    file.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items()), encoding="utf-8")
    return file


def commands(settings: Path, sent: Sent) -> Iterator[str]:
    """For a second shell, in this order."""
    yield f"source {shlex.quote(str(settings))}"
    yield f"invites import-guests YOUR-LIST.csv --workspace {sent.workspace_id} --as {wedding.COORDINATOR.subject}"
    yield (
        f"invites send --as {wedding.PARENT.subject} --event {sent.event_id} --template {TEMPLATE} "
        f"--language {wedding.LANGUAGE}"
    )
