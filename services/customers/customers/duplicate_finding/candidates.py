"""Which stored customers to compare a customer with: few of a million, each arm of the search served by an index."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from chassis import search
from chassis.callers import Caller
from chassis.columns import among
from chassis.copying import integer_array
from chassis.db import ServiceSession
from chassis.field_rules import may_read
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Select,
    and_,
    func,
    literal,
    or_,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute

from customers.matching import LIKELY, Match, Profile, compare
from customers.matching.text import traditional
from customers.model import Contact, Customer
from customers.own_fields import ENTITY
from customers.queries import REACHABLE

MOST = 20
"""How many likely duplicates are told."""
MOST_COMPARED = 100
"""How many customers each arm of the search brings in."""
MOST_READ = 3_000
"""How many customers are read that hold the parts of a number or address, to see whether it is theirs. Only of an
address of a single sign at a provider that very many are with there are more."""
MOST_OF_A_PART = 20_000
"""What more customers hold is no way to look for one. A mail domain that consists of such parts is no company's own,
whatever the list of providers says."""
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
    arms = [arm.limit(MOST_COMPARED) for arm in [*_arms(profile), *_with_mail(session, profile)]]
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
    rows = session.execute(select(*_COLUMNS).where(among(Customer.id, ids)))
    contacts = contacts_of(session, ids) if session.caller.granted("contact.read") else {}
    for row in rows:
        phones, emails = contacts.get(row.id, ((), ()))
        yield row, readable_profile(session.caller, row, contact_phones=phones, contact_emails=emails)


def contacts_of(session: ServiceSession, ids: Sequence[UUID]) -> Mapping[UUID, tuple[list[str], list[str]]]:
    """Customer → the phone numbers and e-mail addresses of its contacts."""
    found: dict[UUID, tuple[list[str], list[str]]] = {}
    statement = select(Contact.customer_id, Contact.phones, Contact.emails).where(among(Contact.customer_id, ids))
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
    yield from _with_phones(profile)
    if profile.company:
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


def _with_phones(profile: Profile) -> Iterator[Select[UUID]]:
    for phone in sorted(profile.all_phones):
        if parts := _parts(phone):
            yield _having(Customer.phones, phone, parts)


def _with_mail(session: ServiceSession, profile: Profile) -> Iterator[Select[UUID]]:
    """Customers with an address, and companies with a mail domain unless very many share it."""
    mails = {mail: parts for mail in sorted(profile.all_emails) if (parts := _parts(mail))}
    domains = [_parts(domain) for domain in sorted(profile.domains) if profile.company]
    crowds = _crowds(session, [*mails.values(), *domains])
    # To look common parts up wherever there is a rare one costs more than to read what has the rare ones only.
    for mail, parts in mails.items():
        rarest = min(parts, key=lambda part: crowds.get(part, 0))
        yield _having(Customer.emails, mail, [part for part in parts if part not in crowds] or [rarest])
    for parts in domains:
        if rare := [part for part in parts if part not in crowds]:
            yield _with_grams(_hold(rare))


def _having(column: InstrumentedAttribute[list[str]], value: str, parts: Sequence[int]) -> Select[UUID]:
    """Customers with a number or address, looked for among so many that hold its parts as are read in no time."""
    held = select(Customer.id, column.label("values")).where(_hold(parts)).limit(MOST_READ).subquery()
    return select(held.c.id).where(held.c["values"].any_() == value)


def _crowds(session: ServiceSession, texts: Sequence[Sequence[int]]) -> dict[int, float]:
    """Those of the parts of texts that very many customers hold, with how many. What many hold is among what the
    planner's statistics know; to count would take as long as to look."""
    parts = sorted({part for text_parts in texts for part in text_parts})
    if not parts:
        return {}
    given = {"parts": integer_array(parts), "most": MOST_OF_A_PART}
    return {row.part: row.holders for row in session.execute(_CROWDS, given)}


_CROWDS = text(
    """
    SELECT common.part, common.share * reltuples AS holders
    FROM pg_stats, pg_class,
      unnest(CAST(CAST(most_common_elems AS text) AS integer[]), most_common_elem_freqs) AS common (part, share)
    WHERE schemaname = current_schema() AND tablename = 'customer' AND attname = 'grams'
      AND pg_class.oid = CAST('customer' AS regclass)
      AND common.part = ANY (CAST(:parts AS integer[])) AND common.share * reltuples > :most
    """
)


def _parts(value: str) -> list[int]:
    """What whoever has a number or address holds; nothing of one that is too short to be any."""
    return search.grams(re.sub(r"[\W_]+", "", value.casefold()))


def _with_grams(*conditions: ColumnElement[bool]) -> Select[UUID]:
    return select(Customer.id).where(and_(*conditions))


def _holds(value: str) -> ColumnElement[bool]:
    keys = search.grams(search.normalised(value))
    if not keys:
        return func.starts_with(Customer.name_key, value) if value else true()
    return _hold(keys)


def _hold(parts: Sequence[int]) -> ColumnElement[bool]:
    return Customer.grams.bool_op("@>")(literal(list(parts), ARRAY(Integer), literal_execute=True))
