"""What is erased from the audit log is gone, and the chain still proves that nothing else was touched."""

import dataclasses
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from chassis import audit
from chassis.audit import AuditEntry, Break, BrokenLink, Change, Progress, chain, erasure
from chassis.clock import FixedClock
from chassis.db import Database
from chassis.errors import Conflict, Invalid, NotFound
from chassis.testing import eventually, make_caller
from chassis.testing.audit import begin_anew
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

NOON = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
CALLER = make_caller(user_id=UUID(int=7))
SECRET = "+8613800138000"


@pytest.fixture(scope="module")
def shared(make_database):
    database = Database("things", make_database("things"), clock=FixedClock(NOON))
    yield database
    database.dispose()


@pytest.fixture
def database(shared):
    """Six entries, three with content on both sides, and the chain over them."""
    with shared.write(CALLER) as session:
        begin_anew(session)
        seen = {"phone": SECRET}
        changes = [Change("thing.update", f"things/{n}", seen, {**seen, "n": n}) for n in range(3)]
        changes += [Change("thing.create", "things/9", None, seen), Change("thing.delete", "things/9", seen, None)]
        audit.record_all(session, [*changes, Change("thing.look", "things/9", None, None)])
    seal(shared)
    return shared


def seal(database):
    def final():
        with database.read(CALLER) as session:
            late = "SELECT count(*) FROM audit_entry WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())"
            return not session.scalar(text(late))

    eventually(final, 180)
    with database.write(CALLER) as session:
        return audit.seal(session)


def erase(database, *ids, reason="request 17"):
    with database.write(CALLER, request_id="e1") as session:
        return audit.erase(session, ids, reason)


def check(database):
    with database.read(CALLER) as session:
        return audit.verify_from(session, Progress())


def tamper(database, statement, **parameters):
    with database.write(CALLER) as session:
        assert session.execute(text(statement), parameters).rowcount


def dump(database):
    with database.read(CALLER) as session:
        return "\n".join(session.scalars(text("SELECT audit_entry::text FROM audit_entry ORDER BY id")))


@pytest.mark.parametrize("sealed", [True, False])
def test_erased_content_is_gone_and_the_chain_is_whole(database, sealed):
    assert SECRET in dump(database)
    assert erase(database, 1, 2, 3, 4, 5, 6) == 5
    if sealed:
        seal(database)
    found = check(database)
    assert (found.broken, found.complete) == (None, True)
    assert found.progress.erased == 5
    assert SECRET not in dump(database)


def test_entries_can_be_erased_before_they_are_sealed(database):
    with database.write(CALLER) as session:
        audit.record(session, "thing.create", "things/10", None, {"phone": SECRET})
    assert erase(database, 7) == 1
    found = check(database)
    assert (found.broken, found.progress.tail_entries, found.progress.tail_erased) == (None, 2, 1)
    seal(database)
    found = check(database)
    assert (found.broken, found.progress.entries, found.progress.erased) == (None, 8, 1)


def test_the_record_says_who_erased_what_and_why(database):
    erase(database, 2, 4)
    with database.read(CALLER) as session:
        record = session.scalars(select(AuditEntry).where(AuditEntry.action == "audit.erase")).one()
        kept = session.scalars(select(AuditEntry).where(AuditEntry.id.in_([2, 4])).order_by(AuditEntry.id)).all()
    assert (record.actor, record.request_id, record.before) == (CALLER.subject, "e1", None)
    assert record.after["reason"] == "request 17"
    assert [(entry["id"], entry["digest"]) for entry in record.after["entries"]] == [
        (entry.id, entry.digest.hex()) for entry in kept
    ]
    tombstone = {"erased": record.resource}
    assert [(entry.before, entry.after) for entry in kept] == [(tombstone, tombstone), (None, tombstone)]
    assert kept[0].resource == "things/1"


def test_erasing_again_changes_nothing(database):
    assert erase(database, 1) == 1
    before = dump(database)
    assert erase(database, 1, 6) == 0
    assert dump(database) == before


def test_many_entries_are_erased_by_several_records(database, monkeypatch):
    monkeypatch.setattr(erasure, "RECORD_SIZE", 2)
    assert erase(database, 1, 2, 3, 4, 5) == 5
    with database.read(CALLER) as session:
        records = session.scalars(select(AuditEntry).where(AuditEntry.action == "audit.erase")).all()
    assert [len(record.after["entries"]) for record in records] == [2, 2, 1]
    assert check(database).broken is None


def test_what_cannot_be_erased_is_refused_with_a_reason(database):
    with pytest.raises(Invalid, match="why") as refused:
        erase(database, 1, reason="  ")
    assert refused.value.reason == "MISSING_REASON"
    with pytest.raises(NotFound) as refused:
        erase(database, 1, 99)
    assert (refused.value.reason, refused.value.details["entry"]) == ("AUDIT_ENTRY_NOT_FOUND", "99")
    erase(database, 1)
    with pytest.raises(Conflict) as refused:
        erase(database, 7)
    assert refused.value.reason == "ERASURE_RECORD"
    assert SECRET in dump(database)


def test_erasing_hides_no_alteration(database):
    tamper(database, "UPDATE audit_entry SET after = '{}' WHERE id = 2")
    with pytest.raises(Conflict) as refused:
        erase(database, 1, 2)
    assert refused.value.reason == "AUDIT_ENTRY_ALTERED"
    assert check(database).broken == BrokenLink(Break.ALTERED, 1, 2)


@pytest.mark.parametrize(
    "alteration",
    [
        'after = \'{"erased": "auditErasures/x"}\'',
        "after = NULL",
        "before = '{\"erased\": 1}'",
        "after = (SELECT after FROM audit_entry WHERE id = 1), before = (SELECT before FROM audit_entry WHERE id = 1)",
    ],
    ids=["unknown erasure", "no tombstone", "no erasure", "another's tombstone"],
)
def test_an_alteration_without_a_record_is_found(database, alteration):
    erase(database, 1)
    seal(database)
    tamper(database, f"UPDATE audit_entry SET {alteration} WHERE id = 3")
    assert check(database).broken == BrokenLink(Break.ALTERED, 1, 3)


@pytest.mark.parametrize(
    "alteration",
    ["actor = 'users/x'", "action = 'thing.read'", "resource = 'things/x'", "time = time + interval '1 s'",
     "after = NULL", "after = '{\"n\": 1}'", "digest = sha256('x')"],
)  # fmt: skip
def test_an_erased_entry_is_guarded_like_any_other(database, alteration):
    erase(database, 2)
    seal(database)
    tamper(database, f"UPDATE audit_entry SET {alteration} WHERE id = 2")
    assert check(database).broken == BrokenLink(Break.ALTERED, 1, 2)


def forged(database, target):
    """The content of a record that would cover what was done to an entry."""
    with database.read(CALLER) as session:
        row = session.execute(erasure._LOCKED, {"ids": [target]}).one()
        entry = {"id": row.id, "digest": row.digest.hex(), "erased_digest": erasure.recomputed(row).hex()}
        record = session.scalars(select(AuditEntry).where(AuditEntry.action == "audit.erase")).one()
    return record, {**record.after, "entries": [*record.after["entries"], entry]}


def test_a_forged_record_breaks_the_chain_where_it_stands(database):
    """Whoever adds an entry to a sealed record covers up the alteration, and is found at the record."""
    erase(database, 1)
    seal(database)
    copied = (
        "after = (SELECT after FROM audit_entry WHERE id = 1), before = (SELECT before FROM audit_entry WHERE id = 1)"
    )
    tamper(database, f"UPDATE audit_entry SET {copied} WHERE id = 3")
    record, content = forged(database, 3)
    tamper(database, "UPDATE audit_entry SET after = CAST(:after AS jsonb) WHERE id = 7", after=json.dumps(content))
    assert check(database).broken == BrokenLink(Break.ALTERED, 1, 1)  # a record that is not itself whole covers nothing
    head = (audit.entries.utc_text(NOON), record.actor, record.action, record.resource, record.request_id, "")
    good = audit.entries.digest(head, None, audit.entries.canonical(content))
    tamper(database, "UPDATE audit_entry SET digest = :digest, trace_id = '' WHERE id = 7", digest=good)
    assert check(database).broken == BrokenLink(Break.ALTERED, 2, 7)


def test_a_record_slipped_in_where_the_order_is_sealed_is_found(database):
    erase(database, 1)
    seal(database)
    erase(database, 2)
    seal(database)
    tamper(
        database,
        "INSERT INTO audit_entry (id, xid, time, actor, action, resource, request_id, trace_id, before, after, digest)"
        " OVERRIDING SYSTEM VALUE SELECT 1000, xid, time, actor, action, resource, request_id, trace_id, before, after,"
        " digest FROM audit_entry WHERE id = 7",
    )
    assert check(database).broken == BrokenLink(Break.INSERTED, None, 1000)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    erased=st.lists(st.lists(st.integers(1, 12), max_size=6), max_size=4),
    sealed=st.lists(st.booleans(), min_size=4, max_size=4),
    touched=st.integers(1, 12),
)
def test_whatever_is_erased_the_rest_stays_proven(shared, erased, sealed, touched):
    with shared.write(CALLER) as session:
        begin_anew(session)
        audit.record_all(session, [Change("thing.update", f"things/{n}", {"n": n}, {"n": SECRET}) for n in range(12)])
    for ids, now in zip(erased, sealed, strict=False):
        erase(shared, *ids)
        if now:
            seal(shared)
    found = check(shared)
    gone = {each for ids in erased for each in ids}
    assert found.broken is None
    assert found.progress.erased + found.progress.tail_erased == len(gone)
    assert dump(shared).count(SECRET) == 12 - len(gone)
    tamper(shared, "UPDATE audit_entry SET actor = 'users/x' WHERE id = :id", id=touched)
    assert (check(shared).broken.kind, check(shared).broken.entry) == (Break.ALTERED, touched)


def test_a_check_goes_on_where_it_stopped(database, monkeypatch):
    monkeypatch.setattr(chain, "BLOCK_SIZE", 10)
    with database.write(CALLER) as session:
        audit.record_all(session, [Change("thing.update", f"things/{n}", {"n": n}, None) for n in range(60)])
    seal(database)
    erase(database, 20, 30)
    progress, steps = Progress(), []
    while True:
        with database.read(CALLER) as session:
            found = audit.verify_from(session, progress, seconds=0)
        progress = found.progress
        steps.append(dataclasses.astuple(progress))
        if found.complete:
            break
        if len(steps) == 3:  # what is written and sealed meanwhile is checked as well
            with database.write(CALLER) as session:
                audit.record_all(session, [Change("thing.create", f"things/{n}", None, {}) for n in range(25)])
    assert found.broken is None
    assert len(set(steps)) == len(steps) - 1  # the last step finds that nothing is left
    assert (progress.entries, progress.erased, progress.tail_entries) == (66, 2, 26)
    seal(database)
    with database.read(CALLER) as session:
        found = audit.verify_from(session, progress)
    assert (found.progress.entries, found.progress.erased, found.progress.tail_entries) == (92, 2, 0)
    assert found == check(database)


def test_a_chain_cut_off_between_two_steps_is_found(database):
    erase(database, 1)
    seal(database)
    progress = check(database).progress
    tamper(database, "DELETE FROM audit_block WHERE number = 2")
    with database.read(CALLER) as session:
        assert audit.verify_from(session, progress).broken == BrokenLink(Break.BLOCK_ALTERED, 2, None)
