"""Invitations, password rules, personal settings, saved views, brakes by address, and mails."""

import sqlalchemy as sa
from alembic import op
from chassis import mail
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    mail.create_table(op.get_bind())
    _extend_users()
    _extend_attempts()
    _create_passwords()
    _create_settings()
    _create_saved_views()


def _extend_users() -> None:
    op.alter_column("user_account", "password_hash", nullable=True)
    op.add_column("user_account", sa.Column("password_time", TIME))
    op.add_column(
        "user_account", sa.Column("must_change_password", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.drop_constraint(op.f("ck_user_account_state"), "user_account")
    op.create_check_constraint(
        op.f("ck_user_account_state"), "user_account", "state IN ('ACTIVE', 'DEACTIVATED', 'INVITED')"
    )
    op.execute("UPDATE user_account SET password_time = now()")
    # Where several people have one number, the first of them signs in by it; it stays the number of all.
    op.add_column("user_account", sa.Column("login_phone", PLAIN))
    op.execute(
        "UPDATE user_account SET login_phone = phone WHERE id IN "
        "(SELECT DISTINCT ON (phone) id FROM user_account WHERE phone IS NOT NULL ORDER BY phone, create_time, id)"
    )
    op.create_index("uq_user_account_login_phone", "user_account", ["login_phone"], unique=True)


def _extend_attempts() -> None:
    op.add_column("login_attempt", sa.Column("name_key", sa.LargeBinary()))
    op.add_column("login_attempt", sa.Column("address_key", sa.LargeBinary()))
    op.create_index("ix_login_attempt_name_key", "login_attempt", ["name_key", "time"])
    op.create_index("ix_login_attempt_address_key", "login_attempt", ["address_key", "time"])


def _create_passwords() -> None:
    op.create_table(
        "account_token",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", PLAIN, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("expire_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "purpose", name="pk_account_token"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name="fk_account_token_user_id", ondelete="CASCADE"),
    )
    op.create_index("uq_account_token_digest", "account_token", ["digest"], unique=True)
    op.create_index("ix_account_token_expire_time", "account_token", ["expire_time"])
    op.create_table(
        "former_password",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("password_hash", PLAIN, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_former_password"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name="fk_former_password_user_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_former_password_user_id", "former_password", ["user_id", "create_time"])
    rules = op.create_table(
        "password_rules",
        sa.Column("id", sa.Boolean(), nullable=False),
        sa.Column("min_length", sa.Integer(), nullable=False),
        sa.Column("required_classes", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("history_count", sa.Integer(), nullable=False),
        sa.Column("expire_days", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_password_rules"),
        sa.CheckConstraint("id", name=op.f("ck_password_rules_single")),
    )
    first = {"min_length": 10, "required_classes": [], "history_count": 5, "expire_days": 0, "version": 1}
    op.bulk_insert(rules, [{"id": True, **first}])


def _create_settings() -> None:
    op.create_table(
        "user_settings",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("time_zone", PLAIN, nullable=False),
        sa.Column("switches", postgresql.JSONB(), nullable=False),
        sa.Column("web_layout", PLAIN, nullable=False),
        sa.Column("mobile_layout", PLAIN, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_user_settings"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name="fk_user_settings_user_id", ondelete="CASCADE"),
    )


def _create_saved_views() -> None:
    op.create_table(
        "saved_view",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("entity", PLAIN, nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("filter", postgresql.JSONB(), nullable=False),
        sa.Column("columns", postgresql.JSONB(), nullable=False),
        sa.Column("order_by", postgresql.JSONB(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("department_id", sa.Uuid()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_saved_view"),
        sa.ForeignKeyConstraint(["owner_id"], ["user_account.id"], name="fk_saved_view_owner_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["department_id"], ["department.id"], name="fk_saved_view_department_id", ondelete="SET NULL"
        ),
    )
    op.create_index("uq_saved_view_display_name", "saved_view", ["owner_id", "entity", "display_name"], unique=True)
    op.create_index(
        "uq_saved_view_default",
        "saved_view",
        ["owner_id", "entity"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )
    op.create_index(
        "ix_saved_view_department_id",
        "saved_view",
        ["department_id"],
        postgresql_where=sa.text("department_id IS NOT NULL"),
    )
