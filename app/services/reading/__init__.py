"""Everything that queries read. One class, each of its parts in a module of its own."""

from app.db.keyset import Page
from app.services.reading.blocks import BlockEvidence, BlockReading
from app.services.reading.coverage import CoverageReading
from app.services.reading.findings import Finding, FindingReading
from app.services.reading.guests import GuestReading, GuestUnitFilter
from app.services.reading.looks import Look
from app.services.reading.messages import MessageFilter, MessageReading
from app.services.reading.rows import RowReading, RunView
from app.services.reading.runs import Rate, RunReading
from app.services.reading.summaries import Summary, SummaryReading
from app.services.reading.timeline import TimelineItem, TimelineReading
from app.services.reading.trail import AuditFilter, TrailReading
from app.services.reading.workspaces import WorkspaceReading

__all__ = [
    "AuditFilter",
    "BlockEvidence",
    "Finding",
    "GuestUnitFilter",
    "Look",
    "MessageFilter",
    "Page",
    "Rate",
    "Reader",
    "RunView",
    "Summary",
    "TimelineItem",
]


class Reader(
    RowReading,
    WorkspaceReading,
    GuestReading,
    CoverageReading,
    RunReading,
    SummaryReading,
    MessageReading,
    BlockReading,
    TrailReading,
    FindingReading,
    TimelineReading,
):
    """The reading side. Each call is one snapshot; tenancy is in the statements; lists are pages by key.

    ``unconfirmed_after``: how long a message may be UNCONFIRMED before summaries call it overdue.

    Pages raise ``BadInputError`` with field ``first`` (1..100) or ``after`` (a cursor of another list or filter), and with
    field ``search`` for a query that is too long.
    """
