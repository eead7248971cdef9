"""What the chassis keeps of a person in a service's database: the audit log, events, answers kept for retries."""

import re
from collections.abc import Collection, Sequence
from typing import Any

import orjson
from sqlalchemy import Row, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from chassis import audit
from chassis.db import ServiceSession
from chassis.personal_data.people import Person
from chassis.personal_data.redaction import KnownPlaces, Redactor

_ENTRIES = text("""
    SELECT id, time, actor, action, resource, before, after FROM audit_entry
    WHERE action NOT LIKE '%.erase' AND action NOT LIKE '%.redact' AND (before IS NOT NULL OR after IS NOT NULL)
      AND (resource = ANY(:names)
        OR (:anywhere <> '' AND (before::text ~* :anywhere OR after::text ~* :anywhere))
        OR (:there <> '' AND resource = ANY(:places)
          AND ((before - :titles)::text ~* :there OR (after - :titles)::text ~* :there)))
    ORDER BY id
""").bindparams(bindparam("titles", type_=ARRAY(Text)))
_TITLES = ["display_name", "company_name"]
"""What a record is called does not tell of a person whose name is a part of it."""
_EVENTS = text("""
    SELECT position, subject, data FROM outbox
    WHERE (:anywhere <> '' AND data::text ~* :anywhere) OR (:there <> '' AND data::text ~* :there)
      OR subject = ANY(:names)
    ORDER BY position FOR UPDATE
""")
_REPLACE_EVENT = text("UPDATE outbox SET data = CAST(:data AS jsonb) WHERE position = :position")
_ANSWERS = text("UPDATE idempotency_claim SET response = '' WHERE encode(response, 'escape') ~* :pattern")


def audit_entries(session: ServiceSession, person: Person, names: Collection[str]) -> Sequence[Row[Any]]:
    """The audit entries with content that are about some records, or tell of the person: by a number or address
    anywhere, by name where the person is known."""
    given = {
        "names": sorted(names),
        "places": sorted(person.places),
        "titles": _TITLES,
        "anywhere": Redactor(person).pattern,
        "there": Redactor(person, names=True).pattern,
    }
    return session.execute(_ENTRIES, given).all()


def erase(session: ServiceSession, person: Person, names: Collection[str], reason: str) -> int:
    """Take a person out of all that the chassis keeps. `names`: the records that were erased.

    Returns how many audit entries lost their content. Answers kept for retries become empty ones: a retry still does
    nothing twice.
    """
    entries = [row.id for row in audit_entries(session, person, names)]
    erased = audit.erase(session, entries, reason) if entries else 0
    _redact_events(session, person, names)
    _drop_answers(session, person, names)
    return erased


def _redact_events(session: ServiceSession, person: Person, names: Collection[str]) -> None:
    places = {*names, *person.places}
    known = KnownPlaces(person, places)
    given = {"names": sorted(names), "anywhere": known.anywhere.pattern, "there": known.there.pattern}
    for row in session.execute(_EVENTS, given).all():
        data = (known.there if row.subject in places else known).value(row.data)
        if data != row.data:
            session.execute(_REPLACE_EVENT, {"position": row.position, "data": orjson.dumps(data).decode()})


def _drop_answers(session: ServiceSession, person: Person, names: Collection[str]) -> None:
    parts = [*(re.escape(name) for name in sorted(names)), *filter(None, [Redactor(person, bounded=False).pattern])]
    # PostgreSQL shows bytes beyond ASCII as octal numbers. What answers tell of the person's places is dropped by name.
    shown = [
        "".join(f"\\\\{byte:03o}" for byte in name.encode()) for name in sorted(person.names) if not name.isascii()
    ]
    told = "|".join([*shown, *(re.escape(name) for name in sorted(person.names) if name.isascii())])
    places = "|".join(re.escape(place) for place in sorted(person.places))
    if told and places:
        parts.append(rf"({places}).*({told})|({told}).*({places})")
    if parts:
        session.execute(_ANSWERS, {"pattern": "|".join(parts)})
