"""How the commands print: plain text with a little style, never markup from what guests or Meta wrote."""

import os
import re
import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

_PLAIN_WIDTH = 120
"""Columns where the output is no terminal: lines of a log."""
# Everything that could move the cursor, change colours or reorder the line.
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def console(*, stderr: bool = False) -> Console:
    """A console for this moment's standard output (or error)."""
    stream = sys.stderr if stderr else sys.stdout
    made = Console(file=stream, markup=False, highlight=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _PLAIN_WIDTH
    return made


def shown(value: object) -> str:
    """A value as a cell or line may show it; None is a dash."""
    return "–" if value is None or value == "" else _CONTROLS.sub("", str(value))


def show_table(out: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a title and a table; columns whose name begins with ``#`` are numbers. Nothing is printed without rows."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        number = column.startswith("#")
        made.add_column(column.removeprefix("#"), justify="right" if number else "left", overflow="fold")
    for row in rows:
        made.add_row(*(shown(value) for value in row))
    if made.row_count:
        # A line of its own: as the table's title it would be broken at the width of a narrow table.
        out.print(shown(title), style="bold", soft_wrap=True)
        out.print(made)
