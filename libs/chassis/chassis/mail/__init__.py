"""Mail: written as a row in the transaction of its cause, delivered by the service's `work` process.

A mail is sent if and only if what it tells of was committed. A process that dies between the server's acceptance and
the note of it sends the mail once more; that cannot be helped with SMTP, so every attempt carries the same Message-ID,
by which mail programs show one copy.
"""

from chassis.mail.model import KEPT, MailState, OutgoingMail, create_table, purge, retry, unsent
from chassis.mail.sending import SUBJECT_LENGTH, send

__all__ = ["KEPT", "SUBJECT_LENGTH", "MailState", "OutgoingMail", "create_table", "purge", "retry", "send", "unsent"]
