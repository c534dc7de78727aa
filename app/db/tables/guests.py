"""Households and people, how they were imported, and who must not be messaged."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, Count, only_where
from app.db.types import JsonText, PublicId, enum_name
from app.domain import ids
from app.domain.enums import DoNotMessageSource, ImportOutcome, PhoneStatus, Side


class ConsentColumns:
    """The consent on record, where a workspace asks for it. All null: none; else all but perhaps the member are set."""

    consent_at: Mapped[datetime | None]
    """When they agreed to be messaged."""
    consent_evidence: Mapped[str | None]
    """How, in the words of whoever recorded it."""
    consent_recorded_at: Mapped[datetime | None]
    consent_recorded_by: Mapped[str | None] = mapped_column(PublicId(ids.MEMBER))


class GuestUnitRow(ConsentColumns, Base):
    """A household: the unit that is invited."""

    __tablename__ = "guest_units"
    __table_args__ = (
        sa.Index(None, "workspace_id", "name_key"),
        sa.Index(None, "workspace_id", "id"),
        sa.Index(None, "workspace_id", "delivery_phone"),
    )

    id: Mapped[str] = mapped_column(PublicId(ids.GUEST_UNIT), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(PublicId(ids.WORKSPACE), sa.ForeignKey("workspaces.id"))
    name: Mapped[str]
    name_key: Mapped[str]
    """``domain.guest_list.household_key`` of the name: how an import finds the household again."""
    side: Mapped[Side] = mapped_column(enum_name(Side))
    delivery_phone: Mapped[str | None]
    """E.164; receives for the whole household. Null: its people's phones receive."""
    inviteable: Mapped[bool] = mapped_column(default=True)
    archived: Mapped[bool] = mapped_column(default=False)
    erased_at: Mapped[datetime | None]
    """Nothing of it is known any more, and it never comes back."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PersonRow(ConsentColumns, Base):
    """A guest. In one active household at a time; one person per phone in a workspace."""

    __tablename__ = "people"
    __table_args__ = (
        sa.Index(
            "uq_people_phone",
            "workspace_id",
            "phone",
            unique=True,
            **only_where("phone IS NOT NULL"),
        ),
        sa.Index(None, "guest_unit_id"),
        sa.Index(None, "workspace_id", "name_key"),
    )

    id: Mapped[str] = mapped_column(PublicId(ids.PERSON), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(PublicId(ids.WORKSPACE), sa.ForeignKey("workspaces.id"))
    guest_unit_id: Mapped[str | None] = mapped_column(PublicId(ids.GUEST_UNIT), sa.ForeignKey("guest_units.id"))
    name: Mapped[str]
    name_key: Mapped[str]
    also_known_as: Mapped[list[str]] = mapped_column(JsonText, default=list)
    """Other names that came in on the same phone: merged, but kept visible."""
    raw_phone: Mapped[str | None]
    phone: Mapped[str | None]
    """E.164; null unless ``phone_status`` is VALID."""
    phone_status: Mapped[PhoneStatus] = mapped_column(enum_name(PhoneStatus))
    archived: Mapped[bool] = mapped_column(default=False)
    erased_at: Mapped[datetime | None]
    """Nothing of the guest is known any more, and the row never comes back."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class TagRow(Base):
    """A label of a workspace; equal without regard to case and spaces, shown as first written."""

    __tablename__ = "tags"
    __table_args__ = (sa.UniqueConstraint("workspace_id", "key"),)

    id: Mapped[str] = mapped_column(PublicId(ids.TAG), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(PublicId(ids.WORKSPACE), sa.ForeignKey("workspaces.id"))
    name: Mapped[str]
    key: Mapped[str]


class GuestUnitTagRow(Base):
    __tablename__ = "guest_unit_tags"
    __table_args__ = (sa.Index(None, "tag_id"),)

    guest_unit_id: Mapped[str] = mapped_column(
        PublicId(ids.GUEST_UNIT), sa.ForeignKey("guest_units.id"), primary_key=True
    )
    tag_id: Mapped[str] = mapped_column(PublicId(ids.TAG), sa.ForeignKey("tags.id"), primary_key=True)


class GuestImportRow(Base):
    """One import with its counts per outcome."""

    __tablename__ = "guest_imports"
    __table_args__ = (sa.Index(None, "workspace_id", "id"),)

    id: Mapped[str] = mapped_column(PublicId(ids.GUEST_IMPORT), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(PublicId(ids.WORKSPACE), sa.ForeignKey("workspaces.id"))
    file_name: Mapped[str | None]
    created_by: Mapped[str] = mapped_column(PublicId(ids.MEMBER), sa.ForeignKey("members.id"))
    created_at: Mapped[datetime]
    row_count: Mapped[Count]
    outcomes: Mapped[dict[str, int]] = mapped_column(JsonText)


class ImportRowRow(Base):
    """What became of one row of an imported list."""

    __tablename__ = "guest_import_rows"
    __table_args__ = (sa.Index(None, "import_id", "outcome", "row"),)

    import_id: Mapped[str] = mapped_column(
        PublicId(ids.GUEST_IMPORT), sa.ForeignKey("guest_imports.id"), primary_key=True
    )
    row: Mapped[int] = mapped_column(primary_key=True)
    """1-based, header not counted."""
    outcome: Mapped[ImportOutcome] = mapped_column(enum_name(ImportOutcome))
    message: Mapped[str | None]
    name: Mapped[str | None]
    phone: Mapped[str | None]
    """As it was given."""
    guest_unit_id: Mapped[str | None] = mapped_column(PublicId(ids.GUEST_UNIT))


class DoNotMessageRow(Base):
    """A phone that must not be messaged: of one workspace, or (from Meta) of a number and so of all its workspaces."""

    __tablename__ = "do_not_message"
    __table_args__ = (
        sa.Index(None, "workspace_id", "id"),
        sa.Index(None, "number_id", "id"),
        sa.Index(
            "ix_do_not_message_erased",
            "phone",
            **only_where("phone LIKE 'erased:%'"),
        ),
        sa.CheckConstraint("(workspace_id IS NULL) <> (number_id IS NULL)", name="one_scope"),
    )

    id: Mapped[str] = mapped_column(PublicId(ids.DO_NOT_MESSAGE), primary_key=True)
    workspace_id: Mapped[str | None] = mapped_column(PublicId(ids.WORKSPACE), sa.ForeignKey("workspaces.id"))
    number_id: Mapped[str | None] = mapped_column(PublicId(ids.NUMBER), sa.ForeignKey("numbers.id"))
    phone: Mapped[str]
    """E.164, or the pseudonym of an erased one (``domain.pseudonyms``)."""
    reason: Mapped[str]
    source: Mapped[DoNotMessageSource] = mapped_column(enum_name(DoNotMessageSource))
    active: Mapped[bool] = mapped_column(default=True)
    evidence: Mapped[Any | None] = mapped_column(JsonText)
    """What asked for it: the one webhook item, or the row of the imported list."""
    receipt_id: Mapped[str | None] = mapped_column(PublicId(ids.RECEIPT))
    message_id: Mapped[str | None] = mapped_column(PublicId(ids.MESSAGE))
    """The message that Meta refused or failed with code 131050; only its workspace may read the evidence."""
    created_at: Mapped[datetime]
    created_by: Mapped[str | None] = mapped_column(PublicId(ids.MEMBER), sa.ForeignKey("members.id"))
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None] = mapped_column(PublicId(ids.MEMBER), sa.ForeignKey("members.id"))
    revoke_reason: Mapped[str | None]


class DoNotMessageSpellingRow(Base):
    """Every spelling of a blocked phone (``domain.phone.spellings``), so that the check is an equality on an index.

    Of an erased phone each spelling's pseudonym.
    """

    __tablename__ = "do_not_message_spellings"
    __table_args__ = (sa.Index(None, "spelling"),)

    entry_id: Mapped[str] = mapped_column(
        PublicId(ids.DO_NOT_MESSAGE), sa.ForeignKey("do_not_message.id"), primary_key=True
    )
    spelling: Mapped[str] = mapped_column(primary_key=True)


class GuestResumeRow(Base):
    """When a guest last allowed messages again, by Meta's clock, under every spelling of this person's phone.

    Kept, because a stop from before may arrive after it and must not hold.
    """

    __tablename__ = "guest_resumes"

    number_id: Mapped[str] = mapped_column(PublicId(ids.NUMBER), sa.ForeignKey("numbers.id"), primary_key=True)
    phone: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
