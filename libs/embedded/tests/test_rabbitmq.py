import socket
import time

import kombu
import psutil
import pytest
from amqp.exceptions import AccessRefused
from embedded import debian, rabbitmq
from embedded.processes import StartFailed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rabbitmq")
    yield folder
    rabbitmq.stop(folder)


@pytest.fixture
def node(folder):
    return rabbitmq.start(folder)


def put(url, text):
    with kombu.Connection(url) as connection:
        channel = connection.channel()
        queue = kombu.Queue("kept", channel=channel, durable=True, queue_arguments={"x-queue-type": "quorum"})
        queue.declare()
        # Confirmed, so that it is on disk when this returns.
        producer = kombu.Producer(connection.channel())
        producer.publish(text, routing_key="kept", delivery_mode=2)


def take(url):
    with kombu.Connection(url) as connection:
        message = kombu.Queue("kept", channel=connection.channel()).get()
        message.ack()
        return message.body


def test_a_node_that_runs_is_found_again(folder, node):
    assert rabbitmq.start(folder) == node
    assert rabbitmq.attach(folder) == node


def test_it_listens_on_this_machine_alone(node):
    names = [node.process.pid, node.name_server.pid]
    listening = [
        listener.laddr
        for pid in names
        for listener in psutil.Process(pid).net_connections("tcp")
        if listener.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3
    assert {address.ip for address in listening} <= {"127.0.0.1", "::1"}


def test_nobody_gets_in_with_another_password(node):
    with kombu.Connection(rabbitmq.url_of(node.port, "guess")) as guess, pytest.raises(AccessRefused):
        guess.connect()


def test_what_was_confirmed_is_there_after_a_kill(folder, node):
    put(node.url, "kept")
    # RabbitMQ 3.10 saves which queues it has only half a second after one is declared, and does not recover one
    # whose declaration is lost.
    [names] = folder.glob("data/*/quorum/*/names.dets")
    deadline = time.monotonic() + 60
    while b"kept" not in names.read_bytes():
        assert time.monotonic() < deadline
    node.process.kill()
    assert rabbitmq.attach(folder) is None
    again = rabbitmq.start(folder, node.port)
    assert again.port == node.port
    assert not node.name_server.alive()
    assert take(again.url) == "kept"


def test_stopping_leaves_nothing_behind(folder, node):
    rabbitmq.stop(folder)
    assert not node.process.alive()
    assert not node.name_server.alive()
    rabbitmq.stop(folder)


def test_a_machine_that_cannot_have_it_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(rabbitmq, "_installed", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartFailed, match="AMQP_URL"):
        rabbitmq.find(tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("rabbitmq-*"))


def test_a_port_that_somebody_has_is_an_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(StartFailed):
        rabbitmq.start(tmp_path / "second", other.getsockname()[1])
    assert rabbitmq.attach(tmp_path / "second") is None


def test_packages_are_unpacked_without_being_installed(tmp_path):
    try:
        debian.unpack("hostname", tmp_path / "unpacked", lambda name: name == "hostname")
    except debian.Unobtainable as error:
        pytest.skip(f"no Debian packages here: {error}")
    assert (tmp_path / "unpacked" / "bin" / "hostname").exists()
