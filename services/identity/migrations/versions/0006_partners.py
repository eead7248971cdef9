"""Partners, and the users who work for them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "partner",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("contact_name", PLAIN),
        sa.Column("contact_phone", PLAIN),
        sa.Column("contact_email", PLAIN),
        sa.Column("manager_id", sa.Uuid()),
        sa.Column("remark", PLAIN),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_partner"),
        sa.ForeignKeyConstraint(["manager_id"], ["user_account.id"], name="fk_partner_manager_id"),
    )
    op.create_index("uq_partner_display_name", "partner", ["display_name"], unique=True)
    op.create_index("ix_partner_manager_id", "partner", ["manager_id"])
    op.add_column("user_account", sa.Column("partner_id", sa.Uuid()))
    op.create_foreign_key("fk_user_account_partner_id", "user_account", "partner", ["partner_id"], ["id"])
    op.create_index(
        "ix_user_account_partner_id",
        "user_account",
        ["partner_id"],
        postgresql_where=sa.text("partner_id IS NOT NULL"),
    )
