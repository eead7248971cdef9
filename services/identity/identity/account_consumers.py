"""Inbound events that end in mails."""

from collections.abc import Sequence

from chassis.bus.handlers import Received, Subscription
from chassis.db import ServiceSession
from chassis.names import parse_name, parse_optional_name
from chassis.service import Runtime
from crm.common.v1.notification_pb2 import NotificationRaised
from crm.identity.v1.events_pb2 import PasswordResetRequested

from identity.links import Links
from identity.usecases.mail_notification import mail_notification
from identity.usecases.request_password_reset import send_password_reset

NOTIFYING = ("customers", "identity", "leads")
"""The services that raise notifications."""


def subscriptions(runtime: Runtime) -> Sequence[Subscription]:
    """What this service does when somebody is to get a mail."""
    links = Links.from_environment(runtime.settings.environment)

    def send_reset(session: ServiceSession, received: Received) -> None:
        user = received.message(PasswordResetRequested).user
        user_id = parse_optional_name("users", user, field="user")
        if user_id is not None:
            send_password_reset(session, user_id, links)

    def send_notification(session: ServiceSession, received: Received) -> None:
        raised = received.message(NotificationRaised)
        mail_notification(session, parse_name("users", raised.recipient, field="recipient"), raised.kind, links)

    return (
        Subscription("identity", ("PasswordResetRequested",), "identity.password-resets", send_reset),
        *(
            Subscription(
                service, ("NotificationRaised",), f"identity.mailed-notifications.{service}", send_notification
            )
            for service in NOTIFYING
        ),
    )
