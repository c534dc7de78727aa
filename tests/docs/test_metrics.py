"""``docs/metrics.md`` lists every metric as the code has it, says what to do about it, and its alerts name real ones."""

import re

from app.logs import SUBJECTS
from app.metrics import all_described
from app.metrics_of_database import FIGURES
from tests.docs.test_docs import ROOT, blocks, coded

PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


def rows() -> list[list[str]]:
    found = [line for line in PAGE.splitlines() if line.startswith("| `invites_")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found]


def test_every_metric_is_listed_as_it_is() -> None:
    assert [(coded(name)[0], kind, coded(labels), meaning) for name, kind, labels, meaning, _ in rows()] == [
        (each.name, each.kind, list(each.labels), each.meaning) for each in all_described()
    ]


def test_every_metric_says_what_to_do() -> None:
    assert [name for name, *_, todo in rows() if len(todo) < 20] == []


def test_the_first_table_has_what_the_database_tells() -> None:
    database, _, processes = PAGE.partition("## Of the processes that serve")
    names = {each.described.name for each in FIGURES}
    assert all(f"| `{name}` |" in database for name in names)
    assert not any(f"| `{name}` |" in processes for name in names)


def test_alerts_name_metrics_and_labels_that_there_are() -> None:
    (rules,) = [block for block in blocks(PAGE, "yaml") if block.startswith("groups:")]
    known = {each.name: each for each in all_described()}
    used = re.findall(r"(invites_\w+)(?:\{(\w+)=)?", rules)
    assert len(used) >= rules.count("- alert:")
    for name, label in used:
        metric = known[name.removesuffix("_bucket")]
        assert not label or label in metric.labels
        assert name.endswith("_bucket") == (metric.kind == "histogram")


def test_every_reason_not_to_be_ready_is_listed() -> None:
    code = (ROOT / "app" / "http" / "health.py").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([a-z]+-[a-z]+)` \|", PAGE, re.MULTILINE))
    named = set(re.findall(r'"([a-z]+-[a-z]+)"', code))
    assert listed == {"dispatcher-stopped", "dispatcher-stuck"} | named
    assert len(named) == 3


def test_fields_of_a_log_line() -> None:
    listed = re.findall(r"^\| `(\w+)` \| the|^\| `(\w+)` \| one body", PAGE, re.MULTILINE)
    assert {name or other for name, other in listed} == {"request", *SUBJECTS}
