"""A certificate that signs itself, for this machine."""

import subprocess
from pathlib import Path


def make(folder: Path) -> Path:
    """``fullchain.pem`` and ``privkey.pem`` in ``folder``; the first of them."""
    chain = folder / "fullchain.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=invites.example",
         "-addext", "subjectAltName=DNS:invites.example,IP:127.0.0.1", "-keyout", folder / "privkey.pem", "-out", chain],
        check=True, capture_output=True,
    )  # fmt: skip
    return chain
