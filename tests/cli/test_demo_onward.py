"""What the demo says about going on: settings that a shell can source, commands that are right."""

import shlex
import subprocess
from pathlib import Path

from app.cli.demo import onward
from app.cli.demo.story import Sent
from app.whatsapp.simulator.templates import DEFAULT_TEMPLATES
from tests.docs.test_docs import problem

SENT = Sent("wsp_1", "evt_1", "run_1", 1.0)


def test_settings_come_through_a_shell_as_they_are_and_are_nobody_elses(tmp_path: Path) -> None:
    value = "sqlite:////a 'b' $HOME/demo.db"
    file = onward.write_settings(tmp_path, {"DATABASE_URL": value, "PORT": "8000"})
    assert file.stat().st_mode & 0o777 == 0o600
    shell = f'. {shlex.quote(str(file))}; printf %s "$DATABASE_URL"'
    assert subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout == value


def test_the_commands_are_right_and_the_template_needs_nothing(tmp_path: Path) -> None:
    first, *others = onward.commands(tmp_path / "settings", SENT)
    assert shlex.split(first) == ["source", str(tmp_path / "settings")]
    assert [problem(shlex.split(each)) for each in others] == [None, None]
    (template,) = [each for each in DEFAULT_TEMPLATES if each["name"] == onward.TEMPLATE]
    assert template["status"] == "APPROVED"
    assert "{{" not in str(template["components"])
