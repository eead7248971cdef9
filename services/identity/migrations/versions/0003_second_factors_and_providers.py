"""Second factors, what is known of sessions, and identity providers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _extend_sessions()
    _create_second_factors()
    _create_identity_providers()
    _create_sign_ins()


def _extend_sessions() -> None:
    op.add_column("login_session", sa.Column("agent", PLAIN, nullable=False, server_default=""))
    op.add_column("login_session", sa.Column("address", PLAIN, nullable=False, server_default=""))
    op.add_column("login_session", sa.Column("method", PLAIN, nullable=False, server_default="PASSWORD"))
    op.add_column(
        "login_session", sa.Column("second_factor", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    op.add_column("login_session", sa.Column("last_use_time", TIME, nullable=True))
    op.add_column(
        "role", sa.Column("require_second_factor", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )


def _create_second_factors() -> None:
    op.create_table(
        "totp_factor",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("confirm_time", TIME),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", TIME),
        sa.PrimaryKeyConstraint("user_id", name="pk_totp_factor"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name="fk_totp_factor_user_id", ondelete="CASCADE"),
    )
    op.create_table(
        "recovery_code",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("use_time", TIME),
        sa.PrimaryKeyConstraint("user_id", "digest", name="pk_recovery_code"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["totp_factor.user_id"], name="fk_recovery_code_user_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "login_challenge",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("method", PLAIN, nullable=False),
        sa.Column("expire_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_login_challenge"),
        sa.UniqueConstraint("digest", name="uq_login_challenge_digest"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name="fk_login_challenge_user_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_login_challenge_user_id", "login_challenge", ["user_id"])
    op.create_index("ix_login_challenge_expire_time", "login_challenge", ["expire_time"])


def _create_identity_providers() -> None:
    op.create_table(
        "identity_provider",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("issuer", PLAIN, nullable=False),
        sa.Column("client_id", PLAIN, nullable=False),
        sa.Column("client_secret", sa.LargeBinary()),
        sa.Column("scopes", postgresql.ARRAY(PLAIN), nullable=False),
        sa.Column("redirect_uris", postgresql.ARRAY(PLAIN), nullable=False),
        sa.Column("matching", PLAIN, nullable=False),
        sa.Column("email_domains", postgresql.ARRAY(PLAIN), nullable=False),
        sa.Column("auto_provision", sa.Boolean(), nullable=False),
        sa.Column("default_department_id", sa.Uuid()),
        sa.Column("default_role_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("second_factor_trusted", sa.Boolean(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identity_provider"),
        sa.ForeignKeyConstraint(
            ["default_department_id"],
            ["department.id"],
            name="fk_identity_provider_default_department_id",
            ondelete="SET NULL",
        ),
    )
    op.create_index("uq_identity_provider_display_name", "identity_provider", ["display_name"], unique=True)
    op.create_index("uq_identity_provider_issuer", "identity_provider", ["issuer", "client_id"], unique=True)


def _create_sign_ins() -> None:
    op.create_table(
        "pending_sign_in",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state_digest", sa.LargeBinary(), nullable=False),
        sa.Column("browser_digest", sa.LargeBinary(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("redirect_uri", PLAIN, nullable=False),
        sa.Column("nonce", PLAIN, nullable=False),
        sa.Column("code_verifier", sa.LargeBinary(), nullable=False),
        sa.Column("expire_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pending_sign_in"),
        sa.UniqueConstraint("state_digest", name="uq_pending_sign_in_state_digest"),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["identity_provider.id"], name="fk_pending_sign_in_provider_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_pending_sign_in_provider_id", "pending_sign_in", ["provider_id"])
    op.create_index("ix_pending_sign_in_expire_time", "pending_sign_in", ["expire_time"])
    op.create_table(
        "linked_identity",
        sa.Column("issuer", PLAIN, nullable=False),
        sa.Column("subject", PLAIN, nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_linked_identity"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name="fk_linked_identity_user_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_linked_identity_user_id", "linked_identity", ["user_id"])
