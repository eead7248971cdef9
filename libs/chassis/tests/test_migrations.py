"""Migrations run once, also when several processes start at the same time, and tests get quick copies of the result."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from chassis.db import service_base
from chassis.errors import Unavailable
from chassis.migrations import _LOCK, differences, upgrade
from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

ENV = """
from chassis.migrations import run_env
from sqlalchemy import MetaData

run_env(MetaData())
"""

FIRST = """
import time
from alembic import op
from chassis.migrations import create_chassis_tables
revision, down_revision = "0001", None


def upgrade():
    create_chassis_tables(op.get_bind())
    op.execute("CREATE TABLE thing (id int PRIMARY KEY, label text NOT NULL)")
"""

SECOND = """
from alembic import op
revision, down_revision = "0002", "0001"


def upgrade():
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY ix_thing_label ON thing (label)")
"""

Base = service_base("Base")


class Thing(Base):
    __tablename__ = "thing"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(Text, index=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions.parent / "env.py").write_text(ENV)
    (versions / "0001_first.py").write_text(FIRST)
    (versions / "0002_second.py").write_text(SECOND)
    return versions.parent


def test_a_database_is_migrated_to_match_the_entities(make_database, folder):
    url = make_database("things", folder)
    assert differences(url, Base.metadata) == []


def test_what_the_revisions_miss_is_named(make_database, folder):
    (folder / "versions" / "0002_second.py").unlink()
    found = differences(make_database("things_short", folder), Base.metadata)
    assert [(kind, index.name) for kind, index in found] == [("add_index", "ix_thing_label")]


def test_migrating_twice_changes_nothing(make_database, folder):
    url = make_database("things", folder)
    upgrade(url, folder)
    assert differences(url, Base.metadata) == []


def test_processes_that_start_together_migrate_once(make_database, folder):
    url = make_database("things_race")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: upgrade(url, folder), range(4)))
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0002",)]


def test_waiting_for_another_process_ends(make_database, folder):
    url = make_database("things_locked")
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        with pytest.raises(Unavailable, match="too long"):
            upgrade(url, folder, patience=0.2)


def test_indexes_of_the_audit_log_are_added_to_a_database_of_before(make_database, tmp_path):
    """Also where an attempt was broken off and left an index that serves nobody."""
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions.parent / "env.py").write_text(ENV)
    (versions / "0001_index.py").write_text(
        "from chassis.migrations import index_audit_entries\n"
        'revision, down_revision = "0001", None\n\n\n'
        "def upgrade():\n    index_audit_entries()\n"
    )
    url = make_database("indexed")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP INDEX ix_audit_entry_actor, ix_audit_entry_action")
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_audit_entry_time'::regclass")
    upgrade(url, versions.parent)
    assert differences(url, service_base("None").metadata) == []
    with psycopg.connect(url, autocommit=True) as connection:
        invalid = connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone()
        assert invalid == (0,)
        definition = "SELECT pg_get_indexdef('ix_audit_entry_action'::regclass)"
        assert "text_pattern_ops" in connection.execute(definition).fetchone()[0]
