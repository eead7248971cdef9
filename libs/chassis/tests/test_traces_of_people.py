"""The search of a database and of files by which tests prove that somebody is gone: it must miss nothing itself."""

import gzip
import io
from uuid import uuid4
from zipfile import ZipFile

import psycopg
import pytest
from chassis.testing.personal_data import Trace, search_database, search_files

NAME, MAIL = "欧阳.婷(1)\\x", "Oy.Ting+1@Person.example"


def packed(text: str) -> bytes:
    archive = io.BytesIO()
    with ZipFile(archive, "w") as file:
        file.writestr("sheet.xml", text.encode())
    return archive.getvalue()


PLACES = {
    "words text": f"找{NAME}谈".encode(),
    "words varchar": MAIL.upper(),
    "words jsonb": f'{{"who": ["{MAIL}"]}}',
    "words text[]": [MAIL.lower(), None],
    "words bytea[]": [MAIL.encode()],
    "raw bytea": NAME.encode(),
    "raw gb bytea": f"a{NAME}".encode("gb18030"),
    "raw wide bytea": MAIL.lower().encode("utf-16-le"),
    "raw zip bytea": packed(f"<c>{NAME}</c>"),
    "raw gzip bytea": gzip.compress(MAIL.encode()),
}


@pytest.fixture(scope="module")
def connection(make_database):
    with psycopg.connect(make_database("traces"), autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("place", PLACES)
def test_each_place_is_found(connection, place):
    kind = place.rpartition(" ")[2]
    value = PLACES[place]
    table = f"kept_{uuid4().hex}"
    connection.execute(f"CREATE TABLE {table} (id int, nothing text, wanted {kind}, other jsonb, bare bytea)")
    filler = [(number, "欧阳", None, f'{{"n": {number}}}', b"\x1f\x8b\x09" + bytes([number])) for number in range(50)]
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s, %s, %s, %s)", filler)
    value = value.decode() if kind == "text" else value
    connection.execute(f"INSERT INTO {table} VALUES (99, NULL, %s, '{{}}', '')", [value])
    found = search_database(connection, {NAME, MAIL, "nobody"})
    assert [(trace.where, trace.marker in (NAME, MAIL)) for trace in found] == [(f"{table}.wanted", True)]
    connection.execute(f"DROP TABLE {table}")


def test_files_are_searched_apart_from_those_of_servers(tmp_path):
    for folder in ("logs", "postgres"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one").write_text(f"{MAIL.upper()} 来了")
    (tmp_path / "objects").write_bytes(packed(NAME))
    found = search_files(tmp_path, {NAME, MAIL}, apart_from={"postgres"})
    assert found == [Trace("logs/one", MAIL, ""), Trace("objects", NAME, "")]
