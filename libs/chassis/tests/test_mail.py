"""Mails leave if and only if their cause was committed, and no failure loses or doubles them."""

import email
import email.policy
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from ipaddress import ip_address

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from chassis import mail
from chassis.callers import service_caller
from chassis.db import Database
from chassis.encryption import DataKeys, new_key
from chassis.errors import Invalid
from chassis.mail import delivery
from chassis.mail.delivery import PAUSES, Delivery
from chassis.mail.model import OutgoingMail
from chassis.mail.transports import MailFolder, MailSettings, SmtpServer, read_settings
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from embedded.ports import free_port
from sqlalchemy import select, text

SENDER = Address("客户管理", "crm", "example.com")
CALLER = service_caller("probe")


class Inbox:
    """What an SMTP server took, and how it is to answer."""

    def __init__(self):
        self.messages = []
        self.answers = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.answers:
            return self.answers.pop(0)
        self.messages.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 taken"


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
def server(inbox):
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port(), ready_timeout=60)
    controller.start()
    yield SmtpServer("127.0.0.1", controller.port, "smtp+plain")
    controller.stop()


@pytest.fixture(scope="module")
def database(make_database):
    opened = Database("probe", make_database("probe"), data_keys=DataKeys.parse(f"a:{new_key()}"))
    yield opened
    opened.dispose()


@pytest.fixture(autouse=True)
def empty(database):
    with database.write(CALLER) as session:
        session.execute(text("TRUNCATE outgoing_mail"))


def send(database, to="li.lei@example.com", **more):
    with database.write(CALLER) as session:
        return mail.send(session, to, "您的邀请", "点击链接：https://crm.example.com/#secret-token\n", **more)


def deliver(database, transport):
    Delivery(database, MailSettings(transport, SENDER)).deliver_next(transport)


def kept(database, key):
    with database.read(CALLER) as session:
        return session.scalars(select(OutgoingMail).where(OutgoingMail.id == key)).one()


def make_due(database):
    with database.write(CALLER) as session:
        session.execute(text("UPDATE outgoing_mail SET due_time = now()"))


def test_a_mail_arrives_as_it_was_written(database, server, inbox):
    sent = send(database, html="<p>点击链接</p>")
    deliver(database, server)
    (message,) = inbox.messages
    assert message["Subject"] == "您的邀请"
    assert message["To"] == "li.lei@example.com"
    assert message["From"] == "客户管理 <crm@example.com>"
    assert message["Message-ID"] == f"<{sent.id}@example.com>"
    assert "secret-token" in message.get_body(("plain",)).get_content()
    assert message.get_body(("html",)).get_content().strip() == "<p>点击链接</p>"
    after = kept(database, sent.id)
    assert (after.state, after.attempts, after.content) == ("SENT", 1, None)
    deliver(database, server)
    assert len(inbox.messages) == 1


def test_a_mail_of_a_transaction_that_failed_does_not_exist(database, server, inbox):
    with suppress(ZeroDivisionError), database.write(CALLER) as session:
        mail.send(session, "li.lei@example.com", "nothing", "nothing")
        raise ZeroDivisionError
    deliver(database, server)
    assert inbox.messages == []


def test_the_database_does_not_show_what_a_mail_says(database):
    send(database)
    with database.read(CALLER) as session:
        row = session.execute(text("SELECT outgoing_mail::text AS row, content FROM outgoing_mail")).one()
    assert "secret-token" not in row.row
    assert b"secret-token" not in bytes(row.content)


def test_a_server_that_is_away_is_tried_again_later_and_later_and_then_given_up(database, caplog):
    nowhere = SmtpServer("127.0.0.1", free_port(), "smtp+plain")
    sent = send(database)
    for attempt, pause in enumerate(PAUSES, 1):
        began = datetime.now(UTC)
        deliver(database, nowhere)
        after = kept(database, sent.id)
        assert (after.state, after.attempts) == ("WAITING", attempt)
        assert began <= after.due_time - pause <= datetime.now(UTC)
        assert after.last_error.startswith("ConnectionRefusedError")
        make_due(database)
    deliver(database, nowhere)
    after = kept(database, sent.id)
    assert (after.state, after.attempts) == ("FAILED", len(PAUSES) + 1)
    told = [record for record in caplog.records if record.name == delivery.__name__ and record.levelname == "ERROR"]
    assert [record.message for record in told] == ["a mail is given up"]


def test_a_mail_that_was_given_up_can_be_tried_again(database, server, inbox):
    sent = send(database, expire_time=datetime.now(UTC) - timedelta(seconds=1))
    deliver(database, server)
    assert kept(database, sent.id).state == "FAILED"
    with database.write(CALLER) as session:
        session.execute(text("UPDATE outgoing_mail SET expire_time = NULL"))
        assert [each.id for each in mail.unsent(session)] == [sent.id]
        assert mail.retry(session) == 1
    deliver(database, server)
    assert len(inbox.messages) == 1


def test_a_pause_is_kept(database, server, inbox):
    inbox.answers = ["451 try again later"]
    send(database)
    deliver(database, server)
    deliver(database, server)
    assert inbox.messages == []
    make_due(database)
    deliver(database, server)
    assert len(inbox.messages) == 1


@pytest.mark.parametrize("refuse", ["recipient", "data"])
def test_a_refusal_for_good_is_not_tried_again(database, server, inbox, refuse):
    inbox.answers = ["554 spam"] if refuse == "data" else []
    sent = send(database, to="gone@example.com" if refuse == "recipient" else "li.lei@example.com")
    deliver(database, server)
    assert kept(database, sent.id).state == "FAILED"
    assert kept(database, sent.id).last_error.startswith("Refused")


def test_a_process_that_dies_after_the_server_took_it_sends_the_same_message_again(database, server, inbox):
    class Dying:
        def deliver(self, message):
            server.deliver(message)
            raise KeyboardInterrupt  # as the end of the process: nothing is committed

    send(database)
    with pytest.raises(KeyboardInterrupt):
        deliver(database, Dying())
    deliver(database, server)
    assert len({message["Message-ID"] for message in inbox.messages}) == 1
    assert len(inbox.messages) == 2


def test_two_replicas_do_not_send_the_same_mail(database, server, inbox):
    class Slow:
        def deliver(self, message):
            deliver(database, server)  # another replica looks meanwhile
            server.deliver(message)

    send(database)
    deliver(database, Slow())
    assert len(inbox.messages) == 1


def test_a_folder_takes_each_mail_once(database, tmp_path):
    folder = MailFolder(tmp_path / "mails")
    sent = send(database)
    deliver(database, folder)
    (file,) = folder.path.iterdir()
    assert file.name == f"{sent.id}.eml"
    assert file.stat().st_mode & 0o077 == 0
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert message["To"] == "li.lei@example.com"


def test_starttls_and_sign_in(database, tmp_path, inbox, monkeypatch):
    certificate, context = a_certificate(tmp_path)
    taken = []

    def authenticate(server, session, envelope, mechanism, data):
        taken.append((data.login, data.password))
        return AuthResult(success=data.password == b"p@ss")

    controller = Controller(
        inbox,
        hostname="127.0.0.1",
        port=free_port(),
        ready_timeout=60,
        tls_context=context,
        authenticator=authenticate,
        auth_required=True,
    )
    controller.start()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    try:
        settings = read_settings(
            {"SMTP_URL": f"smtp://crm:p%40ss@127.0.0.1:{controller.port}", "MAIL_FROM": "crm@example.com"}
        )
        send(database)
        deliver(database, settings.transport)
    finally:
        controller.stop()
    assert taken == [(b"crm", b"p@ss")]
    assert len(inbox.messages) == 1


def test_without_starttls_nothing_is_sent(database, server, inbox):
    sent = send(database)
    deliver(database, SmtpServer(server.host, server.port, "smtp", "crm", "secret"))
    assert kept(database, sent.id).state == "WAITING"
    assert "STARTTLS" in kept(database, sent.id).last_error
    assert inbox.messages == []


@pytest.mark.parametrize(
    ("to", "subject", "body"),
    [
        ("nobody", "subject", "body"),
        ("a@example.com", "two\nlines", "body"),
        ("a@example.com", "", "body"),
        ("a@example.com", "subject", ""),
    ],
)
def test_what_is_no_mail_is_refused(database, to, subject, body):
    with pytest.raises(Invalid), database.write(CALLER) as session:
        mail.send(session, to, subject, body)


@pytest.mark.parametrize(
    "environment",
    [
        {"SMTP_URL": "http://mail.example.com", "MAIL_FROM": "crm@example.com"},
        {"SMTP_URL": "smtp://", "MAIL_FROM": "crm@example.com"},
        {"SMTP_URL": "smtp://mail.example.com:port", "MAIL_FROM": "crm@example.com"},
        {"SMTP_URL": "smtp://mail.example.com"},
        {"SMTP_URL": "smtp://mail.example.com", "MAIL_FROM": "nobody"},
    ],
)
def test_wrong_settings_are_named(environment):
    with pytest.raises(Invalid) as caught:
        read_settings(environment)
    assert caught.value.field in ("SMTP_URL", "MAIL_FROM")


def test_which_way_mails_go():
    assert read_settings({}).transport is None
    assert isinstance(read_settings({"MAIL_FOLDER": "/tmp/mails"}).transport, MailFolder)
    server = read_settings({"SMTP_URL": "smtps://mail.example.com", "MAIL_FROM": "crm@example.com"}).transport
    assert (server.port, server.security) == (465, "smtps")


def test_old_mails_are_forgotten_and_waiting_ones_kept(database, server):
    old, waiting = send(database), None
    deliver(database, server)
    waiting = send(database)
    with database.write(CALLER) as session:
        session.execute(text("UPDATE outgoing_mail SET create_time = now() - interval '31 days'"))
        assert mail.purge(session) == 1
    with database.read(CALLER) as session:
        assert session.scalars(select(OutgoingMail.id)).all() == [waiting.id]
    assert old.id != waiting.id


def a_certificate(folder):
    """A certificate for 127.0.0.1 that signs itself, as a file to trust and as a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    loopback = x509.IPAddress(ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, private)
    return pem, context
