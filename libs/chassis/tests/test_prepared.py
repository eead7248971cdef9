"""A prepared query reads what a session's own statement would, on the session's own terms."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from chassis.callers import service_caller
from chassis.db import Database, service_base
from chassis.encryption import DataKeys, Encrypted, Place, Sealed, new_key
from chassis.errors import Unavailable
from chassis.prepared import NewRow, Prepared, pipelined
from chassis.status import to_domain_error
from sqlalchemy import ARRAY, Column, MetaData, Table, Text, Uuid, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Mapped, mapped_column

CALLER = service_caller("probe")
THING = Table(
    "thing",
    MetaData(),
    Column("id", Uuid, primary_key=True),
    Column("label", Text),
    Column("tags", ARRAY(Text)),
    Column("custom", JSONB),
    Column("made", TIMESTAMP(timezone=True)),
)
ONE = Prepared(select(THING).where(THING.c.id == bindparam("id")))
LABELLED = Prepared(select(THING.c.id).where(THING.c.label.like("50%%"), THING.c.label == bindparam("label")))

BY_LABELS = Prepared(text("SELECT id FROM thing WHERE label = ANY(CAST(:labels AS text[]))"))

PID = Prepared(text("SELECT pg_backend_pid() AS pid"))


class Note(service_base("NoteBase")):  # type: ignore[misc]
    __tablename__ = "note"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(unique=True)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    custom: Mapped[dict[str, Any]] = mapped_column(JSONB)
    secret: Mapped[Sealed | None] = mapped_column(Encrypted)
    remark: Mapped[str | None]
    made: Mapped[datetime]


NEW_NOTE = NewRow(Note)


@pytest.fixture(scope="module")
def database(make_database) -> Iterator[Database]:
    made = Database("probe", make_database("probe"))
    with made.engine.begin() as connection:
        THING.metadata.create_all(connection)
        Note.metadata.create_all(connection)
    yield made
    made.dispose()


def add(session, label: str) -> dict:
    row = {
        "id": uuid4(),
        "label": label,
        "tags": ["a"],
        "custom": {"size": 1},
        "made": datetime(2026, 1, 2, tzinfo=UTC),
    }
    session.execute(THING.insert().values(**row))
    return row


def test_rows_carry_what_the_columns_hold(database):
    with database.write(CALLER) as session:
        row = add(session, "x")
    with database.read(CALLER) as session:
        found = ONE.first(session, id=row["id"])
    assert found._asdict() == row
    assert found.made.utcoffset().total_seconds() == 0


def test_constants_of_the_query_are_kept(database):
    with database.write(CALLER) as session:
        row = add(session, "50% off")
    with database.read(CALLER) as session:
        assert LABELLED.first(session, label="50% off").id == row["id"]
        assert LABELLED.first(session, label="x") is None


def test_all_rows_come_of_a_text_as_well(database):
    with database.write(CALLER) as session:
        rows = [add(session, label) for label in ("b", "a", "b")]
        found = BY_LABELS.all(session, labels=["b", "c"])
        assert sorted(row.id for row in found) == sorted(row["id"] for row in (rows[0], rows[2]))
        assert BY_LABELS.all(session, labels=[]) == []


def test_a_transaction_sees_its_own_changes_and_nobody_else_does(database):
    with database.write(CALLER) as session:
        row = add(session, "mine")
        assert ONE.first(session, id=row["id"]).label == "mine"
        with database.read(CALLER) as other:
            assert ONE.first(other, id=row["id"]) is None


def test_connections_go_back_to_the_pool(database):
    with database.read(CALLER) as session:
        for _ in range(30):
            assert ONE.first(session, id=uuid4()) is None
        with pytest.raises(Exception, match="missing"):
            Prepared(select(text("missing"))).first(session)
    assert database.pool_engine.pool.checkedout() == 0


def end(database: Database, pid: int) -> None:
    with database.pool_engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


def test_a_connection_that_is_lost_fails_one_call(database):
    with database.read(CALLER) as session:
        lost = PID.first(session).pid
        raw = database.pool_engine.raw_connection()  # the same: the last one in is the first one out
        end(database, lost)
        raw.close()
        with pytest.raises(OperationalError) as caught:
            PID.first(session)
        assert caught.value.connection_invalidated
        assert PID.first(session).pid != lost
    assert database.pool_engine.pool.checkedout() == 0


def test_a_transaction_whose_connection_is_lost_fails_like_any(database):
    def work() -> None:
        with database.write(CALLER) as session:
            session.connection()
            end(database, PID.first(session).pid)
            PID.first(session)

    with pytest.raises(OperationalError) as caught:
        work()
    assert caught.value.connection_invalidated
    with database.write(CALLER) as session:
        session.connection()
        assert PID.first(session).pid
    assert database.pool_engine.pool.checkedout() == 0


@pytest.mark.parametrize("noticing", ["read", "write"])
def test_of_connections_that_are_lost_together_one_fails_a_call(database, noticing):
    raw = [database.pool_engine.raw_connection() for _ in range(3)]
    for each in raw:
        end(database, each.driver_connection.info.backend_pid)
    for each in raw:
        each.close()
    with pytest.raises(OperationalError), getattr(database, noticing)(CALLER) as session:
        PID.first(session)
    with ExitStack() as stack:
        sessions = [stack.enter_context(database.write(CALLER)) for _ in raw]
        assert len({PID.first(session).pid for session in sessions}) == len(raw)
    assert database.pool_engine.pool.checkedout() == 0


def test_a_database_that_lets_nobody_in_is_away():
    away = Database("probe", "postgresql://nobody@127.0.0.1:1/none")
    with away.read(CALLER) as session, pytest.raises(OperationalError) as caught:
        PID.first(session)
    assert isinstance(to_domain_error(caught.value), Unavailable)


def note(label: str, **values: object) -> Note:
    made = datetime(2026, 1, 2, tzinfo=UTC)
    return Note(id=uuid4(), label=label, tags=["a", 'b "c"'], custom={"size": [1, None]}, made=made, **values)


def test_a_new_row_is_what_a_flush_would_have_written(database):
    keys = DataKeys.parse(f"test:{new_key()}")
    key = uuid4()
    place = Place("note", "secret", key)
    with database.write(CALLER) as session:
        made = note("new", secret=keys.seal("42", place))
        NEW_NOTE.write(session, made)
        assert made in session
        assert made.remark is None
        assert not session.dirty
        made.remark = "changed later"
    with database.read(CALLER) as session:
        found = session.get_one(Note, made.id)
        assert (found.label, found.tags, found.custom, found.remark) == (
            "new",
            ["a", 'b "c"'],
            {"size": [1, None]},
            "changed later",
        )
        assert (found.made, keys.open(found.secret, place)) == (made.made, "42")


def test_a_new_row_that_is_there_already_is_refused_like_in_a_flush(database):
    with database.write(CALLER) as session:
        NEW_NOTE.write(session, note("taken"))
    with pytest.raises(IntegrityError) as caught, database.write(CALLER) as session:
        NEW_NOTE.write(session, note("taken"))
    assert caught.value.orig.diag.constraint_name == "uq_note_label"


def test_what_fails_in_a_pipeline_is_told_like_any_other_error(database):
    insert = Prepared(text("INSERT INTO note (id, label, tags, custom, made) VALUES (:id, 'twice', '{}', '{}', now())"))

    def work() -> None:
        with database.write(CALLER) as session, pipelined(session):
            for _ in range(2):
                insert.write(session, id=uuid4())

    with pytest.raises(IntegrityError) as caught:
        work()
    assert caught.value.orig.diag.constraint_name == "uq_note_label"
    with database.write(CALLER) as session:
        with pipelined(session):
            insert.write(session, id=uuid4())
        assert session.scalar(text("SELECT count(*) FROM note WHERE label = 'twice'")) == 1


def test_what_a_pipeline_returns_is_there_at_its_end(database):
    insert = Prepared(text("INSERT INTO note (id, label, tags, custom, made) VALUES (:id, :label, '{}', '{}', now())"))
    before, after = (Prepared(text("SELECT label FROM note WHERE id = :id")) for _ in range(2))
    key = uuid4()
    with database.write(CALLER) as session:
        with pipelined(session):
            earlier = before.send(session, id=key)
            insert.write(session, id=key, label=str(key))
            later, process = after.send(session, id=key), PID.send(session)
        assert (earlier.first(), later.all()) == (None, [(str(key),)])
        assert process.all() == PID.all(session)
