"""The audit log in tests."""

from sqlalchemy import text

from chassis.db import ServiceSession


def begin_anew(session: ServiceSession) -> None:
    """Empty the log, and let it look as if it had always been empty."""
    session.execute(text("TRUNCATE audit_entry, audit_block, audit_tip RESTART IDENTITY"))
    session.execute(text("INSERT INTO audit_tip (id, number, hash) VALUES (1, 0, :none)"), {"none": bytes(32)})
