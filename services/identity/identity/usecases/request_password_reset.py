"""Ask for a link to a new password, and send it.

Asking does the same work for every name that may be typed: it counts, looks and announces. Only the handler of the
announcement knows whether there is anybody to write to.
"""

from datetime import timedelta
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.names import make_name

from identity import mails
from identity.attempts import RESET, count_attempt
from identity.events import PasswordResetRequested
from identity.links import Links
from identity.model import TokenPurpose
from identity.usecases.invite_user import make_token
from identity.usecases.open_session import lock_user
from identity.usecases.sign_in import find_login

RESET_LIFE = timedelta(minutes=30)


def request_password_reset(session: ServiceSession, login: str) -> None:
    """Announce that a link is wanted. Raises Exhausted after too many."""
    found = find_login(session, login)
    count_attempt(session, RESET, found.whose)
    outbox.emit(session, PasswordResetRequested(make_name("users", found.user_id)))


def send_password_reset(session: ServiceSession, user_id: UUID, links: Links) -> None:
    """Send the link, if the user may sign in by password and has an e-mail address. A former link works no more."""
    user = lock_user(session, user_id)
    if user is None or not user.active or user.password_hash is None or user.email is None:
        return
    token, text = make_token(session, user, TokenPurpose.RESET, RESET_LIFE)
    mails.send(session, user, "password_reset", token=token, link=links.reset(text))
    audit.record(session, "user.request_password_reset", user.name, None, None)
