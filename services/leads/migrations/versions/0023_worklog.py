"""An index of tasks by when they were completed; and what devices are told of follow-ups on leads."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


# What is logged on a lead has no customer, until the lead becomes one.
NOTE_FOLLOW_UPS = """
CREATE OR REPLACE FUNCTION note_follow_up_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO record_change (kind, record_id) SELECT 'followUps', id FROM new_rows;
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO record_change (kind, record_id, moved)
    SELECT DISTINCT
      CASE WHEN was.customer_id IS NULL THEN 'leads' ELSE 'customers' END, coalesce(was.customer_id, was.lead_id), true
    FROM old_rows AS was JOIN new_rows AS now USING (id)
    WHERE (was.customer_id, was.lead_id, was.joint_theatre)
      IS DISTINCT FROM (now.customer_id, now.lead_id, now.joint_theatre);
  END IF;
  RETURN NULL;
END
$$
"""


def upgrade() -> None:
    op.execute(NOTE_FOLLOW_UPS)
    op.create_index("ix_task_done", "task", ["end_time", "id"], postgresql_where=sa.text("status = 'DONE'"))
