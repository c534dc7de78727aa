"""``docs/exports.md`` names every column of a download, in order."""

import re
from pathlib import Path

from app.services.exports import HEADER

PAGE = Path(__file__).parents[2] / "docs" / "exports.md"


def test_every_column_is_explained() -> None:
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert tuple(name for row in rows for name in re.findall(r"`(\w+)`", row)) == HEADER
