"""Departments, users, roles, clients, and what sign-in needs."""

import sqlalchemy as sa
from alembic import op
from chassis.migrations import create_chassis_tables
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_chassis_tables(op.get_bind())
    _create_departments()
    _create_roles()
    _create_users()
    _create_clients()
    _create_sessions()
    _create_policy()


def _create_departments() -> None:
    op.create_table(
        "department",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("parent_id", sa.Uuid()),
        sa.Column("head_id", sa.Uuid()),
        sa.Column("path", PLAIN, nullable=False),
        sa.Column("theatre", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_department"),
        sa.ForeignKeyConstraint(["parent_id"], ["department.id"], name="fk_department_parent_id"),
    )
    op.create_index("uq_department_name", "department", ["parent_id", "display_name"], unique=True)
    op.create_index("uq_department_path", "department", ["path"], unique=True)
    op.create_index(
        "uq_department_root",
        "department",
        [sa.text("(parent_id IS NULL)")],
        unique=True,
        postgresql_where=sa.text("parent_id IS NULL"),
    )


def _create_roles() -> None:
    op.create_table(
        "role",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("stored_grants", postgresql.JSONB(), nullable=False),
        sa.Column("builtin", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_role"),
    )
    op.create_index("uq_role_display_name", "role", ["display_name"], unique=True)
    op.create_index("uq_role_builtin", "role", ["builtin"], unique=True, postgresql_where=sa.text("builtin"))


def _create_users() -> None:
    op.create_table(
        "user_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("username", PLAIN, nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("email", PLAIN),
        sa.Column("phone", PLAIN),
        sa.Column("department_id", sa.Uuid(), nullable=False),
        sa.Column("department_path", PLAIN, nullable=False),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("locale", PLAIN, nullable=False),
        sa.Column("password_hash", PLAIN, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.Column("last_login_time", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_user_account"),
        sa.ForeignKeyConstraint(["department_id"], ["department.id"], name="fk_user_account_department_id"),
        sa.CheckConstraint("state IN ('ACTIVE', 'DEACTIVATED')", name=op.f("ck_user_account_state")),
    )
    op.create_index("uq_user_account_username", "user_account", ["username"], unique=True)
    op.create_index("uq_user_account_email", "user_account", ["email"], unique=True)
    op.create_index("ix_user_account_department_id", "user_account", ["department_id"])
    op.create_index("ix_user_account_department_path", "user_account", ["department_path", "username"])
    op.create_index("ix_user_account_display_name", "user_account", ["display_name", "id"])
    op.create_index("ix_user_account_state", "user_account", ["state", "username"])
    op.create_index("ix_user_account_create_time", "user_account", ["create_time", "id"])
    op.create_foreign_key("fk_department_head_id", "department", "user_account", ["head_id"], ["id"])
    op.create_table(
        "user_role",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "role_id", name="pk_user_role"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name="fk_user_role_user_id"),
        sa.ForeignKeyConstraint(["role_id"], ["role.id"], name="fk_user_role_role_id"),
    )
    op.create_index("ix_user_role_role_id", "user_role", ["role_id"])


def _create_clients() -> None:
    op.create_table(
        "client",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", PLAIN, nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("stored_grants", postgresql.JSONB(), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("builtin", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_client"),
    )
    op.create_index("uq_client_client_id", "client", ["client_id"], unique=True)


def _create_sessions() -> None:
    op.create_table(
        "login_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("expire_time", TIME, nullable=False),
        sa.Column("revoke_time", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_login_session"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name="fk_login_session_user_id"),
    )
    op.create_index(
        "ix_login_session_user_id", "login_session", ["user_id"], postgresql_where=sa.text("revoke_time IS NULL")
    )
    op.create_index("ix_login_session_expire_time", "login_session", ["expire_time"])
    op.create_table(
        "refresh_token",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("expire_time", TIME, nullable=False),
        sa.Column("use_time", TIME),
        sa.PrimaryKeyConstraint("digest", name="pk_refresh_token"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["login_session.id"], name="fk_refresh_token_session_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_refresh_token_session_id", "refresh_token", ["session_id"])
    op.create_table(
        "login_attempt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_login_attempt"),
    )
    op.create_index("ix_login_attempt_key", "login_attempt", ["key", "time"])
    op.create_index("ix_login_attempt_time", "login_attempt", ["time"])


def _create_policy() -> None:
    op.create_table(
        "revocation",
        sa.Column("subject", PLAIN, nullable=False),
        sa.Column("not_before", TIME, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_revocation"),
    )
    op.create_index("ix_revocation_not_before", "revocation", ["not_before"])
    state = op.create_table(
        "policy_state",
        sa.Column("id", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_policy_state"),
        sa.CheckConstraint("id", name=op.f("ck_policy_state_single")),
    )
    op.bulk_insert(state, [{"id": True, "version": 1}])
