"""Bringing a service's database to the present shape, by alembic.

A service keeps a folder with `env.py`, which only calls `run_env(metadata)`, and `versions/`. Its first
revision calls `create_chassis_tables`. A later change of a chassis table becomes a function here that the
next revision of every service calls. Revisions must suit the release before, too: expand first, contract
one release later.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, cast

from alembic import command, context, op
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData, NullPool, inspect, text

from chassis.connecting import make_engine
from chassis.db import ChassisTables
from chassis.errors import Unavailable

TABLE_MODULES = (
    "chassis.audit",
    "chassis.custom_fields",
    "chassis.custom_serials",
    "chassis.handover.model",
    "chassis.idempotency",
    "chassis.inbox",
    "chassis.jobs",
    "chassis.mail",
    "chassis.organisation",
    "chassis.outbox",
    "chassis.personal_data.model",
    "chassis.restating",
    "chassis.sharing",
    "chassis.testclock",
    "chassis.timers",
)
"""The modules that declare tables on `ChassisTables`."""

_LOCK = 0x6D69_6772_6174_6521
_one_at_a_time = Lock()  # alembic's `context` is global to the process


def chassis_metadata() -> MetaData:
    """The chassis tables, all of them declared."""
    for module in TABLE_MODULES:
        import_module(module)
    return ChassisTables.metadata


def create_chassis_tables(bind: Connection) -> None:
    """Create the tables that the chassis needs in every service's database. For a service's first revision."""
    chassis_metadata().create_all(bind)


def widen_custom_fields() -> None:
    """Let custom fields be of all types: for the revision of every service that is older than these columns."""
    columns = chassis_metadata().tables["custom_field"].columns
    present = {column["name"] for column in inspect(context.get_bind()).get_columns("custom_field")}
    for name in CUSTOM_FIELD_COLUMNS:
        if name not in present:  # a database that is made by this release has them from its first revision
            op.add_column("custom_field", columns[name]._copy())
    chassis_metadata().tables["custom_serial"].create(context.get_bind(), checkfirst=True)


CUSTOM_FIELD_COLUMNS = (
    "is_unique", "help_text", "default_value", "minimum", "maximum", "currency", "collection", "pattern",
    "expression", "result_type", "rollup",
)  # fmt: skip

AUDIT_INDEXES = {
    "ix_audit_entry_time": '("time")',
    "ix_audit_entry_actor": '(actor, "time")',
    "ix_audit_entry_action": '(action text_pattern_ops, "time")',
    "ix_audit_entry_request_id": "(request_id) WHERE request_id <> ''",
    "ix_audit_entry_trace_id": "(trace_id) WHERE trace_id <> ''",
}


def index_audit_entries() -> None:
    """Create the indexes that the audit log is searched by, while others write to it."""
    with context.get_context().autocommit_block():
        bind = context.get_bind()
        for name, definition in AUDIT_INDEXES.items():
            # What an attempt that was broken off leaves behind has the name, but serves nobody.
            if bind.scalar(
                text("SELECT true FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid"),
                {"name": name},
            ):
                bind.execute(text(f"DROP INDEX CONCURRENTLY {name}"))
            bind.execute(text(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON audit_entry {definition}"))


def upgrade(url: str, folder: Path, *, patience: float = 600) -> None:
    """Run the revisions in a folder up to the newest. Does nothing if the database is up to date.

    Several processes may do so at once: one works, the others wait for it, at most `patience` seconds.
    Raises Unavailable if that is not enough.
    """
    engine = make_engine(url, poolclass=NullPool)
    try:
        with _one_at_a_time, _locked(engine, patience), engine.connect() as connection:
            command.upgrade(_config(connection, folder), "head")
    finally:
        engine.dispose()


def run_env(metadata: MetaData) -> None:
    """What `env.py` does: run the revisions on the connection that `upgrade` opened."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=[metadata, chassis_metadata()],
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def differences(url: str, metadata: MetaData) -> list[Any]:
    """What a migrated database lacks, or has too much, to match the entities. Empty if the revisions are complete."""
    engine = make_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            both = [metadata, chassis_metadata()]
            found = MigrationContext.configure(connection, opts={"target_metadata": both, "compare_type": True})
            return list(compare_metadata(found, cast(MetaData, both)))  # takes several, though its type says one
    finally:
        engine.dispose()


def _config(connection: Connection, folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    return config


@contextmanager
def _locked(engine: Engine, patience: float) -> Iterator[None]:
    # Polled, since a session that waits inside pg_advisory_lock() holds a snapshot, and a revision that
    # runs CREATE INDEX CONCURRENTLY would wait for it in turn.
    deadline = time.monotonic() + patience
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}):
            if time.monotonic() > deadline:
                raise Unavailable("MIGRATION_UNDER_WAY", "another process takes too long to migrate this database")
            time.sleep(0.1)
        yield
