"""TLS between services: both sides prove who they are, and what is renewed is taken up without a restart."""

import socket
import ssl
import time
from pathlib import Path

import grpc
import pytest
from chassis import channels
from chassis.certificates import CertificateFiles, Renewal
from chassis.channels import credentials, open_target
from chassis.errors import Invalid
from chassis.settings import Settings
from chassis.testing import eventually
from chassis.testing.certificates import TestAuthority, settings_for
from chassis.testing.edge import running
from cryptography import x509

OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 200))


@pytest.fixture(scope="module")
def authority() -> TestAuthority:
    return TestAuthority()


@pytest.fixture
def server(probe_service, probe_url, authority, tmp_path):
    tls = authority.write(tmp_path / "server")
    with running([probe_service()], {"probe": probe_url}, environment=tls) as edge:
        yield edge


def channel_to(edge, tls, **more: str) -> grpc.Channel:
    return open_target(Settings.read({"PROBE_TARGET": edge.target, **tls, **more}), "probe", OPTIONS)


def ask(probe, edge, channel) -> str:
    stub = probe.pb_grpc.ProbeServiceStub(channel)
    return stub.GetMe(probe.pb.GetProbeRequest(), metadata=edge.metadata_for(), timeout=60).name


def refused(probe, edge, channel) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught, channel:
        ask(probe, edge, channel)
    return caught.value.code()


def serial_of(server, folder: Path) -> int:
    """The serial number of the certificate that a server shows now."""
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", server.server.port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def serial_in(folder: Path) -> int:
    return x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes()).serial_number


def test_who_has_a_certificate_is_answered(probe, server, authority, tmp_path):
    with channel_to(server, authority.write(tmp_path / "client")) as channel:
        assert ask(probe, server, channel).startswith("users/")


def test_who_has_none_is_refused(probe, server, authority, tmp_path):
    only_trusting = grpc.ssl_channel_credentials(authority.pem)
    assert refused(probe, server, grpc.secure_channel(server.target, only_trusting)) is grpc.StatusCode.UNAVAILABLE
    assert refused(probe, server, grpc.insecure_channel(server.target)) is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_of_another_authority_is_refused(probe, server, authority, tmp_path):
    tls = TestAuthority("Other CA").write(tmp_path / "stranger")
    (tmp_path / "stranger/ca.crt").write_bytes(authority.pem)  # it does trust the server
    assert refused(probe, server, channel_to(server, tls)) is grpc.StatusCode.UNAVAILABLE


def test_the_certificate_must_be_for_the_name_that_is_called(probe, probe_service, probe_url, authority, tmp_path):
    tls = authority.write(tmp_path / "server", names=["probe.crm.svc"])
    with running([probe_service()], {"probe": probe_url}, environment=tls) as edge:
        client = authority.write(tmp_path / "client")
        assert refused(probe, edge, channel_to(edge, client)) is grpc.StatusCode.UNAVAILABLE
        with channel_to(edge, client, PROBE_TLS_NAME="probe.crm.svc") as channel:
            assert ask(probe, edge, channel).startswith("users/")


def test_a_renewed_certificate_is_shown_to_who_connects_next(server, authority, tmp_path):
    authority.write(tmp_path / "client")
    first = serial_of(server, tmp_path / "client")
    assert first == serial_in(tmp_path / "server")
    authority.write(tmp_path / "server")
    assert serial_of(server, tmp_path / "client") == serial_in(tmp_path / "server") != first


def test_authority_and_all_are_replaced_while_everything_runs(probe, server, authority, tmp_path, monkeypatch):
    monkeypatch.setattr(channels, "LOOK_SECONDS", 0.05)
    with channel_to(server, authority.write(tmp_path / "client")) as channel:
        ask(probe, server, channel)
        new = TestAuthority("New CA")
        for name in ("server", "client"):
            new.write(tmp_path / name)
        time.sleep(0.1)
        # Over a new connection: the one there was would go on with what it was made with.
        assert ask(probe, server, channel).startswith("users/")
        assert new.pem == (tmp_path / "client/ca.crt").read_bytes()
    old = TestAuthority.write(authority, tmp_path / "late")
    assert refused(probe, server, channel_to(server, old)) is grpc.StatusCode.UNAVAILABLE


def test_what_is_half_renewed_is_not_taken(authority, tmp_path):
    files = Settings.read(authority.write(tmp_path)).certificates
    assert isinstance(files, CertificateFiles)
    renewal, before = Renewal(files), files.read()
    former_key = (tmp_path / "tls.key").read_bytes()
    authority.write(tmp_path)
    new_key = (tmp_path / "tls.key").read_bytes()
    (tmp_path / "tls.key").write_bytes(former_key)
    assert renewal.renewed() is None
    assert renewal.current == before
    (tmp_path / "tls.key").write_bytes(new_key)
    renewed = eventually(renewal.renewed)
    assert renewed is not None
    assert renewed.key == new_key
    assert renewal.renewed() is None
    assert credentials(renewed)


def test_settings_name_what_is_missing_or_wrong(authority, tmp_path):
    tls = authority.write(tmp_path)
    with pytest.raises(Invalid) as missing:
        Settings.read({**tls, "TLS_KEY_FILE": ""})
    assert (missing.value.reason, missing.value.field) == ("MISSING_SETTING", "TLS_KEY_FILE")
    (tmp_path / "tls.crt").write_text("no certificate")
    files = Settings.read(settings_for(tmp_path)).certificates
    assert files is not None
    with pytest.raises(Invalid) as wrong:
        files.read()
    assert wrong.value.reason == "INVALID_SETTING"
