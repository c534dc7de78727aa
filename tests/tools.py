"""What some tests need of the machine beside Python: a browser, nginx, npm, systemd.

``TEST_TOOLS=required`` fails where one is missing, as in continuous integration; elsewhere those tests are skipped.
"""

import os
import shutil
from typing import NoReturn

import pytest


def go_without(reason: str) -> NoReturn:
    """``reason`` says what is missing, and how to get it."""
    if os.environ.get("TEST_TOOLS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


def needed(*programs: str) -> None:
    """Goes without when one of them is not in the path."""
    if missing := [each for each in programs if shutil.which(each) is None]:
        go_without(f"not installed: {', '.join(missing)}")
