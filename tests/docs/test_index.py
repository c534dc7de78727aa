"""The ways into the documents: the index names each of them once, the five minutes are those that the demo offers."""

import re
import shlex

from app.cli.demo import onward
from app.cli.demo.story import Sent
from tests.docs.test_docs import ROOT, TEXTS, commands


def test_every_document_is_in_the_index_once() -> None:
    linked = re.findall(r"\]\(([\w.-]+\.md)\)", TEXTS["docs/README.md"])
    there = sorted(path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md")
    assert sorted(linked) == there


def test_the_five_minutes_are_what_the_demo_offers() -> None:
    told = [line for line in commands(TEXTS["docs/start.md"]) if line[0] == "invites"]
    _, *offered = onward.commands(ROOT, Sent("wsp_...", "evt_...", "run_...", 1.0))
    assert told == [shlex.split(each) for each in offered]
    assert ["make", "demo"] in list(commands(TEXTS["docs/start.md"]))
