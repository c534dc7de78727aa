"""Everything that the first version keeps."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_text", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("target_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_run_id_id"), "audit", ["run_id", "id"], unique=False)
    op.create_index(op.f("ix_audit_workspace_id_action_id"), "audit", ["workspace_id", "action", "id"], unique=False)
    op.create_index(op.f("ix_audit_workspace_id_id"), "audit", ["workspace_id", "id"], unique=False)
    op.create_table(
        "facts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number_id", sa.Uuid(), nullable=False),
        sa.Column("provider_message_id", sa.Text(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error_code", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_facts")),
        sa.UniqueConstraint("number_id", "provider_message_id", "status", "at", "error_code", name="uq_facts_key"),
    )
    op.create_index(
        "ix_facts_message",
        "facts",
        ["message_id"],
        unique=False,
        postgresql_where=sa.text("message_id IS NOT NULL"),
        sqlite_where=sa.text("message_id IS NOT NULL"),
    )
    op.create_index(
        "ix_facts_unmatched",
        "facts",
        ["number_id", "provider_message_id"],
        unique=False,
        postgresql_where=sa.text("message_id IS NULL"),
        sqlite_where=sa.text("message_id IS NULL"),
    )
    op.create_index(
        "ix_facts_unmatched_recent",
        "facts",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("message_id IS NULL"),
        sqlite_where=sa.text("message_id IS NULL"),
    )
    op.create_table(
        "numbers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("phone_number_id", sa.Text(), nullable=False),
        sa.Column("waba_id", sa.Text(), nullable=True),
        sa.Column("display_phone", sa.Text(), nullable=True),
        sa.Column("verified_name", sa.Text(), nullable=True),
        sa.Column("quality_rating", sa.Text(), nullable=True),
        sa.Column("messaging_limit", sa.Text(), nullable=True),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("paused_reason", sa.Text(), nullable=True),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("tokens_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rate_share", sa.Double(), nullable=False),
        sa.Column("backoff_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("backoff_seconds", sa.Double(), nullable=False),
        sa.Column("unknown_streak", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_webhook_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_numbers")),
        sa.UniqueConstraint("phone_number_id", name=op.f("uq_numbers_phone_number_id")),
    )
    op.create_table(
        "receipts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number_id", sa.Uuid(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
    )
    op.create_index(op.f("ix_receipts_number_id_id"), "receipts", ["number_id", "id"], unique=False)
    op.create_table(
        "status_items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("receipt_id", sa.Uuid(), nullable=False),
        sa.Column("number_id", sa.Uuid(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("provider_message_id", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("repeated", sa.Boolean(), nullable=False),
        sa.Column("finding", sa.String(32), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=True),
        sa.Column("item", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["receipt_id"], ["receipts.id"], name=op.f("fk_status_items_receipt_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_items")),
    )
    op.create_index(
        "ix_status_items_findings",
        "status_items",
        ["number_id", "id"],
        unique=False,
        postgresql_where=sa.text("finding IS NOT NULL"),
        sqlite_where=sa.text("finding IS NOT NULL"),
    )
    op.create_index(
        "ix_status_items_message",
        "status_items",
        ["message_id", "id"],
        unique=False,
        postgresql_where=sa.text("message_id IS NOT NULL"),
        sqlite_where=sa.text("message_id IS NOT NULL"),
    )
    op.create_index(op.f("ix_status_items_receipt_id"), "status_items", ["receipt_id"], unique=False)
    op.create_index(
        "ix_status_items_unmatched",
        "status_items",
        ["number_id", "provider_message_id"],
        unique=False,
        postgresql_where=sa.text("message_id IS NULL"),
        sqlite_where=sa.text("message_id IS NULL"),
    )
    op.create_table(
        "templates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("category", sa.String(32), nullable=False),
        sa.Column("correct_category", sa.Text(), nullable=True),
        sa.Column("parameter_format", sa.Text(), nullable=False),
        sa.Column("components", sa.Text(), nullable=False),
        sa.Column("quality", sa.Text(), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["number_id"], ["numbers.id"], name=op.f("fk_templates_number_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_templates")),
        sa.UniqueConstraint("number_id", "name", "language", name=op.f("uq_templates_number_id_name_language")),
    )
    op.create_table(
        "workspaces",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("default_region", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("number_id", sa.Uuid(), nullable=True),
        sa.Column("roles_that_send", sa.Text(), nullable=False),
        sa.Column("require_consent", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["number_id"], ["numbers.id"], name=op.f("fk_workspaces_number_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workspaces")),
    )
    op.create_index(op.f("ix_workspaces_number_id"), "workspaces", ["number_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("venue", sa.Text(), nullable=True),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("visibility", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_events_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index(op.f("ix_events_workspace_id_position"), "events", ["workspace_id", "position"], unique=False)
    op.create_table(
        "guest_units",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("side", sa.String(32), nullable=False),
        sa.Column("delivery_phone", sa.Text(), nullable=True),
        sa.Column("inviteable", sa.Boolean(), nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_guest_units_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guest_units")),
    )
    op.create_index(
        op.f("ix_guest_units_workspace_id_delivery_phone"),
        "guest_units",
        ["workspace_id", "delivery_phone"],
        unique=False,
    )
    op.create_index(op.f("ix_guest_units_workspace_id_id"), "guest_units", ["workspace_id", "id"], unique=False)
    op.create_index(
        op.f("ix_guest_units_workspace_id_name_key"), "guest_units", ["workspace_id", "name_key"], unique=False
    )
    op.create_table(
        "members",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_members_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
        sa.UniqueConstraint("workspace_id", "subject", name=op.f("uq_members_workspace_id_subject")),
    )
    op.create_index(op.f("ix_members_subject"), "members", ["subject"], unique=False)
    op.create_table(
        "tags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_tags_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
        sa.UniqueConstraint("workspace_id", "key", name=op.f("uq_tags_workspace_id_key")),
    )
    op.create_table(
        "do_not_message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=True),
        sa.Column("number_id", sa.Uuid(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("receipt_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Uuid(), nullable=True),
        sa.Column("revoke_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("(workspace_id IS NULL) <> (number_id IS NULL)", name=op.f("ck_do_not_message_one_scope")),
        sa.ForeignKeyConstraint(["created_by"], ["members.id"], name=op.f("fk_do_not_message_created_by")),
        sa.ForeignKeyConstraint(["number_id"], ["numbers.id"], name=op.f("fk_do_not_message_number_id")),
        sa.ForeignKeyConstraint(["revoked_by"], ["members.id"], name=op.f("fk_do_not_message_revoked_by")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_do_not_message_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_do_not_message")),
    )
    op.create_index(op.f("ix_do_not_message_number_id_id"), "do_not_message", ["number_id", "id"], unique=False)
    op.create_index(op.f("ix_do_not_message_workspace_id_id"), "do_not_message", ["workspace_id", "id"], unique=False)
    op.create_table(
        "guest_imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("row_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("outcomes", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["members.id"], name=op.f("fk_guest_imports_created_by")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_guest_imports_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guest_imports")),
    )
    op.create_index(op.f("ix_guest_imports_workspace_id_id"), "guest_imports", ["workspace_id", "id"], unique=False)
    op.create_table(
        "guest_unit_tags",
        sa.Column("guest_unit_id", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["guest_unit_id"], ["guest_units.id"], name=op.f("fk_guest_unit_tags_guest_unit_id")),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name=op.f("fk_guest_unit_tags_tag_id")),
        sa.PrimaryKeyConstraint("guest_unit_id", "tag_id", name=op.f("pk_guest_unit_tags")),
    )
    op.create_index(op.f("ix_guest_unit_tags_tag_id"), "guest_unit_tags", ["tag_id"], unique=False)
    op.create_table(
        "people",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("guest_unit_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("also_known_as", sa.Text(), nullable=False),
        sa.Column("raw_phone", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("phone_status", sa.String(32), nullable=False),
        sa.Column("consent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["guest_unit_id"], ["guest_units.id"], name=op.f("fk_people_guest_unit_id")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_people_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
    )
    op.create_index(op.f("ix_people_guest_unit_id"), "people", ["guest_unit_id"], unique=False)
    op.create_index(op.f("ix_people_workspace_id_name_key"), "people", ["workspace_id", "name_key"], unique=False)
    op.create_index(
        "uq_people_phone",
        "people",
        ["workspace_id", "phone"],
        unique=True,
        postgresql_where=sa.text("phone IS NOT NULL"),
        sqlite_where=sa.text("phone IS NOT NULL"),
    )
    op.create_table(
        "send_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("number_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("template_name", sa.Text(), nullable=False),
        sa.Column("template_language", sa.Text(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("next_step", sa.Text(), nullable=True),
        sa.Column("retry_of_id", sa.Uuid(), nullable=True),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("refusal_code", sa.Integer(), nullable=True),
        sa.Column("refusal_streak", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["members.id"], name=op.f("fk_send_runs_created_by")),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_send_runs_event_id")),
        sa.ForeignKeyConstraint(["number_id"], ["numbers.id"], name=op.f("fk_send_runs_number_id")),
        sa.ForeignKeyConstraint(["retry_of_id"], ["send_runs.id"], name=op.f("fk_send_runs_retry_of_id")),
        sa.ForeignKeyConstraint(["template_id"], ["templates.id"], name=op.f("fk_send_runs_template_id")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_send_runs_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_send_runs")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_send_runs_idempotency_key")),
    )
    op.create_index(op.f("ix_send_runs_event_id_id"), "send_runs", ["event_id", "id"], unique=False)
    op.create_index(
        "ix_send_runs_running",
        "send_runs",
        ["number_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'RUNNING'"),
        sqlite_where=sa.text("status = 'RUNNING'"),
    )
    op.create_index(op.f("ix_send_runs_workspace_id_id"), "send_runs", ["workspace_id", "id"], unique=False)
    op.create_table(
        "do_not_message_spellings",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("spelling", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["do_not_message.id"], name=op.f("fk_do_not_message_spellings_entry_id")),
        sa.PrimaryKeyConstraint("entry_id", "spelling", name=op.f("pk_do_not_message_spellings")),
    )
    op.create_index(
        op.f("ix_do_not_message_spellings_spelling"), "do_not_message_spellings", ["spelling"], unique=False
    )
    op.create_table(
        "guest_import_rows",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("guest_unit_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["import_id"], ["guest_imports.id"], name=op.f("fk_guest_import_rows_import_id")),
        sa.PrimaryKeyConstraint("import_id", "row", name=op.f("pk_guest_import_rows")),
    )
    op.create_index(
        op.f("ix_guest_import_rows_import_id_outcome_row"),
        "guest_import_rows",
        ["import_id", "outcome", "row"],
        unique=False,
    )
    op.create_table(
        "invite_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("number_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("recipient_name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("search_key", sa.Text(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("state_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rejection_reason", sa.String(32), nullable=True),
        sa.Column("rejected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("prior_message_id", sa.Uuid(), nullable=True),
        sa.Column("attempt_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retry_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider_message_id", sa.Text(), nullable=True),
        sa.Column("second_message_id", sa.Text(), nullable=True),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure_code", sa.Integer(), nullable=True),
        sa.Column("failure_digest", sa.Text(), nullable=True),
        sa.Column("failure_title", sa.Text(), nullable=True),
        sa.Column("failure_details", sa.Text(), nullable=True),
        sa.Column("values", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["send_runs.id"], name=op.f("fk_invite_messages_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invite_messages")),
    )
    op.create_index(
        "ix_invite_messages_second",
        "invite_messages",
        ["run_id"],
        unique=False,
        postgresql_where=sa.text("second_message_id IS NOT NULL"),
        sqlite_where=sa.text("second_message_id IS NOT NULL"),
    )
    op.create_index(
        "ix_invite_messages_cooling",
        "invite_messages",
        ["number_id", "failed_at"],
        unique=False,
        postgresql_where=sa.text("failure_code = 131049"),
        sqlite_where=sa.text("failure_code = 131049"),
    )
    op.create_index(
        "ix_invite_messages_due",
        "invite_messages",
        ["run_id", "not_before", "position"],
        unique=False,
        postgresql_where=sa.text("state = 'QUEUED'"),
        sqlite_where=sa.text("state = 'QUEUED'"),
    )
    op.create_index("ix_invite_messages_event", "invite_messages", ["event_id", "run_id", "position"], unique=False)
    op.create_index(
        "ix_invite_messages_leased",
        "invite_messages",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state = 'SENDING'"),
        sqlite_where=sa.text("state = 'SENDING'"),
    )
    op.create_index(
        "ix_invite_messages_live",
        "invite_messages",
        ["event_id", "phone"],
        unique=False,
        postgresql_where=sa.text(
            "kind = 'INVITE' AND state IN ('ACCEPTED', 'DELIVERED', 'QUEUED', 'READ', 'SENDING', 'SENT', 'UNCONFIRMED')"
        ),
        sqlite_where=sa.text(
            "kind = 'INVITE' AND state IN ('ACCEPTED', 'DELIVERED', 'QUEUED', 'READ', 'SENDING', 'SENT', 'UNCONFIRMED')"
        ),
    )
    op.create_index(
        "ix_invite_messages_queued_phone",
        "invite_messages",
        ["number_id", "phone"],
        unique=False,
        postgresql_where=sa.text("state = 'QUEUED'"),
        sqlite_where=sa.text("state = 'QUEUED'"),
    )
    op.create_index("ix_invite_messages_state", "invite_messages", ["run_id", "state", "position"], unique=False)
    op.create_index(
        "ix_invite_messages_unconfirmed",
        "invite_messages",
        ["run_id", "state_since"],
        unique=False,
        postgresql_where=sa.text("state = 'UNCONFIRMED'"),
        sqlite_where=sa.text("state = 'UNCONFIRMED'"),
    )
    op.create_index("uq_invite_messages_position", "invite_messages", ["run_id", "position"], unique=True)
    op.create_index(
        "uq_invite_messages_provider",
        "invite_messages",
        ["number_id", "provider_message_id"],
        unique=True,
        postgresql_where=sa.text("provider_message_id IS NOT NULL"),
        sqlite_where=sa.text("provider_message_id IS NOT NULL"),
    )
    op.create_table(
        "run_breakdowns",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["send_runs.id"], name=op.f("fk_run_breakdowns_run_id")),
        sa.PrimaryKeyConstraint("run_id", "state", "key", name=op.f("pk_run_breakdowns")),
    )
    op.create_table(
        "run_counters",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("rejected", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancelled", sa.Integer(), server_default="0", nullable=False),
        sa.Column("queued", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sending", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unconfirmed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("accepted", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("delivered", sa.Integer(), server_default="0", nullable=False),
        sa.Column("read", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reached_accepted", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reached_sent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reached_delivered", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reached_read", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["send_runs.id"], name=op.f("fk_run_counters_run_id")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_counters")),
    )
    op.create_table(
        "attempts",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("behaviour", sa.Text(), nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("provider_message_id", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("fenced", sa.Boolean(), nullable=False),
        sa.Column("lease_expired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["invite_messages.id"], name=op.f("fk_attempts_message_id")),
        sa.PrimaryKeyConstraint("message_id", "n", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_finished_at"), "attempts", ["finished_at"], unique=False)
    op.create_table(
        "message_sources",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("guest_unit_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["invite_messages.id"], name=op.f("fk_message_sources_message_id")),
        sa.PrimaryKeyConstraint("message_id", "ordinal", name=op.f("pk_message_sources")),
    )
    op.create_index(
        op.f("ix_message_sources_guest_unit_id_message_id"),
        "message_sources",
        ["guest_unit_id", "message_id"],
        unique=False,
    )
    _append_only_audit()


def _append_only_audit() -> None:
    """Audit rows are never changed: the database itself refuses, whoever asks."""
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{event.lower()} BEFORE {event} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'audit is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        )
