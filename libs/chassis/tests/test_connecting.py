"""Connections by a URL in a file: who changes the password changes the file, and nobody is cut off."""

from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from chassis.callers import service_caller
from chassis.connecting import OWN_SESSION, POOLED_OPTIONS, connect, current_urls, set_defaults
from chassis.db import Database
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

CALLER = service_caller("rotating")


@pytest.fixture
def role(make_database, postgres) -> Iterator[tuple[str, str]]:
    """An ordinary role that owns a database, and the database's URL without anybody in it."""
    url, name = make_database("rotating"), f"rotating_{uuid4().hex[:8]}"
    place = urlsplit(url)
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'first'").format(sql.Identifier(name)))
        yield name, f"{place.hostname}:{place.port}{place.path}"
        admin.execute(
            sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(
                sql.Identifier(name), sql.Identifier(place.path.lstrip("/"))
            )
        )
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def answer(database: Database) -> int:
    with database.read(CALLER) as session:
        return session.scalar(text("SELECT 1")) or 0


def test_a_password_is_changed_while_everything_runs(role, postgres, tmp_path):
    name, place = role
    first, second = (f"postgresql://{name}:{password}@{place}" for password in ("first", "second"))
    file = tmp_path / "url"
    file.write_text(f"{first}\n")
    database = Database("rotating", file.as_uri())
    assert answer(database) == 1
    file.write_text(f"{second}\n{first}\n")  # the one that is to come, and the one that still holds
    with psycopg.connect(postgres, autocommit=True) as admin:
        for change in ("", "ALTER ROLE {} PASSWORD 'second'"):
            if change:
                admin.execute(sql.SQL(change).format(sql.Identifier(name)))
            database.dispose()  # all connections are new ones from here on
            assert answer(database) == 1
    file.write_text(f"{second}\n")
    database.dispose()
    assert answer(database) == 1
    file.write_text(f"{first}\n")
    database.dispose()
    with pytest.raises(OperationalError):
        answer(database)


def test_a_file_that_is_away_is_like_a_database_that_is_away(tmp_path):
    with pytest.raises(psycopg.OperationalError, match="cannot be read"):
        current_urls((tmp_path / "nothing").as_uri())
    (tmp_path / "empty").touch()
    with pytest.raises(psycopg.OperationalError, match="holds no URL"):
        connect((tmp_path / "empty").as_uri())
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    with pytest.raises(psycopg.OperationalError, match="not in UTF-8"):
        connect((tmp_path / "odd").as_uri())


@pytest.mark.parametrize(
    "wrong", ["open sesame", "postgresql://owner:open%sesame@host/crm", "mysql://o:sesame@host/crm"]
)
def test_what_is_no_url_is_not_quoted(tmp_path, wrong):
    file = tmp_path / "url"
    file.write_text(wrong)
    with pytest.raises(psycopg.OperationalError) as caught:
        connect(file.as_uri())
    assert "sesame" not in str(caught.value)


def test_the_database_notices_within_half_a_minute_that_a_host_is_gone(make_database):
    url = make_database("rotating")
    database = Database("rotating", url, statement_seconds=30)
    with connect(url, **OWN_SESSION) as relay, database.read(CALLER) as session:
        for show in (
            lambda name: relay.execute(f"SHOW {name}").fetchone()[0],
            lambda name: session.scalar(text(f"SHOW {name}")),
        ):
            idle, interval, count = (int(show(f"tcp_keepalives_{part}")) for part in ("idle", "interval", "count"))
            assert 0 < idle + interval * count <= 30
            assert show("tcp_user_timeout") in ("30000", "30s")
    database.dispose()


def test_a_role_is_given_the_defaults_that_a_pooled_session_cannot_ask_for(role):
    name, place = role
    url = f"postgresql://{name}:first@{place}"
    set_defaults(url, 30)
    set_defaults(url, 1)
    with connect(url, **POOLED_OPTIONS) as connection:
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(20)")
    database = Database("rotating", url)  # one that is not pooled says itself what it wants
    with database.read(CALLER) as session:
        assert session.scalar(text("SHOW statement_timeout")) == "0"
    database.dispose()
