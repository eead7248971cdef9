"""The command line of a service: exit codes, readable errors, and a server that drains when told to stop."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import grpc
import psycopg
import pytest
from chassis import cli
from chassis.bus.handlers import Subscription
from chassis.metrics import Monitor
from chassis.service import Service
from embedded.ports import free_port
from grpc_health.v1 import health_pb2, health_pb2_grpc

BARE = """
from pathlib import Path
from chassis import cli
from chassis.service import Service
from chassis.testing.edge import LocalAuthority

cli.main(Service("bare", Path("."), lambda runtime: (), authority=lambda runtime: LocalAuthority()))
"""

ENV = """
from chassis.migrations import run_env
from sqlalchemy import MetaData

run_env(MetaData())
"""

FIRST = """
from alembic import op
from chassis.migrations import create_chassis_tables
revision, down_revision = "0001", None


def upgrade():
    create_chassis_tables(op.get_bind())
"""


@pytest.fixture
def bare() -> Service:
    return Service("bare", Path(), lambda runtime: ())


def test_a_missing_setting_is_named_in_one_line(bare, monkeypatch, capsys):
    monkeypatch.delenv("DATABASE_URL_BARE", raising=False)
    for arguments in (["serve"], ["work"], ["migrate"], ["audit", "verify"]):
        assert cli.run(bare, arguments) == 1
        assert capsys.readouterr().err == "bare: set the environment variable DATABASE_URL_BARE\n"
    monkeypatch.setenv("DATABASE_URL_BARE", "postgresql://127.0.0.1:1/bare")
    monkeypatch.delenv("AMQP_URL", raising=False)
    assert cli.run(bare, ["events", "list"]) == 1
    assert "AMQP_URL" in capsys.readouterr().err


def test_a_bad_setting_is_named(bare, monkeypatch, capsys):
    monkeypatch.setenv("ORGANISATION_ZONE", "Mars/Olympus")
    assert cli.run(bare, ["serve"]) == 1
    assert "Mars/Olympus" in capsys.readouterr().err


def test_a_database_that_does_not_answer_is_told_in_one_line(bare, monkeypatch, capsys):
    monkeypatch.setenv("DATABASE_URL_BARE", "postgresql://127.0.0.1:1/bare")
    assert cli.run(bare, ["audit", "verify"]) == 1
    assert capsys.readouterr().err.startswith("bare: the database does not answer")


@pytest.mark.parametrize("arguments", [[], ["dance"], ["events"], ["events", "show"], ["events", "show", "x"]])
def test_wrong_usage_exits_with_2(bare, arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.run(bare, arguments)
    assert caught.value.code == 2
    assert "usage: bare" in capsys.readouterr().err


def test_migrate_brings_the_database_up_and_bootstraps_each_time(make_database, postgres, tmp_path, monkeypatch):
    from chassis.testing.databases import on_database

    url = on_database(postgres, f"cli_{os.getpid()}_{time.time_ns()}")
    name = url.rpartition("/")[2]
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(ENV)
    (tmp_path / "versions" / "0001_first.py").write_text(FIRST)
    bootstrapped = []
    service = Service("bare", tmp_path, lambda runtime: (), bootstrap=lambda r: bootstrapped.append(r.database.service))
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            monkeypatch.setenv("DATABASE_URL_BARE", url)
            assert cli.run(service, ["migrate"]) == 0
            assert cli.run(service, ["migrate"]) == 0
            assert bootstrapped == ["bare", "bare"]
            assert cli.run(service, ["audit", "seal"]) == 0
            assert cli.run(service, ["audit", "verify"]) == 0
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_an_altered_audit_log_is_told_and_fails(bare, make_database, monkeypatch, capsys):
    from chassis import audit
    from chassis.callers import service_caller
    from chassis.db import Database

    url = make_database("bare")
    monkeypatch.setenv("DATABASE_URL_BARE", url)
    database = Database("bare", url)
    with database.write(service_caller("bare")) as session:
        audit.record(session, "create", "things/1", None, {"size": 1})
    database.dispose()
    assert cli.run(bare, ["audit", "seal"]) == 0
    assert cli.run(bare, ["audit", "verify"]) == 0
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("""UPDATE audit_entry SET after = '{"size": 2}'""")
    assert cli.run(bare, ["audit", "verify"]) == 1
    assert "ALTERED" in capsys.readouterr().err


def test_the_data_key_is_changed_by_a_command_that_tells_when_the_old_one_can_go(
    bare, make_database, monkeypatch, capsys
):
    from chassis import mail
    from chassis.callers import service_caller
    from chassis.db import Database
    from chassis.encryption import DataKeys, new_key

    old, new, lost = (f"{name}:{new_key()}" for name in ("old", "new", "lost"))
    url = make_database("bare")
    monkeypatch.setenv("DATABASE_URL_BARE", url)
    for keys, count in ((old, 3), (lost, 1)):
        database = Database("bare", url, data_keys=DataKeys.parse(keys))
        with database.write(service_caller("bare")) as session:
            for number in range(count):
                mail.send(session, f"{number}@example.com", "主题", "正文")
        database.dispose()
    monkeypatch.setenv("DATA_KEYS", f"{new},{old}")
    assert cli.run(bare, ["keys", "reseal"]) == 1
    told = capsys.readouterr()
    assert "outgoing_mail.content: 3 sealed anew; 1 still need another key" in told.out
    assert told.err == "1 values need another key than new: run this again, and keep the keys\n"
    monkeypatch.setenv("DATA_KEYS", f"{new},{lost}")
    assert cli.run(bare, ["keys", "reseal"]) == 0
    told = capsys.readouterr().out
    assert "outgoing_mail.content: 1 sealed anew\n" in told
    assert told.endswith("the key new seals everything\n")


def test_the_state_of_others_is_asked_for_again_each_time(bare, make_database, monkeypatch, capsys):
    monkeypatch.setenv("DATABASE_URL_BARE", make_database("bare"))
    kept = Subscription("shop", ("ThingChanged",), "bare.things", lambda session, event: None, keeps_state=True)
    service = replace(bare, subscriptions=lambda runtime: (kept,))
    for _ in range(2):
        assert cli.run(service, ["state", "request"]) == 0
        assert capsys.readouterr().out == "asked shop for ThingChanged\n"


def test_a_server_drains_and_exits_with_0_when_it_is_told_to_stop(make_database, tmp_path):
    grpc_port, monitor_port = free_port(), free_port()
    script = tmp_path / "bare_service.py"
    script.write_text(BARE)
    environment = {
        **os.environ,
        "DATABASE_URL_BARE": make_database("bare"),
        "GRPC_LISTEN": f"127.0.0.1:{grpc_port}",
        "MONITOR_LISTEN": f"127.0.0.1:{monitor_port}",
        "TRACE_FOLDER": str(tmp_path / "traces"),
    }
    process = subprocess.Popen([sys.executable, script, "serve"], env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    try:
        lines = [json.loads(process.stderr.readline()) for _ in range(2)]
        assert [line["message"] for line in lines] == ["ready", "serving"]
        with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            assert health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=30).status == 1
        for path in ("livez", "readyz", "metrics"):
            with urlopen(f"http://127.0.0.1:{monitor_port}/{path}", timeout=30) as answer:
                assert answer.status == 200
                body = answer.read().decode()
        assert 'database_pool_connections{service="bare"' in body
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_readiness_names_what_is_wrong():
    def broken() -> str:
        raise ConnectionError

    monitor = Monitor("127.0.0.1:0", {"fine": lambda: "", "database": broken})
    monitor.start()
    try:
        with pytest.raises(Exception, match="503") as caught:
            urlopen(f"http://127.0.0.1:{monitor.port}/readyz", timeout=30)
        assert json.loads(caught.value.read()) == {"ready": False, "failing": {"database": "ConnectionError"}}
        with pytest.raises(Exception, match="404"):
            urlopen(f"http://127.0.0.1:{monitor.port}/nothing", timeout=30)
    finally:
        monitor.stop()
