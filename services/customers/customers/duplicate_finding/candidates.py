"""Which stored customers to compare a customer with: few of a million, each arm of the search served by an index."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from chassis import search
from chassis.callers import Caller
from chassis.db import ServiceSession
from chassis.field_rules import may_read
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Select,
    and_,
    any_,
    func,
    literal,
    or_,
    select,
    text,
    true,
    union_all,
)

from customers.matching import LIKELY, Match, Profile, compare
from customers.matching.text import traditional
from customers.model import Contact, Customer
from customers.own_fields import ENTITY
from customers.queries import REACHABLE

MOST = 20
"""How many likely duplicates are told."""
MOST_COMPARED = 100
"""How many customers each arm of the search brings in."""
_PREFER_INDEXES = text("SET LOCAL enable_seqscan = off")
"""A small limit tempts the planner to read the table, in the hope of finding enough soon, which rare names belie."""
_AS_USUAL = text("SET LOCAL enable_seqscan TO DEFAULT")
_ALIKE = 4
"""From this length on core names may differ by a slip."""
_EVIDENCE = {
    "phones": "phones",
    "emails": "emails",
    "website": "website",
    "identity_number_index": "identity_number",
}
_ADDRESS = ("province", "city", "district", "street")
_COLUMNS = [
    Customer.__table__.c[key]
    for key in (
        "id", "kind", "display_name", "credit_code", "phones", "emails", "website", "province", "city", "district",
        "street", "identity_number_index", "owner_id", "owner_department_path",
    )
]  # fmt: skip


class Candidate(NamedTuple):
    """A customer that is likely the same, as a row with its match."""

    customer: Any
    match: Match


class Found(NamedTuple):
    """The likely duplicates that the caller sees, the most likely first, and how many others there are."""

    visible: Sequence[Candidate]
    hidden: int


def find_duplicates(session: ServiceSession, customer: Any) -> Found:
    """The likely duplicates of a customer, stored or about to be. What the caller may not read is no evidence."""
    profile = readable_profile(session.caller, customer)
    found = []
    for row, other in _profiles(session, candidate_ids(session, profile, customer.id)):
        match = compare(profile, other)
        if match.score >= LIKELY:
            found.append(Candidate(row, match))
    found.sort(key=lambda one: (-one.match.score, one.customer.id))
    seen = [one for one in found if _visible(session, one.customer)]
    return Found(seen[:MOST], len(found) - len(seen))


def candidate_ids(session: ServiceSession, profile: Profile, besides: UUID | None) -> list[UUID]:
    """The customers to compare one with, `besides` itself."""
    arms = [arm.limit(MOST_COMPARED) for arm in _arms(profile)]
    statement = union_all(*[select(arm.subquery().c.id) for arm in arms])
    session.execute(_PREFER_INDEXES)
    ids = dict.fromkeys(session.scalars(statement))
    session.execute(_AS_USUAL)
    ids.pop(besides, None)
    return list(ids)


def readable_profile(caller: Caller, row: Any, **contacts: Sequence[str]) -> Profile:
    """A customer, without what the caller's roles keep from them."""
    hidden = {key for key, field in _EVIDENCE.items() if not may_read(caller, ENTITY, field)}
    if not may_read(caller, ENTITY, "address"):
        hidden |= set(_ADDRESS)
    return Profile.of(_Veiled(row, hidden) if hidden else row, **contacts)


class _Veiled:
    """A row some of whose values are not to be seen."""

    def __init__(self, row: Any, hidden: set[str]) -> None:
        self._row, self._hidden = row, hidden

    def __getattr__(self, key: str) -> Any:
        return None if key in self._hidden else getattr(self._row, key)


def _profiles(session: ServiceSession, ids: Sequence[UUID]) -> Iterator[tuple[Any, Profile]]:
    rows = session.execute(select(*_COLUMNS).where(Customer.id == any_(literal(list(ids), ARRAY(Customer.id.type)))))
    contacts = contacts_of(session, ids) if session.caller.granted("contact.read") else {}
    for row in rows:
        phones, emails = contacts.get(row.id, ((), ()))
        yield row, readable_profile(session.caller, row, contact_phones=phones, contact_emails=emails)


def contacts_of(session: ServiceSession, ids: Sequence[UUID]) -> Mapping[UUID, tuple[list[str], list[str]]]:
    """Customer → the phone numbers and e-mail addresses of its contacts."""
    found: dict[UUID, tuple[list[str], list[str]]] = {}
    statement = select(Contact.customer_id, Contact.phones, Contact.emails).where(
        Contact.customer_id == any_(literal(list(ids), ARRAY(Customer.id.type)))
    )
    for key, phones, emails in session.execute(statement):
        known = found.setdefault(key, ([], []))
        known[0].extend(phones)
        known[1].extend(emails)
    return found


def _visible(session: ServiceSession, row: Any) -> bool:
    return REACHABLE.reaches(session, "customer.read", row.id, row.owner_id, row.owner_department_path)


def _arms(profile: Profile) -> Iterator[Select[UUID]]:
    plain = select(Customer.id)
    if profile.credit_code:
        yield plain.where(Customer.credit_code == profile.credit_code)
    yield from (_having(phone, Customer.phones.any_() == phone) for phone in profile.all_phones)
    yield from (_having(mail, Customer.emails.any_() == mail) for mail in profile.all_emails)
    if profile.company:
        yield from (_having(domain) for domain in profile.domains)
        yield from _named(profile)
    else:
        key = search.normalised(profile.name)
        if profile.identity:
            yield plain.where(Customer.identity_number_index == profile.identity)
        yield plain.where(Customer.kind == literal("PERSON", literal_execute=True), Customer.name_key == key)


def _named(profile: Profile) -> Iterator[Select[UUID]]:
    """Companies of the core name, those of the same trade first, and those with a slip in one half of it."""
    core, trade = profile.parsed.core, profile.parsed.trade
    spellings = list(dict.fromkeys((core, traditional(core))))
    for spelling in spellings:
        if trade:
            yield _with_grams(_holds(spelling), _holds(trade[0]))
        yield _with_grams(_holds(spelling))
        if len(spelling) >= _ALIKE:
            half = len(spelling) // 2
            yield _with_grams(or_(_holds(spelling[:half]), _holds(spelling[half:])), _holds(trade[0] if trade else ""))


def _having(value: str, *also: ColumnElement[bool]) -> Select[UUID]:
    return _with_grams(_holds(re.sub(r"[\W_]+", "", value.casefold())), *also)


def _with_grams(*conditions: ColumnElement[bool]) -> Select[UUID]:
    return select(Customer.id).where(and_(*conditions))


def _holds(value: str) -> ColumnElement[bool]:
    keys = search.grams(search.normalised(value))
    if not keys:
        return func.starts_with(Customer.name_key, value) if value else true()
    return Customer.grams.bool_op("@>")(literal(keys, ARRAY(Integer), literal_execute=True))
