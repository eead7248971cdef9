"""Requests for personal data, and legal holds."""

import sqlalchemy as sa
from alembic import op
from chassis import personal_data
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    personal_data.create_tables(op.get_bind())
    op.create_table(
        "personal_data_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", PLAIN, nullable=False),
        sa.Column("subject", PLAIN, nullable=False),
        sa.Column("reason", PLAIN, nullable=False),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("end_time", TIME),
        sa.Column("expire_time", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_personal_data_request"),
    )
    op.create_index("ix_personal_data_request_create_time", "personal_data_request", ["create_time", "id"])
    op.create_table(
        "personal_data_part",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("service", PLAIN, nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        *[sa.Column(name, postgresql.JSONB(), nullable=False) for name in ("found", "erased", "held", "kept")],
        sa.PrimaryKeyConstraint("request_id", "service", name="pk_personal_data_part"),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["personal_data_request.id"],
            name="fk_personal_data_part_request_id_personal_data_request",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "legal_hold",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", PLAIN, nullable=False),
        sa.Column("reason", PLAIN, nullable=False),
        sa.Column("expire_time", TIME),
        sa.Column("records", postgresql.ARRAY(PLAIN), nullable=False),
        sa.Column("digests", postgresql.ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_legal_hold"),
    )
    op.create_index("ix_legal_hold_create_time", "legal_hold", ["create_time", "id"])
