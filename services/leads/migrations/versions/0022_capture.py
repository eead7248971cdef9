"""Where leads come in by themselves, what came in there, and what leads keep of it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)
LEAD_TEXTS = (
    "source_detail", "medium", "campaign", "campaign_term", "campaign_content", "landing_page", "external_id",
)  # fmt: skip
CAPTURED = "(capture_source_id, external_id) WHERE capture_source_id IS NOT NULL AND external_id IS NOT NULL"


def upgrade() -> None:
    for column in LEAD_TEXTS:
        op.add_column("lead", sa.Column(column, PLAIN))
    op.add_column("lead", sa.Column("capture_source_id", sa.Uuid()))
    op.add_column("lead", sa.Column("opt_in_time", TIME))
    op.add_column("lead", sa.Column("repeat_count", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("lead", sa.Column("repeat_time", TIME))
    op.execute(f"CREATE UNIQUE INDEX uq_lead_captured ON lead {CAPTURED}")
    op.execute(
        "CREATE UNIQUE INDEX uq_lead_external_id ON lead (external_id)"
        " WHERE capture_source_id IS NULL AND external_id IS NOT NULL"
    )
    _create_source()
    _create_submission()
    _create_poll()


def _create_source() -> None:
    op.create_table(
        "capture_source",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("kind", PLAIN, nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("lead_fields", postgresql.JSONB(), nullable=False),
        *[sa.Column(f"default_{what}", PLAIN) for what in ("source", "channel", "medium", "campaign")],
        sa.Column("allowed_origins", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("honeypot", PLAIN),
        sa.Column("calls_per_minute", sa.BigInteger(), nullable=False),
        sa.Column("calls_per_address_per_minute", sa.BigInteger(), nullable=False),
        sa.Column("double_opt_in", sa.Boolean(), nullable=False),
        sa.Column("opt_in_hours", sa.BigInteger(), nullable=False),
        sa.Column("opt_in_subject", PLAIN),
        sa.Column("opt_in_text", PLAIN),
        *[sa.Column(c, sa.LargeBinary()) for c in ("key_digest", "former_key_digest", "secret", "former_secret")],
        sa.Column("former_secret_expire_time", TIME),
        sa.Column("feed", postgresql.JSONB()),
        sa.Column("feed_marks", postgresql.JSONB(), nullable=False, server_default="{}"),
        sa.Column("poll_time", TIME),
        sa.Column("next_poll_time", TIME),
        sa.Column("failure_count", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.CheckConstraint("kind IN ('FORM', 'WEBHOOK', 'FEED')", name=op.f("ck_capture_source_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_capture_source")),
    )
    op.execute("CREATE INDEX ix_capture_source_create_time ON capture_source (create_time, id)")
    op.execute("CREATE INDEX ix_capture_source_due ON capture_source (next_poll_time) WHERE next_poll_time IS NOT NULL")


def _create_submission() -> None:
    op.create_table(
        "capture_submission",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("external_id", PLAIN),
        sa.Column("content_type", PLAIN, nullable=False),
        sa.Column("payload", sa.LargeBinary()),
        sa.Column("correction", sa.LargeBinary()),
        sa.Column("problems", postgresql.JSONB(), nullable=False, server_default="[]"),
        sa.Column("lead_id", sa.Uuid()),
        sa.Column("token_digest", sa.LargeBinary()),
        sa.Column("expire_time", TIME),
        sa.Column("opt_in_time", TIME),
        sa.Column("receive_time", TIME, nullable=False),
        sa.Column("settle_time", TIME),
        sa.Column("corrector", PLAIN),
        sa.Column("version", sa.BigInteger(), nullable=False, server_default="1"),
        sa.CheckConstraint(
            "state IN ('NEW', 'UNCONFIRMED', 'ACCEPTED', 'REPEATED', 'REJECTED', 'EXPIRED', 'SPAM', 'DISCARDED')",
            name=op.f("ck_capture_submission_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_capture_submission")),
    )
    indexes = {
        "INDEX ix_capture_submission_receive_time": "(receive_time, id)",
        "INDEX ix_capture_submission_source": "(source_id, receive_time, id)",
        "INDEX ix_capture_submission_state": "(state, receive_time, id)",
        "INDEX ix_capture_submission_lead": "(lead_id) WHERE lead_id IS NOT NULL",
        "INDEX ix_capture_submission_external_id": "(source_id, external_id) WHERE external_id IS NOT NULL",
        "UNIQUE INDEX uq_capture_submission_token_digest": "(token_digest) WHERE token_digest IS NOT NULL",
    }
    for index, columns in indexes.items():
        op.execute(f"CREATE {index} ON capture_submission {columns}")


def _create_poll() -> None:
    op.create_table(
        "feed_poll",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("time", TIME, nullable=False),
        sa.Column("item_count", sa.BigInteger(), nullable=False),
        sa.Column("new_count", sa.BigInteger(), nullable=False),
        sa.Column("reason", PLAIN, nullable=False),
        sa.Column("message", PLAIN, nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["capture_source.id"], name=op.f("fk_feed_poll_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_poll")),
    )
    op.execute("CREATE INDEX ix_feed_poll_source ON feed_poll (source_id, time, id)")
