"""Which records changed, for devices that were without a connection, and what these hand in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"

PLAIN = sa.Text(collation="C")

# A note per row that changed, with the place that it left. `TG_ARGV`: the collection, the columns of the owner and of
# the department, and those whose change is no news.
NOTE = """
CREATE FUNCTION note_record_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  its_kind CONSTANT text := TG_ARGV[0];
  owner CONSTANT text := TG_ARGV[1];
  path CONSTANT text := TG_ARGV[2];
  quiet CONSTANT text[] := string_to_array(TG_ARGV[3], ',');
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO record_change (kind, record_id) SELECT its_kind, id FROM new_rows;
  ELSIF TG_OP = 'DELETE' THEN
    EXECUTE format(
      'INSERT INTO record_change (kind, record_id, moved, owner_id, department_path)
       SELECT $1, was.id, true, was.%I, was.%I FROM old_rows AS was', owner, path
    ) USING its_kind;
  ELSE
    EXECUTE format(
      'INSERT INTO record_change (kind, record_id, moved, owner_id, department_path)
       SELECT $1, was.id, moved, CASE WHEN moved THEN was.%1$I END, CASE WHEN moved THEN was.%2$I END
       FROM old_rows AS was
       JOIN new_rows AS now USING (id)
       CROSS JOIN LATERAL (
         SELECT (was.%1$I, was.%2$I) IS DISTINCT FROM (now.%1$I, now.%2$I) AS moved
       ) AS place
       WHERE to_jsonb(was) - $2 <> to_jsonb(now) - $2', owner, path
    ) USING its_kind, quiet;
  END IF;
  RETURN NULL;
END
$$
"""

# Follow-ups have no place of their own: they lie where their customer does, and may leave one customer for another.
NOTE_FOLLOW_UPS = """
CREATE FUNCTION note_follow_up_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO record_change (kind, record_id) SELECT 'followUps', id FROM new_rows;
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO record_change (kind, record_id, moved)
    SELECT DISTINCT 'customers', was.customer_id, true
    FROM old_rows AS was JOIN new_rows AS now USING (id)
    WHERE (was.customer_id, was.joint_theatre) IS DISTINCT FROM (now.customer_id, now.joint_theatre);
  END IF;
  RETURN NULL;
END
$$
"""

# A customer that becomes known late brings follow-ups into reach that were logged before.
NOTE_CUSTOMERS = """
CREATE FUNCTION note_customer_places() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO record_change (kind, record_id, moved)
    SELECT 'customers', id, true FROM new_rows AS now
    WHERE EXISTS (SELECT FROM follow_up WHERE follow_up.customer_id = now.id);
  ELSE
    INSERT INTO record_change (kind, record_id, moved, owner_id, department_path)
    SELECT 'customers', id, true, was.owner_id, was.owner_department_path
    FROM old_rows AS was JOIN new_rows AS now USING (id)
    WHERE (was.owner_id, was.owner_department_path, was.deleted)
      IS DISTINCT FROM (now.owner_id, now.owner_department_path, now.deleted);
  END IF;
  RETURN NULL;
END
$$
"""

NOTE_THEATRES = """
CREATE FUNCTION note_theatre_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO record_change (kind, record_id, moved, owner_id, department_path)
    SELECT 'customers', OLD.customer_id, true, OLD.owner_id, OLD.owner_department_path;
  ELSE
    INSERT INTO record_change (kind, record_id, moved) SELECT 'customers', NEW.customer_id, true;
  END IF;
  RETURN NULL;
END
$$
"""

NOTE_SHARES = """
CREATE FUNCTION note_share_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  share record_share := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
  IF share.entity = 'customer' THEN
    INSERT INTO record_change (kind, record_id, moved, grantee)
    SELECT 'customers', share.record_id, true, share.grantee;
  END IF;
  RETURN NULL;
END
$$
"""


def _by_statement(table: str, call: str, *events: str) -> None:
    for event in events:
        seen = {
            "INSERT": "NEW TABLE AS new_rows",
            "UPDATE": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
            "DELETE": "OLD TABLE AS old_rows",
        }[event]
        op.execute(
            f"CREATE TRIGGER note_{event.lower()} AFTER {event} ON {table} REFERENCING {seen} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {call}"
        )


def upgrade() -> None:
    op.create_table(
        "record_change",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", PLAIN, nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("moved", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("owner_id", sa.Uuid()),
        sa.Column("department_path", PLAIN),
        sa.Column("grantee", PLAIN),
        sa.Column("note_time", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_record_change")),
    )
    op.execute("ALTER TABLE record_change ADD COLUMN transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id()")
    op.create_index("ix_record_change_transaction", "record_change", ["transaction_id", "position"])
    op.create_index("ix_record_change_time", "record_change", ["note_time"])
    for function in (NOTE, NOTE_FOLLOW_UPS, NOTE_CUSTOMERS, NOTE_THEATRES, NOTE_SHARES):
        op.execute(function)
    place = "'owner_id', 'owner_department_path'"
    _by_statement("lead", f"note_record_changes('leads', {place}, '')", "INSERT", "UPDATE", "DELETE")
    _by_statement("follow_up", "note_follow_up_changes()", "INSERT", "UPDATE")
    _by_statement("known_customer", "note_customer_places()", "INSERT", "UPDATE")
    for table, function in (("known_theatre", "note_theatre_changes"), ("record_share", "note_share_changes")):
        op.execute(
            f"CREATE TRIGGER note_changes AFTER INSERT OR UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
    op.create_table(
        "offline_operation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", PLAIN, nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("kind", PLAIN, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("reason", PLAIN, nullable=False, server_default=""),
        sa.Column("field", PLAIN, nullable=False, server_default=""),
        sa.Column("record", PLAIN, nullable=False, server_default=""),
        sa.Column("lead_id", sa.Uuid()),
        sa.Column("conflict", postgresql.JSONB(none_as_null=True)),
        sa.Column("occur_time", sa.DateTime(timezone=True)),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('APPLIED', 'REFUSED', 'CONFLICT', 'RESOLVED')", name=op.f("ck_offline_operation_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offline_operation")),
        sa.UniqueConstraint("subject", "client_id", name=op.f("uq_offline_operation_subject_client_id")),
    )
    op.create_index(
        "ix_offline_operation_conflict",
        "offline_operation",
        ["subject", "id"],
        postgresql_where=sa.text("state = 'CONFLICT'"),
    )
    op.create_index("ix_offline_operation_create_time", "offline_operation", ["create_time"])
