"""All tables, by the names that queries use."""

from app.db.tables.base import Base, is_state
from app.db.tables.guests import (
    DoNotMessageRow,
    DoNotMessageSpellingRow,
    GuestImportRow,
    GuestResumeRow,
    GuestUnitRow,
    GuestUnitTagRow,
    ImportRowRow,
    PersonRow,
    TagRow,
)
from app.db.tables.sending import (
    AttemptRow,
    MessageRow,
    MessageSourceRow,
    RunBreakdownRow,
    RunCountersRow,
    SendRunRow,
    TemplateRow,
)
from app.db.tables.webhooks import FactRow, ReceiptRow, StatusItemRow
from app.db.tables.workspaces import AuditRow, EventRow, MemberRow, NumberRow, WorkspaceRow

__all__ = [
    "AttemptRow",
    "AuditRow",
    "Base",
    "DoNotMessageRow",
    "DoNotMessageSpellingRow",
    "EventRow",
    "FactRow",
    "GuestImportRow",
    "GuestResumeRow",
    "GuestUnitRow",
    "GuestUnitTagRow",
    "ImportRowRow",
    "MemberRow",
    "MessageRow",
    "MessageSourceRow",
    "NumberRow",
    "PersonRow",
    "ReceiptRow",
    "RunBreakdownRow",
    "RunCountersRow",
    "SendRunRow",
    "StatusItemRow",
    "TagRow",
    "TemplateRow",
    "WorkspaceRow",
    "is_state",
]
