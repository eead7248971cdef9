"""Who heads the departments. Those that are known already are asked for anew."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("known_department", sa.Column("head_id", sa.Uuid()))
    op.execute("UPDATE known_department SET version = 0")
    op.execute("DELETE FROM state_request WHERE handler = 'leads.organisation' AND event = 'DepartmentChanged'")
