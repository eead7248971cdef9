"""What was asked of other services, departments that are gone, and views of people who left."""

import sqlalchemy as sa
from alembic import op
from chassis import restating

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    restating.create_table(op.get_bind())
    op.create_table(
        "deleted_department",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("merged_into", sa.Uuid()),
        sa.Column("delete_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deleted_department"),
    )
    # Until now the audit log alone has kept which departments there were.
    op.execute(
        """
        INSERT INTO deleted_department (id, version, delete_time)
        SELECT CAST(split_part(resource, '/', 2) AS uuid), 0, max(time) FROM audit_entry
        WHERE action = 'department.delete' GROUP BY 1
        """
    )
    op.add_column("offboarding", sa.Column("saved_views", sa.Integer(), nullable=False, server_default="0"))
