"""Follow-ups, and what is known of customers, users and departments."""

import sqlalchemy as sa
from alembic import op
from chassis.migrations import create_chassis_tables

revision = "0001"
down_revision = None

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_chassis_tables(op.get_bind())
    _create_follow_up()
    _create_projections()


def _create_follow_up() -> None:
    op.create_table(
        "follow_up",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("method", PLAIN, nullable=False),
        sa.Column("content", PLAIN, nullable=False),
        sa.Column("contact_id", sa.Uuid()),
        sa.Column("occur_time", TIME, nullable=False),
        sa.Column("next_contact_time", TIME),
        sa.Column("author", PLAIN, nullable=False),
        sa.Column("reminder_open", sa.Boolean(), nullable=False),
        sa.Column("remind_time", TIME),
        sa.Column("create_time", TIME, nullable=False),
        sa.CheckConstraint(
            "method IN ('CALL', 'VISIT', 'WECHAT', 'EMAIL', 'MEETING', 'OTHER')", name=op.f("ck_follow_up_method")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_up")),
    )
    indexes = {
        "ix_follow_up_customer": "(customer_id, occur_time, id)",
        "ix_follow_up_author": "(author, occur_time, id)",
        "ix_follow_up_occur_time": "(occur_time, id)",
        "ix_follow_up_create_time": "(create_time, id)",
        "ix_follow_up_next_contact_time": "(next_contact_time, id)",
        "ix_follow_up_due": "(next_contact_time) WHERE reminder_open",
    }
    for name, columns in indexes.items():
        op.execute(f"CREATE INDEX {name} ON follow_up {columns}")


def _create_projections() -> None:
    op.create_table(
        "known_customer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("owner_id", sa.Uuid()),
        sa.Column("owner_department_path", PLAIN),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_customer")),
    )
    op.execute("CREATE INDEX ix_known_customer_owner ON known_customer (owner_id)")
    op.create_table(
        "known_user",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("department_id", sa.Uuid()),
        sa.Column("department_path", PLAIN),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_user")),
    )
    op.execute("CREATE INDEX ix_known_user_department ON known_user (department_id)")
    op.create_table(
        "known_department",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("path", PLAIN, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_department")),
    )
