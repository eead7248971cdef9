"""What the chassis keeps of a person in a service's database: the audit log, events, answers kept for retries."""

import re
from collections.abc import Collection, Sequence
from typing import Any

import orjson
from sqlalchemy import Row, text

from chassis import audit
from chassis.db import ServiceSession
from chassis.personal_data.people import Person
from chassis.personal_data.redaction import Redactor

_ENTRIES = text("""
    SELECT id, time, actor, action, resource, before, after FROM audit_entry
    WHERE action NOT LIKE '%.erase' AND action NOT LIKE '%.redact' AND (before IS NOT NULL OR after IS NOT NULL)
      AND (resource = ANY(:names) OR (:pattern <> '' AND (before::text ~* :pattern OR after::text ~* :pattern)))
    ORDER BY id
""")
_EVENTS = text("""
    SELECT position, subject, data FROM outbox
    WHERE subject = ANY(:names) OR (:pattern <> '' AND data::text ~* :pattern) ORDER BY position FOR UPDATE
""")
_REPLACE_EVENT = text("UPDATE outbox SET data = CAST(:data AS jsonb) WHERE position = :position")
_ANSWERS = text("UPDATE idempotency_claim SET response = '' WHERE encode(response, 'escape') ~* :pattern")


def audit_entries(session: ServiceSession, names: Collection[str], redactor: Redactor) -> Sequence[Row[Any]]:
    """The audit entries with content that are about some records, or tell of the person."""
    return session.execute(_ENTRIES, {"names": sorted(names), "pattern": redactor.pattern}).all()


def erase(session: ServiceSession, person: Person, names: Collection[str], reason: str) -> int:
    """Take a person out of all that the chassis keeps. `names`: the records that were erased.

    Returns how many audit entries lost their content. Numbers and addresses are looked for everywhere, names only in
    what is about these records. Answers kept for retries become empty ones: a retry still does nothing twice.
    """
    everywhere, about = Redactor(person), Redactor(person, names=True)
    entries = [row.id for row in audit_entries(session, names, everywhere)]
    erased = audit.erase(session, entries, reason) if entries else 0
    for row in session.execute(_EVENTS, {"names": sorted(names), "pattern": everywhere.pattern}).all():
        redactor = about if row.subject in names else everywhere
        data = redactor.value(row.data)
        if data != row.data:
            session.execute(_REPLACE_EVENT, {"position": row.position, "data": orjson.dumps(data).decode()})
    parts = [*(re.escape(name) for name in sorted(names)), *filter(None, [everywhere.pattern])]
    if parts:
        session.execute(_ANSWERS, {"pattern": "|".join(parts)})
    return erased
