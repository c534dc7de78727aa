"""The files of ``deploy/``, as they are, but with the places and ports of a trial."""

import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PORTS = (8001, 8002)
"""Of the two servers, in nginx.conf and in the guide."""


def placed(text: str, places: Mapping[str, str]) -> str:
    """Each of these in the place of what the file has. Raises AssertionError for one that it does not have."""
    for old, new in places.items():
        assert old in text, f"{old!r} is not in the file"
        text = text.replace(old, new)
    return text


def site(*, http: int, https: int, servers: Mapping[int, int], certificates: Path, log: Path) -> str:
    """``nginx.conf`` on ports of the loopback."""
    text = re.sub(r"^ *listen \[::\]:.*\n", "", (DEPLOY / "nginx.conf").read_text(), flags=re.MULTILINE)
    return placed(
        text,
        {
            "listen 80;": f"listen 127.0.0.1:{http};",
            "listen 443 ssl;": f"listen 127.0.0.1:{https} ssl;",
            "/etc/letsencrypt/live/invites.example/": f"{certificates}/",
            "/var/log/nginx/invites.log": str(log),
            **{f"server 127.0.0.1:{port} ": f"server 127.0.0.1:{servers[port]} " for port in PORTS},
        },
    )


def main_conf(folder: Path, *, more: str = "") -> str:
    """What a distribution's own ``nginx.conf`` would be, writing into ``folder`` alone."""
    temporary = "\n".join(
        f"    {kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nworker_processes 2;\n"
        f"events {{ worker_connections 1024; }}\nhttp {{\n{temporary}\n    access_log off;\n"
        f"    include {folder}/conf.d/*.conf;\n{more}}}\n"
    )


def section(text: str, name: str) -> dict[str, str]:
    """The settings of one section of a systemd unit."""
    found = re.search(rf"^\[{name}\]\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    lines = [line.partition("=") for line in found[1].splitlines() if line and not line.startswith("#")]
    return {key: value for key, _, value in lines}


def environment(text: str) -> dict[str, str]:
    """An environment file, of which every value is in single quotes."""
    return dict(re.findall(r"^([A-Z_]+)='([^'\n]*)'$", text, re.MULTILINE))
