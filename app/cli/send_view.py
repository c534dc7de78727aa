"""How a precheck and a run look on the command line."""

from collections import Counter
from collections.abc import Iterable

from rich.console import Console
from rich.panel import Panel

from app.cli.output import show_table, shown
from app.db.tables import TemplateRow
from app.domain.enums import MessageState, TemplateStatus
from app.domain.templates import TemplateSlot, inspect
from app.domain.texts import REJECTIONS, STATES
from app.services.prechecks import Precheck
from app.services.reading import Summary
from app.whatsapp.codes import describe_failure

_PREVIEWS = 3


def show_precheck(out: Console, precheck: Precheck) -> None:
    show_table(
        out,
        f"{precheck.event.title}: precheck",
        ("What", "#Count"),
        [
            ("Candidates", precheck.candidate_count),
            ("Would be sent", precheck.eligible_count),
            ("Would not be sent", precheck.rejected_count),
        ],
    )
    if precheck.rejections:
        counts = Counter(precheck.rejections)
        show_table(
            out,
            "Who would not get it",
            ("Reason", "#Count", "Why", "Next step"),
            [
                (reason, count, REJECTIONS[reason].operator_text, REJECTIONS[reason].next_step)
                for reason, count in counts.most_common()
            ],
        )
    # Without a template, or without what fills it, there is nothing to read.
    readable = (candidate for candidate in precheck.candidates if candidate.reason is None and candidate.text)
    for candidate, _ in zip(readable, range(_PREVIEWS), strict=False):
        out.print(Panel(preview(candidate.text), title=shown(candidate.recipient_name), title_align="left", width=80))
    for warning in precheck.warnings:
        out.print(f"Note: {shown(warning.message)}", style="yellow")


def show_templates(out: Console, templates: Iterable[TemplateRow]) -> None:
    """Those that can be sent, each with what ``--param`` has to fill."""
    rows = []
    for template in templates:
        shape = inspect(template.components, template.parameter_format)
        if template.status is TemplateStatus.APPROVED and shape.supported:
            places = " ".join(_place(slot) for slot in shape.parameters)
            rows.append((template.name, template.language, places, shape.text))
    show_table(out, "Templates that can be sent", ("--template", "--language", "--param for", "Text"), rows)


def _place(slot: TemplateSlot) -> str:
    """As ``--param`` calls it; a link has one gap only, which needs no position."""
    spot = None if slot.kind == "URL_SUFFIX" else slot.name or slot.position
    return ".".join(str(part) for part in (slot.component.lower(), slot.button_index, spot) if part is not None)


def show_run(out: Console, summary: Summary) -> None:
    show_table(
        out,
        f"{summary.candidates} candidates",
        ("State", "#Count", "Meaning"),
        [(state, count, STATES[MessageState(state)][0]) for state, count in summary.states.items() if count],
    )
    if summary.failures:
        show_table(
            out,
            "Failures",
            ("Code", "#Count", "What happened", "Next step"),
            [(code, count, *describe_failure(code)[1:]) for code, count in summary.failures.items()],
        )


def preview(text: str) -> str:
    """A message's text, line by line."""
    return "\n".join(shown(line) if line else "" for line in text.splitlines())
