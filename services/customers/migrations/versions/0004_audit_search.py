"""Indexes that the audit log is searched by."""

from chassis.migrations import index_audit_entries

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    index_audit_entries()
