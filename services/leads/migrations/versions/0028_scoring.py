"""Scores of leads, and by what they are given."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.add_column("lead", sa.Column("score", sa.BigInteger()))
    op.add_column("lead", sa.Column("grade", sa.Text(collation="C")))
    op.add_column("lead", sa.Column("score_time", sa.DateTime(timezone=True)))
    op.create_index("ix_lead_score", "lead", ["score", "id"])
    op.create_index(
        "ix_lead_score_time",
        "lead",
        ["score_time"],
        postgresql_where=sa.text("status IN ('NEW', 'CONTACTED', 'QUALIFIED')"),
    )
    # Points fade each day: devices are told of another grade, and of no score that moved within it.
    op.execute("DROP TRIGGER note_update ON lead")
    op.execute(
        "CREATE TRIGGER note_update AFTER UPDATE ON lead "
        "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT "
        "EXECUTE FUNCTION note_record_changes('leads', 'owner_id', 'owner_department_path', 'score,score_time')"
    )
    op.create_table(
        "scoring_rules",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("rules", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_scoring_rules_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scoring_rules")),
    )
    op.create_table(
        "scoring_model",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("in_use", sa.Boolean(), nullable=False),
        sa.Column("intercept", sa.Double(), nullable=False),
        sa.Column("weights", postgresql.JSONB(), nullable=False),
        sa.Column("measures", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("train_time", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_scoring_model_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scoring_model")),
    )
