"""Where mails go: to an SMTP server, or as files into a folder."""

import os
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from chassis import formats
from chassis.errors import Invalid

TIMEOUT_SECONDS = 20.0
_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


class Refused(Exception):
    """The server will never take this mail, whatever is tried."""


class Transport(Protocol):
    """Takes mails."""

    def deliver(self, message: EmailMessage) -> None:
        """Hand a message over. Raises Refused if it is refused for good, OSError or SMTPException for what may pass."""


@dataclass(frozen=True)
class SmtpServer:
    """A server that mails are handed to."""

    host: str
    port: int
    security: str
    """`smtps`: TLS from the start. `smtp`: STARTTLS, without which nothing is sent. `smtp+plain`: none, for a relay on
    the same machine or network."""
    username: str = ""
    password: str = field(default="", repr=False)

    def deliver(self, message: EmailMessage) -> None:
        """Hand a message over, in a connection of its own. See Transport."""
        try:
            with self._connected() as server:
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as refusal:
            codes = [code for code, _ in refusal.recipients.values()]
            if all(500 <= code < 600 for code in codes):
                raise Refused(_words(refusal)) from refusal
            raise
        except smtplib.SMTPDataError as refusal:
            if 500 <= refusal.smtp_code < 600:
                raise Refused(_words(refusal)) from refusal
            raise

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.security == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            if self.security == "smtp":
                server.starttls(context=context)  # raises if the server offers none: nobody on the way can forbid it
            if self.username:
                server.login(self.username, self.password)
        except BaseException:
            server.close()
            raise
        return server


@dataclass(frozen=True)
class MailFolder:
    """A folder that mails are written into, one `.eml` file each, for installations without a mail server."""

    path: Path

    def deliver(self, message: EmailMessage) -> None:
        """Write a message, whole or not at all. The same message again replaces its file."""
        self.path.mkdir(parents=True, exist_ok=True)
        name = str(message["Message-ID"]).strip("<>").partition("@")[0]
        staging = self.path / f".{name}.{os.getpid()}"
        staging.touch(mode=0o600)
        staging.write_bytes(message.as_bytes(policy=SMTP))
        staging.replace(self.path / f"{name}.eml")


@dataclass(frozen=True)
class MailSettings:
    """How mails leave this installation."""

    transport: Transport | None
    """None if nothing is set: mails wait until something is."""
    sender: Address


def read_settings(environment: Mapping[str, str]) -> MailSettings:
    """Take `SMTP_URL`, else `MAIL_FOLDER`, and `MAIL_FROM` from an environment. Raises Invalid, naming the variable."""
    url, folder = environment.get("SMTP_URL", ""), environment.get("MAIL_FOLDER", "")
    given = environment.get("MAIL_FROM", "")
    if url and not given:
        raise Invalid("MISSING_SETTING", "set the environment variable MAIL_FROM", field="MAIL_FROM")
    transport: Transport | None = _server(url) if url else MailFolder(Path(folder)) if folder else None
    sender = formats.email(given or "crm@crm.invalid", field="MAIL_FROM")
    return MailSettings(transport, address(sender, environment.get("MAIL_FROM_NAME", "")))


def address(mailbox: str, display_name: str = "") -> Address:
    """An address for a header, its domain as the wire has it (RFC 5891)."""
    local, _, domain = mailbox.rpartition("@")
    return Address(display_name, local, domain.encode("idna").decode() if not domain.isascii() else domain)


def _server(url: str) -> SmtpServer:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _bad_url() from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise _bad_url()
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    return SmtpServer(parts.hostname, port or _PORTS[parts.scheme], parts.scheme, username, password)


def _bad_url() -> Invalid:
    message = "the address must read smtp://user:password@host:587, smtps://… or, without TLS, smtp+plain://…"
    return Invalid("INVALID_SETTING", message, field="SMTP_URL")


def _words(error: Exception) -> str:
    return str(error)[:500]
