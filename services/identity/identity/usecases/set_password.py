"""Set a user's password: what every way to do so ends with."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from chassis.clock import system_clock
from chassis.db import ServiceSession
from sqlalchemy import Select, delete, select

from identity.model import AccountToken, FormerPassword, User
from identity.password_rules import read_rules


def set_password(session: ServiceSession, user: User, password_hash: str, *, must_change: bool = False) -> None:
    """Give a user who is locked a password. Links sent before to set one work no more.

    With `must_change` it opens nothing but the way to another one.
    """
    now = system_clock()
    user.password_hash, user.password_time, user.must_change_password = password_hash, now, must_change
    session.add(FormerPassword(user_id=user.id, password_hash=password_hash, create_time=now))
    session.execute(delete(AccountToken).where(AccountToken.user_id == user.id))
    session.flush()
    kept = _latest(user.id, read_rules(session).history_count).with_only_columns(FormerPassword.id)
    surplus = delete(FormerPassword).where(FormerPassword.user_id == user.id, FormerPassword.id.not_in(kept))
    session.execute(surplus.execution_options(synchronize_session=False))


def former_passwords(session: ServiceSession, user_id: UUID) -> Sequence[str]:
    """The hashes of the passwords that the user may not take again."""
    latest = _latest(user_id, read_rules(session).history_count)
    return [former.password_hash for former in session.scalars(latest)]


def must_change_password(session: ServiceSession, user: User) -> bool:
    """Whether the user's password is somebody else's choice or has expired."""
    if user.must_change_password:
        return True
    days = read_rules(session).expire_days
    if not days or user.password_time is None:
        return False
    return user.password_time <= system_clock() - timedelta(days=days)


def _latest(user_id: UUID, count: int) -> Select[FormerPassword]:
    statement = select(FormerPassword).where(FormerPassword.user_id == user_id)
    return statement.order_by(FormerPassword.create_time.desc(), FormerPassword.id.desc()).limit(count)
