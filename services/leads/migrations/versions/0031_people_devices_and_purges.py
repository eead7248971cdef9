"""Indexes for what is removed by the clock; merges that conversions follow; whom steps and follow-ups concern; roles
and heads in rules; the work that devices keep."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

# The work of somebody, which devices keep as long as it is theirs. What changes no version, such as reminders that were
# sent, is no news.
NOTE_WORK = """
CREATE FUNCTION note_work_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO record_change (kind, record_id) SELECT TG_ARGV[0], id FROM new_rows;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO record_change (kind, record_id, moved, owner_id)
    SELECT TG_ARGV[0], was.id, true, was.assignee_id FROM old_rows AS was;
  ELSE
    INSERT INTO record_change (kind, record_id, moved, owner_id)
    SELECT TG_ARGV[0], was.id, moved, CASE WHEN moved THEN was.assignee_id END
    FROM old_rows AS was
    JOIN new_rows AS now USING (id)
    CROSS JOIN LATERAL (SELECT was.assignee_id IS DISTINCT FROM now.assignee_id AS moved) AS place
    WHERE moved OR (was.version, was.lead_id, was.customer_id)
      IS DISTINCT FROM (now.version, now.lead_id, now.customer_id);
  END IF;
  RETURN NULL;
END
$$
"""

NOTE_PARTICIPANTS = """
CREATE FUNCTION note_participant_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO record_change (kind, record_id) SELECT 'plans', plan_id FROM new_rows;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO record_change (kind, record_id, moved, owner_id)
    SELECT 'plans', plan_id, true, user_id FROM old_rows;
  ELSE
    INSERT INTO record_change (kind, record_id)
    SELECT 'plans', was.plan_id FROM old_rows AS was JOIN new_rows AS now USING (plan_id, user_id)
    WHERE was.response <> now.response;
  END IF;
  RETURN NULL;
END
$$
"""


def _by_statement(table: str, call: str) -> None:
    for event, seen in (
        ("INSERT", "NEW TABLE AS new_rows"),
        ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
        ("DELETE", "OLD TABLE AS old_rows"),
    ):
        op.execute(
            f"CREATE TRIGGER note_{event.lower()} AFTER {event} ON {table} REFERENCING {seen} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {call}"
        )


def upgrade() -> None:
    _index_what_is_purged()
    _keep_merges()
    _know_whom_it_concerns()
    _note_work()


def _index_what_is_purged() -> None:
    op.create_index(
        "ix_capture_submission_content",
        "capture_submission",
        ["receive_time"],
        postgresql_where=sa.text(
            "state IN ('ACCEPTED', 'REPEATED') AND (payload IS NOT NULL OR correction IS NOT NULL)"
        ),
    )
    op.create_index(
        "ix_capture_submission_refuse",
        "capture_submission",
        ["settle_time"],
        postgresql_where=sa.text("state IN ('EXPIRED', 'SPAM', 'DISCARDED')"),
    )
    op.create_index("ix_feed_poll_time", "feed_poll", ["time"])
    op.create_index(
        "ix_automation_delivery_ended",
        "automation_delivery",
        ["create_time"],
        postgresql_where=sa.text("state <> 'PENDING'"),
    )


def _keep_merges() -> None:
    op.create_index(
        "ix_lead_converted_contact",
        "lead",
        ["converted_contact_id"],
        postgresql_where=sa.text("converted_contact_id IS NOT NULL"),
    )
    op.add_column("moved_record", sa.Column("contact_id", sa.Uuid()))
    op.create_table(
        "merged_record",
        sa.Column("merge_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("into_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("merge_id", "record_id", name=op.f("pk_merged_record")),
    )
    op.create_index("ix_merged_record_record", "merged_record", ["record_id"])


def _know_whom_it_concerns() -> None:
    op.create_table(
        "escalation_notice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("escalation_id", sa.Uuid(), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_escalation_notice")),
    )
    op.create_index("ix_escalation_notice_recipient", "escalation_notice", ["recipient_id"])
    for column in ("headed_departments", "roles"):
        op.add_column("assignment_rule", sa.Column(column, sa.ARRAY(sa.Uuid()), nullable=False, server_default="{}"))
    op.add_column(
        "assignment_rule", sa.Column("manager_is_head", sa.Boolean(), nullable=False, server_default=sa.false())
    )


def _note_work() -> None:
    op.add_column("visit", sa.Column("report_time", sa.DateTime(timezone=True)))
    op.execute(NOTE_WORK)
    op.execute(NOTE_PARTICIPANTS)
    for table in ("task", "plan", "visit"):
        _by_statement(table, f"note_work_changes('{table}s')")
    _by_statement("plan_participant", "note_participant_changes()")
    op.add_column("follow_up", sa.Column("mentions", sa.ARRAY(sa.Uuid()), nullable=False, server_default="{}"))
