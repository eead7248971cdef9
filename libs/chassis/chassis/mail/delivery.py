"""The loop that delivers a service's mails.

A mail is locked while it is handed over, so that of several replicas one sends it. What becomes of it is noted in the
same transaction: a process that dies leaves it waiting.
"""

import logging
import smtplib
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

import orjson
from sqlalchemy import select

from chassis import metrics
from chassis.callers import service_caller
from chassis.clock import system_clock
from chassis.db import Database, ServiceSession
from chassis.encryption import SealBroken
from chassis.errors import Invalid
from chassis.mail.model import MailState, OutgoingMail
from chassis.mail.transports import MailSettings, Refused, Transport, address
from chassis.stopping import Stopping

PAUSES = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 900, 3600, 4 * 3600, 8 * 3600))
"""How long to wait after each failure. After one more the mail is given up."""

LOOK_SECONDS = 1.0
_FAULTS = (OSError, smtplib.SMTPException)

log = logging.getLogger(__name__)


class Delivery:
    """Delivers mails until it is stopped. Waits for a database that is away."""

    def __init__(self, database: Database, settings: MailSettings) -> None:
        self._database = database
        self._settings = settings
        metrics.MAILS.labels(database.service, MailState.FAILED.value)  # from 0 on, so that the first is an increase
        self.stopping = Stopping()

    def stop(self) -> None:
        """Ask `run` to finish the mail under way and return."""
        self.stopping.set()

    def run(self) -> None:
        """Deliver until stopped."""
        transport = self._settings.transport
        if transport is None:
            log.warning(
                "mails wait: neither SMTP_URL nor MAIL_FOLDER is set", extra={"service": self._database.service}
            )
        while not self.stopping.is_set():
            try:
                while transport is not None and not self.stopping.is_set() and self.deliver_next(transport):
                    pass
            except Exception:  # the database may be away, at any statement
                log.exception("mails cannot be looked at", extra={"service": self._database.service})
            self.stopping.wait(LOOK_SECONDS)

    def deliver_next(self, transport: Transport) -> bool:
        """Try the mail that is due first. Returns whether there was one."""
        with self._database.write(service_caller(self._database.service)) as session:
            mail = session.scalars(
                select(OutgoingMail)
                .where(OutgoingMail.state == MailState.WAITING, OutgoingMail.due_time <= system_clock())
                .order_by(OutgoingMail.due_time)
                .limit(1)
                .with_for_update(skip_locked=True)
            ).one_or_none()
            if mail is None:
                return False
            self._attempt(session, transport, mail)
        metrics.MAILS.labels(self._database.service, mail.state).inc()
        return True

    def _attempt(self, session: ServiceSession, transport: Transport, mail: OutgoingMail) -> None:
        now = system_clock()
        mail.attempts += 1
        if mail.expire_time is not None and mail.expire_time <= now:
            self._give_up(mail, now, mail.last_error or "it was not delivered while it was of use")
            return
        try:
            transport.deliver(compose(session, mail, self._settings.sender))
        except (Refused, SealBroken, Invalid, ValueError) as fault:
            self._give_up(mail, now, f"{type(fault).__name__}: {fault}")
        except _FAULTS as fault:
            self._put_off(mail, now, f"{type(fault).__name__}: {fault}")
        else:
            mail.state, mail.end_time, mail.content, mail.last_error = MailState.SENT.value, now, None, ""

    def _put_off(self, mail: OutgoingMail, now: datetime, error: str) -> None:
        if mail.attempts > len(PAUSES):
            self._give_up(mail, now, error)
            return
        mail.last_error, mail.due_time = error[:500], now + PAUSES[mail.attempts - 1]
        log.warning("a mail could not be delivered; it is tried again", extra=self._told(mail))

    def _give_up(self, mail: OutgoingMail, now: datetime, error: str) -> None:
        mail.state, mail.end_time, mail.last_error = MailState.FAILED.value, now, error[:500]
        log.error("a mail is given up", extra=self._told(mail))

    def _told(self, mail: OutgoingMail) -> dict[str, object]:
        return {
            "service": self._database.service,
            "mail": str(mail.id),
            "attempts": mail.attempts,
            "error": mail.last_error,
        }


def compose(session: ServiceSession, mail: OutgoingMail, sender: Address) -> EmailMessage:
    """The message of a mail. Raises SealBroken if its content cannot be read."""
    if mail.content is None:
        raise Invalid("INVALID_MAIL", "the mail has no content any more", field="content")
    content = orjson.loads(session.data_keys.open(mail.content, mail.place))
    message = EmailMessage()
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    message["Date"] = format_datetime(mail.create_time)
    message["From"] = sender
    message["To"] = address(mail.recipient)
    message["Subject"] = mail.subject
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic replies, please
    message.set_content(content["text"])
    if content["html"]:
        message.add_alternative(content["html"], subtype="html")
    return message
