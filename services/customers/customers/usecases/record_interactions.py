"""Record what happened with customers: what other systems tell, and what people note."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid5

import orjson
from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Denied, DomainError, Invalid
from chassis.names import make_name, new_id, parse_name
from chassis.rules import apply, refuse, required_text
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from customers.model import Contact, Customer, KnownUser, TimelineEntry, TimelineKind
from customers.queries import no_customer, reach

PERMISSION = "interaction.record"
MAX_BATCH = 500
MAX_DETAILS = 8_000
"""Characters of the details in JSON."""
CLOCK_TOLERANCE = timedelta(days=1)
"""How far the clock of another system may be ahead of ours."""
OWN_SOURCE = "customers"
SUITE_SOURCES = frozenset({OWN_SOURCE, "leads", "identity"})
"""Sources that stand for services of the suite, which nobody else may speak for."""

_KIND = re.compile(r"[A-Z][A-Z0-9_]{1,49}")
_NAMESPACE = UUID("6f0c7a52-5a0e-5d0b-9d0f-2c1b7f7f4f11")
_RULES = {
    "source": partial(required_text, maximum=50),
    "external_id": partial(required_text, maximum=500),
    "summary": partial(required_text, maximum=2_000, lines=True),
}


@dataclass(frozen=True)
class InteractionDraft:
    """Something that happened with a customer as somebody tells it, nothing judged yet."""

    customer: str
    kind: str
    source: str
    external_id: str
    actor: str
    summary: str
    details: Mapping[str, Any]
    occur_time: datetime | None


@dataclass(frozen=True)
class InteractionOutcome:
    """What came of recording an interaction: the id of its entry, or why it was refused."""

    entry_id: UUID | None = None
    created: bool = False
    refusal: DomainError | None = None


def record_interactions(session: ServiceSession, drafts: Sequence[InteractionDraft]) -> list[InteractionOutcome]:
    """Add interactions to the timelines of their customers, each judged by itself.

    One that came before, by customer, source and external id, changes nothing, whatever it says now. People may leave
    source, external id, time and actor out: it is then a note of theirs. Raises Invalid for a batch that is empty or
    too large.
    """
    if not 1 <= len(drafts) <= MAX_BATCH:
        raise Invalid("TOO_MANY", f"give from 1 to {MAX_BATCH} interactions", field="interactions")
    judged = [_judged(session, draft) for draft in drafts]
    rows = [one for one in judged if not isinstance(one, DomainError)]
    statement = select(Customer.id).where(
        Customer.id.in_({row["customer_id"] for row in rows}), reach(session, PERMISSION)
    )
    # Nobody deletes them meanwhile, and in one order for everybody, so that no two batches lock each other out.
    reached = set(session.scalars(statement.order_by(Customer.id).with_for_update(key_share=True)))
    actors = _known_actors(session, rows)
    refusals = [_refusal(one, reached, actors) for one in judged]
    stored = [one for one, refusal in zip(judged, refusals, strict=True) if refusal is None]
    created = _store(session, [one for one in stored if not isinstance(one, DomainError)])
    outcomes = []
    for one, refusal in zip(judged, refusals, strict=True):
        if refusal is not None or isinstance(one, DomainError):
            outcomes.append(InteractionOutcome(refusal=refusal))
        else:
            outcomes.append(InteractionOutcome(one["id"], created=one["id"] in created))
            created.discard(one["id"])  # a second one in the same batch is not new
    return outcomes


def _judged(session: ServiceSession, draft: InteractionDraft) -> dict[str, Any] | DomainError:
    try:
        return _row(session, draft)
    except (Invalid, Denied) as refusal:
        return refusal


def _row(session: ServiceSession, draft: InteractionDraft) -> dict[str, Any]:
    note = session.caller.user_id is not None and not draft.source and not draft.external_id
    source, external_id = (OWN_SOURCE, str(new_id())) if note else (draft.source, draft.external_id)
    stored, faults = apply(_RULES, {"source": source, "external_id": external_id, "summary": draft.summary}, str)
    refuse(faults)
    if stored["source"] in SUITE_SOURCES and not note:
        raise Invalid("RESERVED_NAME", f"{stored['source']} is a service of the suite; name yours", field="source")
    customer_id = parse_name("customers", draft.customer, field="customer")
    return {
        "id": uuid5(_NAMESPACE, "\0".join((str(customer_id), stored["source"], stored["external_id"]))),
        "customer_id": customer_id,
        "kind": _kind(draft.kind),
        "source": stored["source"],
        "resource": "" if note else stored["external_id"],
        "actor": _actor(session, draft.actor),
        "summary": stored["summary"],
        "details": _details(draft.details),
        "occur_time": _time(session, draft.occur_time),
    }


def _kind(value: str) -> str:
    if not _KIND.fullmatch(value):
        message = "a kind is a code of at most 50 capital letters, digits and _, e.g. MAIL or MEETING"
        raise Invalid("INVALID_VALUE", message, field="kind")
    if value in TimelineKind.__members__:
        raise Invalid("RESERVED_NAME", f"entries of the kind {value} are made by the suite alone", field="kind")
    return value


def _actor(session: ServiceSession, value: str) -> str:
    caller = session.caller
    if not value:
        return caller.subject
    collection = "contacts" if value.startswith("contacts/") else "users"
    parse_name(collection, value, field="actor")
    if caller.user_id is not None and collection == "users" and value != caller.subject:
        raise Denied("NOT_YOURSELF", "people record what they did themselves; leave the actor out", field="actor")
    return value


def _details(values: Mapping[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(values)) > MAX_DETAILS:
        raise Invalid("TOO_LONG", f"the details have at most {MAX_DETAILS:,} characters", field="details")
    return dict(values)


def _time(session: ServiceSession, value: datetime | None) -> datetime:
    if value is None and session.caller.user_id is not None:
        return session.now
    if value is None or value > session.now + CLOCK_TOLERANCE:
        raise Invalid("INVALID_TIME", "the time is needed, and must have passed", field="occur_time")
    return value


def _known_actors(session: ServiceSession, rows: Sequence[Mapping[str, Any]]) -> set[tuple[str, UUID | None]]:
    """Users, and contacts with their customers, of those that are named."""
    ids: dict[str, list[UUID]] = {"users": [], "contacts": []}
    for row in rows:
        collection, _, key = row["actor"].partition("/")
        if collection in ids:
            ids[collection].append(UUID(key))
    users = session.scalars(select(KnownUser.id).where(KnownUser.id.in_(ids["users"])))
    contacts = session.execute(select(Contact.id, Contact.customer_id).where(Contact.id.in_(ids["contacts"])))
    found: set[tuple[str, UUID | None]] = {(make_name("users", user), None) for user in users}
    return found | {(make_name("contacts", row.id), row.customer_id) for row in contacts}


def _refusal(
    one: Mapping[str, Any] | DomainError, reached: set[UUID], actors: set[tuple[str, UUID | None]]
) -> DomainError | None:
    if isinstance(one, DomainError):
        return one
    if one["customer_id"] not in reached:
        return no_customer()
    actor = one["actor"]
    owner = one["customer_id"] if actor.startswith("contacts/") else None
    if actor.startswith(("users/", "contacts/")) and (actor, owner) not in actors:
        return Invalid("UNKNOWN_ACTOR", f"{actor} is no user and no contact of the customer", field="actor")
    return None


def _store(session: ServiceSession, rows: Sequence[Mapping[str, Any]]) -> set[UUID]:
    """Add the entries that are new, and return their ids."""
    if not rows:
        return set()
    statement = insert(TimelineEntry).values(sorted(rows, key=lambda row: row["id"]))
    created = set(session.scalars(statement.on_conflict_do_nothing().returning(TimelineEntry.id)))
    fresh = {row["id"]: row for row in reversed(rows) if row["id"] in created}
    audit.record_all(session, [_change(row) for row in fresh.values()])
    return created


def _change(row: Mapping[str, Any]) -> audit.Change:
    after = {key: row[key] for key in ("kind", "source", "resource", "actor", "occur_time")}
    after["customer"] = make_name("customers", row["customer_id"])
    return audit.Change("interaction.record", make_name("timelineEntries", row["id"]), None, after)
