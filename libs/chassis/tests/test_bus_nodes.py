"""Connections to the broker: over TLS, to whichever node answers, by a URL that may change while everything runs."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from amqp import Message
from chassis.bus.nodes import BROKER_FAULTS, connect, node_urls
from chassis.bus.topology import Publisher, connected
from chassis.testing.certificates import TestAuthority
from embedded import rabbitmq
from embedded.ports import free_port
from embedded.rabbitmq import RunningRabbitMq, Tls

TRIES = 12
"""Nodes are tried in random order: so often that each is first at some time."""


@pytest.fixture(scope="module")
def authority() -> TestAuthority:
    return TestAuthority()


@pytest.fixture(scope="module")
def secure(authority, tmp_path_factory) -> Iterator[RunningRabbitMq]:
    """A broker that speaks TLS alone, with a certificate for `localhost` and no other name."""
    folder = tmp_path_factory.mktemp("secure")
    authority.write(folder, names=["localhost"])
    node = rabbitmq.start(folder / "node", tls=Tls(folder / "tls.crt", folder / "tls.key", folder / "ca.crt"))
    yield node
    node.stop()


@pytest.fixture
def trusting(authority, tmp_path):
    """The URL of a broker, by the name of its host and with the CA to trust."""

    def url_of(node: RunningRabbitMq, host: str = "localhost", trusted: TestAuthority = authority) -> str:
        (tmp_path / "ca.crt").write_bytes(trusted.pem)
        return f"{node.url.replace('127.0.0.1', host)}?cacertfile={tmp_path / 'ca.crt'}"

    return url_of


def pass_on(url: str, text: str) -> str:
    """Publish a message by a URL, and return the one that is in the queue."""
    with connected(url) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).queue
        Publisher(connection).publish([("", queue, Message(text))])
        return str(channel.basic_get(queue, no_ack=True).body)


@pytest.mark.slow
def test_what_is_passed_on_goes_over_tls(secure, trusting):
    assert secure.url.startswith("amqps://")
    assert pass_on(trusting(secure), "secret") == "secret"
    with connected(trusting(secure)) as connection:
        assert isinstance(connection.transport.sock, ssl.SSLSocket)


@pytest.mark.slow
def test_a_broker_is_believed_by_its_certificate_alone(secure, trusting):
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
        connect(trusting(secure, trusted=TestAuthority("Other CA")))
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        connect(trusting(secure, host="127.0.0.1"))
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(secure.url.replace("127.0.0.1", "localhost"))  # nobody vouches for it but the system's CAs
    with pytest.raises(BROKER_FAULTS):
        connect(secure.url.replace("amqps://", "amqp://", 1))


def test_a_node_that_is_away_or_refuses_is_passed_over(broker):
    away = f"amqp://crm:any@127.0.0.1:{free_port()}//"
    refusing = broker.replace(urlsplit(broker).password or "", "wrong")
    for _ in range(TRIES):
        with connected(f"{away};{refusing};{broker}") as connection:
            assert connection.connected
    with pytest.raises(BROKER_FAULTS):
        connect(f"{away};{refusing}")


def test_user_and_password_are_changed_while_everything_runs(broker, tmp_path: Path):
    refused = broker.replace(urlsplit(broker).password or "", "to come")
    file = tmp_path / "url"
    for known in (broker, f"{refused};{broker}\n", f"{broker}\n"):
        file.write_text(known)
        assert pass_on(file.as_uri(), "x") == "x"
    file.write_text(refused)
    with pytest.raises(BROKER_FAULTS):
        connect(file.as_uri())
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    for name in ("nothing", "odd"):
        with pytest.raises(BROKER_FAULTS):
            connect((tmp_path / name).as_uri())


def test_the_broker_may_have_several_nodes_and_be_named_in_a_file(tmp_path):
    nodes = ["amqp://u:p@one:5672//", "amqps://u:p@two:5671//?cacertfile=/ca.crt"]
    assert node_urls(";".join(nodes)) == nodes
    (tmp_path / "url").write_text(f"{nodes[0]}; {nodes[1]}\n")
    assert node_urls((tmp_path / "url").as_uri()) == nodes
