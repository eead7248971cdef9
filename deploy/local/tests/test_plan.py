import socket
from dataclasses import replace

import pytest
from embedded.ports import free_port
from local_suite import addresses, plan
from local_suite.credentials import Credentials
from local_suite.layout import SERVICES, Problem, RunFolder
from local_suite.plan import Options


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create()
    return folder


DEFAULT = Options()


def ports_of(folder, options=DEFAULT, held=()):
    names = [*addresses.SERVERS, *(name for role in plan.roles(options) for name in role.port_names)]
    return addresses.choose(folder, options, names, held)


def processes_of(folder, options):
    ports = ports_of(folder, options)
    databases = {name: f"postgresql://{name}@127.0.0.1/{name}" for name in SERVICES}
    shared = plan.shared_environment(folder, options, Credentials.of(folder), ports, databases, "amqp://broker")
    return {each.name: each for each in plan.processes(options, shared, ports)}


def test_ports_stay_the_same_from_start_to_start(folder):
    first = ports_of(folder)
    assert ports_of(folder) == first
    assert len(set(first.values())) == len(first)
    assert max(first.values()) < 32768


def test_a_port_that_somebody_took_meanwhile_is_replaced(folder):
    first = ports_of(folder)
    with socket.create_server(("127.0.0.1", first["serve"])):
        second = ports_of(folder)
    assert second["serve"] != first["serve"]
    assert second["postgres"] == first["postgres"]


def test_a_port_that_our_own_process_holds_is_kept(folder):
    first = ports_of(folder)
    with socket.create_server(("127.0.0.1", first["serve"])):
        assert ports_of(folder, held={"serve"}) == first


def test_a_second_copy_takes_the_next_port_for_its_gateway(folder, tmp_path):
    first = ports_of(folder)["gateway"]
    with socket.create_server(("127.0.0.1", first)):
        second = RunFolder(tmp_path / "second")
        second.create()
        assert ports_of(second)["gateway"] > first


def test_a_port_that_was_asked_for_and_is_taken_is_refused(folder):
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(Problem, match="in use"):
        ports_of(folder, Options(port=other.getsockname()[1]))


def test_a_port_that_was_asked_for_is_used_though_another_was_before(folder):
    ports_of(folder)
    wanted = free_port()
    assert ports_of(folder, Options(port=wanted), held={"gateway"})["gateway"] == wanted


def test_secrets_are_made_once_and_are_for_the_owner_alone(folder):
    first = Credentials.of(folder)
    assert Credentials.of(folder) == first
    assert (folder.path / "secrets.json").stat().st_mode & 0o077 == 0
    assert first.admin_password not in repr(first)
    assert set(first.databases) == set(first.clients) == set(SERVICES)


def test_a_service_that_is_new_gets_its_secrets(folder):
    first = Credentials.of(folder)
    kept = folder.read("secrets")
    del kept["databases"]["leads"]
    folder.write("secrets", kept)
    second = Credentials.of(folder)
    assert second.databases["leads"]
    assert second.databases["identity"] == first.databases["identity"]


def test_by_default_three_processes_do_everything(folder):
    assert list(processes_of(folder, Options())) == ["serve", "work", "gateway"]


def test_by_itself_a_service_learns_no_secret_of_another(folder):
    processes = processes_of(folder, Options(split=True))
    assert len(processes) == 2 * len(SERVICES) + 1
    told = processes["customers-serve"].environment
    assert "DATABASE_URL_CUSTOMERS" in told
    assert "SERVICE_CLIENT_SECRET_CUSTOMERS" in told
    assert "LEADS_TARGET" in told
    assert not {"DATABASE_URL_LEADS", "SERVICE_CLIENT_SECRET_LEADS", "TOKEN_SIGNING_KEY"} & set(told)
    assert "DATA_KEYS" in told
    assert "DATA_KEYS" not in processes["gateway"].environment
    assert "TOKEN_SIGNING_KEY" in processes["identity-serve"].environment
    assert "BOOTSTRAP_ADMIN_PASSWORD" not in processes["identity-serve"].environment


def test_a_process_that_is_told_something_else_is_another(folder):
    first = processes_of(folder, Options())["serve"].fingerprint
    assert processes_of(folder, Options())["serve"].fingerprint == first
    assert processes_of(folder, Options(test_clock=True))["serve"].fingerprint != first


def test_a_process_keeps_what_it_is_told_apart_from_its_neighbours(folder):
    processes = processes_of(folder, Options(split=True))
    listens = [each.environment.get("GRPC_LISTEN") for each in processes.values()]
    assert len({listen for listen in listens if listen}) == len(SERVICES)
    assert len({each.ready_url for each in processes.values()}) == len(processes)


def test_only_one_command_at_a_time_starts_or_stops_a_copy(folder):
    with folder.locked(), pytest.raises(Problem, match="another command"), replace(folder).locked():
        pass
