"""How often a conversion was asked for, and follow-ups that leave a lead for the customer that it became."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

# What was logged on a lead leaves no customer when it gets one.
NOTE_FOLLOW_UPS = """
CREATE OR REPLACE FUNCTION note_follow_up_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO record_change (kind, record_id) SELECT 'followUps', id FROM new_rows;
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO record_change (kind, record_id, moved)
    SELECT DISTINCT 'customers', was.customer_id, true
    FROM old_rows AS was JOIN new_rows AS now USING (id)
    WHERE was.customer_id IS NOT NULL
      AND (was.customer_id, was.joint_theatre) IS DISTINCT FROM (now.customer_id, now.joint_theatre);
  END IF;
  RETURN NULL;
END
$$
"""


def upgrade() -> None:
    op.add_column("lead_conversion", sa.Column("attempt", sa.BigInteger(), server_default="1", nullable=False))
    op.execute(NOTE_FOLLOW_UPS)
