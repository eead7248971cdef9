"""Writing mails that are to be sent."""

from datetime import datetime

import orjson

from chassis import formats
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.mail.model import MailState, OutgoingMail
from chassis.names import new_id

SUBJECT_LENGTH = 200
TEXT_LENGTH = 200_000


def send(
    session: ServiceSession,
    to: str,
    subject: str,
    text: str,
    *,
    html: str = "",
    expire_time: datetime | None = None,
) -> OutgoingMail:
    """Send a mail, once the session's transaction is committed.

    `to` is one address, `text` the plain text and `html` the same for programs that show it. From `expire_time`, a real
    time, on it is not tried any more, as with a link that works no longer. Raises Invalid INVALID_EMAIL, INVALID_MAIL.
    """
    if not 1 <= len(subject) <= SUBJECT_LENGTH or any(not letter.isprintable() for letter in subject):
        raise Invalid("INVALID_MAIL", f"a subject is one line of 1 to {SUBJECT_LENGTH} characters", field="subject")
    if not text or len(text) + len(html) > TEXT_LENGTH:
        raise Invalid("INVALID_MAIL", f"a mail has a text, of at most {TEXT_LENGTH} characters", field="text")
    now = system_clock()
    mail = OutgoingMail(
        id=new_id(),
        recipient=formats.email(to, field="to"),
        subject=subject,
        state=MailState.WAITING.value,
        due_time=now,
        expire_time=expire_time,
        create_time=now,
    )
    mail.content = session.data_keys.seal(orjson.dumps({"text": text, "html": html}).decode(), mail.place)
    session.add(mail)
    session.flush()
    return mail
