"""What this service holds about people: persons among the customers, contacts, and what texts say of them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Invalid, NotFound
from chassis.personal_data import Finding, FreeText, Person, PersonalData, Redactor, deleted, former
from sqlalchemy import ColumnElement, Select, Text, cast, func, literal, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import ARRAY

from customers.findings import PURCHASE, Human, entry_values, finding, purchase_values
from customers.model import (
    Contact,
    Customer,
    CustomerKind,
    PoolAllocation,
    RecycleExtension,
    TimelineEntry,
    TimelineKind,
)
from customers.model.duplicates import CustomerMerge, MergedCustomer
from customers.model.identity_numbers import PURPOSE
from customers.model.pools import HoldingChange
from customers.model.purchases import Purchase
from customers.model.relations import CustomerRelation
from customers.model.tiers import ClassificationChange, TierLock
from customers.usecases.erase_person import MERGE, TIMELINE, erase_person

_OWNERS = ("owner", "previous_owner")
"""What details of a change of hands call the owners, whom its summary names."""


def describe(session: ServiceSession, person: Person) -> Person:
    """Whom this service takes for a person, and what it knows the person by."""
    _refuse_companies(session, person.ids("customers"))
    _refuse_missing(session, person)
    found = list(_humans(session, person))
    known = Person().merged(*(_known(session, human) for human in found))
    known = known.merged(deleted.known(session, person), _gone(session, known), former(session, known.records))
    companies = {f"customers/{human.customer_id}" for human in found if isinstance(human, Contact)}
    shared = _shared(session, known, found)
    return Person(
        records=known.records,
        places=frozenset(companies) - known.records,
        names=known.names,
        phones=known.phones - shared,
        emails=known.emails - shared,
        wechats=known.wechats,
        identity_numbers=known.identity_numbers,
        usernames=known.usernames,
    )


def find(session: ServiceSession, person: Person) -> Sequence[Finding]:
    """All that tells of a person."""
    return [
        *(finding(session, human) for human in _humans(session, person)),
        *_timeline(session, person),
        *_purchases(session, person),
        *_merges(session, person),
    ]


def _named(collection: str, key: Any) -> ColumnElement[str]:
    return literal(f"{collection}/") + cast(key, Text)


PERSONAL_DATA = PersonalData(
    service="customers",
    describe=describe,
    find=find,
    erase=erase_person,
    texts=(
        FreeText(Customer.remark, place=_named("customers", Customer.id)),
        FreeText(Customer.custom, place=_named("customers", Customer.id)),
        FreeText(Contact.remark, place=_named("customers", Contact.customer_id)),
        FreeText(Contact.custom, place=_named("customers", Contact.customer_id)),
        FreeText(HoldingChange.note, place=_named("customers", HoldingChange.customer_id)),
        FreeText(CustomerRelation.remark, place=_named("customers", CustomerRelation.from_id)),
        FreeText(TierLock.reason, place=_named("customers", TierLock.customer_id)),
        FreeText(ClassificationChange.reason, place=_named("customers", ClassificationChange.customer_id)),
        FreeText(RecycleExtension.reason, place=_named("customers", RecycleExtension.customer_id)),
        FreeText(RecycleExtension.note, place=_named("customers", RecycleExtension.customer_id)),
        FreeText(PoolAllocation.note),
        FreeText(PoolAllocation.options),
    ),
    collections=frozenset({"customers", "contacts"}),
)


def _refuse_companies(session: ServiceSession, ids: Iterable[UUID]) -> None:
    companies = select(Customer.id).where(Customer.id.in_(ids), Customer.kind == CustomerKind.COMPANY)
    if session.scalar(companies) is not None:
        message = "a company is no person; name one of its contacts"
        raise Invalid("SUBJECT_NOT_A_PERSON", message, field="subject")


def _refuse_missing(session: ServiceSession, person: Person) -> None:
    for collection, entity in (("customers", Customer), ("contacts", Contact)):
        ids = person.ids(collection)
        there = set(session.scalars(select(entity.id).where(entity.id.in_(ids))))
        there |= deleted.ids(session, collection, ids)
        if ids - there:
            raise NotFound("PERSON_NOT_FOUND", "there is no such record", field="subject")


def _humans(session: ServiceSession, person: Person) -> Iterator[Human]:
    """The customers and contacts that are the person, each once, in the order of their ids."""
    digests = _digests(session, person)
    kinds: tuple[tuple[type[Human], str], ...] = ((Customer, "customers"), (Contact, "contacts"))
    for entity, collection in kinds:
        ids, sharing = person.ids(collection), _sharing(entity, person)
        same = or_(entity.id.in_(ids), entity.identity_number_index.in_(digests), *sharing)
        statement: Select[Any] = select(entity).where(same).order_by(entity.id)
        if entity is Customer:
            statement = statement.where(Customer.kind == CustomerKind.PERSON)
        for human in session.scalars(statement):
            sure = human.id in ids or human.identity_number_index in digests
            if sure or person.bears(human.display_name):
                yield human


def _sharing(entity: type[Customer] | type[Contact], person: Person) -> list[ColumnElement[bool]]:
    columns = ((entity.phones, person.phones), (entity.emails, person.emails))
    return [type_coerce(column, ARRAY(Text)).overlap(sorted(values)) for column, values in columns if values]


def _digests(session: ServiceSession, person: Person) -> list[bytes]:
    numbers = person.identity_numbers
    return [digest for number in numbers for digest in session.data_keys.blind_indexes(number, PURPOSE)]


def _known(session: ServiceSession, human: Human) -> Person:
    number = human.identity_number(session.data_keys)
    wechat = human.wechat if isinstance(human, Contact) else None
    return Person(
        records=frozenset({human.name}),
        names=frozenset({human.display_name}),
        phones=frozenset(human.phones),
        emails=frozenset(human.emails),
        wechats=frozenset({wechat} if wechat else ()),
        identity_numbers=frozenset({number} if number else ()),
    )


def _shared(session: ServiceSession, known: Person, own: Sequence[Human]) -> set[str]:
    """Numbers and addresses that others bear as well, such as a company's switchboard: they do not tell the person."""
    ids = [human.id for human in own]
    shared: set[str] = set()
    for entity in (Customer, Contact):
        sharing = _sharing(entity, known)
        if sharing:
            others = select(entity.display_name, entity.phones, entity.emails)
            rows = session.execute(others.where(or_(*sharing), entity.id.not_in(ids)))
            # Under the same name it is the person once more, as a customer and as a contact.
            strangers = [row for row in rows if not known.bears(row.display_name)]
            shared |= set(chain.from_iterable(chain(row.phones, row.emails) for row in strangers))
    return shared


def _gone(session: ServiceSession, known: Person) -> Person:
    """The records that became one with the person's."""
    merged = select(MergedCustomer.id).where(MergedCustomer.customer_id.in_(known.ids("customers")))
    return Person(records=frozenset(f"customers/{key}" for key in session.scalars(merged)))


def _timeline(session: ServiceSession, person: Person) -> Iterator[Finding]:
    """What happened with the person, and what elsewhere names the person."""
    anywhere, there = Redactor(person), Redactor(person, names=True)
    own, places = person.ids("customers"), person.place_ids("customers")
    text = func.concat(TimelineEntry.summary, " ", TimelineEntry.resource, " ", cast(TimelineEntry.details, Text))
    matches: list[ColumnElement[bool]] = [TimelineEntry.customer_id.in_(own), *_held_by(person)]
    matches += [text.regexp_match(anywhere.pattern, "i")] if anywhere.pattern else []
    if there.pattern:
        matches.append(TimelineEntry.customer_id.in_(places) & text.regexp_match(there.pattern, "i"))
    for entry in session.scalars(select(TimelineEntry).where(or_(*matches)).order_by(TimelineEntry.id)):
        yield Finding(
            kind=TIMELINE,
            name=f"timelineEntries/{entry.id}",
            values=entry_values(entry),
            about=person.records if entry.customer_id in places or _names_user(entry, person) else frozenset(),
            marks=frozenset(mark for mark in person.marks if _mentions(person.only(mark), entry)),
        )


def _held_by(person: Person) -> list[ColumnElement[bool]]:
    """Entries that name a user as the owner of a customer, or the former one."""
    users = sorted(f"users/{key}" for key in person.ids("users"))
    changed = TimelineEntry.kind == TimelineKind.OWNER_CHANGED
    return [changed & TimelineEntry.details[key].astext.in_(users) for key in _OWNERS] if users else []


def _names_user(entry: TimelineEntry, person: Person) -> bool:
    return not person.records.isdisjoint(str(entry.details.get(key)) for key in _OWNERS)


def _mentions(person: Person, entry: TimelineEntry) -> bool:
    redactor = Redactor(person)
    return any(redactor.mentions(text) for text in (entry.summary, entry.resource)) or (
        redactor.value(entry.details) != entry.details
    )


def _purchases(session: ServiceSession, person: Person) -> Iterator[Finding]:
    """What the person bought, which is kept as the law demands of accounting records: it names nobody."""
    own = select(Purchase).where(Purchase.customer_id.in_(person.ids("customers"))).order_by(Purchase.id)
    for purchase in session.scalars(own):
        yield Finding(PURCHASE, f"purchases/{purchase.id}", purchase_values(purchase), person.records, retained=True)


def _merges(session: ServiceSession, person: Person) -> Iterator[Finding]:
    """What is kept to take merges back and tells of the person."""
    redactor, own = Redactor(person), person.ids("customers")
    written = cast(CustomerMerge.snapshot, Text)
    same: list[ColumnElement[bool]] = [CustomerMerge.customer_id.in_(own), CustomerMerge.other_ids.overlap(list(own))]
    same += [written.regexp_match(redactor.pattern, "i")] if redactor.pattern else []
    same += [written.contains(str(key)) for key in sorted(person.ids("contacts"))]
    kept = select(CustomerMerge).where(CustomerMerge.snapshot.is_not(None), or_(*same)).order_by(CustomerMerge.id)
    for merge in session.scalars(kept):
        yield Finding(MERGE, merge.name, {"snapshot": merge.snapshot}, person.records, person.marks, whole=False)
