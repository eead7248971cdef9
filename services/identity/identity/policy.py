"""The policy's version, and tokens that are refused before they expire."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from chassis import written
from chassis.clock import system_clock
from chassis.db import ServiceSession
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from identity.model import LoginChallenge, LoginSession, PolicyState, Revocation

LONGEST_ACCESS_TOKEN = timedelta(hours=1)
"""Access tokens live at most so long, and revocations are kept for it."""

written.exempt(PolicyState.__tablename__, "a version, which may grow for nothing; what makes it grow is audited")


def policy_version(session: ServiceSession) -> int:
    """The policy's present version."""
    return session.scalars(select(PolicyState.version)).one()


def bump_policy(session: ServiceSession) -> None:
    """Count a change of the policy. Until the transaction ends, no other one changes the policy."""
    session.execute(update(PolicyState).values(version=PolicyState.version + 1))


def revoke_tokens(session: ServiceSession, subjects: Iterable[str]) -> None:
    """Refuse the access tokens that the subjects hold now. Call it with the subjects' rows locked.

    The time is the real one, taken here: a token that is issued meanwhile waits for the row's lock first,
    and so is either older than this and refused, or knows of the change that led to it.
    """
    now = system_clock()
    rows = [{"subject": subject, "not_before": now} for subject in sorted(set(subjects))]
    if rows:
        statement = insert(Revocation)
        newer = statement.on_conflict_do_update(
            index_elements=[Revocation.subject], set_={"not_before": statement.excluded.not_before}
        )
        session.execute(newer, rows)


def end_sessions(session: ServiceSession, user_id: UUID, *, keep: UUID | None = None) -> list[str]:
    """End a user's sessions but one; their refresh tokens work no more. Returns the sessions' names.

    Logins that wait for a second factor end with them.
    """
    session.execute(delete(LoginChallenge).where(LoginChallenge.user_id == user_id))
    statement = (
        update(LoginSession)
        .where(LoginSession.user_id == user_id, LoginSession.revoke_time.is_(None))
        .values(revoke_time=system_clock())
        .returning(LoginSession.id)
    )
    if keep is not None:
        statement = statement.where(LoginSession.id != keep)
    return [f"sessions/{key}" for key in session.scalars(statement)]


def forget_revocations(session: ServiceSession, now: datetime) -> None:
    """Delete the revocations that no living token can fall under."""
    session.execute(delete(Revocation).where(Revocation.not_before < now - LONGEST_ACCESS_TOKEN))
