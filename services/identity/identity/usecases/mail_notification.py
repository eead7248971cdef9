"""Send notifications by mail to those who want them so."""

from uuid import UUID

from chassis.db import ServiceSession

from identity import mails
from identity.links import Links
from identity.model import User
from identity.settings import Channel, comes, settings_of


def mail_notification(session: ServiceSession, recipient: UUID, kind: str, links: Links) -> None:
    """Mail a user that something happened, if the user has switched mails of the kind on. The mail says what, not whom
    it is about: mails pass through many hands."""
    user = session.get(User, recipient)
    if user is None or not user.active or not comes(settings_of(session, user), kind, Channel.MAIL):
        return
    mails.send(session, user, "notification", title=mails.notification_title(kind, user.locale), link=links.home())
