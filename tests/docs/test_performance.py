"""The page about speed lists the figures that ``make bench`` measures."""

from benchmarks.__main__ import FIGURES
from tests.docs.test_docs import TEXTS, coded, table


def test_each_figure_is_explained_in_its_order() -> None:
    rows = table(TEXTS["docs/performance.md"], "Name", "What is measured", "Its floor")
    assert [name for row in rows for name in coded(row[0])] == list(FIGURES)
    assert all(all(row) for row in rows)
