"""Sign a person out."""

from chassis import audit
from chassis.db import ServiceSession

from identity.model import LoginSession, RefreshToken
from identity.secret_tokens import digest
from identity.usecases.refresh_tokens import end_session


def sign_out(session: ServiceSession, refresh_token: str) -> None:
    """End the session that a refresh token belongs to. A token that opens nothing any more is fine (RFC 7009)."""
    kept = session.get(RefreshToken, digest(refresh_token))
    login = session.get(LoginSession, kept.session_id) if kept else None
    if login is None or login.revoke_time is not None:
        return
    end_session(session, login)
    audit.record(session, "user.logout", f"users/{login.user_id}", {"session": str(login.id)}, None)
