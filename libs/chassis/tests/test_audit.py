"""Every change leaves an entry, and whoever tampers with the entries afterwards is found out."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import pytest
from chassis import audit
from chassis.audit import AuditBlock, AuditEntry, Break, Change, chain, entries
from chassis.clock import FixedClock
from chassis.db import Database
from chassis.testing import eventually, make_caller
from chassis.testing.audit import begin_anew
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

NOON = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
CALLER = make_caller(user_id=UUID(int=7))


class Colour(StrEnum):
    RED = "red"


@pytest.fixture(scope="module")
def shared(make_database):
    database = Database("things", make_database("things"), clock=FixedClock(NOON))
    yield database
    database.dispose()


@pytest.fixture
def database(shared):
    with shared.write(CALLER) as session:
        begin_anew(session)
    return shared


def write(database, count):
    with database.write(CALLER, request_id="r1") as session:
        audit.record_all(session, [Change("thing.update", f"things/{n}", {"n": n}, {"n": n + 1}) for n in range(count)])


def seal(database):
    """Seal once no older transaction runs any more, also in the other databases of the server."""
    eventually(lambda: not waiting(database), 180)
    return seal_now(database)


def waiting(database):
    with database.read(CALLER) as session:
        late = "SELECT count(*) FROM audit_entry WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())"
        return session.scalar(text(late))


def seal_now(database):
    with database.write(CALLER) as session:
        return audit.seal(session)


def verify(database):
    with database.read(CALLER) as session:
        return audit.verify(session)


def tamper(database, statement, **parameters):
    with database.write(CALLER) as session:
        assert session.execute(text(statement), parameters).rowcount


@pytest.mark.parametrize("count", [1, 3, entries.COPY_FROM, 50])
def test_an_entry_says_who_when_and_what(database, count):
    write(database, count)
    with database.read(CALLER) as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [entry.resource for entry in entries] == [f"things/{n}" for n in range(count)]
    last = entries[-1]
    assert (last.actor, last.action, last.time, last.request_id) == (CALLER.subject, "thing.update", NOON, "r1")
    assert (last.before, last.after) == ({"n": count - 1}, {"n": count})


def test_a_new_record_has_no_before_and_a_deleted_one_no_after(database):
    with database.write(CALLER) as session:
        audit.record(session, "thing.create", "things/1", None, {})
        audit.record(session, "thing.delete", "things/1", {}, None)
    with database.read(CALLER) as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
        nulls = session.execute(text("SELECT before IS NULL, after IS NULL FROM audit_entry ORDER BY id")).all()
    assert [(entry.before, entry.after) for entry in entries] == [(None, {}), ({}, None)]
    assert [tuple(row) for row in nulls] == [(True, False), (False, True)]


def test_an_entry_is_undone_with_its_transaction(database):
    with database.write(CALLER) as session:
        audit.record_all(session, [Change("thing.create", "things/1", None, {})] * 20)
        session.rollback()
    with database.read(CALLER) as session:
        assert session.scalars(select(AuditEntry)).all() == []


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    st.datetimes(timezones=st.just(timezone(timedelta(hours=8)))),
    st.dates(),
    st.uuids(),
    st.just(Colour.RED),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("aé中 z", max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(states=st.lists(st.dictionaries(st.text("abc", min_size=1), VALUES, max_size=4), min_size=1, max_size=12))
def test_whatever_is_recorded_verifies(shared, states):
    with shared.write(CALLER) as session:
        begin_anew(session)
        audit.record_all(session, [Change("thing.update", "things/1", state, state) for state in states])
    assert verify(shared) is None


def test_values_are_kept_as_people_can_read_them(database):
    state = {
        "price": Decimal("1.50"),
        "at": datetime(2026, 1, 31, 20, tzinfo=timezone(timedelta(hours=8))),
        "day": date(2026, 1, 31),
        "owner": UUID(int=1),
        "colour": Colour.RED,
        "tags": {"b", "a"},
        "ratio": 0.25,
        "name": "华诚",
    }
    with database.write(CALLER) as session:
        audit.record(session, "thing.create", "things/1", None, state)
    with database.read(CALLER) as session:
        after = session.scalar(select(AuditEntry.after))
    assert after == {
        "price": "1.50",
        "at": "2026-01-31T12:00:00.000000+00:00",
        "day": "2026-01-31",
        "owner": str(UUID(int=1)),
        "colour": "red",
        "tags": ["a", "b"],
        "ratio": 0.25,
        "name": "华诚",
    }


def test_sealing_covers_every_entry_once_in_blocks(database, monkeypatch):
    monkeypatch.setattr(chain, "BLOCK_SIZE", 10)
    assert seal(database) == 0
    for count in (25, 1, 9):
        write(database, count)
        assert seal(database) == count
        assert seal(database) == 0
    with database.read(CALLER) as session:
        blocks = session.scalars(select(AuditBlock).order_by(AuditBlock.number)).all()
        assert audit.unsealed(session) == 0
    assert [len(block.entry_ids) for block in blocks] == [0, 10, 10, 5, 1, 9]
    assert sorted(entry for block in blocks for entry in block.entry_ids) == list(range(1, 36))
    assert verify(database) is None


def test_one_call_seals_a_bounded_number_of_blocks(database, monkeypatch):
    monkeypatch.setattr(chain, "BLOCK_SIZE", 10)
    monkeypatch.setattr(chain, "BLOCKS_PER_SEAL", 2)
    seal(database)
    write(database, 45)
    assert [seal(database) for _ in range(4)] == [20, 20, 5, 0]
    assert verify(database) is None


def test_entries_of_a_transaction_that_still_runs_are_sealed_later(database):
    seal(database)
    with database.write(CALLER) as early:
        audit.record(early, "thing.create", "things/early", None, {})
        write(database, 2)
        with database.read(CALLER) as session:
            assert audit.unsealed(session) == 2
        assert seal_now(database) == 0  # `early` has the older transaction, so its entry comes first
    assert seal(database) == 3
    assert verify(database) is None


def test_writers_and_sealers_at_once_leave_a_whole_chain(database):
    from concurrent.futures import ThreadPoolExecutor

    def work(n):
        for _ in range(5):
            write(database, n + 1) if n < 4 else seal_now(database)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    seal(database)
    assert verify(database) is None
    with database.read(CALLER) as session:
        sealed = session.scalar(
            text("SELECT count(DISTINCT id) FROM (SELECT unnest(entry_ids) AS id FROM audit_block) s")
        )
        assert (sealed, audit.unsealed(session)) == (50, 0)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "'users/x'"), ("time", "time + interval '1 microsecond'"), ("action", "'thing.read'"),
        ("resource", "'things/x'"), ("request_id", "''"), ("trace_id", "'0'"), ("before", "NULL"),
        ("before", "'{}'"), ("after", "'{\"n\": 99}'"), ("digest", "sha256('x')"), ("xid", "'1'"),
    ],
)  # fmt: skip
def test_an_altered_entry_is_named(database, column, value):
    seal(database)
    write(database, 5)
    seal(database)
    assert verify(database) is None
    tamper(database, f"UPDATE audit_entry SET {column} = {value} WHERE id = 3")
    broken = verify(database)
    assert (broken.kind, broken.block, broken.entry) == (Break.ALTERED, 2, 3)
    assert str(broken) == "ALTERED entry 3, block 2"


def test_an_altered_entry_that_is_not_sealed_yet_is_named(database):
    write(database, 5)
    tamper(database, "UPDATE audit_entry SET actor = 'users/x' WHERE id = 3")
    broken = verify(database)
    assert (broken.kind, broken.block, broken.entry) == (Break.ALTERED, None, 3)


def test_a_missing_entry_is_named(database):
    write(database, 5)
    seal(database)
    tamper(database, "DELETE FROM audit_entry WHERE id = 2")
    broken = verify(database)
    assert (broken.kind, broken.block, broken.entry) == (Break.MISSING, 1, 2)


COPY_OF_ENTRY = """
INSERT INTO audit_entry (id, xid, time, actor, action, resource, request_id, trace_id, before, after, digest)
OVERRIDING SYSTEM VALUE
SELECT :id, xid, time, actor, action, resource, request_id, trace_id, before, after, digest
FROM audit_entry WHERE id = :of
"""


@pytest.mark.parametrize("new_id", [0, 1000])
def test_an_inserted_entry_is_named(database, new_id):
    seal(database)
    write(database, 5)
    seal(database)
    write(database, 1)
    seal(database)
    tamper(database, COPY_OF_ENTRY, id=new_id, of=2)
    broken = verify(database)
    assert (broken.kind, broken.entry) == (Break.INSERTED, new_id)


def test_an_entry_inserted_before_the_chain_began_is_named(database):
    write(database, 5)
    tamper(database, "DELETE FROM audit_entry WHERE id = 3")
    seal(database)
    tamper(database, COPY_OF_ENTRY, id=3, of=2)
    assert verify(database) == audit.BrokenLink(Break.INSERTED, None, 3)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_block SET digests = substr(digests, 1, 32) || digests WHERE number = 2",
        "UPDATE audit_block SET entry_ids = entry_ids[2:] WHERE number = 2",
        "UPDATE audit_block SET hash = sha256('x') WHERE number = 2",
        "UPDATE audit_block SET previous_hash = sha256('x') WHERE number = 2",
        "UPDATE audit_block SET time = time + interval '1 day' WHERE number = 2",
        "UPDATE audit_block SET floor_id = 5 WHERE number = 2",
        "DELETE FROM audit_block WHERE number = 2",
    ],
)
def test_an_altered_block_is_named(database, statement):
    for _ in range(3):
        write(database, 2)
        seal(database)
    tamper(database, statement)
    broken = verify(database)
    assert (broken.kind, broken.block) == (Break.BLOCK_ALTERED, 2)


def test_the_head_shows_a_chain_that_was_cut_off(database):
    write(database, 2)
    seal(database)
    write(database, 2)
    seal(database)
    with database.read(CALLER) as session:
        number, digest = audit.head(session)
    assert number == 2
    assert len(digest) == 64
    tamper(database, "DELETE FROM audit_entry WHERE id > 2")
    tamper(database, "DELETE FROM audit_block WHERE number = 2")
    assert verify(database) == audit.BrokenLink(Break.TRUNCATED, 2, None)
    with database.read(CALLER) as session:
        assert audit.head(session) != (number, digest)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("TRUNCATE audit_entry", audit.BrokenLink(Break.MISSING, 1, 1)),
        ("TRUNCATE audit_block", audit.BrokenLink(Break.TRUNCATED, 1, None)),
        ("TRUNCATE audit_entry, audit_block RESTART IDENTITY", audit.BrokenLink(Break.TRUNCATED, 1, None)),
        ("TRUNCATE audit_entry, audit_block, audit_tip", audit.BrokenLink(Break.TRUNCATED, 1, None)),
    ],
)
def test_a_log_that_was_emptied_is_named_also_when_another_one_was_begun(database, statement, expected):
    for _ in range(2):
        write(database, 2)
        seal(database)
    with database.write(CALLER) as session:
        session.execute(text(statement))
    assert verify(database) == expected
    for _ in range(3):
        write(database, 2)
        seal(database)
        assert verify(database).kind == expected.kind


def test_a_chain_goes_on_in_another_cluster(database):
    """After a restore from a dump, transaction ids start anew and may be lower than those of old entries."""
    seal(database)
    write(database, 5)
    seal(database)
    write(database, 5)
    with database.write(CALLER) as session:  # as if the dump came from a cluster that had counted much further
        far = "((xid::text::bigint + 1000000000000)::text)::xid8"
        session.execute(text(f"UPDATE audit_entry SET xid = {far} WHERE id > 5"))
        block = session.get(AuditBlock, 2)
        block.cluster = 1
        block.last_xid = str(int(block.last_xid) + 10**12)
        block.hash = chain.block_hash(block)
        session.execute(text("UPDATE audit_tip SET hash = :hash"), {"hash": block.hash})
    write(database, 3)
    assert seal_now(database) == 8
    write(database, 4)
    assert eventually(lambda: seal_now(database), 60) == 4
    assert verify(database) is None
    tamper(database, "DELETE FROM audit_entry WHERE id = 7")
    assert verify(database) == audit.BrokenLink(Break.MISSING, 3, 7)


def test_an_ordinary_role_may_seal(database):
    write(database, 1)
    with database.write(CALLER) as session:
        session.execute(text("DROP ROLE IF EXISTS audit_sealer"))
        session.execute(text("CREATE ROLE audit_sealer"))
        session.execute(text("GRANT ALL ON audit_entry, audit_block, audit_tip TO audit_sealer"))
        session.execute(text("SET LOCAL ROLE audit_sealer"))
        assert audit.seal(session) == 1
        session.rollback()


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=8) | st.integers() | st.floats(allow_nan=False), max_size=4)
)
def test_an_entry_about_a_new_record_is_the_one_that_any_change_leaves(after):
    origin = audit.Origin(entries.utc_text(NOON), 'users/"é\\\t', "r1", "")
    prepared = audit.prepare(origin, Change("thing.import", "things/1", None, after))
    content = (entries.canonical(after) or b"").decode()
    assert audit.NewRecords(origin, "thing.import", "things").lines(["1"], [content]) == [prepared]
