"""Delete what has expired."""

from chassis.clock import system_clock
from chassis.db import ServiceSession
from sqlalchemy import delete

from identity.attempts import WINDOW
from identity.model import AccountToken, LoginAttempt, LoginChallenge, LoginSession, PendingSignIn, TotpFactor
from identity.policy import forget_revocations
from identity.usecases.enrol_totp import ENROLMENT_LIFE


def forget_expired(session: ServiceSession) -> None:
    """Delete sessions, attempts and revocations that decide nothing any more, by the real time."""
    now = system_clock()
    session.execute(delete(LoginSession).where(LoginSession.expire_time < now))
    session.execute(delete(LoginAttempt).where(LoginAttempt.time < now - WINDOW))
    session.execute(delete(AccountToken).where(AccountToken.expire_time < now))
    session.execute(delete(LoginChallenge).where(LoginChallenge.expire_time < now))
    session.execute(delete(PendingSignIn).where(PendingSignIn.expire_time < now))
    unconfirmed = TotpFactor.confirm_time.is_(None), TotpFactor.create_time < now - ENROLMENT_LIFE
    session.execute(delete(TotpFactor).where(*unconfirmed))
    forget_revocations(session, now)
