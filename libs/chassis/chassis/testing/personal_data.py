"""For tests of erasure: a request as a service gets it, and a search of all that a database or a folder holds."""

import gzip
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import psycopg
from crm.identity.v1.events_pb2 import LegalHoldChanged, PersonalDataRequested
from google.protobuf.json_format import MessageToDict
from psycopg import sql

from chassis.bus.handlers import Received
from chassis.db import ServiceSession
from chassis.names import make_name, new_id
from chassis.personal_data import Person, PersonalData, subscriptions

_ENCODINGS = ("utf-8", "gb18030", "utf-16-le")
_READABLE = """
    SELECT c.table_name, array_agg(c.column_name::text) FILTER (WHERE c.data_type <> 'bytea'),
      array_agg(c.column_name::text) FILTER (WHERE c.data_type = 'bytea')
    FROM information_schema.columns AS c
    JOIN information_schema.tables AS t USING (table_schema, table_name)
    WHERE t.table_type = 'BASE TABLE' AND c.table_schema NOT IN ('pg_catalog', 'information_schema')
      AND (c.data_type IN ('text', 'character varying', 'json', 'jsonb', 'bytea', 'ARRAY', 'name', 'xml')
           OR c.data_type = 'USER-DEFINED')
    GROUP BY c.table_name ORDER BY c.table_name
"""


@dataclass(frozen=True, order=True)
class Trace:
    """A place where a marker was found."""

    where: str
    """`table.column`, or the path of a file in its folder."""
    marker: str
    row: str
    """The row as text, cut off; empty for a file."""


def search_database(connection: psycopg.Connection[Any], markers: Collection[str]) -> list[Trace]:
    """Where a database holds one of some texts: in any column of any table that can hold text, bytes included, in every
    encoding that the suite reads, also inside of workbooks. Capitals do not matter. Sealed values are not opened."""
    tables: list[tuple[str, list[str] | None, list[str] | None]] = connection.execute(_READABLE).fetchall()
    if not tables:
        raise AssertionError("a database without columns tells nothing")
    found: list[Trace] = []
    for table, words, raw in tables:
        found += _search_words(connection, table, words, markers) if words else ()
        for column in raw or ():
            found += _search_bytes(connection, table, column, markers)
    return sorted(found)


def search_files(folder: Path, markers: Collection[str], *, apart_from: Collection[str] = ()) -> list[Trace]:
    """Where files of a folder and all below it hold one of some texts. `apart_from`: names of folders in it to leave
    out."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    wanted = [file for file in files if not set(file.relative_to(folder).parts[:-1]) & set(apart_from)]
    return sorted(
        Trace(str(file.relative_to(folder)), marker, "")
        for file in wanted
        for marker in _held(file.read_bytes(), markers)
    )


def _search_words(
    connection: psycopg.Connection[Any], table: str, columns: Sequence[str], markers: Collection[str]
) -> Iterator[Trace]:
    """In one pass over the table, whatever the number of columns and markers: tables of tests are large."""
    # Bytes in arrays and in JSON show as hexadecimal digits.
    shown = {marker: (marker.lower(), marker.encode().hex()) for marker in markers}
    patterns = sorted({text for texts in shown.values() for text in texts})
    query = sql.SQL("""
        SELECT left(t::text, 300), ARRAY[{texts}] FROM {table} AS t
        CROSS JOIN LATERAL (SELECT lower(concat_ws(' ', {texts})) AS words OFFSET 0) AS low WHERE {held}
    """).format(
        texts=sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column)) for column in columns),
        table=sql.Identifier(table),
        held=_words_hold(patterns),
    )
    for row, values in connection.execute(query, patterns):
        for column, value in zip(columns, values, strict=True):
            for marker, texts_of in shown.items():
                if value is not None and any(text in value.lower() for text in texts_of):
                    yield Trace(f"{table}.{column}", marker, row)


def _search_bytes(
    connection: psycopg.Connection[Any], table: str, column: str, markers: Collection[str]
) -> Iterator[Trace]:
    """What is packed is fetched and unpacked, all else is looked for by the database."""
    patterns = sorted({_as_escaped(marker.lower().encode(each)) for marker in markers for each in _ENCODINGS})
    query = sql.SQL("""
        SELECT t.ctid::text, {column} FROM {table} AS t
        CROSS JOIN LATERAL (SELECT lower(encode({column}, 'escape')) AS words OFFSET 0) AS low
        WHERE {held} OR position(%s IN {column}) > 0 OR substring({column} FOR 3) = %s
    """).format(table=sql.Identifier(table), column=sql.Identifier(column), held=_words_hold(patterns))
    for row, value in connection.execute(query, [*patterns, _END_OF_ZIP, _GZIP]):
        yield from (Trace(f"{table}.{column}", marker, row) for marker in _held(bytes(value), markers))


def _words_hold(patterns: Sequence[str]) -> sql.Composed:
    """A condition with a parameter for each pattern: a fifth of what a regular expression for all of them takes."""
    return sql.SQL(" OR ").join(sql.SQL("strpos(words, %s) > 0") for _ in patterns)


def _as_escaped(data: bytes) -> str:
    """Bytes as PostgreSQL's `encode(…, 'escape')` shows them."""
    shown = {0x5C: "\\\\"} | {byte: f"\\{byte:03o}" for byte in (0, *range(0x80, 0x100))}
    return "".join(shown.get(byte, chr(byte)) for byte in data)


_END_OF_ZIP = b"PK\x05\x06"
"""What the directory at the end of an archive begins with (PKWARE's APPNOTE, 4.3.16)."""
_GZIP = b"\x1f\x8b\x08"
"""What a file in gzip's format begins with (RFC 1952): by chance two bytes of a cipher may be like it."""


def _parts(data: bytes) -> Iterator[bytes]:
    """Bytes, and what is packed in them."""
    yield data
    if is_zipfile(io.BytesIO(data)):
        with ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif data.startswith(_GZIP):
        yield gzip.decompress(data)


def _held(data: bytes, markers: Collection[str]) -> set[str]:
    """The markers that bytes hold, in any encoding, or what is packed in them."""
    parts = [part.lower() for part in _parts(data)]
    return {
        marker
        for marker in markers
        for encoding in _ENCODINGS
        if any(marker.lower().encode(encoding) in part for part in parts)
    }


def process(
    session: ServiceSession, data: PersonalData, kind: str, person: Person, holds: Sequence[LegalHoldChanged] = ()
) -> None:
    """Have a service collect (`EXPORT`) or erase (`ERASE`) all about a person, as if the request came by event."""
    request_id = new_id()
    name = make_name("personalDataRequests", request_id)
    message = PersonalDataRequested(
        request=name,
        kind=kind,
        records=sorted(person.records),
        places=sorted(person.places),
        sealed_identifiers=person.seal(session.data_keys, request_id),
        actor=session.caller.subject,
        legal_holds=holds,
    )
    told = MessageToDict(message, preserving_proto_field_name=True)
    event = Received(new_id(), PersonalDataRequested.DESCRIPTOR.full_name, "identity", name, session.now, "", told)
    next(each for each in subscriptions(data) if "PersonalDataRequested" in each.events).handle(session, event)
