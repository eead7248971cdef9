"""Visits in the field, where leads and customers are, and telephone calls."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0021"
down_revision = "0020"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "company_rules",
        sa.Column("kind", PLAIN, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("rules", JSONB(), nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_company_rules")),
    )
    _create_visits()
    _create_photos()
    _create_positions()
    _create_calls()


def _create_visits() -> None:
    op.create_table(
        "visit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid()),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("assignee_id", sa.Uuid()),
        sa.Column("assignee_department_path", PLAIN),
        sa.Column("check_in_time", TIME, nullable=False),
        sa.Column("device_time", TIME),
        *(sa.Column(name, sa.Double()) for name in ("latitude", "longitude", "accuracy_metres")),
        sa.Column("mock_location", sa.Boolean(), nullable=False),
        sa.Column("device", PLAIN, nullable=False),
        sa.Column("note", PLAIN, nullable=False),
        sa.Column("geofence", PLAIN, nullable=False),
        sa.Column("distance_metres", sa.Double()),
        sa.Column("radius_metres", sa.BigInteger(), nullable=False),
        sa.Column("leg_metres", sa.Double()),
        sa.Column("check_out_time", TIME),
        *(sa.Column(name, sa.Double()) for name in ("out_latitude", "out_longitude", "out_accuracy_metres")),
        sa.Column("ended_by", PLAIN),
        sa.Column("trust_score", sa.BigInteger(), nullable=False),
        sa.Column("trust_reasons", ARRAY(sa.Text()), nullable=False),
        sa.Column("review_state", PLAIN, nullable=False),
        sa.Column("reviewer", PLAIN, nullable=False),
        sa.Column("review_note", PLAIN, nullable=False),
        sa.Column("review_time", TIME),
        sa.Column("follow_up_id", sa.Uuid()),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("num_nonnulls(lead_id, customer_id) > 0", name=op.f("ck_visit_subject")),
        sa.CheckConstraint("trust_score BETWEEN 0 AND 100", name=op.f("ck_visit_trust_score")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visit")),
    )
    op.create_index("ix_visit_lead", "visit", ["lead_id", "check_in_time", "id"])
    op.create_index("ix_visit_customer", "visit", ["customer_id", "check_in_time", "id"])
    op.create_index("ix_visit_assignee", "visit", ["assignee_id", "check_in_time", "id"])
    op.create_index("ix_visit_department", "visit", ["assignee_department_path"])
    op.create_index("ix_visit_check_in_time", "visit", ["check_in_time", "id"])
    op.create_index("ix_visit_device", "visit", ["device", "check_in_time"], postgresql_where=sa.text("device <> ''"))
    pending, located = sa.text("review_state = 'PENDING'"), sa.text("latitude IS NOT NULL")
    op.create_index("ix_visit_pending", "visit", ["check_in_time", "id"], postgresql_where=pending)
    op.create_index("ix_visit_located", "visit", ["check_in_time"], postgresql_where=located)
    is_open = sa.text("check_out_time IS NULL")
    op.create_index("uq_visit_open", "visit", ["assignee_id"], unique=True, postgresql_where=is_open)


def _create_photos() -> None:
    op.create_table(
        "visit_photo",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("digest", PLAIN, nullable=False),
        sa.Column("content_type", PLAIN, nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("object_key", PLAIN, nullable=False),
        sa.Column("upload_time", TIME, nullable=False),
        sa.Column("erased", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.ForeignKeyConstraint(["visit_id"], ["visit.id"], name=op.f("fk_visit_photo_visit_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visit_photo")),
    )
    op.create_index("ix_visit_photo_visit", "visit_photo", ["visit_id", "id"])
    op.create_index("ix_visit_photo_digest", "visit_photo", ["digest"])
    erased = sa.text("erased AND object_key <> ''")
    op.create_index("ix_visit_photo_erased", "visit_photo", ["id"], postgresql_where=erased)


def _create_positions() -> None:
    op.create_table(
        "subject_position",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid()),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("setter", PLAIN, nullable=False),
        sa.Column("set_time", TIME, nullable=False),
        sa.Column("visit_id", sa.Uuid()),
        sa.CheckConstraint("num_nonnulls(lead_id, customer_id) > 0", name=op.f("ck_subject_position_subject")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subject_position")),
    )
    op.create_index("ix_subject_position_lead", "subject_position", ["lead_id", "set_time", "id"])
    op.create_index("ix_subject_position_customer", "subject_position", ["customer_id", "set_time", "id"])


def _create_calls() -> None:
    texts = ("recording_url", "outcome", "note", "failure_reason")
    op.create_table(
        "call",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid()),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("assignee_id", sa.Uuid()),
        sa.Column("assignee_department_path", PLAIN),
        sa.Column("direction", PLAIN, nullable=False),
        sa.Column("phone", PLAIN, nullable=False),
        sa.Column("provider", PLAIN, nullable=False),
        sa.Column("provider_call_id", PLAIN),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("request_time", TIME),
        sa.Column("start_time", TIME, nullable=False),
        sa.Column("answer_time", TIME),
        sa.Column("end_time", TIME),
        sa.Column("duration_seconds", sa.BigInteger(), nullable=False),
        *(sa.Column(name, PLAIN, nullable=False) for name in texts),
        sa.Column("outcome_time", TIME),
        sa.Column("follow_up_id", sa.Uuid()),
        sa.Column("candidates", ARRAY(sa.Text()), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("duration_seconds >= 0", name=op.f("ck_call_duration")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call")),
    )
    op.create_index("ix_call_lead", "call", ["lead_id", "start_time", "id"])
    op.create_index("ix_call_customer", "call", ["customer_id", "start_time", "id"])
    op.create_index("ix_call_assignee", "call", ["assignee_id", "start_time", "id"])
    op.create_index("ix_call_department", "call", ["assignee_department_path"])
    op.create_index("ix_call_start_time", "call", ["start_time", "id"])
    op.create_index("ix_call_phone", "call", ["phone"])
    told = sa.text("provider_call_id IS NOT NULL")
    op.create_index(
        "uq_call_provider_call_id", "call", ["provider", "provider_call_id"], unique=True, postgresql_where=told
    )
    op.create_table(
        "call_event",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("digest", PLAIN, nullable=False),
        sa.Column("details", JSONB(), nullable=False),
        sa.Column("receive_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name=op.f("fk_call_event_call_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_id", "digest", name=op.f("pk_call_event")),
    )
