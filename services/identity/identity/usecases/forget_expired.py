"""Delete what has expired."""

from chassis.clock import system_clock
from chassis.db import ServiceSession
from sqlalchemy import delete

from identity.model import LoginAttempt, LoginSession
from identity.policy import forget_revocations
from identity.usecases.sign_in import ATTEMPTS_WINDOW


def forget_expired(session: ServiceSession) -> None:
    """Delete sessions, attempts and revocations that decide nothing any more, by the real time."""
    now = system_clock()
    session.execute(delete(LoginSession).where(LoginSession.expire_time < now))
    session.execute(delete(LoginAttempt).where(LoginAttempt.time < now - ATTEMPTS_WINDOW))
    forget_revocations(session, now)
