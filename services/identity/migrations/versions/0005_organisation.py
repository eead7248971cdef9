"""The company's profile and working calendar."""

import sqlalchemy as sa
from alembic import op
from chassis import organisation
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    organisation.create_table(op.get_bind())
    op.create_table(
        "organisation_profile",
        sa.Column("id", sa.Boolean(), nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("credit_code", PLAIN),
        sa.Column("locale", PLAIN, nullable=False),
        sa.Column("currency", PLAIN, nullable=False),
        sa.Column("time_zone", PLAIN, nullable=False),
        sa.Column("fiscal_year_start_month", sa.Integer(), nullable=False),
        sa.Column("fiscal_year_start_day", sa.Integer(), nullable=False),
        sa.Column("first_day_of_week", sa.Integer(), nullable=False),
        sa.Column("statutory_calendar", PLAIN, nullable=False),
        sa.Column("weekly", postgresql.JSONB(), nullable=False),
        sa.Column("week_version", sa.Integer(), nullable=False),
        sa.Column("logo", sa.LargeBinary()),
        sa.Column("logo_type", PLAIN),
        sa.Column("logo_digest", PLAIN),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organisation_profile"),
        sa.CheckConstraint("id", name=op.f("ck_organisation_profile_single")),
    )
    op.create_table(
        "company_day",
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("working", sa.Boolean(), nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("windows", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("date", name="pk_company_day"),
    )
