"""Forget a user's failed attempts."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession

from identity import queries
from identity.attempts import forget_attempts
from identity.model import User


def unlock_user(session: ServiceSession, user_id: UUID) -> User:
    """Let a user who is braked try again at once. What counts for an address over all names stays."""
    user = queries.get_user(session, user_id, "user.update", lock=True)
    forget_attempts(session, user.name)
    audit.record(session, "user.unlock", user.name, None, None)
    return user
